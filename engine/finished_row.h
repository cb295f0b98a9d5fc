// A row that gets a finished message, and the pieces of that message on their way to a session.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "engine/message/finished_message.h"
#include "engine/runtime/signal.h"
#include "engine/runtime/task.h"
#include "engine/shard_services.h"
#include "queue/pack.h"

namespace sealift::engine {

// What the row gets. DataLoss: its campaign has a template.
absl::StatusOr<FinishedMessage> FinishedOf(const queue::Row& row);

// PieceReader reads the pieces of one finished message through the store's readers: the shard never waits for the
// disk, and while one piece is being sent the next is read. It holds two of them at most.
//
// Owned by:  the session that sends the message.
// Threads:   the shard's.
class PieceReader {
 public:
  PieceReader(ShardServices& services, queue::CampaignId campaign, uint32_t message, queue::ReadTurn turn)
      : services_(services), campaign_(campaign), message_(message), turn_(turn) {}

  // Begins to read a piece. Nothing else is being read.
  void Ask(uint32_t piece);

  // What was asked for. Errors: the store's, or the status of the scope that ended meanwhile.
  Task<absl::StatusOr<std::string>> Take();

 private:
  struct Read {
    Signal arrived;
    std::optional<absl::StatusOr<std::string>> piece;
  };

  ShardServices& services_;
  const queue::CampaignId campaign_;
  const uint32_t message_;
  const queue::ReadTurn turn_;
  std::shared_ptr<Read> read_;  // shared with the reader's answer, which may find the session gone
};

}  // namespace sealift::engine
