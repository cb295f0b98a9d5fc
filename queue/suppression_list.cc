#include "queue/suppression_list.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/ascii.h"
#include "queue/damage.h"
#include "queue/keys.h"
#include "queue/rocks.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

// The values of these keys, which are in ascending order; none where there is no such key.
class ManyValues {
 public:
  absl::Status Get(const Database& database, const std::vector<std::string>& keys) {
    const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    values_ = std::vector<rocksdb::PinnableSlice>(keys.size());
    statuses_ = std::vector<rocksdb::Status>(keys.size());
    database.get()->MultiGet({}, database.handle(Column::kSuppressions), keys.size(), slices.data(), values_.data(),
                             statuses_.data(), /*sorted_input=*/true);
    for (const rocksdb::Status& status : statuses_) {
      if (!status.ok() && !status.IsNotFound()) return FromRocks(status, "read the suppression list");
    }
    return absl::OkStatus();
  }
  std::optional<std::string_view> operator[](size_t i) const {
    if (statuses_[i].IsNotFound()) return std::nullopt;
    return ToView(values_[i]);
  }

 private:
  std::vector<rocksdb::PinnableSlice> values_;
  std::vector<rocksdb::Status> statuses_;
};

std::vector<Suppression> InForce(const SuppressionRecord& record) {
  std::vector<Suppression> in_force;
  for (const SuppressionEntry* entry : record.InForce()) in_force.push_back(entry->what);
  return in_force;
}

// The entry that has this in force; null: it is not.
const SuppressionEntry* Standing(const SuppressionRecord& record, const Suppression& what) {
  const std::vector<const SuppressionEntry*> in_force = record.InForce();
  const auto found = std::ranges::find(in_force, what, &SuppressionEntry::what);
  return found == in_force.end() ? nullptr : *found;
}

// What there is to record, after all that is known of the address: said to be nobody on two days, it is a hard bounce.
// Nothing where nothing changes.
std::optional<SuppressionEntry> ToRecord(const SuppressionRecord& record, SuppressionEntry entry) {
  const SuppressionEntry* before = Standing(record, entry.what);
  const bool suspicion = entry.what.kind == SuppressionKind::kSuspected;
  if (!entry.added) {
    if (before == nullptr) return std::nullopt;
    const bool by_delivery = suspicion && entry.by.empty();
    if (by_delivery && (before->reason == kReported || before->time > entry.time)) return std::nullopt;
    return entry;
  }
  if (suspicion && before != nullptr) {
    const auto day = [](absl::Time time) { return absl::ToCivilDay(time, absl::UTCTimeZone()); };
    if (entry.time - before->time > kSuspicionLasts) return entry;
    if (day(before->time) != day(entry.time)) entry.what.kind = SuppressionKind::kHardBounce;
    before = Standing(record, entry.what);
  }
  // What delivery has heard, and an operator gives a reason of his own for, is in force whatever becomes of what was
  // heard. The list's own export has the reason that it knows.
  const bool confirms = before != nullptr && before->by.empty() && !entry.by.empty() && entry.reason != before->reason;
  return before == nullptr || confirms ? std::optional(std::move(entry)) : std::nullopt;
}

// Upper and lower case are one mailbox here, as they are to the list.
std::array<size_t, 4> BitsOf(std::string_view recipient) {
  std::string lower(recipient);
  absl::AsciiStrToLower(&lower);
  const uint64_t hash = absl::HashOf(lower), step = hash >> 32 | 1;
  std::array<size_t, 4> bits;
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = (hash + i * step) % SuppressionList::kSuspectedBits;
  return bits;
}

}  // namespace

absl::Status SuppressionList::Open() {
  const std::unique_ptr<rocksdb::Iterator> it(
      database_->get()->NewIterator({}, database_->handle(Column::kSuppressions)));
  it->SeekToFirst();
  any_ = it->Valid();
  return FromRocks(it->status(), "read the suppression list");
}

void SuppressionList::Suspect(std::string_view recipient) const {
  for (const size_t bit : BitsOf(recipient)) {
    suspected_[bit / 64].fetch_or(uint64_t{1} << bit % 64, std::memory_order_relaxed);
  }
  any_suspected_.store(true, std::memory_order_release);
}

bool SuppressionList::MaySuspect(std::string_view recipient) const {
  if (!any_suspected_.load(std::memory_order_acquire)) return false;
  return std::ranges::all_of(BitsOf(recipient), [&](size_t bit) {
    return (suspected_[bit / 64].load(std::memory_order_relaxed) >> bit % 64 & 1) != 0;
  });
}

absl::StatusOr<SuppressionRecord> SuppressionList::Decode(Unsealer* unsealer, std::string_view key,
                                                          std::string_view value) const {
  const std::optional<AddressHash> address = DecodeSuppressionKey(key);
  if (!address) return Damage("a key of the suppression list is cut short");
  absl::StatusOr<std::string> opened = unsealer->Open(KeyName::Node(), Seal::kSuppression, key, value);
  if (!opened.ok()) return opened.status();
  absl::StatusOr<SuppressionRecord> record = DecodeSuppressions(*opened);
  if (record.ok()) record->key = *address;
  return record;
}

absl::Status SuppressionList::Ask(Unsealer* unsealer, std::span<Question> questions) const {
  if (!any() || questions.empty()) return absl::OkStatus();
  std::vector<Question*> order;
  order.reserve(questions.size());
  for (Question& question : questions) order.push_back(&question);
  std::sort(order.begin(), order.end(), [](const Question* a, const Question* b) { return a->address < b->address; });
  std::vector<std::string> keys;
  keys.reserve(order.size());
  for (const Question* question : order) keys.push_back(SuppressionKey(question->address));
  ManyValues values;
  if (absl::Status status = values.Get(*database_, keys); !status.ok()) return status;
  for (size_t i = 0; i < order.size(); ++i) {
    if (!values[i]) continue;
    const absl::StatusOr<SuppressionRecord> record = Decode(unsealer, keys[i], *values[i]);
    if (!record.ok()) return record.status();
    for (const SuppressionEntry* entry : record->InForce()) {
      order[i]->suppressed = order[i]->suppressed || entry->what.Binds(*order[i]->mailing);
      order[i]->suspected = order[i]->suspected || entry->what.kind == SuppressionKind::kSuspected;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<SuppressionRecord>> SuppressionList::Find(Unsealer* unsealer,
                                                                       const AddressHash& address) const {
  const std::string key = SuppressionKey(address);
  std::string value;
  const auto found = database_->get()->Get({}, database_->handle(Column::kSuppressions), key, &value);
  if (found.IsNotFound()) return std::nullopt;
  if (!found.ok()) return FromRocks(found, "read the suppression list");
  absl::StatusOr<SuppressionRecord> record = Decode(unsealer, key, value);
  if (!record.ok()) return record.status();
  return *std::move(record);
}

absl::StatusOr<SuppressionsPage> SuppressionList::Read(Unsealer* unsealer, std::string_view cursor, int max) const {
  SuppressionsPage page;
  std::string begin;
  if (!cursor.empty()) {
    const std::optional<AddressHash> after = AddressHashFromHex(cursor);
    if (!after) {
      return absl::InvalidArgumentError("this is not a cursor of this list: take the one that the last page came with");
    }
    begin = SuppressionKey(*after) + '\0';
    page.cursor = cursor;
  }
  rocksdb::ReadOptions options;
  options.fill_cache = false;  // what delivery asks must not make room for a list
  const std::unique_ptr<rocksdb::Iterator> it(
      database_->get()->NewIterator(options, database_->handle(Column::kSuppressions)));
  for (it->Seek(begin); it->Valid() && page.records.size() < static_cast<size_t>(std::max(max, 1)); it->Next()) {
    absl::StatusOr<SuppressionRecord> record = Decode(unsealer, ToView(it->key()), ToView(it->value()));
    if (!record.ok()) return record.status();
    page.cursor = ToHex(record->key);
    page.records.push_back(*std::move(record));
  }
  if (auto status = it->status(); !status.ok()) return FromRocks(status, "read the suppression list");
  page.done = !it->Valid();
  return page;
}

absl::StatusOr<uint64_t> SuppressionList::Change(std::span<const SuppressionChange> changes, Sealer* sealer,
                                                 Unsealer* unsealer, rocksdb::WriteBatch* batch,
                                                 SuppressionNews* news) {
  std::map<AddressHash, std::vector<const SuppressionChange*>> by_address;
  std::string scratch;
  for (const SuppressionChange& change : changes) {
    by_address[HashAddress(*ring_, change.address, &scratch)].push_back(&change);
  }
  std::vector<std::string> keys;
  keys.reserve(by_address.size());
  for (const auto& [address, wanted] : by_address) keys.push_back(SuppressionKey(address));
  ManyValues values;
  if (absl::Status status = values.Get(*database_, keys); !status.ok()) return status;

  uint64_t recorded = 0;
  size_t i = 0;
  std::string plaintext, sealed;
  for (const auto& [address, wanted] : by_address) {
    const std::string& key = keys[i];
    const std::optional<std::string_view> value = values[i++];
    SuppressionRecord record;
    if (value) {
      absl::StatusOr<SuppressionRecord> known = Decode(unsealer, key, *value);
      if (!known.ok()) return known.status();
      record = *std::move(known);
    } else {
      record.address = wanted.front()->address;
    }
    const size_t before = record.history.size();
    for (const SuppressionChange* change : wanted) {
      std::optional<SuppressionEntry> entry = ToRecord(record, change->entry);
      if (!entry.has_value()) continue;
      if (entry->added && entry->what.kind == SuppressionKind::kSuspected) Suspect(change->address);
      record.history.push_back(*std::move(entry));
    }
    if (record.history.size() == before) continue;
    recorded += record.history.size() - before;
    plaintext.clear();
    sealed.clear();
    EncodeSuppressions(record, &plaintext);
    if (absl::Status status = sealer->Seal(KeyName::Node(), Seal::kSuppression, key, plaintext, &sealed);
        !status.ok()) {
      return status;
    }
    batch->Put(database_->handle(Column::kSuppressions), key, sealed);
    news->emplace_back(address, InForce(record));
  }
  // Before anything is visible: who asks from here on looks.
  if (recorded > 0) any_.store(true, std::memory_order_release);
  return recorded;
}

}  // namespace sealift::queue
