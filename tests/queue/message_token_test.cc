#include "queue/message_token.h"

#include <set>

#include "gtest/gtest.h"
#include "queue/message_id.h"

namespace sealift::queue {
namespace {

constexpr std::array<uint8_t, 16> kIdKey = {1, 2, 3};
constexpr auto kBoth = {TokenPurpose::kReturnPath, TokenPurpose::kUnsubscribe};
const MessageKey kMessage = {{CampaignId{7}, DestinationId{8}}, RowId{9}};

Secret NodeKey(uint8_t fill) {
  std::array<uint8_t, Secret::kSize> bytes;
  bytes.fill(fill);
  return Secret(bytes);
}

class MessageTokenTest : public testing::Test {
 protected:
  MessageTokenTest() { tokens_.SetKeys(NodeKey(1), kIdKey); }
  MessageTokens tokens_;
};

TEST_F(MessageTokenTest, LeadsBackToItsMessage) {
  std::set<std::string> seen;
  for (const TokenPurpose purpose : kBoth) {
    for (uint32_t row = 1; row < 100; ++row) {
      const MessageKey message = {{CampaignId{~row}, DestinationId{uint64_t{row} << 40}}, RowId{row}};
      const std::string token = tokens_.Encode(purpose, message);
      EXPECT_EQ(token.size(), MessageTokens::kSize);
      EXPECT_EQ(token.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567"), std::string::npos);
      EXPECT_EQ(tokens_.Decode(purpose, token), message);
      seen.insert(token);
    }
  }
  EXPECT_EQ(seen.size(), 2 * 99u);
}

TEST_F(MessageTokenTest, IsReadInAnyCase) {
  std::string token = tokens_.Encode(TokenPurpose::kReturnPath, kMessage);
  for (size_t i = 0; i < token.size(); i += 2) token[i] = static_cast<char>(std::toupper(token[i]));
  EXPECT_EQ(tokens_.Decode(TokenPurpose::kReturnPath, token), kMessage);
}

TEST_F(MessageTokenTest, NoCharacterCanBeChanged) {
  for (const TokenPurpose purpose : kBoth) {
    const std::string token = tokens_.Encode(purpose, kMessage);
    for (size_t i = 0; i < token.size(); ++i) {
      for (const char other : {'a', 'b', '7', '1', '@', '\0'}) {
        std::string changed = token;
        if (changed[i] == other) continue;
        changed[i] = other;
        EXPECT_FALSE(tokens_.Decode(purpose, changed)) << i << other;
      }
    }
    EXPECT_FALSE(tokens_.Decode(purpose, ""));
    EXPECT_FALSE(tokens_.Decode(purpose, token.substr(1)));
    EXPECT_FALSE(tokens_.Decode(purpose, token + "a"));
    EXPECT_FALSE(tokens_.Decode(purpose, token.substr(0, 26))) << "a Message-ID is no token";
  }
}

TEST_F(MessageTokenTest, APurposeDoesNotTakeTheOthersTokens) {
  EXPECT_FALSE(tokens_.Decode(TokenPurpose::kUnsubscribe, tokens_.Encode(TokenPurpose::kReturnPath, kMessage)));
  EXPECT_FALSE(tokens_.Decode(TokenPurpose::kReturnPath, tokens_.Encode(TokenPurpose::kUnsubscribe, kMessage)));
}

TEST_F(MessageTokenTest, AnotherNodesTokensAreRefusedEvenOfTheSameMessageIds) {
  MessageTokens other;
  other.SetKeys(NodeKey(2), kIdKey);
  const std::string token = other.Encode(TokenPurpose::kUnsubscribe, kMessage);
  EXPECT_EQ(token.substr(0, 26), EncodeMessageId(kIdKey, kMessage));
  EXPECT_FALSE(tokens_.Decode(TokenPurpose::kUnsubscribe, token));
}

// The tokens of mail that was sent must stay good: their keys are derived as they always were.
TEST_F(MessageTokenTest, IsTheSameInEveryVersion) {
  EXPECT_EQ(tokens_.Encode(TokenPurpose::kReturnPath, kMessage), "kgtb77lkgkfra4v6qao5dcujk4iffxlldtc7ao4xl7");
  EXPECT_EQ(tokens_.Encode(TokenPurpose::kUnsubscribe, kMessage), "kgtb77lkgkfra4v6qao5dcujk4u62qqt7h34vramly");
}

}  // namespace
}  // namespace sealift::queue
