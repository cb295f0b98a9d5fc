#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/time/time.h"
#include "tools/sealift/output.h"

namespace sealift::tools {

// ProgressLine shows how a campaign goes: one line that changes in place on a terminal, a line each time elsewhere.
//
// Owned by:  a command.
// Threads:   one.
// Time:      the caller says when a look was taken; the rate is over the last looks, about five seconds of them.
class ProgressLine {
 public:
  ProgressLine(Console& console, bool in_place) : console_(console), in_place_(in_place) {}

  // `campaign` as the API shows one.
  void Show(const nlohmann::json& campaign, absl::Time now);
  // Leaves the last line where it is.
  void End();

  // The text of the line.
  static std::string Text(const nlohmann::json& campaign, double per_second);

 private:
  Console& console_;
  const bool in_place_;
  bool shown_ = false;
  size_t width_ = 0;
  absl::Time mark_ = absl::InfinitePast();
  uint64_t mark_settled_ = 0;
  double per_second_ = 0;
};

}  // namespace sealift::tools
