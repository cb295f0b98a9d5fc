#pragma once

#include <map>
#include <optional>
#include <utility>

#include "queue/event_block.h"

namespace sealift::engine {

// EventChain tells whether events that were exported are all that there were: each says which event went before it.
// They may come in any order, and more than once.
//
// Owned by:  a Reconciliation.
// Threads:   one.
class EventChain {
 public:
  using Cursor = queue::EventCursor;

  // The event at `cursor`, and nothing between `after` and it. False: it was there already.
  bool Add(Cursor after, Cursor cursor);

  // None where none was added.
  std::optional<Cursor> newest() const {
    return known_.empty() ? std::nullopt : std::optional(known_.rbegin()->second);
  }

  // The first place after the commit `since` that has an unknown number of events missing: behind the one event, before
  // the other. Nothing is said of what came after the newest.
  std::optional<std::pair<Cursor, Cursor>> Gap(uint64_t since) const;

 private:
  std::map<Cursor, Cursor> known_;  // stretches without a gap, apart: from behind the key up to the value
};

}  // namespace sealift::engine
