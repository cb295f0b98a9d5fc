#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace sealift::engine {

// Who paused or resumed a campaign, when and why.
struct PauseCause {
  static constexpr std::string_view kBreaker = "circuit breaker";
  static constexpr std::string_view kCancellation = "campaign cancel", kErasure = "campaign cancel --erase";

  std::string by;      // an operator's user name, or one of these
  std::string reason;  // what the operator gave, if anything; what the breaker has counted
  absl::Time time;

  // It is to be cancelled as soon as it can be.
  bool Cancels() const { return by == kCancellation || by == kErasure; }
  // "by the circuit breaker: 6 of 100 messages bounced hard"
  std::string Describe() const;
};

// The pauses of one campaign and their ends, kept with the queue.
struct PauseHistory {
  static constexpr size_t kEntriesMax = 50;  // the oldest are forgotten

  struct Entry {
    bool paused = false;  // otherwise resumed
    PauseCause cause;
  };
  std::vector<Entry> entries;  // oldest first

  void Add(bool paused, PauseCause cause);
  // Of the last entry, when that is a pause.
  std::optional<PauseCause> cause() const;

  std::string ToText() const;
  // Nothing: it is not what ToText wrote. One that an earlier version wrote tells of its last pause.
  static std::optional<PauseHistory> Parse(std::string_view text);
};

}  // namespace sealift::engine
