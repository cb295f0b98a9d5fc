#include "engine/spare_buffers.h"

#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

TEST(SpareBuffersTest, WhatWasGivenLastIsTakenFirstAndEmpty) {
  SpareBuffers spare;
  std::string first(1000, 'a'), second(1000, 'b');
  const char* const memory = second.data();
  spare.Give(std::move(first));
  spare.Give(std::move(second));
  const std::string taken = spare.Take();
  EXPECT_TRUE(taken.empty());
  EXPECT_GE(taken.capacity(), 1000u);
  EXPECT_EQ(taken.data(), memory);
}

TEST(SpareBuffersTest, ThereIsAlwaysOne) {
  SpareBuffers spare;
  EXPECT_TRUE(spare.Take().empty());
  spare.Give({});
  EXPECT_EQ(spare.bytes(), 0u);
}

TEST(SpareBuffersTest, WhatIsKeptIsBounded) {
  SpareBuffers spare;
  spare.Give(std::string(SpareBuffers::kBufferMax + 1, 'm'));
  EXPECT_EQ(spare.bytes(), 0u);
  for (size_t given = 0; given < 2 * SpareBuffers::kBytesMax; given += 10'000) spare.Give(std::string(10'000, 'm'));
  EXPECT_LE(spare.bytes(), SpareBuffers::kBytesMax);
  EXPECT_GT(spare.bytes(), SpareBuffers::kBytesMax / 2);
}

}  // namespace
}  // namespace sealift::engine
