#include "engine/metrics.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/runtime/check.h"

namespace sealift::engine {
namespace {

std::vector<std::string_view> SplitLabels(std::string_view labels) {
  std::vector<std::string_view> out;
  while (!labels.empty()) {
    const size_t comma = std::min(labels.find(','), labels.size());
    out.push_back(labels.substr(0, comma));
    labels.remove_prefix(std::min(comma + 1, labels.size()));
  }
  return out;
}

// From a millisecond to the five days after which everything has expired.
constexpr std::array kDeliveryBounds = {0.001, 0.005, 0.02,  0.1,    0.5,     1.0,     5.0,     30.0,
                                        60.0,  300.0, 900.0, 3600.0, 14400.0, 43200.0, 86400.0, 432000.0};
constexpr std::array kCommitSecondsBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                             0.1,    0.25,  0.5,    1.0,   2.5,  10.0};
constexpr std::array kCommitRowsBounds = {1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 500000.0};

void Merge(const HistogramSnapshot& from, HistogramSnapshot& into) {
  if (into.counts.empty()) {
    into = from;
    return;
  }
  for (size_t i = 0; i < into.counts.size(); ++i) into.counts[i] += from.counts[i];
  into.sum += from.sum;
}

}  // namespace

const std::vector<MetricDeclaration>& MetricDeclarations() {
  static const auto* const all = new std::vector<MetricDeclaration>{
#define COUNTER(id, name, labels, help, alert) \
  {Metric::id, MetricKind::kCounter, name, help, alert, SplitLabels(labels)},
#define GAUGE(id, name, labels, help, alert) {Metric::id, MetricKind::kGauge, name, help, alert, SplitLabels(labels)},
#define HISTOGRAM(id, name, labels, help, alert) \
  {Metric::id, MetricKind::kHistogram, name, help, alert, SplitLabels(labels)},
#include "engine/metrics.def"
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
  };
  return *all;
}

const MetricDeclaration& Declaration(Metric metric) { return MetricDeclarations()[static_cast<size_t>(metric)]; }

std::span<const double> BucketBounds(Metric metric) {
  switch (metric) {
    case Metric::kDeliverySeconds:
      return kDeliveryBounds;
    case Metric::kQueueCommitSeconds:
      return kCommitSecondsBounds;
    case Metric::kQueueCommitRows:
      return kCommitRowsBounds;
    default:
      return {};
  }
}

Histogram::Histogram(std::span<const double> bounds) : bounds_(bounds) {
  CHECK(!bounds.empty() && bounds.size() <= kBucketsMax, "a histogram has 1 to 24 bounds");
}

void Histogram::Observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

HistogramSnapshot Histogram::Snapshot() const {
  HistogramSnapshot out{
      .bounds = {bounds_.begin(), bounds_.end()}, .counts = {}, .sum = sum_.load(std::memory_order_relaxed)};
  for (size_t i = 0; i <= bounds_.size(); ++i) out.counts.push_back(counts_[i].load(std::memory_order_relaxed));
  return out;
}

Metrics::Metrics() : families_(MetricDeclarations().size()) {}

template <typename Cell, typename... Args>
Cell* Metrics::Find(Metric metric, MetricKind kind, Cells<Cell>& cells, Labels values, const Args&... args) {
  const MetricDeclaration& declaration = Declaration(metric);
  CHECK(declaration.kind == kind, "a metric is counted as the kind that metrics.def declares");
  CHECK(declaration.labels.size() == values.size(), "a metric takes as many label values as metrics.def declares");
  // Its memory is used again: to find a cell that is there allocates nothing.
  static thread_local std::vector<std::string> labels;
  labels.resize(values.size());
  std::ranges::transform(values, labels.begin(),
                         [](std::string_view value) { return value.substr(0, kLabelBytesMax); });

  const std::lock_guard lock(mutex_);
  auto it = cells.by_labels.find(labels);
  if (it == cells.by_labels.end()) {
    if (cells.by_labels.size() >= kLabelSetsMax) {
      labels.assign(labels.size(), "other");
      it = cells.by_labels.find(labels);
      if (it != cells.by_labels.end()) return it->second;
    }
    it = cells.by_labels.emplace(labels, &cells.cells.emplace_back(args...)).first;
  }
  return it->second;
}

Counter* Metrics::counter(Metric metric, Labels values) {
  return Find(metric, MetricKind::kCounter, families_[static_cast<size_t>(metric)].counters, values);
}

Gauge* Metrics::gauge(Metric metric, Labels values) {
  return Find(metric, MetricKind::kGauge, families_[static_cast<size_t>(metric)].gauges, values);
}

Histogram* Metrics::histogram(Metric metric, Labels values) {
  return Find(metric, MetricKind::kHistogram, families_[static_cast<size_t>(metric)].histograms, values,
              BucketBounds(metric));
}

void Metrics::AddTo(Metric metric, Totals& into) const {
  const Family& family = families_[static_cast<size_t>(metric)];
  const std::lock_guard lock(mutex_);
  for (const auto& [labels, cell] : family.counters.by_labels)
    into.values[labels] += static_cast<double>(cell->value());
  for (const auto& [labels, cell] : family.gauges.by_labels) into.values[labels] += static_cast<double>(cell->value());
  for (const auto& [labels, cell] : family.histograms.by_labels) Merge(cell->Snapshot(), into.histograms[labels]);
}

}  // namespace sealift::engine
