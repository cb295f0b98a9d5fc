#pragma once

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/dkim_canonical.h"
#include "engine/message/finished_message.h"
#include "engine/smtp/mailbox.h"

namespace sealift::engine {

// FinishedMessageReader checks a message that arrived rendered (an .eml) and turns it into what DATA carries, piece by
// piece, whatever its size.
//
// It changes as little as it can, so that a signature of its author's stays good: lines that end with LF end with CRLF,
// Bcc, Resent-Bcc and Return-Path are taken out (RFC 5322 3.6.3 and 3.6.6, RFC 5321 4.4), leading dots are doubled.
// Everything else, its Message-ID, Received and DKIM-Signature too, stays as it is. Its recipients are the mailboxes of
// To, Cc and Bcc; Resent fields are not read.
//
// What cannot be sent is rejected, never repaired: no recipient; not exactly one From (RFC 5322 3.6), or a field twice
// that may be there once; a header line that is no field; a header beyond ASCII that is no UTF-8; a bare CR or a NUL
// (RFC 5321 2.3.8); a line over 998 bytes (RFC 5322 2.1.1); a header over kHeaderBytesMax or a message over kBytesMax.
//
// Owned by:  a load.
// Threads:   one.
// Memory:    two pieces and a header.
// Errors:    those of `sink`. What is wrong with a message is no error: rejection() says it, and no byte of it.
class FinishedMessageReader {
 public:
  static constexpr size_t kHeaderBytesMax = 64 << 10;
  static constexpr uint64_t kBytesMax = 50 << 20;
  static constexpr size_t kLineBytesMax = 998;

  // `sink` gets every piece: `piece_bytes` (over kHeaderBytesMax) each, the last one possibly less.
  using Sink = std::function<absl::Status(std::string_view piece)>;
  FinishedMessageReader(size_t piece_bytes, Sink sink) : piece_bytes_(piece_bytes), sink_(std::move(sink)) {}

  void Begin(uint32_t number);
  absl::Status Add(std::string_view bytes);
  absl::Status End();

  // Why it is rejected, as soon as that is known; from then on the sink gets nothing. Empty: it is not.
  const std::string& rejection() const { return rejection_; }

  // After End, of a message that is not rejected.
  const FinishedMessage& message() const { return message_; }
  const std::vector<Mailbox>& recipients() const { return recipients_; }
  const std::vector<Mailbox>& authors() const { return authors_; }  // of From, at least one
  const std::string& message_id() const { return message_id_; }     // without angle brackets; empty: it has none

 private:
  void Reject(std::string reason);
  absl::Status TakeLine(std::string_view line);
  absl::Status TakeBodyLine(std::string_view line);
  absl::Status EndHeader();
  bool TakeField(std::string_view field, int line);
  absl::Status Flush(size_t at_least);

  const size_t piece_bytes_;
  const Sink sink_;

  FinishedMessage message_;
  std::vector<Mailbox> recipients_, authors_;
  std::string message_id_;
  std::string rejection_;
  bool in_header_ = true;
  uint64_t lines_ = 0;
  uint32_t seen_ = 0;         // of the fields that may be there once, a bit each
  std::string header_;        // as it came, with CRLF
  std::string partial_line_;  // what was added last did not end with a line
  std::string out_;
  RelaxedBodyHasher hasher_;
};

}  // namespace sealift::engine
