// The text that Prometheus scrapes.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "engine/metrics.h"

namespace sealift::engine {

// MetricsText sums the cells of every Metrics, asks the callbacks for what is only known at the moment of a scrape, and
// writes the whole in Prometheus's text format.
//
// Owned by:  the node; made before the shards' threads start, destroyed after they ended.
// Threads:   any. Callbacks run on the thread that renders, one rendering at a time; they must not wait on a shard.
class MetricsText {
 public:
  struct Sample {
    std::vector<std::string> labels;  // values, in the order of the declaration
    double value = 0;
  };
  using Samples = std::function<std::vector<Sample>()>;
  using Snapshot = std::function<HistogramSnapshot()>;

  // The instance must outlive this object.
  void Add(const Metrics* metrics);

  // A counter or gauge that someone else keeps (queue sizes, memory, disk). Adds to what cells hold of the same metric.
  void AddCallback(Metric metric, Samples samples);
  // A histogram without labels that someone else keeps (the queue's commits).
  void AddHistogram(Metric metric, Snapshot snapshot);

  std::string Render() const;

 private:
  mutable std::mutex mutex_;
  std::vector<const Metrics*> metrics_;
  std::vector<std::pair<Metric, Samples>> callbacks_;
  std::vector<std::pair<Metric, Snapshot>> histograms_;
};

// docs/metrics.md, made from metrics.def.
std::string MetricsReference();

}  // namespace sealift::engine
