#include "queue/wire.h"

#include <limits>

#include "gtest/gtest.h"

namespace sealift::queue {
namespace {

TEST(WireTest, WhatIsPutIsRead) {
  std::string bytes;
  PutFixed32(0xdeadbeef, &bytes);
  PutFixed64(0x0123456789abcdef, &bytes);
  for (const uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, std::numeric_limits<uint64_t>::max()}) {
    PutVarint(value, &bytes);
  }
  for (const int64_t value : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min()}) PutSigned(value, &bytes);
  PutBytes("text", &bytes);
  const absl::Time time = absl::FromUnixMillis(1'700'000'000'123);
  for (const absl::Time each : {absl::InfinitePast(), absl::InfiniteFuture(), time, absl::UnixEpoch()}) {
    PutTime(each, &bytes);
  }
  WireReader in(bytes);
  EXPECT_EQ(in.ReadFixed32(), 0xdeadbeef);
  EXPECT_EQ(in.ReadFixed64(), 0x0123456789abcdefu);
  EXPECT_EQ(in.Varint(), 0u);
  EXPECT_EQ(in.Varint(), 127u);
  EXPECT_EQ(in.Varint(), 128u);
  EXPECT_EQ(in.Varint(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(in.Signed(), 0);
  EXPECT_EQ(in.Signed(), -1);
  EXPECT_EQ(in.Signed(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(in.Bytes(), "text");
  EXPECT_EQ(in.Time(), absl::InfinitePast());
  EXPECT_EQ(in.Time(), absl::InfiniteFuture());
  EXPECT_EQ(in.Time(), time);
  EXPECT_EQ(in.Time(), absl::UnixEpoch());
  EXPECT_TRUE(in.done());
}

TEST(WireTest, AReadBeyondTheEndIsRemembered) {
  std::string bytes;
  PutBytes("text", &bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    WireReader in(std::string_view(bytes).substr(0, size));
    EXPECT_EQ(in.Bytes(), "") << size;
    EXPECT_FALSE(in.ok());
    EXPECT_EQ(in.Varint(), 0u);
    EXPECT_FALSE(in.done());
  }
}

TEST(WireTest, AVarintWithoutEndIsRefused) {
  const std::string bytes(20, '\xff');
  WireReader in(bytes);
  EXPECT_EQ(in.Varint(), 0u);
  EXPECT_FALSE(in.ok());
}

}  // namespace
}  // namespace sealift::queue
