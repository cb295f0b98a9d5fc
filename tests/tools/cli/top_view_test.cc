#include "tools/sealift/top_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tools/sealift/metric_text.h"

namespace sealift::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr const char* kBefore =
    "# HELP sealift_messages_delivered_total x\n# TYPE sealift_messages_delivered_total counter\n"
    "sealift_messages_delivered_total{stream=\"news\",source=\"ip1\",provider=\"google\"} 100\n"
    "sealift_messages_delivered_total{stream=\"news\",source=\"ip2\",provider=\"other\"} 1000\n"
    "sealift_messages_bounced_total{stream=\"news\",source=\"ip1\",provider=\"google\",class=\"full\"} 4\n"
    "sealift_queue_commit_seconds_count 10\nsealift_queue_commit_seconds_sum 1\n";
constexpr const char* kAfter =
    "sealift_messages_delivered_total{stream=\"news\",source=\"ip1\",provider=\"google\"} 120\n"
    "sealift_messages_delivered_total{stream=\"letters\",source=\"ip1\",provider=\"google\"} 10\n"
    "sealift_messages_delivered_total{stream=\"news\",source=\"ip2\",provider=\"other\"} 1000\n"
    "sealift_messages_deferred_total{stream=\"news\",source=\"ip1\",provider=\"google\",class=\"rate\"} 2\n"
    "sealift_messages_bounced_total{stream=\"news\",source=\"ip1\",provider=\"google\",class=\"full\"} 5\n"
    "sealift_queue_messages{stream=\"news\",state=\"queued\"} 7\nsealift_queue_messages{stream=\"b\",state=\"queued\"} "
    "1\n"
    "sealift_queue_waiting{reason=\"paused\",provider=\"other\"} 1\n"
    "sealift_queue_waiting{reason=\"rate\",provider=\"google\"} "
    "3\nsealift_queue_waiting{reason=\"rate\",provider=\"other\"} 3\n"
    "sealift_smtp_connections{source=\"ip1\"} 3\n"
    "sealift_queue_commit_seconds_count 14\nsealift_queue_commit_seconds_sum 1.02\n"
    "sealift_memory_bytes{part=\"queue\"} 2.097152e+06\nsealift_disk_free_bytes 1e9\n";

TEST(TopViewTest, RatesAreSinceTheReadingBefore) {
  const nlohmann::json snapshot = TopSnapshot(kBefore, kAfter, 2);
  EXPECT_EQ(snapshot["rates"]["delivered"], 15);
  EXPECT_EQ(snapshot["rates"]["deferred"], 1);
  EXPECT_EQ(snapshot["rates"]["bounced"], 0.5);
  EXPECT_EQ(snapshot["queue"]["queued"], 8);
  EXPECT_EQ(snapshot["waiting"][0]["reason"], "rate");
  EXPECT_EQ(snapshot["waiting"][0]["rows"], 6);
  ASSERT_EQ(snapshot["providers"].size(), 2u);
  EXPECT_EQ(snapshot["providers"][0]["name"], "google");
  EXPECT_EQ(snapshot["providers"][0]["delivered"], 15);
  EXPECT_EQ(snapshot["sources"][1]["name"], "ip2");
  EXPECT_EQ(snapshot["sources"][1]["delivered"], 0);
  EXPECT_EQ(snapshot["connections"], 3);
  EXPECT_EQ(snapshot["commit"]["per_second"], 2);
  EXPECT_NEAR(snapshot["commit"]["mean_seconds"].get<double>(), 0.005, 1e-9);
  EXPECT_EQ(snapshot["memory"]["queue"], 2 << 20);
}

TEST(TopViewTest, ADaemonThatBeganAnewIsCountedFromItsBeginning) {
  EXPECT_EQ(TopSnapshot(kAfter, kBefore, 1)["sources"][0]["bounced"], 4);
  EXPECT_EQ(TopSnapshot("", "", 1)["rates"]["delivered"], 0);
}

TEST(TopViewTest, LinesFitTheTerminalAndHaveNoColourUnlessAsked) {
  const nlohmann::json snapshot = TopSnapshot(kBefore, kAfter, 2);
  for (const size_t rows : {1u, 5u, 100u}) {
    const std::vector<std::string> lines = TopLines(snapshot, 30, rows, false);
    EXPECT_LE(lines.size(), rows);
    for (const std::string& line : lines) {
      EXPECT_LE(line.size(), 30u);
      EXPECT_THAT(line, Not(HasSubstr("\033")));
    }
  }
  EXPECT_THAT(TopLines(snapshot, 80, 100, true)[0], HasSubstr("\033[1mdelivered 15.0/s"));
}

TEST(TopViewTest, SinkModeIsSaidFirst) {
  const nlohmann::json sink = TopSnapshot(kBefore, std::string(kAfter) + "sealift_delivery_mode{mode=\"sink\"} 1\n", 2);
  EXPECT_EQ(TopLines(sink, 80, 100, false)[0], "SINK: nothing leaves this machine");
  const nlohmann::json live = TopSnapshot(kBefore, std::string(kAfter) + "sealift_delivery_mode{mode=\"live\"} 1\n", 2);
  EXPECT_FALSE(live.contains("notice"));
}

TEST(MetricTextTest, WhatIsNoSampleIsPassedOver) {
  const std::vector<MetricSample> samples = ParseMetricText(
      "# HELP a b\n\na 1\nb{x=\"1\\\"}\",y=\"\"} -2.5e3 1700000000\nc{x=\"unclosed} 1\nd{x=\"1\"\ne\nf nothing\n{} 3");
  ASSERT_THAT(samples, SizeIs(3));
  EXPECT_EQ(samples[0].name, "a");
  EXPECT_EQ(samples[0].value, 1);
  EXPECT_EQ(samples[1].Label("x"), "1\"}");
  EXPECT_EQ(samples[1].Label("y"), "");
  EXPECT_EQ(samples[1].value, -2500);
  EXPECT_EQ(samples[2].name, "");
}

}  // namespace
}  // namespace sealift::tools
