// In sink mode everything goes to [sink] whatever its domain, every summary says so, and what was loaded under one mode
// is never sent under the other.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using SinkModeTest = World;

TEST_F(SinkModeTest, EverythingGoesToTheSinkAndNothingChangesSides) {
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"*\"]\n"
                              "mx = [{{ host = \"sink.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  settings.delivery = "sink";
  settings.sink_address = net.Address(10, Sink::kPort);
  StartDaemon();
  Load("spring", Template(), Recipients(50, {"d1.test", "nowhere.example"}), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 50; }));
  EXPECT_EQ(sink.arrivals(), 50u);
  EXPECT_THAT(SealiftPlain({"campaign", "show", "spring"}).out, HasSubstr("SINK: nothing leaves this machine"));
  EXPECT_EQ(Metric("sealift_delivery_mode{mode=\"sink\"}"), 1);

  // Loaded under sink, then the node goes live: it stays.
  Load("summer", Template(), Recipients(10, {"d1.test"}));
  StopDaemon();
  settings.delivery = "live";
  StartDaemon();
  Sealift({"campaign", "start", "summer"});
  EXPECT_FALSE(Eventually(std::chrono::seconds(3), [&] { return sink.arrivals() != 50; }))
      << "a sink campaign was sent live";
  EXPECT_EQ(Show("summer")["queued"].Number(), 10);
  const Json explained = Sealift({"domain", "explain", "d1.test"}).json;
  EXPECT_EQ(explained["waits"].At(0)["reason"].Text(), "delivery_mode") << explained.Dump();
  EXPECT_THAT(explained["waits"].At(0)["set_by"].Text(), HasSubstr("sealift.toml:"));
  EXPECT_EQ(Metric("sealift_queue_waiting{reason=\"delivery_mode\",provider=\"other\"}"), 10);
  EXPECT_THAT(SealiftPlain({"campaign", "list"}).out, Not(HasSubstr("SINK"))) << "mail leaves this machine";
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
