#include "engine/metrics_text.h"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <set>
#include <utility>

#include "engine/runtime/check.h"
#include "fmt/format.h"

namespace sealift::engine {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// What leaves must be UTF-8; a label that is not would make the whole scrape fail.
std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text) out += (c >= 0x20 && c < 0x7f) ? c : '?';
  return out;
}

std::vector<ClientMetric::Label> LabelsOf(const MetricDeclaration& declaration,
                                          const std::vector<std::string>& values) {
  std::vector<ClientMetric::Label> labels;
  for (size_t i = 0; i < declaration.labels.size() && i < values.size(); ++i) {
    labels.push_back({std::string(declaration.labels[i]), Printable(values[i])});
  }
  return labels;
}

ClientMetric::Histogram HistogramOf(const HistogramSnapshot& snapshot) {
  ClientMetric::Histogram out;
  for (size_t i = 0; i < snapshot.counts.size(); ++i) {
    out.sample_count += snapshot.counts[i];
    const double bound = i < snapshot.bounds.size() ? snapshot.bounds[i] : std::numeric_limits<double>::infinity();
    out.bucket.push_back({out.sample_count, bound});
  }
  out.sample_sum = snapshot.sum;
  return out;
}

MetricFamily FamilyOf(const MetricDeclaration& declaration, const Metrics::Totals& totals) {
  MetricFamily family;
  family.name = std::string(declaration.name);
  family.help = std::string(declaration.help);
  for (const auto& [values, value] : totals.values) {
    ClientMetric metric;
    metric.label = LabelsOf(declaration, values);
    metric.counter.value = value;
    metric.gauge.value = value;
    family.metric.push_back(std::move(metric));
  }
  for (const auto& [values, snapshot] : totals.histograms) {
    ClientMetric metric;
    metric.label = LabelsOf(declaration, values);
    metric.histogram = HistogramOf(snapshot);
    family.metric.push_back(std::move(metric));
  }
  family.type = declaration.kind == MetricKind::kCounter ? MetricType::Counter
                : declaration.kind == MetricKind::kGauge ? MetricType::Gauge
                                                         : MetricType::Histogram;
  return family;
}

// What one scrape found, in the shape that prometheus-cpp's serializers and collectors take.
class Scrape : public prometheus::Collectable {
 public:
  void Add(MetricFamily family) { families_.push_back(std::move(family)); }
  std::vector<MetricFamily> Collect() const override { return families_; }

 private:
  std::vector<MetricFamily> families_;
};

}  // namespace

void MetricsText::Add(const Metrics* metrics) {
  const std::lock_guard lock(mutex_);
  metrics_.push_back(metrics);
}

void MetricsText::AddCallback(Metric metric, Samples samples) {
  CHECK(Declaration(metric).kind != MetricKind::kHistogram, "a histogram is added with AddHistogram");
  const std::lock_guard lock(mutex_);
  callbacks_.emplace_back(metric, std::move(samples));
}

void MetricsText::AddHistogram(Metric metric, Snapshot snapshot) {
  CHECK(Declaration(metric).kind == MetricKind::kHistogram, "AddHistogram takes a histogram");
  const std::lock_guard lock(mutex_);
  histograms_.emplace_back(metric, std::move(snapshot));
}

std::string MetricsText::Render() const {
  const std::lock_guard lock(mutex_);
  Scrape scrape;
  for (const MetricDeclaration& declaration : MetricDeclarations()) {
    Metrics::Totals totals;
    for (const Metrics* metrics : metrics_) metrics->AddTo(declaration.id, totals);
    for (const auto& [metric, samples] : callbacks_) {
      if (metric != declaration.id) continue;
      for (Sample& sample : samples()) {
        // Callbacks are bounded as cells are.
        if (totals.values.size() >= Metrics::kLabelSetsMax && !totals.values.contains(sample.labels)) {
          sample.labels.assign(declaration.labels.size(), "other");
        }
        totals.values[std::move(sample.labels)] += sample.value;
      }
    }
    for (const auto& [metric, snapshot] : histograms_) {
      if (metric == declaration.id) totals.histograms[{}] = snapshot();
    }
    // A metric without labels is there from the start, so that an alert on it sees 0 and not an absence.
    if (declaration.labels.empty() && declaration.kind == MetricKind::kCounter) totals.values.try_emplace({}, 0);
    scrape.Add(FamilyOf(declaration, totals));
  }
  return prometheus::TextSerializer().Serialize(scrape.Collect());
}

std::string MetricsReference() {
  std::string out =
      "# Metrics\n\n"
      "<!-- Made from engine/metrics.def; tests/engine/config fails when it is stale and says how to renew it. -->\n\n"
      "`GET /metrics` on `http.listen` answers in Prometheus's text format. Counters count transitions and never\n"
      "decrease. A provider is a known group of MX hosts or `other`; no label is ever an address.\n\n"
      "| metric | kind | labels | what | alert when |\n| --- | --- | --- | --- | --- |\n";
  for (const MetricDeclaration& declaration : MetricDeclarations()) {
    std::string labels;
    for (const std::string_view label : declaration.labels)
      labels += fmt::format("{}`{}`", labels.empty() ? "" : " ", label);
    const std::string_view kind = declaration.kind == MetricKind::kCounter ? "counter"
                                  : declaration.kind == MetricKind::kGauge ? "gauge"
                                                                           : "histogram";
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", declaration.name, kind, labels, declaration.help,
                       declaration.alert);
  }
  return out;
}

}  // namespace sealift::engine
