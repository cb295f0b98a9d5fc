#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/message/dkim_key.h"
#include "engine/message/list_fields.h"

namespace sealift::engine {

// FinishedMessage is what a row knows of the message that it gets, where that arrived rendered: which one it is, and
// what must be known before MAIL. The message itself lies in the queue in pieces, as DATA carries it: dots doubled, the
// terminator at the end of the last piece, so that no part of it can be taken for the whole. The first piece has the
// whole header.
//
// Owned by:  whoever sends it; a value.
struct FinishedMessage {
  uint32_t number = 0;       // in its campaign, from 1
  uint32_t pieces = 0;       // at least one
  uint64_t size = 0;         // in bytes, without what DATA adds
  bool eight_bit = false;    // a byte of it is over 127: it needs 8BITMIME (RFC 6152)
  bool utf8_header = false;  // one of its header is: it needs SMTPUTF8 (RFC 6532)
  bool has_date = false, has_message_id = false;
  OwnListFields own;
  Sha256 body_hash{};  // HashRelaxedBody of its body: who signs needs only the header

  // The one field of its rows.
  std::string Encode() const;
  // DataLoss: it is no such field.
  static absl::StatusOr<FinishedMessage> Decode(std::string_view field);

  // What the engine says of it to one recipient.
  struct Identity {
    std::string_view message_id;  // with its angle brackets; of no account where it has one
    absl::Time date;              // of the first attempt; the same
    std::string_view fields;      // further header fields, each with its line end, none of which it has
  };

  // Appends the first piece with what goes in front of it: the Date and Message-ID that it lacks, and the further
  // fields; signatures go in front of that. *whole_size: of the whole message without them and without what DATA adds.
  absl::Status Open(std::string_view first_piece, const Identity& identity, std::string& wire,
                    uint64_t* whole_size) const;
};

}  // namespace sealift::engine
