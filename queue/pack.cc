#include "queue/pack.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "queue/keys.h"
#include "queue/wire.h"

namespace sealift::queue {
namespace {

// In the second version each row's head ends with the class of its last attempt. Rows that have none, as all fresh
// ones, are written in the first.
constexpr uint8_t kUntried = 1, kTried = 2;

void PutHead(uint8_t version, absl::Time accepted, absl::Time expires, size_t rows, std::string* out) {
  out->push_back(static_cast<char>(version));
  out->push_back(static_cast<char>(rows));
  PutTime(accepted, out);
  PutTime(expires, out);
}

}  // namespace

void PutPackHead(absl::Time accepted, absl::Time expires, size_t rows, std::string* out) {
  PutHead(kUntried, accepted, expires, rows, out);
}

void PutRowHead(RowId id, uint16_t attempts, absl::Time date, std::string* out) {
  PutVarint(static_cast<uint32_t>(id), out);
  PutVarint(attempts, out);
  PutTime(date, out);
}

void PutRowBody(std::string_view recipient, std::span<const std::string_view> fields, std::string* out) {
  PutBytes(recipient, out);
  PutVarint(fields.size(), out);
  for (const std::string_view field : fields) PutBytes(field, out);
}

void Pack::Encode(absl::Time accepted, absl::Time expires, std::span<const Row> rows, std::string* out) {
  assert(!rows.empty() && rows.size() <= kRowsMax);
  const bool tried = std::ranges::any_of(rows, [](const Row& row) { return !row.reason_class.empty(); });
  PutHead(tried ? kTried : kUntried, accepted, expires, rows.size(), out);
  for (const Row& row : rows) {
    PutRowHead(row.id, row.attempts, row.date, out);
    if (tried) PutBytes(row.reason_class, out);
    PutRowBody(row.recipient, row.fields, out);
  }
}

absl::StatusOr<std::shared_ptr<Pack>> Pack::Decode(std::string key, std::string plaintext, uint16_t settled) {
  const auto malformed = [] {
    return absl::DataLossError("a pack of the queue was sealed in a form that this version does not know");
  };
  const std::optional<RowsKey> place = RowsKey::Decode(key);
  if (!place) return malformed();
  std::shared_ptr<Pack> pack(new Pack());
  pack->lane_ = place->lane;
  pack->due_ = place->due();
  pack->key_ = std::move(key);
  pack->plaintext_ = std::move(plaintext);
  pack->settled_ = settled;

  WireReader in(pack->plaintext_);
  const uint8_t version = in.Byte();
  const size_t count = in.Byte();
  pack->accepted_ = in.Time();
  pack->expires_ = in.Time();
  if (!in.ok() || (version != kUntried && version != kTried) || count == 0 || count > kRowsMax) return malformed();
  pack->all_ = static_cast<uint16_t>((uint32_t{1} << count) - 1);

  // Spans into fields_ are taken once it no longer grows.
  std::array<std::pair<size_t, size_t>, kRowsMax> spans;
  pack->rows_.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    Row row;
    row.id = RowId{static_cast<uint32_t>(in.Varint())};
    row.attempts = static_cast<uint16_t>(in.Varint());
    row.date = in.Time();
    if (version == kTried) row.reason_class = in.Bytes();
    row.recipient = in.Bytes();
    const uint64_t fields = in.Varint();
    if (!in.ok() || fields > in.left()) return malformed();  // every field takes at least a byte
    const bool queued = (settled >> i & 1) == 0;
    if (queued && pack->fields_.empty()) pack->fields_.reserve((count - i) * fields);
    const size_t first = pack->fields_.size();
    for (uint64_t f = 0; f < fields; ++f) {
      const std::string_view field = in.Bytes();
      if (queued) pack->fields_.push_back(field);
    }
    if (!queued) continue;
    pack->bits_[pack->rows_.size()] = static_cast<uint16_t>(1u << i);
    spans[pack->rows_.size()] = {first, fields};
    pack->rows_.push_back(row);
  }
  if (!in.done()) return malformed();
  for (size_t i = 0; i < pack->rows_.size(); ++i) {
    pack->rows_[i].fields = std::span(pack->fields_).subspan(spans[i].first, spans[i].second);
  }
  return pack;
}

}  // namespace sealift::queue
