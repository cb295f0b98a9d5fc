#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "queue/types.h"

namespace sealift::queue {

// What operators decide. That a campaign is done is derived: running, completely loaded, nothing queued.
enum class CampaignState : uint8_t { kLoading = 0, kReady, kRunning, kPaused, kCancelled };

std::string_view ToString(CampaignState state);

// What a campaign is created with; it never changes.
struct CampaignSpec {
  std::string name, stream;
  std::string mode;  // "sink" or "live": it is never sent under the other
  std::string template_text;
  std::vector<std::string> columns;                           // of the input, in order
  std::vector<std::pair<std::string, std::string>> defaults;  // column, value where a row has none
  absl::Duration expires_in = absl::Hours(72);                // after a row was accepted
  std::string settings_json;                                  // the engine's; the queue does not read it
  bool finished = false;                                      // its messages arrived rendered: there is no template
};

// Counts of rows. From one snapshot: accepted = queued() + delivered + bounced + expired + suppressed + cancelled.
struct Counters {
  uint64_t accepted = 0, rejected = 0, duplicates = 0, suppressed_at_load = 0;
  uint64_t delivered = 0, bounced = 0, expired = 0, suppressed = 0, cancelled = 0;
  uint64_t retrying = 0;   // queued rows that were tried before and are tried again
  uint64_t sated = 0;      // of these, those whose recipients have had enough (kSatedClass)
  uint64_t in_doubt = 0;   // queued rows of which nobody knows whether they arrived: held until somebody decides
  uint64_t deferrals = 0;  // how often a row was deferred; never decreases

  uint64_t settled() const { return delivered + bounced + expired + suppressed + cancelled; }
  uint64_t queued() const { return accepted - settled(); }

  friend bool operator==(const Counters&, const Counters&) = default;
};

struct Campaign {
  CampaignId id{};
  CampaignSpec spec;
  CampaignState state = CampaignState::kLoading;
  absl::Time created, started = absl::InfiniteFuture();  // InfiniteFuture: never yet
  absl::Time ended = absl::InfiniteFuture();             // when it was cancelled, or was seen to be done
  bool erased = false;  // its data key is forgotten: the spec has only name, stream and mode
  // How far the input has been loaded, so that an interrupted load resumes: bytes, the caller's printable digest (or
  // digest state) of them, and the last data row that was considered.
  bool load_complete = false;
  uint64_t input_offset = 0;
  std::string input_digest;
  uint32_t input_rows = 0;
  Counters counters;
};

}  // namespace sealift::queue
