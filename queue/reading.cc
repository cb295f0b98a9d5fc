#include "queue/reading.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "queue/damage.h"
#include "queue/lane_value.h"
#include "queue/received.h"
#include "queue/rocks.h"
#include "queue/rows_merge.h"
#include "queue/wire.h"

namespace sealift::queue {
namespace {

// From this many lanes of a campaign at once that begin they are taken for small ones, and read in one pass over all of
// them: a seek costs more than the few packs in between. One that has been read before is read alone: a pass that came
// from the lane before it would step over the tombstone of every pack that was settled.
constexpr size_t kSmallLanes = 8;
constexpr int kStepsBeforeSeek = 8;
constexpr int kLanesLookedAtMax = 100'000;

// One pass over a range of rows, forwards.
class RowsPass {
 public:
  // `shares_blocks`: it reads a small part of a block in each file, whose others the next passes read.
  RowsPass(Database* database, const LaneId& last, bool shares_blocks) : end_(PrefixEnd(LaneKey(last))), upper_(end_) {
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper_;
    options.fill_cache = shares_blocks;  // else what is read is not read again
    it_.reset(database->get()->NewIterator(options, database->handle(Column::kRows)));
  }

  // To the first key that is not before `key`.
  void Advance(const std::string& key) {
    if (!target_.empty() && key >= target_) {
      target_ = key;
      for (int step = 0; step < kStepsBeforeSeek && it_->Valid() && it_->key().compare(key) < 0; ++step) it_->Next();
      if (!it_->Valid() || it_->key().compare(key) >= 0) return;
    }
    target_ = key;
    it_->Seek(key);
  }

  void Next() { it_->Next(); }
  // The key, while it is one of this lane.
  std::optional<RowsKey> Key(const LaneId& lane) const {
    if (!it_->Valid()) return std::nullopt;
    std::optional<RowsKey> key = RowsKey::Decode(ToView(it_->key()));
    return key && key->lane == lane ? key : std::nullopt;
  }
  std::pair<std::string, std::string> Copy() const { return {it_->key().ToString(), it_->value().ToString()}; }
  absl::Status status() const { return FromRocks(it_->status(), "read a lane"); }

 private:
  const std::string end_;
  const rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> it_;
  std::string target_;  // of the last Advance
};

bool Begins(const LaneRead& read) { return read.fresh.empty() && read.retry.empty(); }

std::string FreshCursor(std::string_view key) { return std::string(key.substr(20)); }
std::string RetryCursor(std::string_view key) { return std::string(key.substr(12)); }

using KeysAndValues = std::vector<std::pair<std::string, std::string>>;

absl::Status OpenPacks(Unsealer* unsealer, const KeysAndValues& from, size_t count, uint64_t epoch,
                       std::vector<std::shared_ptr<Pack>>* packs) {
  for (size_t i = 0; i < count; ++i) {
    absl::StatusOr<std::shared_ptr<Pack>> pack = OpenPack(unsealer, from[i].first, from[i].second);
    if (!pack.ok()) return pack.status();
    if ((*pack)->rows().empty()) continue;
    (*pack)->set_epoch(epoch);
    packs->push_back(*std::move(pack));
  }
  return absl::OkStatus();
}

// `limit_ms`: retries due later are left where they are.
LaneWindow ReadWindow(RowsPass* pass, Unsealer* unsealer, const LaneRead& read, uint64_t limit_ms, uint64_t epoch) {
  const size_t max = static_cast<size_t>(std::max(read.packs_max, 1));
  LaneWindow window;
  window.lane = read.lane;
  window.fresh = read.fresh;
  window.retry = read.retry;

  // In key order fresh packs come first; how many of them there is room for is known only after the retries.
  KeysAndValues fresh, retries;
  std::optional<RowsKey> key;
  if (read.fresh_too) {
    pass->Advance(FreshKeyAfter(read.lane, read.fresh).Encode());
    key = pass->Key(read.lane);
    for (; key && key->due_ms == RowsKey::kFresh && fresh.size() < max; key = pass->Key(read.lane)) {
      fresh.push_back(pass->Copy());
      pass->Next();
    }
    window.fresh_done = !key || key->due_ms != RowsKey::kFresh;
  }

  pass->Advance(RetryKeyAfter(read.lane, read.retry).Encode());
  key = pass->Key(read.lane);
  for (; key && key->due_ms <= limit_ms && retries.size() < max; key = pass->Key(read.lane)) {
    retries.push_back(pass->Copy());
    pass->Next();
  }
  if (key) {
    window.next_due = key->due();
    // Due, but a commit on its way to the disk bars the sight: soon.
    if (retries.size() < max && window.next_due <= read.now) window.next_due = read.now + absl::Milliseconds(1);
  }
  window.status = pass->status();

  const size_t fresh_taken = std::min(fresh.size(), max - retries.size());
  if (window.status.ok()) window.status = OpenPacks(unsealer, retries, retries.size(), epoch, &window.packs);
  if (window.status.ok()) window.status = OpenPacks(unsealer, fresh, fresh_taken, epoch, &window.packs);
  if (!window.status.ok()) {
    window.packs.clear();
    return window;
  }
  if (!retries.empty()) window.retry = RetryCursor(retries.back().first);
  if (fresh_taken > 0) window.fresh = FreshCursor(fresh[fresh_taken - 1].first);
  window.fresh_done = window.fresh_done && fresh_taken == fresh.size();
  return window;
}

void CountRows(Database* database, LaneWindow* window) {
  std::string stored;
  LaneValue value;
  const rocksdb::Status found =
      database->get()->Get({}, database->handle(Column::kLanes), LaneKey(window->lane), &stored);
  if (!found.ok() && !found.IsNotFound()) {
    window->status = FromRocks(found, "read a lane");
  } else if (found.ok() && !value.Parse(stored)) {
    window->status = Damage("a lane of the queue is cut short");
  }
  if (!window->status.ok()) window->packs.clear();
  window->queued = static_cast<uint64_t>(std::max<int64_t>(value.queued - value.in_doubt, 0));
  window->retrying = static_cast<uint64_t>(std::max<int64_t>(value.retrying, 0));
  window->rows_sated = static_cast<uint64_t>(std::max<int64_t>(value.sated, 0));
}

// Asks about every row of the windows together: small lanes have one row each, and a question alone costs as much as
// several. A window whose rows cannot be judged is not claimed.
void MarkSuppressed(const SuppressionList& list, const KeyRing& ring, Unsealer* unsealer,
                    const std::vector<LaneRead>& reads, std::vector<LaneWindow>* windows) {
  struct Place {
    LaneWindow* window;
    const LaneRead* read;
    size_t pack, row;
  };
  std::vector<SuppressionList::Question> questions;
  std::vector<Place> places;
  std::string scratch;
  const auto ask = [&] {
    const absl::Status status = list.Ask(unsealer, questions);
    for (size_t i = 0; i < places.size(); ++i) {
      LaneWindow& window = *places[i].window;
      if (!status.ok()) {
        window = {.lane = window.lane,
                  .status = status,
                  .packs = {},
                  .suppressed = {},
                  .sated = {},
                  .fresh = places[i].read->fresh,
                  .retry = places[i].read->retry};
        continue;
      }
      if (questions[i].suspected) list.Suspect(window.packs[places[i].pack]->rows()[places[i].row].recipient);
      if (!questions[i].suppressed) continue;
      window.suppressed.resize(window.packs.size());
      window.suppressed[places[i].pack] |= static_cast<uint16_t>(1U << places[i].row);
    }
    questions.clear();
    places.clear();
  };
  for (size_t i = 0; i < windows->size(); ++i) {
    LaneWindow& window = (*windows)[i];
    for (size_t pack = 0; pack < window.packs.size(); ++pack) {
      const std::vector<Row>& rows = window.packs[pack]->rows();
      if (questions.size() + rows.size() > SuppressionList::kTogether) ask();
      // A failed question empties the window that it was about.
      if (!window.status.ok()) break;
      for (size_t row = 0; row < rows.size(); ++row) {
        questions.push_back({HashAddress(ring, rows[row].recipient, &scratch), &reads[i].mailing});
        places.push_back({&window, &reads[i], pack, row});
      }
    }
  }
  ask();
}

absl::StatusOr<LaneRecord> Record(Unsealer* unsealer, std::string_view key, const LaneId& lane,
                                  const LaneValue& value) {
  absl::StatusOr<std::string> domain =
      unsealer->Open(KeyName::Of(lane.campaign), Seal::kLane, key, value.sealed_domain);
  if (!domain.ok()) return domain.status();
  LaneRecord record;
  record.lane = lane;
  record.domain = *std::move(domain);
  record.queued = static_cast<uint64_t>(value.queued);
  record.retrying = static_cast<uint64_t>(std::max<int64_t>(value.retrying, 0));
  record.sated = static_cast<uint64_t>(std::max<int64_t>(value.sated, 0));
  record.in_doubt = static_cast<uint64_t>(std::max<int64_t>(value.in_doubt, 0));
  if (record.retrying > 0 && value.due_ms != 0) {
    record.next_due = absl::FromUnixMillis(static_cast<int64_t>(value.due_ms));
  }
  return record;
}

absl::Status CutShort() { return Damage("a lane of the queue is cut short"); }

}  // namespace

absl::StatusOr<std::optional<LaneRecord>> ReadLane(Database* database, Unsealer* unsealer, LaneId lane) {
  const std::string key = LaneKey(lane);
  std::string stored;
  const auto found = database->get()->Get({}, database->handle(Column::kLanes), key, &stored);
  if (found.IsNotFound()) return std::nullopt;
  if (!found.ok()) return FromRocks(found, "read a lane");
  LaneValue value;
  if (!value.Parse(stored)) return CutShort();
  if (value.queued <= 0) return std::nullopt;
  absl::StatusOr<LaneRecord> record = Record(unsealer, key, lane, value);
  if (!record.ok()) return record.status();
  return *std::move(record);
}

absl::StatusOr<std::shared_ptr<Pack>> OpenPack(Unsealer* unsealer, std::string_view key, std::string_view value) {
  RowsValueView view;
  const std::optional<RowsKey> place = RowsKey::Decode(key);
  if (!place || !ParseRowsValue(value, &view)) {
    return Damage("a pack of the queue is cut short");
  }
  absl::StatusOr<std::string> plaintext =
      unsealer->Open(KeyName::Of(place->lane.campaign), Seal::kRows, key, view.sealed);
  if (!plaintext.ok()) return plaintext.status();
  return Pack::Decode(std::string(key), *std::move(plaintext), view.settled);
}

RowsKey FreshKeyAfter(LaneId lane, std::string_view cursor) {
  RowsKey key{lane, RowsKey::kFresh, 0};
  if (cursor.size() == 8) key.place = WireReader(cursor).ReadFixed64() + 1;
  return key;
}

RowsKey RetryKeyAfter(LaneId lane, std::string_view cursor) {
  RowsKey key{lane, RowsKey::kFresh + 1, 0};
  if (cursor.size() == 16) {
    WireReader in(cursor);
    key.due_ms = in.ReadFixed64();
    key.place = in.ReadFixed64() + 1;
  }
  return key;
}

std::vector<LaneWindow> ReadWindows(Database* database, DueHorizon* horizon, const ClaimEpoch& epoch,
                                    const SuppressionList& suppressions, const KeyRing& ring, Unsealer* unsealer,
                                    const std::vector<LaneRead>& reads) {
  std::vector<size_t> order(reads.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return reads[a].lane < reads[b].lane; });

  std::vector<LaneWindow> windows(reads.size());
  for (size_t first = 0; first < order.size();) {
    size_t end = first + 1;
    const LaneRead& read = reads[order[first]];
    while (end < order.size() && Begins(read) && Begins(reads[order[end]]) &&
           reads[order[end]].lane.campaign == read.lane.campaign) {
      ++end;
    }
    if (end - first < kSmallLanes) end = first + 1;
    const bool small_lanes = end - first > 1;
    // The horizon and the epoch first, the view of the database second: see DueHorizon and ClaimEpoch.
    std::vector<uint64_t> limits;
    for (size_t i = first; i < end; ++i) {
      const int64_t now = absl::ToUnixMillis(reads[order[i]].now);
      limits.push_back(horizon->Grant(static_cast<uint64_t>(std::max<int64_t>(now, 0))));
    }
    const uint64_t read_in = epoch.Current();
    RowsPass pass(database, reads[order[end - 1]].lane, small_lanes);
    for (size_t i = first; i < end; ++i) {
      windows[order[i]] = ReadWindow(&pass, unsealer, reads[order[i]], limits[i - first], read_in);
      if (windows[order[i]].status.ok() && reads[order[i]].count_rows) CountRows(database, &windows[order[i]]);
    }
    first = end;
  }
  if (suppressions.any()) MarkSuppressed(suppressions, ring, unsealer, reads, &windows);
  MarkSated(database, ring, reads, &windows);
  return windows;
}

LanesPage ReadLanesPage(Database* database, Unsealer* unsealer, CampaignId campaign, std::string_view cursor, int max,
                        int shard, int shards) {
  LanesPage page;
  page.cursor = cursor;
  const std::string prefix = CampaignPrefix(campaign);
  const std::string end = PrefixEnd(prefix);
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  options.fill_cache = false;  // a pass comes by each but once
  const std::unique_ptr<rocksdb::Iterator> it(database->get()->NewIterator(options, database->handle(Column::kLanes)));
  page.lanes.reserve(static_cast<size_t>(std::clamp(max, 1, kLanesLookedAtMax)));
  int looked_at = 0;
  it->Seek(cursor.size() == 12 ? std::string(cursor) + '\0' : prefix);
  for (; it->Valid() && static_cast<int>(page.lanes.size()) < std::max(max, 1) && looked_at < kLanesLookedAtMax;
       it->Next(), ++looked_at) {
    const std::string_view key = ToView(it->key());
    page.cursor = key;
    const std::optional<LaneId> lane = DecodeLaneKey(key);
    LaneValue value;
    if (!lane || !value.Parse(ToView(it->value()))) {
      page.status = CutShort();
      return page;
    }
    if (value.queued <= 0) continue;
    if (static_cast<uint64_t>(lane->destination) % static_cast<uint64_t>(shards) != static_cast<uint64_t>(shard)) {
      continue;
    }
    absl::StatusOr<LaneRecord> record = Record(unsealer, key, *lane, value);
    if (!record.ok()) {
      page.status = record.status();
      return page;
    }
    page.lanes.push_back(*std::move(record));
  }
  page.status = FromRocks(it->status(), "read lanes");
  page.done = !it->Valid();
  return page;
}

absl::Status CheckLanes(Database* database) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.readahead_size = 256 << 10;
  const std::unique_ptr<rocksdb::Iterator> it(database->get()->NewIterator(options, database->handle(Column::kLanes)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    LaneValue value;
    if (!DecodeLaneKey(ToView(it->key())) || !value.Parse(ToView(it->value()))) return CutShort();
  }
  return FromRocks(it->status(), "read lanes");
}

}  // namespace sealift::queue
