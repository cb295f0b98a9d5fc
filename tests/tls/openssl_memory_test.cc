#include "tls/openssl_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tests/tls/pair.h"

namespace sealift::tls {
namespace {

// Before main, and so before anything here has used OpenSSL.
const bool kInstalled = OpenSslMemory::Install();

TEST(OpenSslMemoryTest, ABlockHoldsWhatWasAskedFor) {
  for (const size_t bytes : {1, 32, 33, 2048, 2049, 9000, 16'709, 18'432, 18'433, 200'000}) {
    for (int round = 0; round < 3; ++round) {
      void* const block = OpenSslMemory::Allocate(bytes);
      std::memset(block, 0xab, bytes);
      OpenSslMemory::Free(block);
    }
  }
  EXPECT_EQ(OpenSslMemory::Allocate(0), nullptr);
  EXPECT_EQ(OpenSslMemory::Allocate(SIZE_MAX), nullptr);
  OpenSslMemory::Free(nullptr);
}

TEST(OpenSslMemoryTest, ABlockKeepsItsContentAsItGrows) {
  void* block = nullptr;
  for (const size_t bytes : {5, 40, 3000, 17'000, 50'000}) {
    block = OpenSslMemory::Resize(block, bytes);
    if (bytes == 5) std::memcpy(block, "small", 5);
    EXPECT_EQ(std::string(static_cast<const char*>(block), 5), "small");
  }
  EXPECT_EQ(OpenSslMemory::Resize(block, 0), nullptr);  // frees it: the leak sanitizer would tell
}

TEST(OpenSslMemoryTest, IdleBlocksAreBounded) {
  const size_t before = OpenSslMemory::IdleBlocks();
  std::vector<void*> small, records;
  for (int i = 0; i < 1000; ++i) {
    small.push_back(OpenSslMemory::Allocate(100));
    records.push_back(OpenSslMemory::Allocate(16'709));
  }
  for (void* const block : small) OpenSslMemory::Free(block);
  for (void* const block : records) OpenSslMemory::Free(block);
  EXPECT_LE(OpenSslMemory::IdleBlocks(), before + OpenSslMemory::kIdleBlocksMax + OpenSslMemory::kIdleRecordsMax);
}

TEST(OpenSslMemoryTest, ABlockFreedElsewhereStaysThere) {
  void* const block = OpenSslMemory::Allocate(1500);
  std::thread other([block] {
    EXPECT_EQ(OpenSslMemory::IdleBlocks(), 0u);
    OpenSslMemory::Free(block);
    EXPECT_EQ(OpenSslMemory::IdleBlocks(), 1u);
  });
  other.join();  // frees it
}

TEST(OpenSslMemoryDeathTest, ABlockFreedTwiceEndsTheProcess) {
  const auto free_twice = [] {
    void* const block = OpenSslMemory::Allocate(100);
    OpenSslMemory::Free(block);
    OpenSslMemory::Free(block);
  };
  EXPECT_DEATH(free_twice(), "");
}

TEST(OpenSslMemoryTest, MessagesTakeNothingFromTheHeap) {
  if (!kInstalled) GTEST_SKIP() << "a sanitizer watches OpenSSL's own allocations";
  const std::shared_ptr<ClientContext> context = MakeClient();
  const std::shared_ptr<ServerContext> server = MakeServer();
  std::vector<std::unique_ptr<Pair>> pairs;  // many connections share the blocks of few
  for (int i = 0; i < 40; ++i) {
    pairs.push_back(std::make_unique<Pair>(context, Channel::ClientOptions{}, server));
    pairs.back()->Handshake();
    ASSERT_TRUE(pairs.back()->done());
    Send(*pairs.back()->server, *pairs.back()->client, "250 the tickets came along");
  }
  const std::string message(40'000, 'm');
  const auto send_all = [&] {
    for (const std::unique_ptr<Pair>& pair : pairs) {
      EXPECT_EQ(Send(*pair->client, *pair->server, message), message);
      EXPECT_EQ(Send(*pair->server, *pair->client, "250 OK\r\n"), "250 OK\r\n");
    }
  };
  send_all();
  const size_t before = OpenSslMemory::TakenFromHeap();
  send_all();
  EXPECT_EQ(OpenSslMemory::TakenFromHeap(), before);
}

}  // namespace
}  // namespace sealift::tls
