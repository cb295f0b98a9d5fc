#include "queue/event_block.h"

#include "gtest/gtest.h"
#include "queue/keys.h"
#include "queue/wire.h"

namespace sealift::queue {
namespace {

const absl::Time kTime = absl::FromUnixMillis(1'800'000'000'000);

Outcome MakeOutcome(std::shared_ptr<const Evidence> evidence, CampaignId campaign = CampaignId{3}) {
  Row row;
  row.id = RowId{12};
  row.recipient = "someone@d1.test";
  std::string plaintext;
  Pack::Encode(kTime, kTime, {&row, 1}, &plaintext);
  Outcome outcome;
  outcome.pack = *Pack::Decode(RowsKey{{campaign, DestinationId{4}}, 0, 12}.Encode(), plaintext, 0);
  outcome.kind = OutcomeKind::kDeferred;
  outcome.time = kTime;
  outcome.attempt = 2;
  outcome.reason_class = "greylisted";
  outcome.rule = "words.greylisted";
  outcome.code = 451;
  outcome.enhanced = "4.7.1";
  outcome.reply = "try again";
  outcome.key = "K-7";
  outcome.evidence = std::move(evidence);
  return outcome;
}

TEST(EventBlockTest, DecodesWhatWasAddedAndSharesEvidence) {
  const auto evidence = std::make_shared<const Evidence>(
      Evidence{"news", "ip1", "mx.d1.test [127.0.0.1]", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "mx.d1.test", "verify"});
  const Outcome with = MakeOutcome(evidence), without = MakeOutcome(nullptr);
  EventBlock block;
  block.Add(with, with.pack->rows()[0], kTime + absl::Minutes(5));
  block.Add(without, without.pack->rows()[0], absl::InfiniteFuture());
  std::string two;
  block.Finish(&two);
  EXPECT_TRUE(block.empty());

  const auto events = EventBlock::Decode(77, two);
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 2u);
  const Event& event = (*events)[0];
  EXPECT_EQ(event.message, (MessageKey{{CampaignId{3}, DestinationId{4}}, RowId{12}}));
  EXPECT_EQ(event.recipient, "someone@d1.test");
  EXPECT_EQ(event.key, "K-7");
  EXPECT_EQ(event.kind, OutcomeKind::kDeferred);
  EXPECT_EQ(event.time, kTime);
  EXPECT_EQ(event.due, kTime + absl::Minutes(5));
  EXPECT_EQ(event.attempt, 2);
  EXPECT_EQ(event.reason_class, "greylisted");
  EXPECT_EQ(event.rule, "words.greylisted");
  EXPECT_EQ(event.code, 451);
  EXPECT_EQ(event.enhanced, "4.7.1");
  EXPECT_EQ(event.reply, "try again");
  EXPECT_EQ(event.evidence, *evidence);
  EXPECT_EQ((*events)[1].evidence, Evidence());
  EXPECT_EQ((*events)[1].cursor, "77-2");

  for (int i = 0; i < 100; ++i) block.Add(with, with.pack->rows()[0], absl::InfiniteFuture());
  std::string many;
  block.Finish(&many);
  EXPECT_LT(many.size() / 100, 20u) << "it is compressed";
  EXPECT_EQ(EventBlock::Decode(1, many)->size(), 100u);
}

TEST(EventBlockTest, SeveralCampaignsAreNotCompressedTogether) {
  const auto evidence = std::make_shared<const Evidence>();
  const Outcome one = MakeOutcome(evidence), other = MakeOutcome(evidence, CampaignId{5});
  EventBlock block;
  for (int i = 0; i < 100; ++i) block.Add(i == 99 ? other : one, one.pack->rows()[0], absl::InfiniteFuture());
  std::string mixed;
  block.Finish(&mixed);
  EXPECT_GT(mixed.size() / 100, 40u);
  EXPECT_LT(mixed.size() / 100, 70u) << "a session's evidence stands in a block once";
  const auto events = EventBlock::Decode(1, mixed);
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_EQ((*events)[99].message.lane.campaign, CampaignId{5});
}

// A block as it was written before rules were kept: its records end with the class, code, enhanced, reply, evidence.
TEST(EventBlockTest, BlocksOfTheVersionBeforeAreRead) {
  std::string block("\x02", 1);
  PutVarint(2, &block);
  PutBytes("full", &block);
  PutBytes("5.2.2", &block);
  PutVarint(0, &block);
  PutVarint(1, &block);
  PutFixed32(3, &block);
  PutFixed64(4, &block);
  PutVarint(12, &block);
  block.push_back(static_cast<char>(OutcomeKind::kBounced));
  PutTime(kTime, &block);
  PutVarint(1, &block);
  PutTime(absl::InfiniteFuture(), &block);
  PutBytes("someone@d1.test", &block);
  PutBytes("", &block);
  PutVarint(0, &block);
  PutVarint(552, &block);
  PutVarint(1, &block);
  PutBytes("over quota", &block);
  PutVarint(0, &block);
  const auto events = EventBlock::Decode(1, block);
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_EQ(events->size(), 1u);
  EXPECT_EQ((*events)[0].reason_class, "full");
  EXPECT_EQ((*events)[0].rule, "");
  EXPECT_EQ((*events)[0].reply, "over quota");
}

TEST(EventBlockTest, EveryTruncationIsRefused) {
  const Outcome outcome = MakeOutcome(std::make_shared<const Evidence>());
  EventBlock block;
  block.Add(outcome, outcome.pack->rows()[0], absl::InfiniteFuture());
  std::string bytes, compressed;
  block.Finish(&bytes);
  for (int i = 0; i < 100; ++i) block.Add(outcome, outcome.pack->rows()[0], absl::InfiniteFuture());
  block.Finish(&compressed);
  for (const std::string& whole : {bytes, compressed}) {
    ASSERT_TRUE(EventBlock::Decode(1, whole).ok());
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_EQ(EventBlock::Decode(1, whole.substr(0, size)).status().code(), absl::StatusCode::kDataLoss) << size;
    }
  }
  compressed[1] = compressed[2] = compressed[3] = '\xff';
  EXPECT_FALSE(EventBlock::Decode(1, compressed).ok()) << "a length that nobody would write";
}

TEST(EventCursorTest, IsReadAsItIsPrintedAndNothingElseIs) {
  const auto cursor = EventCursor::Parse(EventCursor{12, 34}.ToString());
  ASSERT_TRUE(cursor);
  EXPECT_EQ(cursor->sequence, 12u);
  EXPECT_EQ(cursor->index, 34u);
  EXPECT_TRUE(EventCursor::Parse(""));
  for (const char* text : {"12", "12-", "-3", "12-3x", "a-b", "12--3"}) EXPECT_FALSE(EventCursor::Parse(text)) << text;
}

}  // namespace
}  // namespace sealift::queue
