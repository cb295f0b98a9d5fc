#include "engine/runtime/frame_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

namespace sealift::engine {
namespace {

TEST(FramePoolTest, AFreedBlockIsTheNextOneOfItsSize) {
  void* first = FramePool::Allocate(200);
  FramePool::Free(first, 200);
  void* second = FramePool::Allocate(220);  // the same class: 193 to 256
  EXPECT_EQ(first, second);
  FramePool::Free(second, 220);
}

TEST(FramePoolTest, ABlockHoldsWhatWasAskedFor) {
  for (const size_t bytes : {1, 64, 65, 128, 4095, 4096, 4097, 100'000}) {
    for (int round = 0; round < 3; ++round) {
      void* block = FramePool::Allocate(bytes);
      std::memset(block, 0xab, bytes);
      FramePool::Free(block, bytes);
    }
  }
}

TEST(FramePoolTest, LargeFramesAreNotKept) {
  const size_t before = FramePool::IdleBlocks();
  FramePool::Free(FramePool::Allocate(1 << 20), 1 << 20);
  EXPECT_EQ(FramePool::IdleBlocks(), before);
}

TEST(FramePoolTest, ABlockFreedElsewhereStaysThere) {
  const size_t before = FramePool::IdleBlocks();
  void* block = FramePool::Allocate(3000);
  std::thread other([block] {
    EXPECT_EQ(FramePool::IdleBlocks(), 0u);
    FramePool::Free(block, 3000);
    EXPECT_EQ(FramePool::IdleBlocks(), 1u);
  });
  other.join();  // frees it: the leak sanitizer would tell
  EXPECT_LE(FramePool::IdleBlocks(), before);
}

}  // namespace
}  // namespace sealift::engine
