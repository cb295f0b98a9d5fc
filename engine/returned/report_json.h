#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/returned/report.h"

namespace sealift::engine {

// A report as one line of JSON, which the command line hands to the daemon. Bytes that are no UTF-8 are replaced.
std::string EncodeReturnedReport(const ReturnedReport& report);

// Nothing: not such a line.
std::optional<ReturnedReport> DecodeReturnedReport(std::string_view line);

}  // namespace sealift::engine
