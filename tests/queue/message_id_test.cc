#include "queue/message_id.h"

#include <set>

#include "gtest/gtest.h"

namespace sealift::queue {
namespace {

constexpr std::array<uint8_t, 16> kKey = {1, 2, 3}, kOtherKey = {1, 2, 4};

TEST(MessageIdTest, DecodesToTheMessageItWasMadeOf) {
  std::set<std::string> ids;
  for (uint32_t row = 1; row < 200; ++row) {
    const MessageKey message = {{CampaignId{0x80000000 + row}, DestinationId{~uint64_t{row}}}, RowId{row * 7}};
    const std::string id = EncodeMessageId(kKey, message);
    EXPECT_EQ(id.size(), 26u);
    EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567"), std::string::npos);
    EXPECT_EQ(DecodeMessageId(kKey, id), message);
    EXPECT_NE(DecodeMessageId(kOtherKey, id), message);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 199u);
}

TEST(MessageIdTest, WhatIsNotOfTheFormIsNothing) {
  const std::string id = EncodeMessageId(kKey, {{CampaignId{1}, DestinationId{2}}, RowId{3}});
  EXPECT_FALSE(DecodeMessageId(kKey, ""));
  EXPECT_FALSE(DecodeMessageId(kKey, id.substr(1)));
  EXPECT_FALSE(DecodeMessageId(kKey, id + "a"));
  EXPECT_FALSE(DecodeMessageId(kKey, "1" + id.substr(1)));
  EXPECT_FALSE(DecodeMessageId(kKey, "A" + id.substr(1)));
  // The last letter has two bits that an id leaves zero.
  EXPECT_FALSE(DecodeMessageId(kKey, id.substr(0, 25) + "b"));
}

}  // namespace
}  // namespace sealift::queue
