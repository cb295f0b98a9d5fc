#include "queue/received.h"

#include <memory>
#include <optional>
#include <string>

#include "queue/keys.h"
#include "queue/rocks.h"
#include "rocksdb/db.h"
#include "rocksdb/iterator.h"

namespace sealift::queue {

absl::StatusOr<std::vector<absl::Time>> ReadReceipts(Database* database, const AddressHash& stream,
                                                     const AddressHash& recipient, absl::Time since, size_t max) {
  const std::string prefix = ReceivedPrefix(stream, recipient);
  rocksdb::ReadOptions options;
  options.prefix_same_as_start = true;
  std::vector<absl::Time> times;
  const std::unique_ptr<rocksdb::Iterator> it(
      database->get()->NewIterator(options, database->handle(Column::kReceived)));
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
    const std::optional<absl::Time> when = ReceivedAt(ToView(it->key()));
    if (when.has_value() && *when >= since) times.push_back(*when);
  }
  if (auto status = it->status(); !status.ok()) return FromRocks(status, "read what a recipient has received");
  if (times.size() > max) times.erase(times.begin(), times.end() - static_cast<std::ptrdiff_t>(max));
  return times;
}

}  // namespace sealift::queue
