#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::tools {

// One number of Prometheus' text exposition: sealift_queue_waiting{reason="rate",provider="google"} 12
struct MetricSample {
  std::string name;
  std::map<std::string, std::string, std::less<>> labels;
  double value = 0;

  std::string Label(std::string_view label) const;
};

// Reads what the daemon says of itself. A line that is none is passed over.
std::vector<MetricSample> ParseMetricText(std::string_view text);

}  // namespace sealift::tools
