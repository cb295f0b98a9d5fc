// sealiftd is killed in the middle of a campaign and started again: every row arrives, and what arrives twice is
// bounded by unsettled_max and carries the same Message-ID.
#include <fmt/format.h>

#include <set>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using CrashTest = World;

TEST_F(CrashTest, KillInTheMiddleLosesNothingAndBoundsWhatIsSentTwice) {
  constexpr size_t kRows = 12'000;
  constexpr size_t kUnsettledMax = 300;
  constexpr int kKills = 3;
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..40}}.test\"]\nlatency = \"2ms\"\n"
                              "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  settings.node = fmt::format("unsettled_max = {}", kUnsettledMax);
  settings.source = "rate = \"3000/s\"";
  StartDaemon();
  const Answer load = Load("spring", Template(), Recipients(kRows, Domains(40)), {"--start"});
  EXPECT_EQ(load.json["accepted"].Number(), static_cast<int64_t>(kRows));

  for (int kill = 1; kill <= kKills; ++kill) {
    const size_t enough = kRows * static_cast<size_t>(kill) / (kKills + 1);
    ASSERT_TRUE(Eventually(kInTime, [&] { return sink.arrivals() >= enough; }))
        << "only " << sink.arrivals() << " arrived before kill " << kill;
    ASSERT_LT(sink.arrivals(), kRows) << "it was over before kill " << kill << ": nothing is proved";
    KillDaemon();
    StartDaemon();
    const Json now = Show("spring");
    EXPECT_EQ(now["loaded"].Number(), static_cast<int64_t>(kRows)) << now.Dump();
    // What is settled has arrived; not the other way round.
    EXPECT_LE(now["delivered"].Number(), static_cast<int64_t>(sink.arrivals()));
  }
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  EXPECT_EQ(Show("spring")["delivered"].Number(), static_cast<int64_t>(kRows));
  StopDaemon();

  const auto arrived = sink.ByMailbox();
  EXPECT_EQ(arrived.size(), kRows) << "rows were lost";
  size_t again = 0;
  std::set<std::string> ids;
  for (const auto& [mailbox, message_ids] : arrived) {
    again += message_ids.size() - 1;
    for (const std::string& id : message_ids) EXPECT_EQ(id, message_ids[0]) << mailbox << " got two different messages";
    EXPECT_TRUE(ids.insert(message_ids[0]).second) << "two rows share " << message_ids[0];
  }
  EXPECT_LE(again, kKills * kUnsettledMax);
}

TEST_F(CrashTest, AnAcknowledgedLoadIsThereAfterAKill) {
  StartDaemon();
  const Answer load = Load("spring", Template(), Recipients(5000, Domains(10)));
  KillDaemon();
  EXPECT_EQ(load.json["accepted"].Number(), 5000);
  StartDaemon();
  const Json now = Show("spring");
  EXPECT_EQ(now["loaded"].Number(), 5000);
  EXPECT_EQ(now["queued"].Number(), 5000);
  EXPECT_EQ(now["state"].Text(), "ready");
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
