// An operator holds mail, suspends a source and routes around it: what was ordered holds over restarts and kills, binds
// what arrives later, and explains itself.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <ctime>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class HoldTest : public World {
 protected:
  std::string Script() {
    return fmt::format(
        "[[provider]]\nname = \"all\"\ndomains = [\"d{{1..4}}.test\"]\n"
        "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
        net.Address(10));
  }
  // Rows of every reason, as the metrics say it; a moment behind the queue.
  double Waiting(const std::string& reason) {
    return std::max(0.0, Metric(fmt::format("sealift_queue_waiting{{reason=\"{}\",provider=\"other\"}}", reason)));
  }
};

TEST_F(HoldTest, AHoldBindsWhatArrivesLaterOutlivesAKillAndIsReleased) {
  const Sink sink(dir, Script(), net.Address(2, 5353));
  StartDaemon();
  EXPECT_EQ(Sealift({"queue", "hold", "--reason", "no filter"}).exit_code, 64);
  EXPECT_EQ(Sealift({"queue", "hold", "--domain", "d1.test"}).exit_code, 64) << "it takes a reason";

  Load("spring", Template(), Recipients(40, Domains(4)));
  const Answer dry = Sealift({"queue", "hold", "--domain", "d1.test", "--reason", "wrong link", "--dry-run"});
  ASSERT_EQ(dry.exit_code, 0) << dry.Describe();
  EXPECT_EQ(dry.json["queued"].Number(), 10);
  const Answer hold = Sealift({"queue", "hold", "--domain", "d1.test", "--reason", "wrong link"});
  ASSERT_EQ(hold.exit_code, 0) << hold.Describe();
  const std::string id = hold.json["id"].Text();
  ASSERT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 30; }));

  KillDaemon();
  StartDaemon();
  Load("summer", Template(), Recipients(8, Domains(4), "more.csv"), {"--start"});
  ASSERT_TRUE(ShowsUntil("summer", kInTime, [](const Json& now) { return now["delivered"].Number() == 6; }));
  EXPECT_EQ(Show("spring")["held"].Number(), 10);
  EXPECT_EQ(Show("summer")["held"].Number(), 2);
  ASSERT_TRUE(Eventually(kSoon, [&] { return Waiting("hold") == 12; }));
  EXPECT_EQ(Metric("sealift_holds"), 1);
  EXPECT_EQ(Metric("sealift_queue_messages{stream=\"news\",state=\"held\"}"), 12);
  EXPECT_EQ(Metric("sealift_queue_messages{stream=\"news\",state=\"queued\"}"), 0);

  const Answer held = Sealift({"queue", "list", "--state", "held"});
  EXPECT_THAT(held.out, HasSubstr("@d1.test"));
  EXPECT_THAT(held.out, HasSubstr("\"held\""));
  EXPECT_EQ(held.json["rows"].size(), 12u);

  const Answer explained = Sealift({"domain", "explain", "d1.test"});
  EXPECT_THAT(explained.out, HasSubstr(id));
  EXPECT_THAT(explained.out, HasSubstr("wrong link"));
  EXPECT_EQ(explained.json["queued"].Number(), 12);

  EXPECT_EQ(Sealift({"queue", "release", "--domain", "d2.test", "--reason", "none there"}).exit_code, 66);
  ASSERT_EQ(Sealift({"queue", "release", "--domain", "d1.test", "--reason", "mended"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 40; }));
  ASSERT_TRUE(ShowsUntil("summer", kInTime, [](const Json& now) { return now["delivered"].Number() == 8; }));
  EXPECT_EQ(sink.arrivals(), 48u);
  const Answer history = Sealift({"queue", "holds", "--all"});
  EXPECT_THAT(history.out, HasSubstr("wrong link"));
  EXPECT_THAT(history.out, HasSubstr("mended"));
  EXPECT_THAT(Sealift({"queue", "holds"}).out, Not(HasSubstr("wrong link")));
  StopDaemon();
}

TEST_F(HoldTest, AHoldOnARecipientKeepsOneRowAndEndsByItself) {
  const Sink sink(dir, Script(), net.Address(2, 5353));
  StartDaemon();
  const auto placed = static_cast<double>(std::time(nullptr));
  const Answer hold =
      Sealift({"queue", "hold", "--recipient", "row3@d3.test", "--reason", "a call is awaited", "--for", "5s"});
  ASSERT_EQ(hold.exit_code, 0) << hold.Describe();
  EXPECT_THAT(hold.out, Not(HasSubstr("row3@d3.test"))) << "it is masked";
  Load("spring", Template(), Recipients(16, Domains(4)), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 16; }))
      << "its time was over";
  double first = 0, kept = 0;
  for (const Sink::Arrival& arrival : sink.Ledger()) {
    if (arrival.mailbox == "row3@d3.test") kept = arrival.time;
    if (first == 0 || arrival.time < first) first = arrival.time;
  }
  EXPECT_GE(kept, placed + 5) << "not before";
  EXPECT_LT(first, kept);
  EXPECT_THAT(Sealift({"queue", "holds", "--all"}).out, HasSubstr("its time was over"));
  EXPECT_THAT(SealiftPlain({"audit", "tail"}).out, Not(HasSubstr("row3"))) << "no address is in the audit file";
  StopDaemon();
}

TEST_F(HoldTest, ASourceThatRepliesHaveSlowedSaysByWhichRule) {
  const Sink sink(dir, Script() + "[[provider.rule]]\nat = \"rcpt\"\nreply = \"450 4.7.0 Too fast for us\"\n",
                  net.Address(2, 5353));
  settings.tables =
      "[[rule]]\nmatch = \"too fast\"\nscope = \"source\"\nactions = [\"backoff\"]\nfactor = 0.5\nfor = \"2h\"\n";
  StartDaemon();
  EXPECT_EQ(Sealift({"source", "show", "ip1"}).json["restraints"].size(), 0u);
  Load("spring", Template(), Recipients(8, Domains(4)), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["deferrals"].Number() > 0; }));
  const Answer shown = Sealift({"source", "show", "ip1"});
  ASSERT_EQ(shown.json["restraints"].size(), 1u) << shown.Describe();
  const Json restraint = shown.json["restraints"].At(0);
  EXPECT_EQ(restraint["where"].Text(), "everywhere");
  EXPECT_THAT(restraint["value"].Text(), HasSubstr("/m of "));
  EXPECT_THAT(restraint["set_by"].Text(), HasSubstr(".toml:"));
  EXPECT_EQ(shown.json["state"].Text(), "slowed");
  StopDaemon();
}

TEST_F(HoldTest, ASuspendedSourceLeavesItsMailToTheOthersOfItsPoolAndARouteToAnotherPool) {
  const Sink sink(dir, Script(), net.Address(2, 5353));
  settings.tables = fmt::format(
      "[[source]]\nname = \"ip2\"\naddress = \"{}\"\nhostname = \"mta2.sender.test\"\n"
      "[[pool]]\nname = \"second\"\nsources = [\"ip2\"]\n",
      net.Address(4));
  StartDaemon();
  ASSERT_EQ(Sealift({"source", "suspend", "ip1", "--reason", "on a block list"}).exit_code, 0);
  EXPECT_EQ(Sealift({"source", "suspend", "ip9", "--reason", "there is none"}).exit_code, 64);
  Load("spring", Template(), Recipients(20, Domains(4)), {"--start"});
  const auto waiting = [&] { return Waiting("hold"); };
  ASSERT_TRUE(Eventually(kSoon, [&] { return waiting() == 20; })) << "its pool has no other source";
  KillDaemon();
  StartDaemon();
  ASSERT_TRUE(Eventually(kSoon, [&] { return waiting() == 20; }));
  EXPECT_EQ(sink.arrivals(), 0u);

  ASSERT_EQ(
      Sealift({"queue", "route", "--domain", "d2.test", "--to-pool", "second", "--reason", "around it"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 5; }));
  for (const Sink::Arrival& arrival : sink.Ledger()) EXPECT_EQ(arrival.source, net.Address(4));
  ASSERT_EQ(Sealift({"source", "resume", "ip1", "--reason", "delisted"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 20; }));
  EXPECT_EQ(sink.arrivals(), 20u);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
