// A stream that would rather hold a message than send it twice: kill -9 in the middle of it, and nobody gets a message
// twice; those of which nobody knows whether they arrived are shown, and stay where they are until an operator decides.
#include <fmt/format.h>

#include <set>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using InDoubtTest = World;

TEST_F(InDoubtTest, KillAfterKillNobodyGetsItTwice) {
  constexpr int64_t kRows = 4000;
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..40}}.test\"]\nlatency = \"20ms\"\n"
                              "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  settings.source = "rate = \"800/s\"";
  settings.streams = {{"receipts", "tls = \"opportunistic\"\nin_doubt = \"hold\""}};
  StartDaemon();
  Load("spring", Template(), Recipients(kRows, Domains(40)), {"--start"});
  int64_t doubts = 0;
  for (size_t kill = 1; kill <= 3; ++kill) {
    ASSERT_TRUE(Eventually(kInTime, [&] { return sink.arrivals() >= kill * 700; }));
    KillDaemon();
    StartDaemon();
    const Json now = Show("spring");
    EXPECT_GE(now["in_doubt"].Number(), doubts) << "what was in doubt stays so";
    doubts = now["in_doubt"].Number();
  }
  // All that can be sent is sent; what is in doubt is what is left.
  ASSERT_TRUE(ShowsUntil("spring", kInTime,
                         [](const Json& now) { return now["queued"].Number() == now["in_doubt"].Number(); }));
  const Json shown = Show("spring");
  EXPECT_EQ(shown["in_doubt"].Number(), doubts);
  EXPECT_GT(doubts, 0) << "no kill met a message under way: nothing is proved";
  EXPECT_EQ(Metric("sealift_queue_messages{stream=\"receipts\",state=\"in_doubt\"}"), static_cast<double>(doubts));
  const Answer listed = Sealift({"queue", "list", "--campaign", "spring", "--limit", "1000", "--reveal"});
  std::set<std::string> held;
  for (const Json& row : listed.json["rows"].Items()) {
    EXPECT_EQ(row["state"].Text(), "in_doubt");
    held.insert(row["recipient"].Text());
  }
  EXPECT_EQ(held.size(), static_cast<size_t>(doubts));
  // Nothing but an operator moves them: neither a retry of everything nor another start.
  EXPECT_EQ(Sealift({"queue", "retry", "--campaign", "spring", "--reason", "to see"}).json["moved"].Number(), 0);
  StopDaemon();
  StartDaemon();
  EXPECT_EQ(Show("spring")["in_doubt"].Number(), doubts);

  size_t arrived = 0;
  for (const auto& [mailbox, ids] : sink.ByMailbox()) {
    EXPECT_EQ(ids.size(), 1u) << mailbox << " got it twice";
    if (!held.contains(mailbox)) ++arrived;
  }
  EXPECT_EQ(static_cast<int64_t>(arrived), kRows - doubts) << "each that is not in doubt has arrived";

  // They are of no order that settles rows, and nothing else is what they wait for.
  EXPECT_EQ(Sealift({"queue", "bounce", "--everything", "--reason", "r", "--dry-run"}).json["queued"].Number(), 0);
  EXPECT_EQ(Sealift({"queue", "bounce", "--older-than", "0s", "--reason", "r", "--dry-run"}).json["queued"].Number(),
            0);
  ASSERT_EQ(Sealift({"campaign", "pause", "spring", "--reason", "r"}).exit_code, 0);
  const std::string one = listed.json["rows"].At(0)["id"].Text();
  EXPECT_EQ(Sealift({"message", "trace", one}).json["waits"]["reason"].Text(), "in_doubt");
  ASSERT_EQ(Sealift({"campaign", "resume", "spring", "--reason", "r"}).exit_code, 0);

  // An operator rather sends them twice.
  const auto release = [&](const std::string& yes) {
    return Sealift(
        {"queue", "release", "--campaign", "spring", "--state", "in_doubt", "--reason", "receipts matter", yes});
  };
  EXPECT_EQ(Sealift({"queue", "list", "--state", "in_doubt", "--limit", "1000"}).json["rows"].Items().size(),
            static_cast<size_t>(doubts));
  EXPECT_EQ(Sealift({"queue", "list", "--state", "retrying"}).json["rows"].Items().size(), 0u);
  EXPECT_EQ(release("--dry-run").json["rows"].Number(), doubts);
  EXPECT_EQ(Sealift({"queue", "release", "--state", "in_doubt", "--everything", "--reason", "so"}).exit_code, 64)
      << "it needs --yes";
  EXPECT_EQ(Show("spring")["in_doubt"].Number(), doubts);
  EXPECT_EQ(release("--yes").json["rows"].Number(), doubts);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [&](const Json& now) { return now["delivered"].Number() == kRows; }));
  EXPECT_EQ(release("--yes").json["rows"].Number(), 0);
  StopDaemon();
  EXPECT_EQ(sink.ByMailbox().size(), static_cast<size_t>(kRows)) << "each has arrived";
  for (const auto& [mailbox, ids] : sink.ByMailbox()) {
    if (!held.contains(mailbox)) EXPECT_EQ(ids.size(), 1u) << mailbox << " got it twice and was not in doubt";
  }
}

}  // namespace
}  // namespace sealift::scenario
