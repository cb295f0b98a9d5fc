#include "engine/message/finished_message.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/message/date.h"

namespace sealift::engine {
namespace {

constexpr char kVersion = 2, kVersionWithoutLists = 1;
constexpr size_t kFieldBytes = 1 + 4 + 4 + 8 + 1 + 32;
enum Flag : uint8_t {
  kEightBit = 1,
  kUtf8Header = 2,
  kHasDate = 4,
  kHasMessageId = 8,
  kHasUnsubscribe = 16,
  kHasListId = 32,
  kHasFeedbackId = 64
};

void PutNumber(uint64_t number, int bytes, std::string& out) {
  while (bytes-- > 0) out += static_cast<char>(number >> (8 * bytes));
}

uint64_t TakeNumber(std::string_view& from, size_t bytes) {
  uint64_t number = 0;
  for (const char c : from.substr(0, bytes)) number = number << 8 | static_cast<uint8_t>(c);
  from.remove_prefix(bytes);
  return number;
}

}  // namespace

std::string FinishedMessage::Encode() const {
  std::string field(1, kVersion);
  PutNumber(number, 4, field);
  PutNumber(pieces, 4, field);
  PutNumber(size, 8, field);
  field += static_cast<char>((eight_bit ? kEightBit : 0) | (utf8_header ? kUtf8Header : 0) | (has_date ? kHasDate : 0) |
                             (has_message_id ? kHasMessageId : 0) | (own.unsubscribe ? kHasUnsubscribe : 0) |
                             (own.list_id ? kHasListId : 0) | (own.feedback_id ? kHasFeedbackId : 0));
  field.append(reinterpret_cast<const char*>(body_hash.data()), body_hash.size());
  return field;
}

absl::StatusOr<FinishedMessage> FinishedMessage::Decode(std::string_view field) {
  if (field.size() != kFieldBytes || (field[0] != kVersion && field[0] != kVersionWithoutLists)) {
    return absl::DataLossError("a row of finished messages has none, or one of a form that this version does not know");
  }
  const bool lists_unknown = field[0] == kVersionWithoutLists;
  field.remove_prefix(1);
  FinishedMessage message;
  message.number = static_cast<uint32_t>(TakeNumber(field, 4));
  message.pieces = static_cast<uint32_t>(TakeNumber(field, 4));
  message.size = TakeNumber(field, 8);
  const uint64_t flags = TakeNumber(field, 1);
  message.eight_bit = (flags & kEightBit) != 0;
  message.utf8_header = (flags & kUtf8Header) != 0;
  message.has_date = (flags & kHasDate) != 0;
  message.has_message_id = (flags & kHasMessageId) != 0;
  // Nobody had looked: a field that may be there is not added.
  message.own.unsubscribe = lists_unknown || (flags & kHasUnsubscribe) != 0;
  message.own.list_id = lists_unknown || (flags & kHasListId) != 0;
  message.own.feedback_id = lists_unknown || (flags & kHasFeedbackId) != 0;
  std::ranges::copy(field, message.body_hash.begin());
  if (message.number == 0 || message.pieces == 0) {
    return absl::DataLossError("a row of finished messages names no message");
  }
  return message;
}

absl::Status FinishedMessage::Open(std::string_view first_piece, const Identity& identity, std::string& wire,
                                   uint64_t* whole_size) const {
  if (!first_piece.contains("\r\n\r\n")) return absl::DataLossError("the first piece of a message has not its header");
  const size_t before = wire.size();
  if (!has_date) wire += fmt::format("Date: {}\r\n", FormatDate(identity.date));
  if (!has_message_id) wire += fmt::format("Message-ID: {}\r\n", identity.message_id);
  wire += identity.fields;
  *whole_size = size + wire.size() - before;
  wire += first_piece;
  return absl::OkStatus();
}

}  // namespace sealift::engine
