#include "queue/siphash.h"

#include <string>

#include "gtest/gtest.h"

namespace sealift::queue {
namespace {

// Key 00..0f and input 00, 01, ... of the reference implementation (github.com/veorq/SipHash, vectors.h).
constexpr SipKey kKey = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

std::string Input(size_t size) {
  std::string input;
  for (size_t i = 0; i < size; ++i) input.push_back(static_cast<char>(i));
  return input;
}

TEST(SipHashTest, MatchesTheReferenceVectors) {
  EXPECT_EQ(SipHash64(kKey, Input(0)), 0x726fdb47dd0e0e31u);
  EXPECT_EQ(SipHash64(kKey, Input(1)), 0x74f839c593dc67fdu);
  EXPECT_EQ(SipHash64(kKey, Input(15)), 0xa129ca6149be45e5u);  // the paper's appendix
}

TEST(SipHashTest, TheWideHashMatchesTheReferenceVectors) {
  const auto empty = SipHash128(kKey, Input(0));
  EXPECT_EQ(empty[0], 0xe6a825ba047f81a3u);
  EXPECT_EQ(empty[1], 0x930255c71472f66du);
}

TEST(SipHashTest, AnotherKeyIsAnotherHash) {
  EXPECT_NE(SipHash64(kKey, "d1.test"), SipHash64({1, 2}, "d1.test"));
  EXPECT_NE(SipHash128(kKey, "d1.test"), SipHash128({1, 2}, "d1.test"));
}

}  // namespace
}  // namespace sealift::queue
