#include "queue/campaign_records.h"

#include "gtest/gtest.h"

namespace sealift::queue {
namespace {

TEST(CampaignRecordsTest, EveryPartIsReadAsItWasWritten) {
  Campaign campaign;
  campaign.spec = {"spring", "news", "live", "Subject: x\r\n\r\n", {"a", "b"}, {{"b", "none"}}, absl::Hours(5), "{}"};
  campaign.state = CampaignState::kPaused;
  campaign.created = absl::FromUnixSeconds(1000);
  campaign.started = absl::FromUnixSeconds(2000);
  campaign.load_complete = true;
  campaign.input_offset = 123456789;
  campaign.input_digest = "sha256:1234";
  campaign.input_rows = 17;
  campaign.counters = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

  Campaign read;
  std::string head, body, progress, tally;
  EncodeHead(campaign, &head);
  EncodeBody(campaign.spec, &body);
  EncodeProgress(campaign, 0x0123456789abcdef, &progress);
  EncodeTally(campaign.counters, 17, &tally);
  ASSERT_TRUE(DecodeHead(head, &read));
  ASSERT_TRUE(DecodeBody(body, &read.spec));
  uint64_t roll = 0;
  ASSERT_TRUE(DecodeProgress(progress, &read, &roll));
  EXPECT_EQ(roll, 0x0123456789abcdefU);
  ASSERT_TRUE(DecodeTally(tally, &read.counters, &roll));
  EXPECT_EQ(roll, 17U);
  EXPECT_EQ(read.spec.name, "spring");
  EXPECT_EQ(read.spec.stream, "news");
  EXPECT_EQ(read.spec.mode, "live");
  EXPECT_EQ(read.spec.template_text, campaign.spec.template_text);
  EXPECT_EQ(read.spec.columns, campaign.spec.columns);
  EXPECT_EQ(read.spec.defaults, campaign.spec.defaults);
  EXPECT_EQ(read.spec.expires_in, absl::Hours(5));
  EXPECT_EQ(read.spec.settings_json, "{}");
  EXPECT_EQ(read.state, CampaignState::kPaused);
  EXPECT_EQ(read.created, campaign.created);
  EXPECT_EQ(read.started, campaign.started);
  EXPECT_EQ(read.ended, absl::InfiniteFuture());
  EXPECT_TRUE(read.load_complete);
  EXPECT_EQ(read.input_offset, 123456789u);
  EXPECT_EQ(read.input_digest, "sha256:1234");
  EXPECT_EQ(read.input_rows, 17u);
  EXPECT_EQ(read.counters, campaign.counters);

  EXPECT_FALSE(read.spec.finished);

  for (size_t size = 0; size < head.size(); ++size) EXPECT_FALSE(DecodeHead(head.substr(0, size), &read));
  for (size_t size = 0; size < body.size(); ++size) EXPECT_FALSE(DecodeBody(body.substr(0, size), &read.spec));
  for (size_t size = 0; size < progress.size(); ++size)
    EXPECT_FALSE(DecodeProgress(progress.substr(0, size), &read, &roll));
  for (size_t size = 0; size < tally.size(); ++size)
    EXPECT_FALSE(DecodeTally(tally.substr(0, size), &read.counters, &roll));
}

TEST(CampaignRecordsTest, ATallyIsReadWithAndWithoutSatedRows) {
  for (const uint64_t sated : {uint64_t{0}, uint64_t{300}}) {
    const Counters counters{.accepted = 0, .delivered = 7, .retrying = 400, .sated = sated, .in_doubt = 2};
    std::string tally;
    EncodeTally(counters, 17, &tally);
    Counters read{.sated = 1};
    uint64_t roll = 0;
    ASSERT_TRUE(DecodeTally(tally, &read, &roll));
    EXPECT_EQ(read, counters);
    EXPECT_EQ(roll, 17U);
  }
}

TEST(CampaignRecordsTest, ACampaignOfFinishedMessagesIsKnownAsOne) {
  std::string body;
  EncodeBody({.name = "statements", .finished = true}, &body);
  CampaignSpec read;
  ASSERT_TRUE(DecodeBody(body, &read));
  EXPECT_TRUE(read.finished);
}

}  // namespace
}  // namespace sealift::queue
