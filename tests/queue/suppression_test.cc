#include "queue/suppression.h"

#include "gtest/gtest.h"

namespace sealift::queue {
namespace {

using Kind = SuppressionKind;
using Of = SuppressionScope::Of;

const Mailing kNewsletter{.campaign = "spring", .stream = "newsletter"};
const Mailing kReceipts{.campaign = "august", .stream = "receipts", .transactional = true};

SuppressionEntry Added(Kind kind, SuppressionScope scope = {}) { return {.what = {kind, std::move(scope)}}; }
SuppressionEntry TakenBack(Kind kind, SuppressionScope scope = {}) {
  return {.what = {kind, std::move(scope)}, .added = false};
}

TEST(SuppressionTest, OptOutsAndComplaintsBindMarketingAlone) {
  for (const Kind kind : {Kind::kOptOut, Kind::kComplaint}) {
    EXPECT_TRUE((Suppression{.kind = kind}.Binds(kNewsletter))) << ToString(kind);
    EXPECT_FALSE((Suppression{.kind = kind}.Binds(kReceipts))) << ToString(kind);
  }
}

TEST(SuppressionTest, HardBouncesAndOperatorsBindEverything) {
  for (const Kind kind : {Kind::kHardBounce, Kind::kManual}) {
    EXPECT_TRUE((Suppression{.kind = kind}.Binds(kNewsletter))) << ToString(kind);
    EXPECT_TRUE((Suppression{.kind = kind}.Binds(kReceipts))) << ToString(kind);
  }
}

TEST(SuppressionTest, AScopeBindsWhatItNames) {
  EXPECT_TRUE((Suppression{Kind::kOptOut, {Of::kStream, "newsletter"}}.Binds(kNewsletter)));
  EXPECT_FALSE((Suppression{Kind::kOptOut, {Of::kStream, "other"}}.Binds(kNewsletter)));
  EXPECT_TRUE((Suppression{Kind::kOptOut, {Of::kCampaign, "spring"}}.Binds(kNewsletter)));
  EXPECT_FALSE((Suppression{Kind::kOptOut, {Of::kCampaign, "newsletter"}}.Binds(kNewsletter)))
      << "a stream's name is no campaign's";
  EXPECT_TRUE((Suppression{Kind::kManual, {Of::kStream, "receipts"}}.Binds(kReceipts)));
}

TEST(SuppressionTest, WhatTheSinkSaidBindsOnlyWhatGoesThere) {
  const Suppression heard{Kind::kHardBounce, {}, /*sink=*/true};
  EXPECT_FALSE(heard.Binds(kNewsletter));
  Mailing trial = kNewsletter;
  trial.sink = true;
  EXPECT_TRUE(heard.Binds(trial));
  EXPECT_TRUE((Suppression{.kind = Kind::kOptOut}.Binds(trial))) << "the list holds in a trial too";
}

TEST(SuppressionTest, TheLastWordCounts) {
  SuppressionRecord record;
  record.history = {Added(Kind::kOptOut), Added(Kind::kHardBounce), TakenBack(Kind::kOptOut),
                    Added(Kind::kOptOut, {Of::kStream, "newsletter"})};
  const auto in_force = record.InForce();
  ASSERT_EQ(in_force.size(), 2u);
  EXPECT_EQ(in_force[0]->what.kind, Kind::kHardBounce);
  EXPECT_EQ(in_force[1]->what.scope.name, "newsletter");
  record.history.push_back(Added(Kind::kOptOut));
  EXPECT_EQ(record.InForce().size(), 3u);
}

SuppressionRecord Full() {
  SuppressionRecord record;
  record.address = "Jane@d1.test";
  record.history = {Added(Kind::kComplaint, {Of::kCampaign, "spring"}), TakenBack(Kind::kManual)};
  SuppressionEntry& bounce = record.history.emplace_back(Added(Kind::kHardBounce));
  bounce.what.sink = true;
  bounce.time = absl::FromUnixMillis(1'800'000'000'123);
  bounce.reason = "r";
  bounce.by = "root";
  bounce.source = "ip1";
  bounce.provider = "google";
  bounce.reason_class = "bad_mailbox";
  bounce.reply = "550 5.1.1 <redacted> unknown";
  return record;
}

TEST(SuppressionTest, ARecordIsReadAsItWasWritten) {
  const SuppressionRecord record = Full();
  std::string bytes;
  EncodeSuppressions(record, &bytes);
  const absl::StatusOr<SuppressionRecord> read = DecodeSuppressions(bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->address, record.address);
  EXPECT_EQ(read->history, record.history);
}

TEST(SuppressionTest, WhatIsCutShortOrUnknownIsAnError) {
  std::string bytes;
  EncodeSuppressions(Full(), &bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(DecodeSuppressions(bytes.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(DecodeSuppressions(bytes + "x").ok());
  bytes[0] = 9;
  EXPECT_FALSE(DecodeSuppressions(bytes).ok());
}

TEST(SuppressionTest, KindsHaveNames) {
  for (const Kind kind : {Kind::kOptOut, Kind::kComplaint, Kind::kHardBounce, Kind::kManual}) {
    EXPECT_EQ(ParseSuppressionKind(ToString(kind)), kind);
  }
  EXPECT_EQ(ParseSuppressionKind("optout"), std::nullopt);
}

}  // namespace
}  // namespace sealift::queue
