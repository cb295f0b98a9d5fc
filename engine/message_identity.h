#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include <span>
#include <string>
#include <string_view>

#include "engine/active_campaign.h"
#include "engine/message/finished_message.h"
#include "engine/message/template.h"
#include "engine/options.h"
#include "queue/store.h"

namespace sealift::engine {

// What the engine itself says of one message: its Message-ID, and the list fields that its stream configures now. All
// who render a stored row take it from here, so that a preview shows what is sent.
struct MessageIdentity {
  std::string message_id;  // with its angle brackets
  std::string fields;      // empty, or header fields with their line ends

  Template::Identity At(absl::Time date) const { return {.message_id = message_id, .date = date, .fields = fields}; }
  FinishedMessage::Identity Of(absl::Time date) const {
    return {.message_id = message_id, .date = date, .fields = fields};
  }
};

// `fields`: the row's. A list field that the template, or the finished message, has itself is left out. `identity` is
// written over; its memory is used again. Threads: any.
void Identify(const queue::Store& store, const Options& options, const ActiveCampaign& campaign,
              const queue::MessageKey& message, std::span<const std::string_view> fields, MessageIdentity& identity);
MessageIdentity Identify(const queue::Store& store, const Options& options, const ActiveCampaign& campaign,
                         const queue::MessageKey& message, std::span<const std::string_view> fields);

// The envelope sender: b+TOKEN@return_path, to which a bounce comes back and leads to its row (VERP). Within the 64
// bytes of a local part.
void AppendEnvelopeSender(const queue::Store& store, const Options& options, std::string_view stream,
                          const queue::MessageKey& message, std::string& out);

// The token of such a sender.
std::string_view TokenOfSender(std::string_view sender);

// The message that an operator names: "<id@host>", "id@host", "id", a whole envelope sender ("b+TOKEN@return_path", in
// any case, with angle brackets or without), or a token alone; or the Message-ID that a finished message came with. An
// id proves nothing; a token is verified. Looks into the queue for the last.
//
// Errors: NotFound: of no such form. InvalidArgument: a token that this node did not make; an id that several rows
// have, whose own ids it lists.
absl::StatusOr<queue::MessageKey> ParseMessageName(const queue::Store& store, std::string_view name);

}  // namespace sealift::engine
