// An address that nobody knows yet: a day has its messages, whatever ends the daemon, and what matters does not wait.
#include <fmt/format.h>

#include <set>
#include <string>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

class WarmupTest : public World {
 protected:
  WarmupTest() {
    settings.streams = {{"news", "tls = \"opportunistic\""},
                        {"alerts", "kind = \"transactional\"\ntls = \"opportunistic\""}};
  }

  // One address that takes all of d1.test.
  std::string Internet() const {
    return fmt::format(
        "[[provider]]\nname = \"all\"\ndomains = [\"d1.test\"]\nmx = [{{ host = \"mx.all.test\", address = \"{}\" "
        "}}]\n",
        net.Address(10));
  }

  static std::string Plan(const std::string& per_day, const std::string& overflow) {
    return fmt::format(
        "warmup = {{ start = 2026-01-01, per_day = {{ default = {} }}, then = \"unlimited\", overflow = \"{}\" }}\n",
        per_day, overflow);
  }

  Json Standing() {
    const Answer answer = Sealift({"source", "warmup", "ip1"});
    EXPECT_EQ(answer.exit_code, 0) << answer.Describe();
    return answer.json["warmup"].At(0);
  }
};

TEST_F(WarmupTest, ADayHasItsMessagesWhateverEndsTheDaemon) {
  const Sink sink(dir, Internet(), net.Address(2, 5353));
  settings.source = Plan("[2, 2]", "pool");
  StartDaemon();
  Load("spring", Template(), Recipients(50, {"d1.test"}), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [](const Json& now) { return now["delivered"].Number() == 1; }));

  // It says what the others wait for.
  ASSERT_TRUE(Eventually(kSoon, [&] {
    const Answer answer = Sealift({"domain", "explain", "d1.test"});
    return answer.out.find("warmup rate of ip1 to site mx.all.test: 2 on day 1 of 2") != std::string::npos;
  }));
  EXPECT_TRUE(
      Eventually(kSoon, [&] { return Metric("sealift_queue_waiting{reason=\"warmup\",provider=\"other\"}") == 49; }));

  // A preflight counts the days. (Ten hours may reach into a second one.)
  Load("summer", Template(), Recipients(50, {"d1.test"}, "summer.csv"), {"--expires-in", "10h"});
  const Json finish = Sealift({"campaign", "preflight", "summer"}).json["finish"];
  EXPECT_EQ(finish["limit"].Text(), "warm-up of ip1 to site mx.all.test") << finish.Dump();
  EXPECT_GE(finish["rows_late"].Number(), 46) << finish.Dump();
  ASSERT_EQ(Sealift({"campaign", "cancel", "summer", "--yes"}).exit_code, 0);

  // A restart, and a kill, begin no new day; the second message has its time later.
  for (int round = 0; round < 3; ++round) {
    KillDaemon();
    StartDaemon();
  }
  const Json standing = Standing();
  EXPECT_EQ(standing["provider"].Text(), "site mx.all.test");
  EXPECT_EQ(standing["day"].Number(), 1);
  EXPECT_EQ(standing["quota"].Number(), 2);
  EXPECT_GE(standing["sent"].Number(), 1);
  EXPECT_FALSE(Eventually(std::chrono::seconds(3), [&] { return sink.arrivals() > 2; })) << "a new budget a start";

  // What is transactional does not wait, and counts.
  const Answer loaded = Sealift({"campaign", "load", "codes", "--stream", "alerts", "--template", Template(),
                                 "--recipients", Recipients(20, {"d1.test"}, "codes.csv"), "--start"});
  ASSERT_EQ(loaded.exit_code, 0) << loaded.Describe();
  ASSERT_TRUE(ShowsUntil("codes", kSoon, [](const Json& now) { return now["delivered"].Number() == 20; }));
  EXPECT_TRUE(Eventually(kSoon, [&] { return Standing()["sent"].Number() >= 21; }));

  // An operator who knows better.
  EXPECT_EQ(Sealift({"source", "warmup", "ip1", "--set-day", "0"}).exit_code, 64);
  const Answer mistyped = Sealift({"source", "warmup", "ip1", "--provider", "gogle", "--set-day", "2"});
  EXPECT_EQ(mistyped.exit_code, 66) << mistyped.Describe();
  EXPECT_EQ(Sealift({"source", "warmup", "ip2"}).exit_code, 66);
  const Answer set = Sealift({"source", "warmup", "ip1", "--set-day", "3", "--reason", "it is known there"});
  ASSERT_EQ(set.exit_code, 0) << set.Describe();
  EXPECT_EQ(set.json["warmup"].At(0)["state"].Text(), "warm");
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 50; }));
  // The second message's time may come between two kills, which then send it again: the same message, once a kill.
  std::set<std::string> messages;
  for (const Sink::Arrival& arrival : sink.Ledger()) messages.insert(arrival.message_id);
  EXPECT_EQ(messages.size(), 70u);
  EXPECT_LE(sink.arrivals(), 73u);
  StopDaemon();
}

TEST_F(WarmupTest, WhatItMayNotSendLeavesFromAnotherPoolOrWaits) {
  const Sink sink(dir, Internet(), net.Address(2, 5353));
  settings.source = Plan("[1]", "warm");
  settings.tables = fmt::format(
      "[[source]]\nname = \"ip2\"\naddress = \"{}\"\n[[pool]]\nname = \"warm\"\nsources = [\"ip2\"]\n", net.Address(8));
  StartDaemon();
  Load("spring", Template(), Recipients(50, {"d1.test"}), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [](const Json& now) { return now["delivered"].Number() == 50; }));
  int from_ip1 = 0;
  for (const Json& event : Events("spring")) from_ip1 += event["source"].Text() == "ip1" ? 1 : 0;
  EXPECT_LE(from_ip1, 1);

  settings.source = Plan("[1]", "wait");
  WriteConfig();
  ASSERT_EQ(Sealift({"reload"}).exit_code, 0);
  Load("summer", Template(), Recipients(50, {"d1.test"}), {"--start"});
  EXPECT_TRUE(
      Eventually(kSoon, [&] { return Metric("sealift_queue_waiting{reason=\"warmup\",provider=\"other\"}") >= 49; }));
  EXPECT_LE(Show("summer")["delivered"].Number(), 1);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
