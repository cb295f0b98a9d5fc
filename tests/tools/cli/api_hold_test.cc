// Holds, suspensions, routes and jobs as an operator orders them: what is asked of the node, and what is written down.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/cli/control_socket.h"

namespace sealift::tools {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(HoldCommandsTest, AHoldHasAnIdAReasonAndAHistoryAndIsAudited) {
  ControlSocket socket;
  const Ran placed = socket.Run({"queue", "hold", "--campaign", "spring", "--domain", "D1.test", "--reason",
                                 "wrong link", "--for", "2h", "--json"});
  ASSERT_EQ(placed.code, 0) << placed.out << placed.err;
  EXPECT_EQ(placed.Json()["id"], "h1");
  EXPECT_EQ(placed.Json()["filter"]["domain"], "d1.test") << "in its one form";
  EXPECT_FALSE(placed.Json()["until"].is_null());
  ASSERT_THAT(socket.AuditEntries(), SizeIs(1));
  EXPECT_THAT(socket.AuditEntries()[0].dump(), HasSubstr("id=h1"));
  EXPECT_THAT(socket.AuditEntries()[0].dump(), HasSubstr("wrong link"));

  const Ran other = socket.Run({"queue", "release", "--stream", "newsletter", "--reason", "mended", "--json"});
  EXPECT_EQ(other.code, 66) << "it is of more than that";
  const Ran ended = socket.Run({"queue", "release", "--campaign", "spring", "--reason", "mended", "--json"});
  ASSERT_EQ(ended.code, 0) << ended.out << ended.err;
  EXPECT_EQ(ended.Json()["holds"][0]["id"], "h1");
  EXPECT_THAT(socket.Run({"queue", "holds", "--json"}).Json()["holds"], IsEmpty());
  const Ran all = socket.Run({"queue", "holds", "--all", "--json"});
  EXPECT_THAT(all.Json()["holds"][0]["history"], SizeIs(2));
  EXPECT_EQ(all.Json()["holds"][0]["history"][1]["reason"], "mended");
}

TEST(HoldCommandsTest, ADryRunCountsAndChangesNothing) {
  ControlSocket socket;
  const Ran ran = socket.Run({"queue", "hold", "--everything", "--reason", "r", "--dry-run", "--json"});
  EXPECT_EQ(ran.Json()["queued"], 3);
  EXPECT_THAT(socket.node.calls(), Contains("count everything"));
  EXPECT_THAT(socket.node.holds().List(true), IsEmpty());
  EXPECT_THAT(socket.AuditEntries(), IsEmpty());
}

TEST(HoldCommandsTest, WhatIsInDoubtAndOfNoKnownProviderIsLeftAndToldOf) {
  ControlSocket socket;
  const Ran ran =
      socket.Run({"queue", "release", "--state", "in_doubt", "--provider", "google", "--reason", "r", "--yes"});
  ASSERT_EQ(ran.code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("rows released"), HasSubstr("left: provider not known")));
  EXPECT_EQ(
      socket
          .Run({"queue", "release", "--state", "in_doubt", "--provider", "google", "--reason", "r", "--yes", "--json"})
          .Json()["unplaced"],
      2);
}

TEST(HoldCommandsTest, ARecipientIsMaskedAndNeverInTheAuditFile) {
  ControlSocket socket;
  const Ran placed = socket.Run({"queue", "hold", "--recipient", kSecret, "--reason", "a call", "--json"});
  ASSERT_EQ(placed.code, 0) << placed.out << placed.err;
  EXPECT_THAT(placed.out, HasSubstr(kMasked));
  EXPECT_THAT(placed.out, Not(HasSubstr("jane.doe")));
  for (const auto& entry : socket.AuditEntries()) EXPECT_THAT(entry.dump(), Not(HasSubstr("jane.doe")));
  EXPECT_THAT(socket.Run({"queue", "holds", "--reveal", "--json"}).out, HasSubstr(kSecret));
}

// There was no other way out of a suspension of hours, once a receiver had delisted an address.
TEST(HoldCommandsTest, AResumedSourceIsFreeOfWhatRepliesHadPutOnItToo) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"source", "resume", "ip1", "--provider", "google", "--reason", "delisted"}).code, 66);
  const Ran dry = socket.Run({"source", "resume", "ip1", "--provider", "yahoo", "--reason", "r", "--dry-run"});
  EXPECT_THAT(dry.out, HasSubstr("rule yahoo.permanently_deferred"));
  EXPECT_THAT(socket.node.calls(), IsEmpty());
  const Ran ran = socket.Run({"source", "resume", "ip1", "--provider", "yahoo", "--reason", "delisted", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.out << ran.err;
  EXPECT_EQ(ran.Json()["ended"], 1);
  EXPECT_EQ(ran.Json()["holds"][0]["kind"], "replies");
  EXPECT_THAT(socket.node.calls(), testing::ElementsAre("end suspensions ip1 yahoo"));
  ASSERT_EQ(socket.AuditEntries().size(), 1u);
  EXPECT_THAT(socket.AuditEntries()[0]["target"].get<std::string>(),
              HasSubstr("rule=yahoo.permanently_deferred to yahoo"));
}

TEST(HoldCommandsTest, ASuspensionOfAnyScopeIsEndedByTheNameThatTheListHas) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"throttle", "resume", "everything to yahoo", "--reason", "too wide"}).code, 66);
  EXPECT_EQ(socket.Run({"throttle", "resume", "everything to google"}).code, 64) << "no reason";
  const Ran dry = socket.Run({"throttle", "resume", "everything to google", "--reason", "r", "--dry-run"});
  EXPECT_THAT(dry.out, HasSubstr("everything to google"));
  EXPECT_THAT(socket.node.calls(), IsEmpty());
  const Ran ran = socket.Run({"throttle", "resume", "backoff everything to google", "--reason", "too wide", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.out << ran.err;
  EXPECT_EQ(ran.Json()["ended"], 1);
  EXPECT_THAT(socket.node.calls(), testing::ElementsAre("end suspension everything to google"));
  ASSERT_EQ(socket.AuditEntries().size(), 1u);
  EXPECT_EQ(socket.AuditEntries()[0]["target"], "everything to google rule=rule 1");
}

TEST(HoldCommandsTest, WhatCannotBeMeantIsRefusedWithTheReason) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"queue", "hold", "--reason", "r"}).code, 64);
  EXPECT_EQ(socket.Run({"queue", "hold", "--everything"}).code, 64) << "no reason";
  EXPECT_EQ(socket.Run({"queue", "hold", "--stream", "no-such", "--reason", "r"}).code, 64);
  EXPECT_EQ(socket.Run({"queue", "hold", "--state", "asleep", "--reason", "r"}).code, 64);
  EXPECT_EQ(socket.Run({"source", "suspend", "no-such", "--reason", "r"}).code, 64);
  EXPECT_EQ(socket.Run({"queue", "route", "--domain", "d1.test", "--to-pool", "no-such", "--reason", "r"}).code, 64);
  EXPECT_THAT(socket.node.holds().List(true), IsEmpty());
}

TEST(JobCommandsTest, AReplayNeedsAClassAndNeverABadMailbox) {
  ControlSocket socket;
  const Ran none = socket.Run({"queue", "replay", "--everything", "--outcome", "bounced", "--reason", "r", "--yes"});
  EXPECT_EQ(none.code, 64);
  EXPECT_THAT(none.err, HasSubstr("--class"));
  const Ran bad = socket.Run({"queue", "replay", "--class", "bad_mailbox", "--outcome", "bounced", "--reason", "r"});
  EXPECT_EQ(bad.code, 64);
  const Ran brief = socket.Run({"queue", "replay", "--everything", "--outcome", "cancelled", "--expires-in", "0s",
                                "--reason", "r", "--dry-run"});
  EXPECT_EQ(brief.code, 64);
  EXPECT_THAT(brief.err, HasSubstr("a second at least"));
  EXPECT_EQ(
      socket.Run({"queue", "replay", "--everything", "--outcome", "cancelled", "--reason", "r", "--dry-run"}).code, 0);
  const Ran pattern = socket.Run({"queue", "replay", "--class", "policy", "--outcome", "bounced", "--matching", "(",
                                  "--reason", "r", "--dry-run"});
  EXPECT_EQ(pattern.code, 64);
  EXPECT_THAT(pattern.err, HasSubstr("--matching"));
  EXPECT_THAT(socket.node.jobs().List(), IsEmpty());
}

TEST(JobCommandsTest, ABounceAsksFirstAndCounts) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"queue", "bounce", "--domain", "d1.test", "--reason", "gone"}).code, 64);
  const Ran dry = socket.Run({"queue", "bounce", "--domain", "d1.test", "--reason", "gone", "--dry-run", "--json"});
  EXPECT_EQ(dry.Json()["queued"], 3);
  EXPECT_THAT(socket.AuditEntries(), IsEmpty());
  EXPECT_EQ(socket.Run({"queue", "job", "j1"}).code, 66);
}

TEST(WarmupCommandsTest, ItIsShownMovedAndFrozen) {
  ControlSocket socket;
  const Ran shown = socket.Run({"source", "warmup", "ip1"});
  EXPECT_THAT(shown.out, HasSubstr("google"));
  EXPECT_THAT(shown.out, HasSubstr("warming"));
  EXPECT_THAT(shown.out, HasSubstr("sealift.toml:7"));
  EXPECT_THAT(socket.AuditEntries(), IsEmpty());
  EXPECT_EQ(socket.Run({"source", "warmup", "ip9"}).code, 66);

  const Ran one = socket.Run({"source", "warmup", "ip1", "--provider", "google", "--set-day", "3", "--json"});
  ASSERT_EQ(one.code, 0);
  ASSERT_EQ(one.Json()["warmup"].size(), 1u);
  EXPECT_EQ(one.Json()["warmup"][0]["day"], 3);
  EXPECT_EQ(socket.Run({"source", "warmup", "ip1", "--freeze", "--reason", "complaints"}).code, 0);
  EXPECT_EQ(socket.Run({"source", "warmup", "ip1", "--unfreeze"}).code, 0);
  EXPECT_THAT(socket.node.calls(),
              testing::ElementsAre("warmup ip1 'google' day 3 freeze -", "warmup ip1 '' day 0 freeze yes",
                                   "warmup ip1 '' day 0 freeze no"));
  EXPECT_EQ(socket.AuditEntries().size(), 3u);

  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"--freeze", "--unfreeze"}, {"--set-day", "0"}, {"--set-day", "two"}}) {
    std::vector<std::string> words = {"source", "warmup", "ip1"};
    words.insert(words.end(), wrong.begin(), wrong.end());
    EXPECT_EQ(socket.Run(words).code, 64);
  }
  EXPECT_EQ(socket.node.calls().size(), 3u);
}

TEST(ExplainCommandsTest, ASourcesRateIsItsOwnAndNoWarmUps) {
  ControlSocket socket;
  const nlohmann::json source = socket.Run({"source", "show", "ip1", "--json"}).Json();
  EXPECT_EQ(source["rate"], "20000/h");
  EXPECT_EQ(source["warmups"], nlohmann::json::parse(R"([{"name": "ip1 to google", "value": "100 on day 2 of 3"}])"));
}

TEST(ExplainCommandsTest, ASourceSaysWhatKeepsItAndALimitWhoSetIt) {
  ControlSocket socket;
  const Ran shown = socket.Run({"source", "show", "ip1"});
  EXPECT_THAT(shown.out, HasSubstr("h1 provider=microsoft"));
  EXPECT_THAT(shown.out, HasSubstr("/etc/sealift/sealift.toml:34"));
  EXPECT_THAT(shown.out, HasSubstr("What replies have put on it"));
  EXPECT_THAT(shown.out, AllOf(HasSubstr("to google"), HasSubstr("5/m of 10/m"), HasSubstr("google.rate")));
  EXPECT_EQ(socket.Run({"source", "show", "ip9"}).code, 66);
  EXPECT_THAT(socket.Run({"throttle", "explain", "source ip1"}).out, HasSubstr("20000/h"));
  const Ran other = socket.Run({"throttle", "explain", "source ip9"});
  EXPECT_EQ(other.code, 66);
  EXPECT_THAT(other.err, HasSubstr("throttle explain was refused"));
  const Ran binding = socket.Run({"throttle", "explain"});
  EXPECT_EQ(binding.code, 0);
  EXPECT_THAT(binding.out, HasSubstr("source ip1"));
  EXPECT_THAT(binding.out, testing::Not(HasSubstr("stream news"))) << "nothing waits for it";
}

}  // namespace
}  // namespace sealift::tools
