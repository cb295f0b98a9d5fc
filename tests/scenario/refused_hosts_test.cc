// Thousands of hosts that refuse every connection: each is tried once, its mail waits with the reason, and another
// destination gets its mail meanwhile. perf/hostile does the same with fifty thousand, and measures what that
// destination keeps of its rate.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <set>
#include <string>

#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

using RefusedHostsTest = World;

TEST_F(RefusedHostsTest, EachIsTriedOnceAndTheOthersFlow) {
  constexpr int kHosts = 2000, kRowsOfEach = 2, kGoodRows = 1000;
  // A domain without MX is its own host, so each of them is a site by itself.
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"refused\"\ndomains = [\"d{{1..{}}}.test\"]\ndns = \"address\"\n"
                              "connect = \"refuse\"\nmx = [{{ host = \"mx.refused.test\", address = \"{}\" }}]\n"
                              "[[provider]]\nname = \"good\"\ndomains = [\"good.test\"]\n"
                              "mx = [{{ host = \"mx.good.test\", address = \"{}\" }}]\n",
                              kHosts, net.Address(10), net.Address(11)),
                  net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"1d\"]"}};
  StartDaemon();
  Load("refused", Template(), Recipients(kHosts * kRowsOfEach, Domains(kHosts), "refused.csv"), {"--start"});
  Load("good", Template(), Recipients(kGoodRows, {"good.test"}), {"--start"});
  EXPECT_TRUE(ShowsUntil("good", kInTime, [](const Json& now) { return now["delivered"].Number() == kGoodRows; }));
  ASSERT_TRUE(ShowsUntil("refused", kInTime, [](const Json& now) { return now["deferrals"].Number() >= kHosts; }));

  // One row tells of its host; the others of the domain were not tried for it.
  std::set<std::string> domains;
  const std::vector<Json> events = Events("refused");
  for (const Json& event : events) {
    EXPECT_EQ(event["outcome"].Text(), "deferred") << event.Dump();
    EXPECT_EQ(event["class"].Text(), "connection") << event.Dump();
    EXPECT_THAT(event["reply"].Text(), HasSubstr("Connection refused")) << event.Dump();
    const std::string recipient = event["recipient"].Text();
    domains.insert(recipient.substr(recipient.find('@')));
  }
  EXPECT_THAT(events, SizeIs(kHosts));
  EXPECT_THAT(domains, SizeIs(kHosts));
  const Json now = Show("refused");
  EXPECT_EQ(now["queued"].Number(), kHosts * kRowsOfEach) << now.Dump();
  EXPECT_EQ(now["retrying"].Number(), kHosts) << now.Dump();
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
