#include "queue/event_log.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "queue/damage.h"
#include "queue/event_block.h"
#include "queue/keys.h"
#include "queue/rocks.h"
#include "queue/wire.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

constexpr size_t kTimeSize = 8, kBlockKeySize = 9;
constexpr int kBlocksAPage = 2'000;
// Shards hand over their outcomes a little after they happened: blocks are in the order of commits, not exactly of
// events.
constexpr absl::Duration kDisorder = absl::Minutes(10);
// How far retention looks behind what is old for more of it.
constexpr int kBlocksLookedAtBehind = 10'000;

absl::Time BlockTime(std::string_view value) {
  return absl::FromUnixMillis(static_cast<int64_t>(Fixed64(&value.front())));
}

absl::StatusOr<std::vector<Event>> OpenBlock(Unsealer* unsealer, std::string_view key, std::string_view value) {
  if (key.size() != kBlockKeySize || value.size() < kTimeSize) {
    return Damage("a block of events is cut short");
  }
  const std::string additional = std::string(key) + std::string(value.substr(0, kTimeSize));
  absl::StatusOr<std::string> block =
      unsealer->Open(KeyName::OfEvents(BlockTime(value)), Seal::kEvents, additional, value.substr(kTimeSize));
  if (absl::IsNotFound(block.status())) return std::vector<Event>();  // forgotten with its month's key
  if (!block.ok()) return block.status();
  return EventBlock::Decode(Fixed64(key.data() + 1), *block);
}

// An iterator over the blocks.
class Blocks {
 public:
  explicit Blocks(Database* database) {
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper_;
    it_.reset(database->get()->NewIterator(options, database->handle(Column::kEvents)));
  }
  rocksdb::Iterator* operator->() const { return it_.get(); }
  uint64_t sequence() const { return Fixed64(it_->key().data() + 1); }
  bool well_formed() const { return it_->key().size() == kBlockKeySize && it_->value().size() >= kTimeSize; }

 private:
  const std::string end_ = PrefixEnd("e");
  const rocksdb::Slice upper_ = end_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

bool HasRow(std::string_view rows, RowId row) {
  for (WireReader in(rows); in.ok() && !in.done();) {
    if (in.Varint() == static_cast<uint32_t>(row)) return true;
  }
  return false;
}

bool Matches(const Event& event, const EventFilter& filter) {
  return (!filter.campaign || event.message.lane.campaign == *filter.campaign) &&
         (!filter.outcome || event.kind == *filter.outcome) && event.time >= filter.since;
}

}  // namespace

absl::StatusOr<EventCursor> LastEventBefore(Database* database, Unsealer* unsealer, uint64_t sequence) {
  if (sequence == 0) return EventCursor();
  Blocks blocks(database);
  blocks->SeekForPrev(EventKey(sequence - 1));
  if (blocks->Valid()) {
    const absl::StatusOr<std::vector<Event>> events =
        OpenBlock(unsealer, ToView(blocks->key()), ToView(blocks->value()));
    if (!events.ok()) return events.status();
    return EventCursor{blocks.sequence(), events->size()};
  }
  if (auto status = blocks->status(); !status.ok()) return FromRocks(status, "read events");
  std::string value;
  const auto found = database->get()->Get({}, database->handle(Column::kMeta), ToSlice(kForgottenKey), &value);
  if (found.IsNotFound()) return EventCursor();
  if (!found.ok()) return FromRocks(found, "read events");
  WireReader in(value);
  const EventCursor last{in.ReadFixed64(), in.ReadFixed64()};
  if (!in.done()) return Damage("what was forgotten of the events is cut short");
  return last;
}

absl::Status ForgetEventsBefore(Database* database, Unsealer* unsealer, uint64_t sequence, rocksdb::WriteBatch* batch) {
  const absl::StatusOr<EventCursor> last = LastEventBefore(database, unsealer, sequence);
  if (!last.ok()) return last.status();
  std::string value;
  PutFixed64(last->sequence, &value);
  PutFixed64(last->index, &value);
  batch->Put(database->handle(Column::kMeta), ToSlice(kForgottenKey), value);
  batch->DeleteRange(database->handle(Column::kEvents), EventKey(0), EventKey(sequence));
  return absl::OkStatus();
}

namespace {

// `newest`, unless a clock that ran ahead gave it: then what the time is by now. A clock that shows a time from before
// the whole log has been set back.
absl::StatusOr<absl::Time> Believed(Database* database, absl::Time newest, absl::Time now) {
  if (newest <= now) return newest;
  Blocks blocks(database);
  blocks->Seek(EventKey(0));
  if (auto status = blocks->status(); !status.ok()) return FromRocks(status, "read events");
  if (!blocks->Valid()) return now;
  if (!blocks.well_formed()) return Damage("a block of events is cut short");
  return BlockTime(ToView(blocks->value())) <= now ? now : newest;
}

}  // namespace

absl::Status AddEventBlock(Database* database, KeyRing* ring, Sealer* sealer, uint64_t sequence, EventBlock* events,
                           absl::Time* newest, rocksdb::WriteBatch* batch) {
  const absl::StatusOr<absl::Time> before = Believed(database, *newest, absl::Now());
  if (!before.ok()) return before.status();
  *newest = std::max(*before, events->newest());
  std::string block;
  events->Finish(&block);
  const KeyName name = KeyName::OfEvents(*newest);
  ring->Add(name, batch);
  const std::string key = EventKey(sequence);
  std::string value;
  PutFixed64(static_cast<uint64_t>(absl::ToUnixMillis(*newest)), &value);
  const std::string additional = key + value;
  if (absl::Status status = sealer->Seal(name, Seal::kEvents, additional, block, &value); !status.ok()) return status;
  batch->Put(database->handle(Column::kEvents), key, value);
  std::string number;
  PutFixed64(sequence, &number);
  batch->Put(database->handle(Column::kMeta), ToSlice(kSequenceKey), number);
  return absl::OkStatus();
}

absl::StatusOr<EventsPage> ReadEventsPage(Database* database, Unsealer* unsealer, std::string_view after, int max,
                                          const EventFilter& filter) {
  std::optional<EventCursor> cursor = EventCursor::Parse(after);
  if (!cursor) {
    return absl::InvalidArgumentError("this is not a cursor of events: take one from an event that was printed before");
  }
  if (after.empty() && filter.since != absl::InfinitePast()) {
    const absl::StatusOr<uint64_t> first = FirstBlockSince(database, filter.since - kDisorder);
    if (!first.ok()) return first.status();
    cursor->sequence = *first;
  }
  EventsPage page;
  Blocks blocks(database);
  std::optional<EventCursor> last;  // of the block before
  int looked_at = 0;
  for (blocks->Seek(EventKey(cursor->sequence)); blocks->Valid() && looked_at < kBlocksAPage; ++looked_at) {
    absl::StatusOr<std::vector<Event>> events = OpenBlock(unsealer, ToView(blocks->key()), ToView(blocks->value()));
    if (!events.ok()) return events.status();
    const uint64_t sequence = blocks.sequence();
    const uint64_t skipped = sequence == cursor->sequence ? cursor->index : 0;
    for (uint64_t i = skipped; i < events->size(); ++i) {
      if (page.events.size() >= static_cast<size_t>(std::max(max, 1))) {
        page.cursor = EventCursor{sequence, i}.ToString();
        return page;
      }
      Event& event = (*events)[i];
      if (!Matches(event, filter)) continue;
      if (i == 0 && !last) {
        const absl::StatusOr<EventCursor> before = LastEventBefore(database, unsealer, sequence);
        if (!before.ok()) return before.status();
        last = *before;
      }
      event.after = (i == 0 ? *last : EventCursor{sequence, i}).ToString();
      page.events.push_back(std::move(event));
    }
    last = EventCursor{sequence, events->size()};
    *cursor = {sequence + 1, 0};
    blocks->Next();
  }
  if (auto status = blocks->status(); !status.ok()) return FromRocks(status, "read events");
  page.cursor = cursor->ToString();
  page.end = !blocks->Valid();
  return page;
}

namespace {

// Every event of the lane's blocks of which `wanted` says so by the rows that they have of it.
absl::Status VisitLane(Database* database, Unsealer* unsealer, const LaneId& lane,
                       const std::function<bool(std::string_view rows)>& wanted,
                       const std::function<void(Event&)>& visit) {
  const std::string prefix = TracePrefix(lane);
  const std::string end = PrefixEnd(prefix);
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(database->get()->NewIterator(options, database->handle(Column::kEvents)));
  for (it->Seek(prefix); it->Valid(); it->Next()) {
    if (it->key().size() != kTraceKeySize || !wanted(ToView(it->value()))) continue;
    const std::string key = EventKey(Fixed64(it->key().data() + prefix.size()));
    std::string value;
    const auto block = database->get()->Get({}, database->handle(Column::kEvents), key, &value);
    if (block.IsNotFound()) continue;  // past its retention
    if (!block.ok()) return FromRocks(block, "read events");
    absl::StatusOr<std::vector<Event>> events = OpenBlock(unsealer, key, value);
    if (!events.ok()) return events.status();
    for (Event& event : *events) {
      if (event.message.lane == lane) visit(event);
    }
  }
  return FromRocks(it->status(), "read events");
}

}  // namespace

absl::StatusOr<std::vector<Event>> EventsOf(Database* database, Unsealer* unsealer, const MessageKey& message) {
  std::vector<Event> found;
  const absl::Status read = VisitLane(
      database, unsealer, message.lane, [&](std::string_view rows) { return HasRow(rows, message.row); },
      [&](Event& event) {
        if (event.message == message) found.push_back(std::move(event));
      });
  if (!read.ok()) return read;
  return found;
}

absl::StatusOr<std::vector<MessageKey>> MessagesInEvents(Database* database, Unsealer* unsealer, const LaneId& lane,
                                                         const std::function<bool(std::string_view)>& means) {
  std::set<MessageKey> found;
  const absl::Status read = VisitLane(
      database, unsealer, lane, [](std::string_view) { return true; },
      [&](Event& event) {
        if (means(event.recipient)) found.insert(event.message);
      });
  if (!read.ok()) return read;
  return std::vector<MessageKey>(found.begin(), found.end());
}

absl::StatusOr<absl::Time> NewestBlockTime(Database* database) {
  Blocks blocks(database);
  blocks->SeekToLast();
  if (auto status = blocks->status(); !status.ok()) return FromRocks(status, "read events");
  if (!blocks->Valid()) return absl::UnixEpoch();
  if (!blocks.well_formed()) return Damage("a block of events is cut short");
  return BlockTime(ToView(blocks->value()));
}

absl::StatusOr<uint64_t> FirstBlockKept(Database* database, absl::Time before, absl::Time now) {
  uint64_t first = 0;
  int64_t old = 0, old_max = 0;  // more than there are of the others
  int behind = 0;
  Blocks blocks(database);
  for (blocks->Seek(EventKey(0)); blocks->Valid() && behind < kBlocksLookedAtBehind; blocks->Next()) {
    if (!blocks.well_formed()) return Damage("a block of events is cut short");
    const absl::Time time = BlockTime(ToView(blocks->value()));
    if (time < before) ++old;
    if (time >= before && time <= now) --old;
    ++behind;
    if (old <= old_max) continue;
    first = blocks.sequence() + 1;
    old_max = old;
    behind = 0;
  }
  if (auto status = blocks->status(); !status.ok()) return FromRocks(status, "read events");
  return first;
}

absl::StatusOr<uint64_t> FirstBlockSince(Database* database, absl::Time time) {
  Blocks blocks(database);
  blocks->SeekToLast();
  if (!blocks->Valid()) {
    if (auto status = blocks->status(); !status.ok()) return FromRocks(status, "read events");
    return uint64_t{0};
  }
  uint64_t high = blocks.sequence() + 1;
  blocks->Seek(EventKey(0));
  uint64_t low = blocks->Valid() ? blocks.sequence() : high;
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    blocks->Seek(EventKey(middle));
    const bool none = !blocks->Valid() || blocks.sequence() >= high;  // from middle on
    if (!none && !blocks.well_formed()) return Damage("a block of events is cut short");
    if (!none && BlockTime(ToView(blocks->value())) < time) {
      low = blocks.sequence() + 1;
    } else {
      high = middle;
    }
  }
  if (auto status = blocks->status(); !status.ok()) return FromRocks(status, "read events");
  return low;
}

}  // namespace sealift::queue
