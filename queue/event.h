#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "queue/outcome.h"
#include "queue/types.h"

namespace sealift::queue {

// The classes of the event that a campaign's cancellation leaves: one for all of its rows.
inline constexpr std::string_view kCampaignCancelled = "campaign_cancelled", kCampaignErased = "campaign_erased";

// One outcome as it is remembered: sealed under the month's event key, so that it outlives its campaign's erasure.
struct Event {
  // Not of a row: what was queued of the campaign was cancelled. Row 0 of destination 0, which no campaign has.
  bool of_campaign() const { return static_cast<uint32_t>(message.row) == 0; }

  std::string cursor;  // durable and printable; ReadEvents continues after it
  std::string after;   // ReadEvents: the cursor of the event before this one, whatever was asked for
  absl::Time time;
  MessageKey message;
  std::string recipient;
  std::string key;  // the sender's own name for the row; empty: none
  OutcomeKind kind = OutcomeKind::kDelivered;
  uint16_t attempt = 0;
  absl::Time due = absl::InfiniteFuture();  // kDeferred: as committed
  std::string reason_class;
  std::string rule;  // that gave the class; empty: written before rules were kept
  int code = 0;
  std::string enhanced, reply;
  Evidence evidence;
};

struct EventFilter {
  std::optional<CampaignId> campaign;
  std::optional<OutcomeKind> outcome;
  absl::Time since = absl::InfinitePast();
};

struct EventsPage {
  std::vector<Event> events;  // oldest first
  std::string cursor;         // go on after this, also when nothing matched
  bool end = false;           // nothing newer is committed
};

// A row that the queue still holds, copied.
struct StoredRow {
  MessageKey message;
  bool parked = false;                    // settled, and kept until retention
  OutcomeKind outcome{};                  // parked: what became of it
  absl::Time due = absl::InfinitePast();  // InfinitePast: fresh; InfiniteFuture: in doubt
  absl::Time accepted, expires;
  absl::Time date = absl::InfinitePast();
  uint16_t attempts = 0;
  std::string reason_class;  // of the last attempt; empty: none was made
  std::string recipient;
  std::vector<std::string> fields;

  bool in_doubt() const { return !parked && due == absl::InfiniteFuture(); }
};

// All that is known of one message.
struct Trace {
  std::vector<Event> events;     // oldest first
  std::optional<StoredRow> row;  // queued or parked
};

}  // namespace sealift::queue
