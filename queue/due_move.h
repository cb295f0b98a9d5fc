#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/committer.h"
#include "queue/types.h"

namespace sealift::queue {

// DueMove gives the retries of a lane a new due time, a bounded number of packs a commit, so that other outcomes are
// committed in between and a crash leaves every row where it was or where it goes. Packs up to the cursor are claimed
// and stay. Behind it, too, some may be claimed, if they were read by a clock that ran ahead: what becomes of them is
// settled at their new place (CommitBatch).
//
// Owned by:  itself, as work of the committer, until it calls `done`.
class DueMove {
 public:
  using Done = std::move_only_function<void(absl::StatusOr<uint64_t> rows)>;

  // `after`: the place behind which to begin, as a window's retry cursor.
  static void Start(Committer* committer, LaneId lane, std::string_view after, absl::Time due, Done done);

 private:
  DueMove(Committer* committer, LaneId lane, absl::Time due, Done done)
      : committer_(committer), lane_(lane), due_(due), done_(std::move(done)) {}

  static void Step(std::unique_ptr<DueMove> move, CommitContext& context);
  // Moves some; true: there may be more.
  absl::StatusOr<bool> MoveSome(CommitContext& context);

  Committer* const committer_;
  const LaneId lane_;
  const absl::Time due_;
  Done done_;
  std::string after_;  // the last key that was looked at
  uint64_t rows_ = 0;
};

}  // namespace sealift::queue
