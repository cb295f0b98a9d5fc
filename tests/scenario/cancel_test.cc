// A cancelled campaign sends nothing more; its rows are counted as cancelled, and --dry-run only says how many.
#include <fmt/format.h>

#include <future>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

class CancelTest : public World {
 protected:
  std::string Script() const {
    return fmt::format(
        "[[provider]]\nname = \"all\"\ndomains = [\"d{{1..10}}.test\"]\n"
        "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
        net.Address(10));
  }
};

TEST_F(CancelTest, CancelEndsACampaignInTheMiddle) {
  constexpr int64_t kRows = 4000;
  const Sink sink(dir, Script(), net.Address(2, 5353));
  settings.source = "rate = \"500/s\"";
  StartDaemon();
  Load("spring", Template(), Recipients(kRows, Domains(10)), {"--start"});
  ASSERT_TRUE(Eventually(kInTime, [&] { return sink.arrivals() > 200; }));

  const Answer refused = Sealift({"campaign", "cancel", "spring"});
  EXPECT_EQ(refused.exit_code, 64) << "without a terminal it takes --yes: " << refused.Describe();
  EXPECT_EQ(Sealift({"campaign", "cancel", "spring", "--dry-run"}).exit_code, 0);
  EXPECT_EQ(Show("spring")["state"].Text(), "running");

  const Answer cancel = Sealift({"campaign", "cancel", "spring", "--yes", "--reason", "wrong template"});
  ASSERT_EQ(cancel.exit_code, 0) << cancel.Describe();
  const Json now = Show("spring");
  EXPECT_EQ(now["state"].Text(), "cancelled");
  EXPECT_EQ(now["queued"].Number(), 0) << now.Dump();
  EXPECT_GT(now["cancelled"].Number(), 0);
  EXPECT_EQ(now["delivered"].Number() + now["cancelled"].Number(), kRows) << now.Dump();
  // The last row had not gone yet.
  const Json found = Sealift({"message", "find", "--reason", "a test", "--recipient",
                              fmt::format("row{}@d{}.test", kRows, (kRows - 1) % 10 + 1)})
                         .json;
  EXPECT_EQ(found["messages"].At(0)["state"].Text(), "cancelled") << found.Dump();
  const size_t arrived = sink.arrivals();
  EXPECT_EQ(static_cast<int64_t>(arrived), now["delivered"].Number());
  EXPECT_FALSE(Eventually(std::chrono::seconds(2), [&] { return sink.arrivals() != arrived; })) << "it sent after all";

  // The name is free of surprises: it cannot be resumed, and a restart changes nothing.
  EXPECT_NE(Sealift({"campaign", "resume", "spring"}).exit_code, 0);
  StopDaemon();
  StartDaemon();
  EXPECT_EQ(Show("spring")["state"].Text(), "cancelled");
  StopDaemon();
}

class SlowCancelTest : public World {
 protected:
  // One takes a message and keeps its answer for ten seconds.
  std::string Script() const {
    return fmt::format(
        "[[provider]]\nname = \"slow\"\ndomains = [\"d1.test\"]\nmx = [{{ host = \"mx.d1.test\", address = \"{}\" "
        "}}]\n[[provider.rule]]\nat = \"body\"\nreply = \"250 2.0.0 Ok\"\npause = \"10s\"\n"
        "[[provider]]\nname = \"quick\"\ndomains = [\"d2.test\"]\nmx = [{{ host = \"mx.d2.test\", address = \"{}\" "
        "}}]\n",
        net.Address(10), net.Address(11));
  }
  void BeginSlowly(const Sink& sink) {
    Load("slow", Template(), Recipients(200, {"d1.test"}, "slow.csv"), {"--start"});
    ASSERT_TRUE(Eventually(kInTime, [&] { return sink.Status()["totals"]["connections"].Number() > 0; }));
  }
};

TEST_F(SlowCancelTest, ACancellationThatWaitsForWhatIsBeingSentKeepsUpNoOtherDecision) {
  const Sink sink(dir, Script(), net.Address(2, 5353));
  StartDaemon();
  BeginSlowly(sink);
  Load("other", Template(), Recipients(2000, {"d2.test"}, "other.csv"), {"--start", "--rate", "50/s"});
  std::future<Answer> cancel = std::async(std::launch::async, [&] {
    return Sealift({"campaign", "cancel", "slow", "--yes", "--reason", "wrong template"});
  });
  ASSERT_TRUE(ShowsUntil("slow", kInTime, [](const Json& now) { return now["state"].Text() == "paused"; }));
  EXPECT_NE(Sealift({"campaign", "resume", "slow"}).exit_code, 0) << "it is being cancelled";
  ASSERT_EQ(Sealift({"campaign", "pause", "other", "--reason", "stop"}).exit_code, 0);
  EXPECT_NE(cancel.wait_for(std::chrono::seconds(0)), std::future_status::ready) << "the pause waited for it";
  EXPECT_EQ(cancel.get().exit_code, 0);
  const Json now = Show("slow");
  EXPECT_EQ(now["state"].Text(), "cancelled");
  EXPECT_GT(now["delivered"].Number(), 0) << "what was being sent";
  EXPECT_EQ(now["delivered"].Number() + now["cancelled"].Number(), 200) << now.Dump();
  StopDaemon();
}

TEST_F(SlowCancelTest, OneThatAKillHasInterruptedIsCarriedOutByTheNextStart) {
  const Sink sink(dir, Script(), net.Address(2, 5353));
  StartDaemon();
  BeginSlowly(sink);
  std::future<Answer> cancel = std::async(std::launch::async, [&] {
    return Sealift({"campaign", "cancel", "slow", "--yes", "--reason", "wrong template"});
  });
  ASSERT_TRUE(ShowsUntil("slow", kInTime, [](const Json& now) { return now["state"].Text() == "paused"; }));
  KillDaemon();
  EXPECT_NE(cancel.get().exit_code, 0);
  StartDaemon();
  ASSERT_TRUE(ShowsUntil("slow", kInTime, [](const Json& now) { return now["state"].Text() == "cancelled"; }));
  EXPECT_EQ(Show("slow")["queued"].Number(), 0);
  StopDaemon();
}

TEST_F(CancelTest, AReplayBringsBackWhatWasCancelledAndKeepsWhoOptedOutOfIt) {
  constexpr int64_t kRows = 2000;
  const Sink sink(dir, Script(), net.Address(2, 5353));
  settings.source = "rate = \"500/s\"";
  StartDaemon();
  Load("spring", Template(), Recipients(kRows, Domains(10)), {"--start"});
  ASSERT_TRUE(Eventually(kInTime, [&] { return sink.arrivals() > 200; }));
  ASSERT_EQ(Sealift({"campaign", "pause", "spring", "--reason", "a look"}).exit_code, 0);
  ASSERT_EQ(Sealift({"campaign", "cancel", "spring", "--yes", "--reason", "wrong template"}).exit_code, 0);
  const int64_t cancelled = Show("spring")["cancelled"].Number(), delivered = Show("spring")["delivered"].Number();
  ASSERT_GT(cancelled, 500);

  const auto replay = [&](std::vector<std::string> more) {
    std::vector<std::string> all = {"queue",     "replay",    "--campaign", "spring",
                                    "--outcome", "cancelled", "--reason",   "it was the right one after all"};
    all.insert(all.end(), more.begin(), more.end());
    return Sealift(all);
  };
  EXPECT_EQ(replay({"--dry-run"}).json["queued"].Number(), cancelled);
  // The last row had not gone yet.
  const std::string last = fmt::format("row{}@d{}.test", kRows, (kRows - 1) % 10 + 1);
  ASSERT_EQ(Sealift({"suppression", "add", last, "--reason", "asked"}).exit_code, 0);
  const int64_t meant = replay({"--dry-run"}).json["queued"].Number();
  EXPECT_EQ(meant, cancelled - 1);
  const int64_t of_one = replay({"--dry-run", "--domain", "d1.test"}).json["queued"].Number();
  ASSERT_GT(of_one, 0);
  EXPECT_EQ(Show("spring")["state"].Text(), "cancelled") << "counting changes nothing";
  EXPECT_EQ(replay({"--yes", "--domain", "no.test"}).json["total"].Number(), 0);

  const Answer first = replay({"--yes", "--domain", "d1.test", "--rate", "1000/s"});
  ASSERT_EQ(first.exit_code, 0) << first.Describe();
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [&](const Json& now) {
    return now["delivered"].Number() == delivered + of_one;
  })) << Show("spring").Dump();
  EXPECT_EQ(Show("spring")["state"].Text(), "done");
  EXPECT_EQ(Show("spring")["cancelled"].Number(), cancelled - of_one);
  const Json found = Sealift({"message", "find", "--reason", "a test", "--recipient", last}).json;
  EXPECT_EQ(found["messages"].At(0)["state"].Text(), "cancelled") << found.Dump();

  const Answer rest = replay({"--yes", "--rate", "400/s"});
  ASSERT_EQ(rest.exit_code, 0) << rest.Describe();
  ASSERT_TRUE(Eventually(kInTime, [&] { return Show("spring")["cancelled"].Number() < cancelled - of_one - 100; }));
  KillDaemon();
  StartDaemon();
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [&](const Json& now) { return now["delivered"].Number() == kRows - 1; }))
      << Show("spring").Dump();
  EXPECT_EQ(Show("spring")["cancelled"].Number(), 1);
  const std::map<std::string, std::vector<std::string>> arrived = sink.ByMailbox();
  EXPECT_EQ(arrived.size(), static_cast<size_t>(kRows - 1));
  EXPECT_FALSE(arrived.contains(last));
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
