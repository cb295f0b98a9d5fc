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

}  // namespace
}  // namespace sealift::scenario
