// A cancelled campaign sends nothing more; its rows are counted as cancelled, and --dry-run only says how many.
#include <fmt/format.h>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using CancelTest = World;

TEST_F(CancelTest, CancelEndsACampaignInTheMiddle) {
  constexpr int64_t kRows = 4000;
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..10}}.test\"]\n"
                              "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
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

TEST_F(CancelTest, AReplayBringsBackWhatWasCancelledAndKeepsWhoOptedOutOfIt) {
  constexpr int64_t kRows = 2000;
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..10}}.test\"]\n"
                              "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
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
