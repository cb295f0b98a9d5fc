#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/sealift/demo/sink_report.h"
#include "tools/sealift/output.h"

namespace sealift::tools {

// How a demonstration ended, from all who know something about it.
struct DemoEnding {
  uint64_t recipients = 0;  // rows in the file
  nlohmann::json campaign;  // as the daemon counts it
  uint64_t in_queue = 0;    // rows that are really in the queue's lanes
  bool settled = false;     // only rows are left that stay by design
  double per_second = 0;    // until nine in ten of those delivered were
  SinkReport sink;          // as the other side counts it
};

// What does not hold, a sentence each; none when every row is accounted for and both sides agree.
std::vector<std::string> WhatIsWrong(const DemoEnding& ending);

// The summary for somebody who sees Sealift for the first time.
std::string SummaryText(const DemoEnding& ending, const std::vector<std::string>& wrong);
nlohmann::json SummaryJson(const DemoEnding& ending, const std::vector<std::string>& wrong);

// "12,345"
std::string Thousands(uint64_t number);

}  // namespace sealift::tools
