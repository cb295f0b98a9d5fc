#include "queue/load_chunk.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <tuple>

#include "queue/beside.h"
#include "queue/lane_value.h"
#include "queue/pack.h"
#include "queue/rocks.h"
#include "queue/roll.h"
#include "queue/rows_merge.h"
#include "queue/siphash.h"
#include "queue/wire.h"

namespace sealift::queue {
namespace {

constexpr size_t kBlockSize = 1 << 20;
constexpr size_t kLookUpTogether = 512;
constexpr size_t kWorthAThread = 4'000;  // questions

}  // namespace

const char* LoadChunk::Keep(std::string_view bytes) {
  if (bytes.size() > block_left_) {
    const size_t size = std::max(kBlockSize, bytes.size());
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    block_next_ = blocks_.back().get();
    block_left_ = size;
  }
  char* const kept = block_next_;
  std::memcpy(kept, bytes.data(), bytes.size());
  block_next_ += bytes.size();
  block_left_ -= bytes.size();
  bytes_ += bytes.size();
  return kept;
}

bool LoadChunk::Add(const Load::Row& row) {
  Entry entry;
  entry.address = HashAddress(*ring_, row.recipient, &scratch_);
  entry.message = row.body;
  if (!addresses_.emplace(entry.address, row.body).second) return false;
  entry.destination = DestinationId{SipHash64(ring_->destination_key(), row.domain)};
  entry.id = row.id;
  domains_.try_emplace(entry.destination, row.domain);
  scratch_.clear();
  PutRowBody(row.recipient, row.fields, &scratch_);
  entry.body = Keep(scratch_);
  entry.body_size = static_cast<uint32_t>(scratch_.size());
  if (!row.name.empty()) {
    names_.emplace_back(HashName(*ring_, row.name, &scratch_), static_cast<uint32_t>(entries_.size()));
  }
  entries_.push_back(entry);
  return true;
}

void LoadChunk::SortByAddress() {
  if (by_address_.size() == rows()) return;
  struct Place {
    AddressHash address;
    BodyId message;
    uint32_t index;
    bool operator<(const Place& other) const {
      return std::tie(address, message) < std::tie(other.address, other.message);
    }
  };
  std::vector<Place> places;
  places.reserve(rows());
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].dropped) places.push_back({entries_[i].address, entries_[i].message, i});
  }
  std::sort(places.begin(), places.end());
  by_address_.resize(places.size());
  std::transform(places.begin(), places.end(), by_address_.begin(), [](const Place& place) { return place.index; });
}

absl::Status LoadChunk::DropSeen(Database* database, const SeenFilter* filter, uint64_t* found) {
  SortByAddress();
  const std::span<const uint32_t> all = by_address_;
  const std::span<const uint32_t> half = all.first(all.size() < kWorthAThread ? all.size() : all.size() / 2);
  uint64_t here = 0, there = 0;
  absl::Status status, other;
  if (half.size() == all.size()) {
    status = MarkSeen(database, filter, all, &here);
  } else {
    auto beside = Beside([&] { return MarkSeen(database, filter, all.subspan(half.size()), &there); });
    status = MarkSeen(database, filter, half, &here);
    other = beside.get();
  }
  *found = here + there;
  Dropped(*found);
  return status.ok() ? other : status;
}

absl::Status LoadChunk::MarkSeen(Database* database, const SeenFilter* filter, std::span<const uint32_t> among,
                                 uint64_t* found) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;  // the few blocks that a filter lets through are of no use to the next question
  std::vector<uint32_t> asked;
  std::vector<std::string> keys;
  std::vector<rocksdb::Slice> slices;
  std::vector<rocksdb::PinnableSlice> values(kLookUpTogether);
  std::vector<rocksdb::Status> statuses(kLookUpTogether);
  for (auto next = among.begin(); next != among.end();) {
    asked.clear();
    keys.clear();
    for (; next != among.end() && keys.size() < kLookUpTogether; ++next) {
      const Entry& entry = entries_[*next];
      if (filter != nullptr && !filter->MayHave(entry.address, entry.message)) continue;
      asked.push_back(*next);
      keys.push_back(SeenKey(campaign_, entry.address, entry.message));
    }
    slices.assign(keys.begin(), keys.end());
    database->get()->MultiGet(options, database->handle(Column::kSeen), keys.size(), slices.data(), values.data(),
                              statuses.data(), /*sorted_input=*/true);
    for (size_t i = 0; i < keys.size(); ++i) {
      values[i].Reset();
      if (statuses[i].IsNotFound()) continue;
      if (!statuses[i].ok()) return FromRocks(statuses[i], "look for duplicates");
      entries_[asked[i]].dropped = true;
      ++*found;
    }
  }
  return absl::OkStatus();
}

void LoadChunk::AddTo(SeenFilter* filter) {
  SortByAddress();
  for (const uint32_t index : by_address_) filter->Add(entries_[index].address, entries_[index].message);
}

absl::Status LoadChunk::DropSuppressed(const SuppressionList& list, const Mailing& mailing, Unsealer* unsealer,
                                       uint64_t* found) {
  *found = 0;
  if (!list.any()) return absl::OkStatus();
  SortByAddress();
  absl::Status status;
  std::vector<SuppressionList::Question> questions;
  for (size_t first = 0; first < by_address_.size(); first += questions.size()) {
    const size_t count = std::min(SuppressionList::kTogether, by_address_.size() - first);
    questions.clear();
    for (size_t i = 0; i < count; ++i) questions.push_back({entries_[by_address_[first + i]].address, &mailing});
    status = list.Ask(unsealer, questions);
    if (!status.ok()) break;
    for (size_t i = 0; i < count; ++i) {
      if (!questions[i].suppressed) continue;
      entries_[by_address_[first + i]].dropped = true;
      ++*found;
    }
  }
  Dropped(*found);
  return status;
}

void LoadChunk::Dropped(uint64_t count) {
  if (count == 0) return;
  dropped_ += count;
  std::erase_if(by_address_, [this](uint32_t index) { return entries_[index].dropped; });
}

absl::Status LoadChunk::Write(Sealer* sealer, absl::Time accepted, absl::Time expires, ChunkWriter* writer,
                              uint64_t* roll) {
  SortByAddress();
  if (!writer->ColumnsAreApart()) {
    if (absl::Status status = WriteRows(sealer, accepted, expires, writer, roll); !status.ok()) return status;
    return WriteSeen(writer);
  }
  std::future<absl::Status> seen = Beside([&] { return WriteSeen(writer); });
  const absl::Status rows = WriteRows(sealer, accepted, expires, writer, roll), addresses = seen.get();
  return rows.ok() ? addresses : rows;
}

absl::Status LoadChunk::WriteRows(Sealer* sealer, absl::Time accepted, absl::Time expires, ChunkWriter* writer,
                                  uint64_t* roll) {
  std::vector<std::pair<uint64_t, uint32_t>> order;  // destination, entry: the input's order stays within a lane
  order.reserve(entries_.size());
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].dropped) order.emplace_back(static_cast<uint64_t>(entries_[i].destination), i);
  }
  std::sort(order.begin(), order.end());

  const KeyName name = KeyName::Of(campaign_);
  std::string plaintext, value, sealed_domain;
  for (size_t i = 0; i < order.size();) {
    const LaneId lane{campaign_, DestinationId{order[i].first}};
    size_t lane_end = i;
    while (lane_end < order.size() && order[lane_end].first == order[i].first) ++lane_end;

    LaneValue change;
    change.queued = static_cast<int64_t>(lane_end - i);
    const std::string lane_key = LaneKey(lane);
    sealed_domain.clear();
    absl::Status status = sealer->Seal(name, Seal::kLane, lane_key, domains_.at(lane.destination), &sealed_domain);
    change.sealed_domain = sealed_domain;
    if (status.ok()) status = writer->Merge(Column::kLanes, lane_key, change.Encode());
    if (!status.ok()) return status;

    while (i < lane_end) {
      const size_t count = std::min(Pack::kRowsMax, lane_end - i);
      const RowsKey place{lane, RowsKey::kFresh, static_cast<uint32_t>(entries_[order[i].second].id)};
      plaintext.clear();
      PutPackHead(accepted, expires, count, &plaintext);
      for (size_t row = 0; row < count; ++row, ++i) {
        const Entry& entry = entries_[order[i].second];
        PutRowHead(entry.id, 0, absl::InfinitePast(), &plaintext);
        *roll += RollMark(ring_->roll_key(), campaign_, entry.id, /*in_doubt=*/false);
        plaintext.append(entry.body, entry.body_size);
      }
      const std::string key = place.Encode();
      value = RowsValue({});
      status = sealer->Seal(name, Seal::kRows, key, plaintext, &value);
      if (status.ok()) status = writer->Put(Column::kRows, key, value);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status LoadChunk::WriteSeen(ChunkWriter* writer) {
  std::vector<std::pair<std::string, uint32_t>> named;
  for (const auto& [name, index] : names_) {
    if (!entries_[index].dropped) named.emplace_back(SeenNameKey(campaign_, name, entries_[index].id), index);
  }
  std::sort(named.begin(), named.end());
  std::string value;
  const auto put = [&](const std::string& key, const Entry& entry) {
    value.clear();
    PutFixed32(static_cast<uint32_t>(entry.id), &value);
    PutFixed64(static_cast<uint64_t>(entry.destination), &value);
    return writer->Put(Column::kSeen, key, value);
  };
  auto next = named.begin();
  const auto put_named = [&](const std::string* before) {
    absl::Status status;
    for (; status.ok() && next != named.end() && (before == nullptr || next->first < *before); ++next) {
      status = put(next->first, entries_[next->second]);
    }
    return status;
  };
  for (const uint32_t index : by_address_) {
    const std::string key = SeenKey(campaign_, entries_[index].address, entries_[index].message);
    if (absl::Status status = put_named(&key); !status.ok()) return status;
    if (absl::Status status = put(key, entries_[index]); !status.ok()) return status;
  }
  return put_named(nullptr);
}

}  // namespace sealift::queue
