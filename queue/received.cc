#include "queue/received.h"

#include <memory>
#include <optional>
#include <string>

#include "queue/keys.h"
#include "queue/rocks.h"
#include "rocksdb/db.h"
#include "rocksdb/iterator.h"

namespace sealift::queue {

Receipts::Receipts(Database* database) {
  rocksdb::ReadOptions options;
  options.prefix_same_as_start = true;
  it_.reset(database->get()->NewIterator(options, database->handle(Column::kReceived)));
}

absl::StatusOr<std::vector<absl::Time>> Receipts::Of(const AddressHash& stream, const AddressHash& recipient,
                                                     absl::Time since, size_t max) {
  const std::string prefix = ReceivedPrefix(stream, recipient);
  std::vector<absl::Time> times;
  for (it_->Seek(prefix); it_->Valid() && it_->key().starts_with(prefix); it_->Next()) {
    const std::optional<absl::Time> when = ReceivedAt(ToView(it_->key()));
    if (when.has_value() && *when >= since) times.push_back(*when);
  }
  if (auto status = it_->status(); !status.ok()) return FromRocks(status, "read what a recipient has received");
  if (times.size() > max) times.erase(times.begin(), times.end() - static_cast<std::ptrdiff_t>(max));
  return times;
}

void MarkSated(Database* database, const KeyRing& ring, const std::vector<LaneRead>& reads,
               std::vector<LaneWindow>* windows) {
  std::optional<Receipts> receipts;
  std::string scratch;
  for (size_t i = 0; i < windows->size(); ++i) {
    const LaneRead& read = reads[i];
    LaneWindow& window = (*windows)[i];
    if (read.sated_by == 0 || !window.status.ok()) continue;
    if (!receipts.has_value()) receipts.emplace(database);
    const AddressHash stream = HashName(ring, read.sated_of, &scratch);
    for (size_t pack = 0; pack < window.packs.size(); ++pack) {
      const std::vector<Row>& rows = window.packs[pack]->rows();
      for (size_t row = 0; row < rows.size(); ++row) {
        const auto times =
            receipts->Of(stream, HashAddress(ring, rows[row].recipient, &scratch), read.sated_since, read.sated_by);
        if (times.ok() && times->size() >= read.sated_by) {
          window.sated.push_back({.pack = pack, .row = row, .first = times->front()});
        }
      }
    }
  }
}

}  // namespace sealift::queue
