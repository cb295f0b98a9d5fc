#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/finished_row.h"
#include "engine/message_identity.h"
#include "engine/options.h"
#include "engine/runtime/task.h"
#include "engine/scheduler.h"
#include "engine/shard_services.h"

namespace sealift::engine {

// OutgoingMessage is the one message that a session is about to write: rendered here, or signed ahead of its turn, or
// read from the queue in pieces.
//
// Owned by:  a session, which uses it for one row after the other.
// Threads:   the shard's.
// Errors:    a message that could not be made is empty(): every row was checked when it was loaded, so that is a fault
// of ours or of the disk, and the row must not be lost for it.
class OutgoingMessage {
 public:
  OutgoingMessage(ShardServices& services, std::shared_ptr<const Options> options)
      : services_(services), options_(std::move(options)) {}

  // What the message, and its recipient's address, ask of the server.
  struct Extensions {
    bool eight_bit = false;  // 8BITMIME (RFC 6152)
    bool smtp_utf8 = false;  // SMTPUTF8 (RFC 6531)
  };

  // Takes what the assignment's row gets. Errors: the scope has ended meanwhile.
  Task<absl::Status> Take(Assignment assignment);

  bool empty() const { return plain_.empty() && content_.empty(); }
  absl::Time date() const { return date_; }
  size_t bytes() const { return bytes_; }  // of the message itself
  const Extensions& needed() const { return needed_; }
  // It is all here, and not the first of several pieces.
  bool IsWhole() const { return pieces_max() == 1; }

  // As DATA carries it, dots doubled and the final dot at its end; where it is not whole, up to its second piece.
  std::string_view AsData();
  // As BDAT carries it: as it is (RFC 3030). It is whole.
  std::string_view AsChunk();

  // Its content is not needed any more.
  void Release();

  // What was taken last, or AsData, has its end.
  bool OnLastPiece() const { return next_piece_ >= pieces_max(); }
  // The next piece; nothing: the last one was taken. While one is being written the next is read.
  Task<absl::StatusOr<std::optional<std::string>>> NextPiece();

 private:
  void Render(const Assignment& assignment);
  Task<absl::Status> Fetch(Assignment assignment);
  uint32_t pieces_max() const { return finished_.has_value() ? finished_->pieces : 1; }

  ShardServices& services_;
  const std::shared_ptr<const Options> options_;

  absl::Time date_;
  MessageIdentity identity_;
  std::string message_, wire_;  // where it is rendered; of the shard's spare buffers
  std::string_view plain_;      // as it is, where it is known so
  std::string_view content_;    // as DATA carries it, where it is known so
  size_t bytes_ = 0;
  Extensions needed_;
  std::shared_ptr<const SignedMessage> signed_;  // what content_ is a part of, where it was signed ahead
  std::optional<FinishedMessage> finished_;
  std::optional<PieceReader> pieces_;  // of finished_
  uint32_t next_piece_ = 1;
};

}  // namespace sealift::engine
