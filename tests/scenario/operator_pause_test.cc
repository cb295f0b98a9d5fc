// An operator pauses a campaign: nothing more leaves, nothing is lost, and it goes on where it was.
#include <fmt/format.h>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using OperatorPauseTest = World;

TEST_F(OperatorPauseTest, APausedCampaignStandsStillAndGoesOnWhereItWas) {
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
  ASSERT_EQ(Sealift({"campaign", "pause", "spring"}).exit_code, 0);
  EXPECT_EQ(Show("spring")["state"].Text(), "paused");

  // What was in flight settles; then what has arrived and what is delivered are the same and stay so, over a restart
  // too.
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [&](const Json& now) {
    return now["delivered"].Number() == static_cast<int64_t>(sink.arrivals());
  }));
  const size_t arrived = sink.arrivals();
  EXPECT_LT(arrived, static_cast<size_t>(kRows));
  StopDaemon();
  StartDaemon();
  EXPECT_EQ(Show("spring")["state"].Text(), "paused");
  EXPECT_FALSE(Eventually(std::chrono::seconds(2), [&] { return sink.arrivals() != arrived; }))
      << "it sent while paused";

  ASSERT_EQ(Sealift({"campaign", "resume", "spring"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == kRows; }));
  EXPECT_EQ(Show("spring")["state"].Text(), "done");
  EXPECT_EQ(Sealift({"campaign", "pause", "spring"}).exit_code, 64) << "there is nothing to pause";
  EXPECT_EQ(Show("spring")["state"].Text(), "done");
  EXPECT_EQ(sink.ByMailbox().size(), static_cast<size_t>(kRows));
  EXPECT_EQ(sink.arrivals(), static_cast<size_t>(kRows)) << "a row was sent twice";
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
