// The cells that shards count into. What exists is declared in metrics.def; what leaves the node, in metrics_text.h.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::engine {

enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };

enum class Metric : uint8_t {
#define COUNTER(id, ...) id,
#define GAUGE(id, ...) id,
#define HISTOGRAM(id, ...) id,
#include "engine/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
};

// A line of metrics.def.
struct MetricDeclaration {
  Metric id;
  MetricKind kind;
  std::string_view name, help, alert;
  std::vector<std::string_view> labels;
};
const std::vector<MetricDeclaration>& MetricDeclarations();  // in the order of Metric
const MetricDeclaration& Declaration(Metric metric);

// Each cell has a cache line of its own: two shards never write to one line, and neither do two label sets.
class alignas(64) Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class alignas(64) Gauge {
 public:
  void Add(int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  void Set(int64_t n) { value_.store(n, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// What a histogram held at one moment; counts has one more than bounds, the last for everything above.
struct HistogramSnapshot {
  std::vector<double> bounds;  // upper, inclusive, ascending
  std::vector<uint64_t> counts;
  double sum = 0;
};

class alignas(64) Histogram {
 public:
  static constexpr size_t kBucketsMax = 24;

  explicit Histogram(std::span<const double> bounds);
  void Observe(double value);
  HistogramSnapshot Snapshot() const;

 private:
  const std::span<const double> bounds_;
  std::array<std::atomic<uint64_t>, kBucketsMax + 1> counts_{};
  std::atomic<double> sum_{0};
};

// The upper bounds of a histogram's buckets.
std::span<const double> BucketBounds(Metric metric);

// Metrics holds one writer's cells: a shard's, or the admin threads'. The exporter sums the instances.
//
//   Counter* delivered = metrics.counter(Metric::kMessagesDelivered, {"newsletter", "ip1", "google"});  // once
//   delivered->Add();                                                                                    // a message
//
// Owned by:  whoever counts; outlives the exporter that reads it (MetricsText::Add).
// Threads:   any. A look-up locks, so callers keep the pointer; it is good as long as this instance. A cell is one
// relaxed
//            atomic, made for one writing thread and right with several.
// Errors:    a wrong kind or number of labels is a programmer's error and ends the process. More label sets than
//            kLabelSetsMax of one metric are counted together, every label `other`.
class Metrics {
 public:
  static constexpr size_t kLabelSetsMax = 2000;  // of one metric
  static constexpr size_t kLabelBytesMax = 128;  // a longer value is cut

  using Labels = std::initializer_list<std::string_view>;  // values, in the order of the declaration

  Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Counter* counter(Metric metric, Labels values);
  Gauge* gauge(Metric metric, Labels values);
  Histogram* histogram(Metric metric, Labels values);

  // Adds what this instance holds of one metric to `into`, by label values.
  struct Totals {
    std::map<std::vector<std::string>, double> values;  // counters and gauges
    std::map<std::vector<std::string>, HistogramSnapshot> histograms;
  };
  void AddTo(Metric metric, Totals& into) const;

 private:
  template <typename Cell>
  struct Cells {
    std::map<std::vector<std::string>, Cell*> by_labels;
    std::deque<Cell> cells;  // never moves what it holds
  };
  struct Family {
    Cells<Counter> counters;
    Cells<Gauge> gauges;
    Cells<Histogram> histograms;
  };
  template <typename Cell, typename... Args>
  Cell* Find(Metric metric, MetricKind kind, Cells<Cell>& cells, Labels values, const Args&... args);

  mutable std::mutex mutex_;  // guards the maps, not the cells
  std::vector<Family> families_;
};

}  // namespace sealift::engine
