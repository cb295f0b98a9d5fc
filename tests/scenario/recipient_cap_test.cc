// Two campaigns go to the same people, who get one message a day of their stream, whatever happens in between.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

using RecipientCapTest = World;

TEST_F(RecipientCapTest, HoldsOverAKillAndWaitsInsteadOfBouncing) {
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..4}}.test\"]\n"
                              "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"opportunistic\"\nrecipient_cap = \"1/d\""}};
  settings.smtp = "messages_per_connection = 1";  // so that nobody finds one that is open
  StartDaemon();
  Load("spring", Template(), Recipients(8, Domains(4)), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 8; }));
  KillDaemon();
  StartDaemon();
  // Who has had enough costs no connection.
  const auto connections = [&] { return sink.Status()["totals"]["connections"].Number(); };
  const auto before = connections();
  Load("again", Template(), Recipients(8, Domains(4), "again.csv"), {"--start"});
  ASSERT_TRUE(ShowsUntil("again", kInTime, [](const Json& now) { return now["deferrals"].Number() == 8; }));
  EXPECT_EQ(connections(), before);
  Load("summer", Template(), Recipients(12, Domains(4), "more.csv"), {"--start"});
  ASSERT_TRUE(ShowsUntil("summer", kInTime, [](const Json& now) {
    return now["delivered"].Number() == 4 && now["deferrals"].Number() == 8;
  }));
  EXPECT_EQ(sink.arrivals(), 12u);
  EXPECT_EQ(Show("summer")["bounced"].Number(), 0);

  const Answer rows = Sealift({"queue", "list", "--campaign", "summer", "--limit", "1"});
  const Answer trace = Sealift({"message", "trace", rows.json["rows"].At(0)["id"].Text()});
  EXPECT_EQ(trace.json["waits"]["reason"].Text(), "recipient_cap") << trace.Describe();
  EXPECT_THAT(trace.json["waits"]["detail"].Text(), HasSubstr("one recipient gets 1/d of stream news"));
  // What a start finds on the disk waits for the same.
  KillDaemon();
  StartDaemon();
  EXPECT_TRUE(Eventually(
      kSoon, [&] { return Metric("sealift_queue_waiting{reason=\"recipient_cap\",provider=\"other\"}") == 16; }));
  EXPECT_LE(Metric("sealift_queue_waiting{reason=\"due\",provider=\"other\"}"), 0);
  const Answer explained = Sealift({"domain", "explain", "d1.test"});
  ASSERT_EQ(explained.json["waits"].size(), 1u) << explained.Describe();
  EXPECT_EQ(explained.json["waits"].At(0)["reason"].Text(), "recipient_cap");
  EXPECT_EQ(explained.json["waits"].At(0)["rows"].Number(), explained.json["queued"].Number());
  // Who makes them due now changes nothing: they wait again.
  ASSERT_EQ(Sealift({"queue", "retry", "--campaign", "summer", "--reason", "in a hurry"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("summer", kInTime, [](const Json& now) { return now["deferrals"].Number() == 16; }));
  EXPECT_EQ(sink.arrivals(), 12u);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
