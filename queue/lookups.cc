#include "queue/lookups.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "fmt/format.h"
#include "queue/event_log.h"
#include "queue/keys.h"
#include "queue/parked_row.h"
#include "queue/reading.h"
#include "queue/rocks.h"

namespace sealift::queue {
namespace {

constexpr int kPacksLookedAtMax = 20'000;

// An iterator over [begin, end) of rows, with its bounds.
class RowsRange {
 public:
  RowsRange(Database* database, std::string begin, std::string end)
      : begin_(std::move(begin)), end_(std::move(end)), lower_(begin_), upper_(end_) {
    rocksdb::ReadOptions options;
    options.iterate_lower_bound = &lower_;
    options.iterate_upper_bound = &upper_;
    options.fill_cache = false;  // what the schedule reads must not make room for a search
    it_.reset(database->get()->NewIterator(options, database->handle(Column::kRows)));
  }
  rocksdb::Iterator* operator->() const { return it_.get(); }
  absl::Status status() const { return FromRocks(it_->status(), "read rows"); }

 private:
  const std::string begin_, end_;
  const rocksdb::Slice lower_, upper_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

StoredRow Copy(const Pack& pack, const Row& row, bool fields) {
  StoredRow stored;
  stored.message = {pack.lane(), row.id};
  stored.due = pack.due();
  stored.accepted = pack.accepted();
  stored.expires = pack.expires();
  stored.date = row.date;
  stored.attempts = row.attempts;
  stored.reason_class = row.reason_class;
  stored.recipient = row.recipient;
  if (fields) stored.fields.assign(row.fields.begin(), row.fields.end());
  return stored;
}

using Found = absl::StatusOr<std::optional<StoredRow>>;

Found FindIn(Unsealer* unsealer, std::string_view key, std::string_view value, RowId row) {
  absl::StatusOr<std::shared_ptr<Pack>> pack = OpenPack(unsealer, key, value);
  if (!pack.ok()) return pack.status();
  for (const Row& candidate : (*pack)->rows()) {
    if (candidate.id == row) return Copy(**pack, candidate, true);
  }
  return std::nullopt;
}

Found FindParked(Database* database, Unsealer* unsealer, CampaignId campaign, RowId row) {
  absl::StatusOr<std::optional<ParkedRow>> parked = FindParkedRow(database, unsealer, campaign, row);
  if (!parked.ok()) return parked.status();
  return *parked ? std::optional(std::move((*parked)->row)) : std::nullopt;
}

// Fresh packs of a lane are in the order of their rows: only the last that does not begin after the row can have it.
Found FindFresh(Database* database, Unsealer* unsealer, const MessageKey& message) {
  RowsKey place{message.lane, RowsKey::kFresh, static_cast<uint32_t>(message.row)};
  RowsRange range(database, RowsKey{message.lane, RowsKey::kFresh, 0}.Encode(),
                  RowsKey{message.lane, RowsKey::kFresh + 1, 0}.Encode());
  range->SeekForPrev(place.Encode());
  if (!range->Valid()) {
    if (absl::Status status = range.status(); !status.ok()) return status;
    return std::nullopt;
  }
  return FindIn(unsealer, ToView(range->key()), ToView(range->value()), message.row);
}

Found FindBetween(Database* database, Unsealer* unsealer, RowId row, std::string begin, std::string end) {
  RowsRange range(database, std::move(begin), std::move(end));
  for (range->SeekToFirst(); range->Valid(); range->Next()) {
    Found found = FindIn(unsealer, ToView(range->key()), ToView(range->value()), row);
    if (!found.ok() || *found) return found;
  }
  if (absl::Status status = range.status(); !status.ok()) return status;
  return std::nullopt;
}

Found FindRetryDue(Database* database, Unsealer* unsealer, const MessageKey& message, absl::Time due) {
  const uint64_t due_ms =
      due == absl::InfiniteFuture() ? RowsKey::kInDoubt : static_cast<uint64_t>(absl::ToUnixMillis(due));
  return FindBetween(database, unsealer, message.row, RowsKey{message.lane, due_ms, 0}.Encode(),
                     RowsKey{message.lane, due_ms + 1, 0}.Encode());
}

Found FindRetry(Database* database, Unsealer* unsealer, const MessageKey& message) {
  return FindBetween(database, unsealer, message.row, RowsKey{message.lane, RowsKey::kFresh + 1, 0}.Encode(),
                     PrefixEnd(LaneKey(message.lane)));
}

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) fmt::format_to(std::back_inserter(hex), "{:02x}", static_cast<uint8_t>(byte));
  return hex;
}

std::optional<std::string> FromHex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    const size_t high = kDigits.find(hex[i]), low = kDigits.find(hex[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

}  // namespace

absl::StatusOr<RowsPage> ListRowsPage(Database* database, Unsealer* unsealer, CampaignId campaign,
                                      const RowFilter& filter, std::string_view cursor, int max) {
  const std::string prefix = filter.destination ? LaneKey({campaign, *filter.destination}) : CampaignPrefix(campaign);
  std::string begin = prefix;
  // The key of the last pack; where the page ended within it, that row's number too.
  std::optional<RowsKey> cut;
  uint32_t last = 0;
  if (!cursor.empty()) {
    const size_t dot = cursor.find('.');
    const std::optional<std::string> after = FromHex(cursor.substr(0, dot));
    const bool within = dot != std::string_view::npos;
    if (!after || after->size() != RowsKey::kSize || !after->starts_with(prefix) ||
        (within && !absl::SimpleAtoi(std::string(cursor.substr(dot + 1)), &last))) {
      return absl::InvalidArgumentError("this is not a cursor of this list: take the one that the last page came with");
    }
    begin = *after;
    if (within) {
      cut = RowsKey::Decode(*after);
    } else {
      begin += '\0';
    }
  }
  RowsPage page;
  page.cursor = cursor;
  RowsRange range(database, begin, PrefixEnd(prefix));
  int looked_at = 0;
  for (range->SeekToFirst();
       range->Valid() && looked_at < kPacksLookedAtMax && page.rows.size() < static_cast<size_t>(std::max(max, 1));
       ++looked_at) {
    const std::string_view key = ToView(range->key());
    page.cursor = Hex(key);
    const std::optional<RowsKey> place = RowsKey::Decode(key);
    if (filter.state && place && place->state() != *filter.state) {
      if (*filter.state != RowState::kInDoubt) {
        range->Next();
        continue;
      }
      // Rows in doubt are few, and stand at the end of their lanes.
      page.cursor = Hex(RowsKey{place->lane, RowsKey::kInDoubt - 1, ~uint64_t{0}}.Encode());
      range->Seek(RowsKey{place->lane, RowsKey::kInDoubt, 0}.Encode());
      continue;
    }
    absl::StatusOr<std::shared_ptr<Pack>> pack = OpenPack(unsealer, key, ToView(range->value()));
    if (!pack.ok()) return pack.status();
    // A fresh pack is named after its first row: what was settled of it since has given it another key.
    const bool is_cut =
        cut && place &&
        (*place == *cut || (place->state() == RowState::kFresh && place->lane == cut->lane && place->place <= last));
    for (const Row& row : (*pack)->rows()) {
      if (is_cut && static_cast<uint32_t>(row.id) <= last) continue;
      if (page.rows.size() == static_cast<size_t>(std::max(max, 1))) {
        page.cursor += fmt::format(".{}", static_cast<uint32_t>(page.rows.back().message.row));
        return page;
      }
      page.rows.push_back(Copy(**pack, row, filter.fields));
    }
    range->Next();
  }
  if (absl::Status status = range.status(); !status.ok()) return status;
  page.done = !range->Valid();
  return page;
}

Found FindRow(Database* database, Unsealer* unsealer, const MessageKey& message) {
  absl::StatusOr<std::vector<Event>> events = EventsOf(database, unsealer, message);
  if (!events.ok()) return events.status();
  // What is tried in turn, the cheapest first: most rows are where their last event says.
  const bool untold = events->empty(), deferred = !untold && events->back().kind == OutcomeKind::kDeferred;
  Found found = std::optional<StoredRow>();
  if (untold) found = FindFresh(database, unsealer, message);
  if (deferred) found = FindRetryDue(database, unsealer, message, events->back().due);
  if (!found.ok() || *found) return found;
  found = FindParked(database, unsealer, message.lane.campaign, message.row);
  if (!found.ok() || *found) return found;
  // An operator moved it, a replay brought it back, or the event that says where it is has been forgotten.
  const bool settled =
      !untold && (events->back().kind == OutcomeKind::kBounced || events->back().kind == OutcomeKind::kExpired);
  if (untold || deferred || settled) return FindRetry(database, unsealer, message);
  return std::nullopt;
}

Found FindRow(Database* database, Unsealer* unsealer, CampaignId campaign, RowId row) {
  if (Found parked = FindParked(database, unsealer, campaign, row); !parked.ok() || *parked) return parked;

  const std::string prefix = CampaignPrefix(campaign);
  RowsRange range(database, prefix, PrefixEnd(prefix));
  std::string key, value;  // the last pack of the lane that does not begin after the row
  for (range->SeekToFirst();; range->Next()) {
    const bool more = range->Valid();
    const std::optional<RowsKey> place = more ? RowsKey::Decode(ToView(range->key())) : std::nullopt;
    const bool candidate = place && place->due_ms == RowsKey::kFresh && place->place <= static_cast<uint32_t>(row);
    if (!key.empty() && !(candidate && range->key().starts_with(key.substr(0, 12)))) {
      Found found = FindIn(unsealer, key, value, row);
      if (!found.ok() || *found) return found;
      key.clear();
    }
    if (!more) break;
    if (candidate) {
      key = range->key().ToString();
      value.assign(range->value().data(), range->value().size());
    }
  }
  if (absl::Status status = range.status(); !status.ok()) return status;
  // It was deferred, to wherever.
  for (range->SeekToFirst(); range->Valid(); range->Next()) {
    const std::optional<RowsKey> place = RowsKey::Decode(ToView(range->key()));
    if (!place || place->due_ms == RowsKey::kFresh) continue;
    Found found = FindIn(unsealer, ToView(range->key()), ToView(range->value()), row);
    if (!found.ok() || *found) return found;
  }
  if (absl::Status status = range.status(); !status.ok()) return status;
  return std::nullopt;
}

}  // namespace sealift::queue
