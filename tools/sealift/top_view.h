#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::tools {

// What `top` shows, of two readings of the metrics that are `seconds` apart: rates since the first, and what is now.
//
//   rates                delivered, deferred and bounced a second
//   queue                messages by state
//   waiting              rows by the reason that keeps them, the most first
//   providers, sources   delivered, deferred and bounced a second, the busiest first
//   commit               mean seconds and rows of a commit, and commits a second
//   memory               bytes by part
//   notice               in sink mode: that nothing leaves this machine
nlohmann::json TopSnapshot(std::string_view before, std::string_view after, double seconds);

// A snapshot as lines for a terminal of this size.
std::vector<std::string> TopLines(const nlohmann::json& snapshot, size_t columns, size_t rows, bool colour);

}  // namespace sealift::tools
