#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/event.h"
#include "queue/outcome.h"

namespace sealift::queue {

// EventBlock writes the outcomes of one commit as one value. What a session's messages share (source, host, TLS) stands
// in it once; a block of one campaign is compressed, before it is sealed. One of several is not: how well one
// campaign's words compress must not show another's.
//
// Owned by:  the committer; the outcomes must live until Finish.
class EventBlock {
 public:
  // `due`: of a deferral, as committed.
  void Add(const Outcome& outcome, const Row& row, absl::Time due);
  // That the campaign was cancelled, or `erased` with it.
  void AddCancellation(CampaignId campaign, bool erased, absl::Time time, const Evidence& evidence);

  bool empty() const { return count_ == 0; }
  absl::Time newest() const { return newest_; }

  // Appends the encoded block and starts over.
  void Finish(std::string* out);

  // Decodes a block; the events' cursors are made of `sequence`.
  static absl::StatusOr<std::vector<Event>> Decode(uint64_t sequence, std::string_view block);

 private:
  uint64_t Intern(std::string_view text);
  uint64_t InternEvidence(const Evidence* evidence);

  std::unordered_map<std::string_view, uint64_t> strings_;
  std::string string_table_;
  absl::flat_hash_map<const Evidence*, uint64_t> evidence_;
  std::string evidence_table_;
  std::string records_;
  uint64_t count_ = 0;
  std::optional<CampaignId> campaign_;  // of all; nothing in an empty block, and when there are several
  absl::Time newest_ = absl::InfinitePast();
};

// A cursor names an event: the commit and the place in it. "" is before the first.
struct EventCursor {
  uint64_t sequence = 0;
  uint64_t index = 0;  // of the first event that is not yet read

  std::string ToString() const;
  static std::optional<EventCursor> Parse(std::string_view text);

  friend auto operator<=>(const EventCursor&, const EventCursor&) = default;
};

}  // namespace sealift::queue
