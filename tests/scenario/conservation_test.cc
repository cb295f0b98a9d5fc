// Nothing appears and nothing goes: whatever is done to a campaign, what was accepted is queued or has an outcome, in
// every single look at it. What is looked at is read from one snapshot of the database.
#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

class ConservationTest : public World {
 protected:
  // Every campaign of the node, from one snapshot.
  void Look() {
    const Answer answer = Sealift({"campaign", "list"});
    ASSERT_EQ(answer.exit_code, 0) << answer.Describe();
    for (const Json& campaign : answer.json["campaigns"].Items()) {
      int64_t sum = 0;
      for (const char* part : {"queued", "delivered", "bounced", "expired", "suppressed", "cancelled"}) {
        EXPECT_GE(campaign[part].Number(), 0) << campaign.Dump();
        sum += campaign[part].Number();
      }
      EXPECT_EQ(campaign["loaded"].Number(), sum) << campaign.Dump();
      // And no row of the input went elsewhere: it was accepted, or was left out for a reason that is counted.
      for (const char* part : {"rejected", "duplicates", "suppressed_at_load"}) sum += campaign[part].Number();
      EXPECT_EQ(campaign["input_rows"].Number(), sum) << campaign.Dump();
      EXPECT_LE(campaign["retrying"].Number() + campaign["in_doubt"].Number(), campaign["queued"].Number())
          << campaign.Dump();
    }
    ++looks_;
  }

  int looks_ = 0;
};

TEST_F(ConservationTest, InEveryLook) {
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"good\"\ndomains = [\"d{{1..6}}.test\"]\nmx = [{{ host = "
                              "\"mx.good.test\", address = \"{0}\" }}]\n"
                              "[[provider]]\nname = \"patient\"\ndomains = [\"d7.test\"]\nmx = [{{ host = "
                              "\"mx.patient.test\", address = \"{1}\" }}]\n[[provider.rule]]\nat = \"rcpt\"\nfirst = "
                              "2\nreply = \"450 4.2.0 Come back later\"\n"
                              "[[provider]]\nname = \"gone\"\ndomains = [\"d8.test\"]\nmx = [{{ host = "
                              "\"mx.gone.test\", address = \"{2}\" }}]\n[[provider.rule]]\nat = \"rcpt\"\nreply = "
                              "\"550 5.1.1 No such user\"\n",
                              net.Address(10), net.Address(11), net.Address(12)),
                  net.Address(2, 5353));
  settings.source = "rate = \"1500/s\"";
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"1s\", \"2s\"]"}};
  StartDaemon();
  std::atomic<bool> over{false};
  std::thread watch([&] {
    // Not once a second but as often as it goes.
    while (!over) Look();
  });
  Load("drained", Template(), Recipients(6000, Domains(8), "a.csv"), {"--start"});
  Load("cancelled", Template(), Recipients(9000, Domains(8), "b.csv"), {"--start"});
  Load("expired", Template(), Recipients(3000, Domains(8), "c.csv"), {"--expires-in", "6s"});
  EXPECT_TRUE(ShowsUntil("cancelled", kInTime, [](const Json& now) { return now["delivered"].Number() > 500; }));
  EXPECT_EQ(Sealift({"queue", "retry", "--everything", "--reason", "to see"}).exit_code, 0);
  EXPECT_EQ(Sealift({"campaign", "cancel", "cancelled", "--yes"}).exit_code, 0);
  // Who bounced in an earlier campaign is left out of a later one.
  EXPECT_TRUE(ShowsUntil("expired", kInTime, [](const Json& now) {
    return now["suppressed_at_load"].Number() <= 375 &&
           now["expired"].Number() + now["suppressed_at_load"].Number() == 3000;
  }));
  EXPECT_TRUE(ShowsUntil("drained", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  over = true;
  watch.join();
  KillDaemon();
  StartDaemon();
  EXPECT_GT(looks_, 10);
  const Json drained = Show("drained");
  EXPECT_EQ(drained["delivered"].Number(), 5250);
  // Those of the eighth domain are in the other campaign too: whichever finds out first that one is gone, the other
  // need not ask.
  EXPECT_GT(drained["bounced"].Number(), 0);
  EXPECT_EQ(drained["bounced"].Number() + drained["suppressed"].Number(), 750);
  EXPECT_GT(Show("cancelled")["cancelled"].Number(), 0);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
