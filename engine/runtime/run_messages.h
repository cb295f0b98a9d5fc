#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/runtime/inbox.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/task.h"
#include "engine/runtime/turn_budget.h"

namespace sealift::engine {

// Runs what comes into the inbox, in that order, until it is closed and empty; in a turn for so long.
template <typename Message>
Task<void> RunMessages(Ring& ring, Inbox<Message>& inbox, absl::Duration a_turn) {
  TurnBudget budget(ring, a_turn);
  std::vector<Message> messages;
  while (true) {
    messages.clear();
    const absl::Status popped = co_await inbox.PopAll(messages);
    if (!popped.ok()) co_return;
    for (Message& message : messages) {
      while (budget.IsSpent()) {
        const absl::Status yielded = co_await ring.Yield();
        if (!yielded.ok()) break;
      }
      budget.Spend(message);
    }
  }
}

}  // namespace sealift::engine
