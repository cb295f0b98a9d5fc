#include "queue/parked_row.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "queue/damage.h"
#include "queue/keys.h"
#include "queue/pack.h"
#include "queue/rocks.h"
#include "queue/wire.h"

namespace sealift::queue {

absl::Status EncodeParked(Sealer* sealer, const Outcome& outcome, const Row& row, std::string_view key,
                          std::string* value) {
  const LaneId lane = outcome.pack->lane();
  Row settled = row;
  settled.attempts = std::max(row.attempts, outcome.attempt);
  if (settled.date == absl::InfinitePast()) settled.date = outcome.date;
  std::string plaintext;
  PutFixed64(static_cast<uint64_t>(lane.destination), &plaintext);
  plaintext.push_back(static_cast<char>(outcome.kind));
  PutBytes(outcome.reason_class, &plaintext);
  PutVarint(static_cast<uint64_t>(std::max(outcome.code, 0)), &plaintext);
  Pack::Encode(outcome.pack->accepted(), outcome.pack->expires(), {&settled, 1}, &plaintext);

  PutFixed64(static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixMillis(outcome.time), 0)), value);
  const std::string additional = std::string(key) + *value;
  return sealer->Seal(KeyName::Of(lane.campaign), Seal::kParked, additional, plaintext, value);
}

absl::StatusOr<ParkedRow> DecodeParkedRow(Unsealer* unsealer, std::string_view key, std::string_view value) {
  if (key.size() != 8 || value.size() < 8) return Damage("a parked row of the queue is cut short");
  WireReader of(key);
  const CampaignId campaign{of.ReadFixed32()};
  const std::string additional = std::string(key) + std::string(value.substr(0, 8));
  absl::StatusOr<std::string> opened =
      unsealer->Open(KeyName::Of(campaign), Seal::kParked, additional, value.substr(8));
  if (!opened.ok()) return opened.status();
  WireReader in(*opened);
  const DestinationId destination{in.ReadFixed64()};
  ParkedRow parked;
  const uint8_t kind = in.Byte();
  parked.reason_class = in.Bytes();
  parked.code = static_cast<int>(in.Varint());
  if (!in.ok() || kind > static_cast<uint8_t>(OutcomeKind::kCancelled))
    return absl::DataLossError("a parked row of the queue is in a form that this version does not know");
  RowsKey place;
  place.lane = {campaign, destination};
  absl::StatusOr<std::shared_ptr<Pack>> pack = Pack::Decode(place.Encode(), std::string(in.rest()), 0);
  if (!pack.ok()) return pack.status();
  const Row& row = (*pack)->rows()[0];
  parked.kind = static_cast<OutcomeKind>(kind);
  if (!ParkedTime(value, &parked.settled)) return Damage("a parked row of the queue is cut short");
  StoredRow& stored = parked.row;
  stored.message = {place.lane, row.id};
  stored.parked = true;
  stored.outcome = parked.kind;
  stored.accepted = (*pack)->accepted();
  stored.expires = (*pack)->expires();
  stored.date = row.date;
  stored.attempts = row.attempts;
  stored.recipient = row.recipient;
  for (const std::string_view field : row.fields) stored.fields.emplace_back(field);
  return parked;
}

absl::StatusOr<std::optional<ParkedRow>> FindParkedRow(Database* database, Unsealer* unsealer, CampaignId campaign,
                                                       RowId row) {
  const std::string key = ParkedKey(campaign, row);
  std::string value;
  const auto found = database->get()->Get({}, database->handle(Column::kParked), key, &value);
  if (found.IsNotFound()) return std::nullopt;
  if (!found.ok()) return FromRocks(found, "read a parked row");
  absl::StatusOr<ParkedRow> parked = DecodeParkedRow(unsealer, key, value);
  if (!parked.ok()) return parked.status();
  return *std::move(parked);
}

absl::StatusOr<std::shared_ptr<Pack>> PackOf(const MessageKey& message, const StoredRow& row) {
  const std::vector<std::string_view> fields(row.fields.begin(), row.fields.end());
  const Row one{.id = message.row,
                .attempts = row.attempts,
                .date = row.date,
                .reason_class = row.reason_class,
                .recipient = row.recipient,
                .fields = fields};
  std::string plaintext;
  Pack::Encode(row.accepted, row.expires, {&one, 1}, &plaintext);
  return Pack::Decode(RowsKey{.lane = message.lane}.Encode(), std::move(plaintext), 0);
}

bool ParkedTime(std::string_view value, absl::Time* settled) {
  if (value.size() < 8) return false;
  WireReader in(value);
  *settled = absl::FromUnixMillis(static_cast<int64_t>(in.ReadFixed64()));
  return true;
}

}  // namespace sealift::queue
