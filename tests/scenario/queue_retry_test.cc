// A destination was down and its rows wait for hours; `queue retry` makes them due at once.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>
#include <memory>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

using QueueRetryTest = World;

TEST_F(QueueRetryTest, RowsThatWaitForAnotherTryGoOutNow) {
  // A recipient is turned away the first time and taken the second.
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..4}}.test\"]\n"
                              "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n"
                              "[[provider.rule]]\nat = \"rcpt\"\nfirst = 1\nreply = \"450 4.3.2 Maintenance\"\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"4h\"]"}};
  StartDaemon();
  Load("spring", Template(), Recipients(40, Domains(4)), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["deferrals"].Number() == 40; }));
  EXPECT_EQ(sink.arrivals(), 0u);
  EXPECT_EQ(Metric("sealift_queue_oldest_seconds{stream=\"news\"}"), 0) << "nothing is due";

  const Answer list = Sealift({"queue", "list", "--domain", "d1.test"});
  EXPECT_EQ(list.exit_code, 0) << list.Describe();
  EXPECT_THAT(list.out, HasSubstr("***@d1.test")) << "addresses are masked: " << list.out;
  EXPECT_EQ(Sealift({"queue", "retry", "--domain", "d1.test"}).exit_code, 64) << "it takes a reason";
  EXPECT_EQ(Sealift({"queue", "retry", "--domain", "d1.test", "--dry-run", "--reason", "test"}).exit_code, 0);
  EXPECT_EQ(sink.arrivals(), 0u);

  const Answer retry = Sealift({"queue", "retry", "--domain", "d1.test", "--reason", "their outage is over"});
  ASSERT_EQ(retry.exit_code, 0) << retry.Describe();
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [](const Json& now) { return now["delivered"].Number() == 10; }));
  EXPECT_EQ(Show("spring")["queued"].Number(), 30) << "only the rows of that domain went";

  // Of single rows.
  const Answer meant =
      Sealift({"queue", "retry", "--state", "retrying", "--older-than", "0s", "--dry-run", "--reason", "how many"});
  ASSERT_EQ(meant.exit_code, 0) << meant.Describe();
  EXPECT_EQ(meant.json["queued"].Number(), 30);
  EXPECT_EQ(Sealift({"queue", "retry", "--class", "full", "--dry-run", "--reason", "none"}).json["queued"].Number(), 0);
  EXPECT_EQ(Sealift({"queue", "retry", "--state", "held", "--reason", "they wait for no time"}).exit_code, 64);
  const Answer one = Sealift({"queue", "retry", "--recipient", "row3@d3.test", "--reason", "a call is awaited"});
  ASSERT_EQ(one.exit_code, 0) << one.Describe();
  EXPECT_EQ(one.json["moved"].Number(), 1) << one.Describe();
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [](const Json& now) { return now["delivered"].Number() == 11; }));
  EXPECT_EQ(sink.ByMailbox().count("row3@d3.test"), 1u);

  const auto before = std::chrono::steady_clock::now();
  const Answer rest = Sealift({"queue", "retry", "--everything", "--rate", "20/s", "--reason", "all clear"});
  ASSERT_EQ(rest.exit_code, 0) << rest.Describe();
  EXPECT_EQ(rest.json["total"].Number(), 29);
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [](const Json& now) { return now["delivered"].Number() == 40; }));
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(700))
      << "29 at 20/s are due over a second and a half";
  ASSERT_TRUE(Eventually(kSoon, [&] {
    return Sealift({"queue", "job", rest.json["id"].Text()}).json["state"].Text() == "done";
  })) << "when all of them are due";
  const Json jobs = Sealift({"queue", "jobs"}).json["jobs"];
  ASSERT_EQ(jobs.Items().size(), 3u);
  EXPECT_EQ(jobs.Items()[0]["kind"].Text(), "retry");
  EXPECT_EQ(jobs.Items()[0]["state"].Text(), "done");
  EXPECT_EQ(jobs.Items()[0]["reason"].Text(), "all clear");

  // One message's life, from its id.
  const std::vector<Json> events = Events("spring");
  ASSERT_FALSE(events.empty());
  const Answer trace = Sealift({"message", "trace", events[0]["id"].Text()});
  EXPECT_EQ(trace.exit_code, 0) << trace.Describe();
  EXPECT_THAT(trace.out, HasSubstr("Maintenance"));
  EXPECT_THAT(trace.out, HasSubstr("delivered"));
  StopDaemon();
}

TEST_F(QueueRetryTest, WhatAHoldOnAClassKeepsStaysKeptWhenItIsMadeDue) {
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..2}}.test\"]\n"
                              "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n"
                              "[[provider.rule]]\nat = \"rcpt\"\nfirst = 1\nreply = \"450 4.2.0 Greylisted\"\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"4h\"]"}};
  StartDaemon();
  Load("spring", Template(), Recipients(20, Domains(2)), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["deferrals"].Number() == 20; }));
  const Answer hold =
      Sealift({"queue", "hold", "--domain", "d1.test", "--class", "greylisted", "--reason", "they look into it"});
  ASSERT_EQ(hold.exit_code, 0) << hold.Describe();
  EXPECT_EQ(hold.json["queued"].Number(), 10) << hold.Describe();
  const Answer retry = Sealift({"queue", "retry", "--older-than", "0s", "--reason", "all of them"});
  ASSERT_EQ(retry.exit_code, 0) << retry.Describe();
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [](const Json& now) { return now["delivered"].Number() == 10; }));
  EXPECT_EQ(Sealift({"queue", "list", "--domain", "d1.test", "--state", "held"}).json["rows"].Items().size(), 10u);
  EXPECT_EQ(Sealift({"queue", "list", "--class", "greylisted"}).json["rows"].Items().size(), 10u);
  EXPECT_EQ(sink.arrivals(), 10u);
  ASSERT_EQ(Sealift({"queue", "release", "--domain", "d1.test", "--reason", "they have"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [](const Json& now) { return now["delivered"].Number() == 20; }));
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
