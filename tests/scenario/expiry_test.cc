// Messages expire at their time, whatever keeps them: an operator, the schedule, a wall, a name that leads nowhere, the
// disk. Every event and counter says so soon after.
#include <fmt/format.h>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

class ExpiryTest : public World {
 protected:
  std::string Script() const {
    return fmt::format(
        "[[provider]]\nname = \"deferring\"\ndomains = [\"d1.test\"]\nmx = [{{ host = \"mx.d1.test\", address = "
        "\"{0}\" "
        "}}]\n[[provider.rule]]\nat = \"rcpt\"\nreply = \"450 4.2.0 Come back later\"\n"
        "[[provider]]\nname = \"walled\"\ndomains = [\"d2.test\"]\nmx = [{{ host = \"mx.d2.test\", address = \"{1}\" "
        "}}]\n[[provider.rule]]\nat = \"greeting\"\nreply = \"554 5.7.1 Go away\"\n",
        net.Address(10), net.Address(11));
  }

  // Its rows expire together; soon after, each has an event that says so and nothing is queued.
  void ExpectExpires(const std::string& campaign, int64_t rows) {
    EXPECT_TRUE(ShowsUntil(campaign, kSoon, [&](const Json& now) { return now["expired"].Number() == rows; }))
        << campaign;
    EXPECT_EQ(Show(campaign)["queued"].Number(), 0) << campaign;
    std::map<std::string, std::string> last;
    for (const Json& event : Events(campaign)) last[event["key"].Text()] = event["outcome"].Text();
    EXPECT_EQ(last.size(), static_cast<size_t>(rows)) << campaign;
    for (const auto& [key, outcome] : last) EXPECT_EQ(outcome, "expired") << campaign << " " << key;
  }
};

TEST_F(ExpiryTest, WhateverKeepsThem) {
  const Sink sink(dir, Script(), net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"5h\"]"}};
  StartDaemon();
  const std::string life = "12s";
  // Never started; paused; deferred for hours; behind a wall; of a domain that leads nowhere.
  Load("ready", Template(), Recipients(300, {"d1.test"}, "ready.csv"), {"--expires-in", life});
  Load("paused", Template(), Recipients(300, {"d1.test"}, "paused.csv"), {"--expires-in", life});
  Load("deferred", Template(), Recipients(40, {"d1.test"}, "deferred.csv"), {"--start", "--expires-in", life});
  Load("walled", Template(), Recipients(300, {"d2.test"}, "walled.csv"), {"--start", "--expires-in", life});
  Load("nowhere", Template(), Recipients(30, {"gone.d9.test"}, "nowhere.csv"), {"--start", "--expires-in", life});
  Load("later", Template(), Recipients(30, {"d1.test"}, "later.csv"), {"--expires-in", "5h"});
  ASSERT_EQ(Sealift({"campaign", "start", "paused"}).exit_code, 0);
  ASSERT_EQ(Sealift({"campaign", "pause", "paused"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("deferred", kSoon, [](const Json& now) { return now["deferrals"].Number() == 40; }));
  EXPECT_EQ(Show("ready")["queued"].Number(), 300) << "before its time";
  const int64_t nowhere = 30 - Show("nowhere")["bounced"].Number();

  ExpectExpires("ready", 300);
  ExpectExpires("paused", 300);
  ExpectExpires("deferred", 40);
  ExpectExpires("walled", 300);
  if (nowhere > 0) ExpectExpires("nowhere", nowhere);
  EXPECT_EQ(Metric("sealift_messages_expired_total{stream=\"news\"}"), static_cast<double>(940 + nowhere));
  EXPECT_EQ(Show("later")["queued"].Number(), 30);
  EXPECT_EQ(sink.arrivals(), 0u);
  // Nothing of it is believed to wait any more.
  EXPECT_TRUE(Eventually(kSoon, [&] {
    return SealiftPlain({"queue", "list", "--campaign", "walled"}).out.find("@") == std::string::npos;
  }));
  StopDaemon();
}

TEST_F(ExpiryTest, AlsoWhileTheDaemonIsDown) {
  const Sink sink(dir, Script(), net.Address(2, 5353));
  StartDaemon();
  Load("spring", Template(), Recipients(500, {"d1.test", "d2.test"}), {"--expires-in", "2s"});
  KillDaemon();
  EXPECT_FALSE(Eventually(std::chrono::seconds(3), [] { return false; }));  // its time passes
  StartDaemon();
  ExpectExpires("spring", 500);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
