#include "queue/row_search.h"

#include <memory>

#include "queue/keys.h"
#include "queue/reading.h"
#include "queue/rocks.h"

namespace sealift::queue {
namespace {

class Bounded {
 public:
  Bounded(Database* database, const std::string& begin, const std::string& end) : lower_(begin), upper_(end) {
    rocksdb::ReadOptions options;
    options.iterate_lower_bound = &lower_;
    options.iterate_upper_bound = &upper_;
    it_.reset(database->get()->NewIterator(options, database->handle(Column::kRows)));
  }
  rocksdb::Iterator* operator->() const { return it_.get(); }
  absl::Status status() const { return FromRocks(it_->status(), "read rows"); }

 private:
  const rocksdb::Slice lower_, upper_;
  std::unique_ptr<rocksdb::Iterator> it_;
};

std::optional<RowPlace> PlaceIn(const std::shared_ptr<Pack>& pack, RowId row) {
  for (size_t i = 0; i < pack->rows().size(); ++i) {
    if (pack->rows()[i].id == row) return RowPlace{pack, static_cast<uint8_t>(i)};
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::optional<RowPlace>> RowSearch::At(const std::string& rows_key, RowId row) {
  std::string value;
  const rocksdb::Status found = database_->get()->Get({}, database_->handle(Column::kRows), rows_key, &value);
  if (found.IsNotFound()) return std::nullopt;
  if (!found.ok()) return FromRocks(found, "read a row");
  const absl::StatusOr<std::shared_ptr<Pack>> pack = Open(rows_key, value);
  if (!pack.ok()) return pack.status();
  return PlaceIn(*pack, row);
}

absl::StatusOr<std::optional<RowPlace>> RowSearch::Fresh(const MessageKey& message) {
  const std::string begin = RowsKey{message.lane, RowsKey::kFresh, 0}.Encode();
  const std::string end = RowsKey{message.lane, RowsKey::kFresh + 1, 0}.Encode();
  const Bounded it(database_, begin, end);
  it->SeekForPrev(RowsKey{message.lane, RowsKey::kFresh, static_cast<uint32_t>(message.row)}.Encode());
  if (!it->Valid()) return it.status().ok() ? absl::StatusOr<std::optional<RowPlace>>(std::nullopt) : it.status();
  const absl::StatusOr<std::shared_ptr<Pack>> pack = Open(it->key().ToString(), ToView(it->value()));
  if (!pack.ok()) return pack.status();
  return PlaceIn(*pack, message.row);
}

absl::Status RowSearch::Retrying(LaneId lane, const std::set<RowId>& wanted, std::map<MessageKey, RowPlace>* found) {
  const std::string begin = RowsKey{lane, RowsKey::kFresh + 1, 0}.Encode(), end = PrefixEnd(LaneKey(lane));
  const Bounded it(database_, begin, end);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string key = it->key().ToString();
    bool keep = packs_.contains(key);
    const absl::StatusOr<std::shared_ptr<Pack>> pack = Open(key, ToView(it->value()));
    if (!pack.ok()) return pack.status();
    for (size_t i = 0; i < (*pack)->rows().size(); ++i) {
      const RowId row = (*pack)->rows()[i].id;
      if (!wanted.contains(row)) continue;
      keep = true;
      found->emplace(MessageKey{lane, row}, RowPlace{*pack, static_cast<uint8_t>(i)});
    }
    if (!keep) packs_.erase(key);
  }
  return it.status();
}

absl::StatusOr<std::shared_ptr<Pack>> RowSearch::Open(const std::string& key, std::string_view value) {
  if (const auto known = packs_.find(key); known != packs_.end()) return known->second;
  absl::StatusOr<std::shared_ptr<Pack>> pack = OpenPack(unsealer_, key, value);
  if (pack.ok()) packs_.emplace(key, *pack);
  return pack;
}

}  // namespace sealift::queue
