#include "engine/event_chain.h"

#include <algorithm>

namespace sealift::engine {

bool EventChain::Add(Cursor after, Cursor cursor) {
  auto next = known_.lower_bound(cursor);
  if (next != known_.begin() && std::prev(next)->second >= cursor) return false;
  next = known_.upper_bound(after);
  if (next != known_.begin()) {
    const auto before = std::prev(next);
    if (before->second >= after) {  // it goes on behind this one
      after = before->first;
      cursor = std::max(cursor, before->second);
      next = before;
    }
  }
  while (next != known_.end() && next->first <= cursor) {
    cursor = std::max(cursor, next->second);
    next = known_.erase(next);
  }
  known_.emplace_hint(next, after, cursor);
  return true;
}

std::optional<std::pair<EventChain::Cursor, EventChain::Cursor>> EventChain::Gap(uint64_t since) const {
  Cursor known{.sequence = since + 1};  // up to here nothing is missing
  for (const auto& [after, cursor] : known_) {
    if (cursor < known) continue;
    if (after > known) return std::pair(known, after);
    known = cursor;
  }
  return std::nullopt;
}

}  // namespace sealift::engine
