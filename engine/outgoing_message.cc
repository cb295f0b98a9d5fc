#include "engine/outgoing_message.h"

#include <utility>

#include "engine/message_identity.h"
#include "engine/smtp/dot_stuffing.h"
#include "engine/smtp/mailbox.h"

namespace sealift::engine {

Task<absl::Status> OutgoingMessage::Take(Assignment assignment) {
  const queue::Row& row = assignment.claim.row();
  finished_.reset();
  Release();
  signed_ = assignment.message;
  next_piece_ = 1;
  date_ = row.date != absl::InfinitePast() ? row.date : services_.Now();
  if (signed_ != nullptr) {
    date_ = signed_->date;
    content_ = signed_->wire;
    bytes_ = signed_->size;
  }
  if (!assignment.lane->campaign->content.has_value()) {
    const absl::Status fetched = co_await Fetch(assignment);
    if (!fetched.ok()) co_return fetched;
  } else if (signed_ == nullptr) {
    Render(assignment);
  }
  // A recipient beyond ASCII stands in the envelope and in the header To: RFC 6531 asks for both extensions.
  const bool utf8_recipient = NeedsSmtpUtf8(row.recipient);
  needed_ = {.eight_bit = utf8_recipient || (finished_.has_value() && finished_->eight_bit),
             .smtp_utf8 = utf8_recipient || (finished_.has_value() && finished_->utf8_header)};
  if (!IsWhole() && !empty()) pieces_->Ask(next_piece_);
  co_return absl::OkStatus();
}

void OutgoingMessage::Release() {
  plain_ = content_ = {};
  services_.spare_buffers.Give(std::exchange(message_, {}));
  services_.spare_buffers.Give(std::exchange(wire_, {}));
}

void OutgoingMessage::Render(const Assignment& assignment) {
  const queue::Row& row = assignment.claim.row();
  Identify(services_.store, *options_, *assignment.lane->campaign, {.lane = assignment.lane->id, .row = row.id},
           row.fields, identity_);
  message_ = services_.spare_buffers.Take();
  const absl::Status rendered = assignment.lane->campaign->content->Render(
      {.email = row.recipient, .fields = row.fields}, identity_.At(date_), message_);
  if (rendered.ok()) plain_ = message_;
  bytes_ = message_.size();
}

std::string_view OutgoingMessage::AsData() {
  if (content_.empty() && !plain_.empty()) {
    wire_ = services_.spare_buffers.Take();
    AppendDotStuffed(plain_, wire_);
    content_ = wire_;
  }
  return content_;
}

Task<absl::Status> OutgoingMessage::Fetch(Assignment assignment) {
  const queue::Row& row = assignment.claim.row();
  const absl::StatusOr<FinishedMessage> finished = FinishedOf(row);
  if (!finished.ok()) {
    content_ = {};
    co_return absl::OkStatus();
  }
  pieces_.emplace(services_, assignment.lane->id.campaign, finished->number,
                  queue::TurnOf(assignment.queue->transactional()));
  if (signed_ == nullptr) {
    pieces_->Ask(0);
    const absl::StatusOr<std::string> first = co_await pieces_->Take();
    if (absl::IsCancelled(first.status())) co_return first.status();
    Identify(services_.store, *options_, *assignment.lane->campaign, {.lane = assignment.lane->id, .row = row.id},
             row.fields, identity_);
    uint64_t bytes = 0;
    wire_ = services_.spare_buffers.Take();
    if (first.ok() && finished->Open(*first, identity_.Of(date_), wire_, &bytes).ok()) {
      content_ = wire_;
      bytes_ = bytes;
    }
  }
  finished_ = *finished;
  co_return absl::OkStatus();
}

std::string_view OutgoingMessage::AsChunk() {
  constexpr std::string_view kFinalDot = ".\r\n";
  if (!plain_.empty()) return plain_;
  if (content_.size() == bytes_ + kFinalDot.size()) return content_.substr(0, bytes_);  // no dot of it was doubled
  message_ = services_.spare_buffers.Take();
  AppendUnstuffed(content_, message_);
  return plain_ = message_;
}

Task<absl::StatusOr<std::optional<std::string>>> OutgoingMessage::NextPiece() {
  if (next_piece_ >= pieces_max()) co_return std::nullopt;
  absl::StatusOr<std::string> piece = co_await pieces_->Take();
  if (absl::IsCancelled(piece.status()) || absl::IsDeadlineExceeded(piece.status())) co_return piece.status();
  if (!piece.ok()) co_return absl::DataLossError("the message could not be read to its end");
  if (++next_piece_ < pieces_max()) pieces_->Ask(next_piece_);
  co_return *std::move(piece);
}

}  // namespace sealift::engine
