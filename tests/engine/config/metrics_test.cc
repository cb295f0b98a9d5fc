#include "engine/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>

#include "engine/metrics_text.h"

namespace sealift::engine {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(MetricsTest, NamesAndLabelsFollowPrometheusConventions) {
  std::set<std::string_view> names;
  for (const MetricDeclaration& declaration : MetricDeclarations()) {
    EXPECT_TRUE(names.insert(declaration.name).second) << declaration.name;
    EXPECT_TRUE(declaration.name.starts_with("sealift_")) << declaration.name;
    EXPECT_EQ(declaration.kind == MetricKind::kCounter, declaration.name.ends_with("_total")) << declaration.name;
    EXPECT_TRUE(declaration.help.ends_with(".")) << declaration.name;
    EXPECT_EQ(declaration.kind == MetricKind::kHistogram, !BucketBounds(declaration.id).empty()) << declaration.name;
    EXPECT_EQ(&Declaration(declaration.id), &declaration);
  }
}

// The names that dashboards rely on.
TEST(MetricsTest, TheContractsMetricsAreDeclaredWithTheirLabels) {
  const std::map<std::string, std::vector<std::string_view>> wanted = {
      {"sealift_messages_loaded_total", {"stream"}},
      {"sealift_messages_delivered_total", {"stream", "source", "provider"}},
      {"sealift_messages_deferred_total", {"stream", "source", "provider", "class"}},
      {"sealift_messages_bounced_total", {"stream", "source", "provider", "class"}},
      {"sealift_messages_expired_total", {"stream"}},
      {"sealift_messages_suppressed_total", {"stream"}},
      {"sealift_messages_cancelled_total", {"stream"}},
      {"sealift_queue_messages", {"stream", "state"}},
      {"sealift_queue_waiting", {"reason", "provider"}},
      {"sealift_queue_oldest_seconds", {"stream"}},
      {"sealift_delivery_seconds", {"stream"}},
      {"sealift_smtp_connections", {"source"}},
      {"sealift_smtp_sessions_total", {"source", "result"}},
      {"sealift_tls_handshakes_total", {"version", "resumed"}},
      {"sealift_dns_lookups_total", {"type", "result"}},
      {"sealift_throttle_waits_total", {"limit"}},
      {"sealift_delivery_mode", {"mode"}},
      {"sealift_disk_free_bytes", {}},
      {"sealift_queue_commit_seconds", {}},
      {"sealift_queue_commit_rows", {}},
      {"sealift_memory_bytes", {"part"}},
  };
  std::map<std::string, std::vector<std::string_view>> declared;
  for (const MetricDeclaration& declaration : MetricDeclarations()) {
    declared[std::string(declaration.name)] = declaration.labels;
  }
  for (const auto& [name, labels] : wanted) EXPECT_EQ(declared[name], labels) << name;
}

TEST(MetricsTest, ALookUpFindsTheSameCellAgain) {
  Metrics metrics;
  Counter* const cell = metrics.counter(Metric::kMessagesLoaded, {"a"});
  for (int i = 0; i < 100; ++i) (void)metrics.counter(Metric::kMessagesLoaded, {"s" + std::to_string(i)});
  EXPECT_EQ(metrics.counter(Metric::kMessagesLoaded, {"a"}), cell);
  EXPECT_NE(metrics.counter(Metric::kMessagesLoaded, {"b"}), cell);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(cell) % 64, 0u);
}

TEST(MetricsTest, TheExporterSumsShards) {
  Metrics one, two;
  MetricsText text;
  text.Add(&one);
  text.Add(&two);
  one.counter(Metric::kMessagesDelivered, {"news", "ip1", "google"})->Add(2);
  two.counter(Metric::kMessagesDelivered, {"news", "ip1", "google"})->Add(3);
  two.counter(Metric::kMessagesDelivered, {"news", "ip1", "other"})->Add();
  one.gauge(Metric::kSmtpConnections, {"ip1"})->Add(5);
  two.gauge(Metric::kSmtpConnections, {"ip1"})->Add(-2);
  const std::string out = text.Render();
  EXPECT_THAT(out, HasSubstr("# TYPE sealift_messages_delivered_total counter\n"));
  EXPECT_THAT(out,
              HasSubstr("sealift_messages_delivered_total{stream=\"news\",source=\"ip1\",provider=\"google\"} 5\n"));
  EXPECT_THAT(out,
              HasSubstr("sealift_messages_delivered_total{stream=\"news\",source=\"ip1\",provider=\"other\"} 1\n"));
  EXPECT_THAT(out, HasSubstr("sealift_smtp_connections{source=\"ip1\"} 3\n"));
}

TEST(MetricsTest, HistogramsAreCumulativeAndMerge) {
  Metrics one, two;
  MetricsText text;
  text.Add(&one);
  text.Add(&two);
  one.histogram(Metric::kDeliverySeconds, {"news"})->Observe(0.1);  // a bound belongs to its own bucket
  two.histogram(Metric::kDeliverySeconds, {"news"})->Observe(0.2);
  two.histogram(Metric::kDeliverySeconds, {"news"})->Observe(1e9);
  const std::string out = text.Render();
  EXPECT_THAT(out, HasSubstr("sealift_delivery_seconds_bucket{stream=\"news\",le=\"0.02\"} 0\n"));
  EXPECT_THAT(out, HasSubstr("sealift_delivery_seconds_bucket{stream=\"news\",le=\"0.1\"} 1\n"));
  EXPECT_THAT(out, HasSubstr("sealift_delivery_seconds_bucket{stream=\"news\",le=\"0.5\"} 2\n"));
  EXPECT_THAT(out, HasSubstr("sealift_delivery_seconds_bucket{stream=\"news\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(out, HasSubstr("sealift_delivery_seconds_count{stream=\"news\"} 3\n"));
}

TEST(MetricsTest, CallbacksAnswerAtTheMomentOfAScrape) {
  MetricsText text;
  double free = 10;
  text.AddCallback(Metric::kDiskFree, [&] { return std::vector<MetricsText::Sample>{{{}, free}}; });
  text.AddHistogram(Metric::kQueueCommitRows, [] {
    const auto bounds = BucketBounds(Metric::kQueueCommitRows);
    HistogramSnapshot snapshot{.bounds = {bounds.begin(), bounds.end()}, .counts = {}, .sum = 7};
    snapshot.counts.assign(bounds.size() + 1, 1);
    return snapshot;
  });
  EXPECT_THAT(text.Render(), HasSubstr("sealift_disk_free_bytes 10\n"));
  free = 20;
  EXPECT_THAT(text.Render(), HasSubstr("sealift_disk_free_bytes 20\n"));
  EXPECT_THAT(text.Render(), HasSubstr("sealift_queue_commit_rows_sum 7\n"));
}

TEST(MetricsTest, LabelValuesAreEscapedAndCut) {
  Metrics metrics;
  MetricsText text;
  text.Add(&metrics);
  metrics.counter(Metric::kMessagesLoaded, {"a\"b\\c\nd\xff"})->Add();
  metrics.counter(Metric::kMessagesLoaded, {std::string(1000, 'x')})->Add();
  const std::string out = text.Render();
  EXPECT_THAT(out, HasSubstr("{stream=\"a\\\"b\\\\c?d?\"} 1\n"));
  EXPECT_THAT(out, HasSubstr("{stream=\"" + std::string(Metrics::kLabelBytesMax, 'x') + "\"} 1\n"));
}

TEST(MetricsTest, MoreLabelSetsThanTheBoundAreCountedAsOther) {
  Metrics metrics;
  MetricsText text;
  text.Add(&metrics);
  const int sets = static_cast<int>(Metrics::kLabelSetsMax) + 50;
  for (int i = 0; i < sets; ++i) metrics.counter(Metric::kMessagesLoaded, {"s" + std::to_string(i)})->Add();
  const std::string out = text.Render();
  EXPECT_THAT(out, HasSubstr("{stream=\"other\"} 50\n"));
  EXPECT_THAT(out, Not(HasSubstr("{stream=\"s" + std::to_string(sets - 1) + "\"}")));
}

TEST(MetricsTest, ScrapesWhileShardsCountSeeWholeNumbers) {
  Metrics metrics;
  MetricsText text;
  text.Add(&metrics);
  std::jthread shard([&] {
    for (int i = 0; i < 2000; ++i) {
      metrics.counter(Metric::kMessagesLoaded, {"s" + std::to_string(i % 50)})->Add();
      metrics.histogram(Metric::kDeliverySeconds, {"s"})->Observe(0.001 * i);
    }
  });
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(text.Render().empty());
  shard.join();
  EXPECT_THAT(text.Render(), HasSubstr("sealift_messages_loaded_total{stream=\"s0\"} 40\n"));
}

TEST(MetricsDeathTest, AWrongNumberOfLabelsIsAProgrammersError) {
  Metrics metrics;
  EXPECT_DEATH((void)metrics.counter(Metric::kMessagesLoaded, {}), "as many label values");
  EXPECT_DEATH((void)metrics.gauge(Metric::kMessagesLoaded, {"a"}), "as the kind");
}

}  // namespace
}  // namespace sealift::engine
