#include "queue/order_book.h"

#include <memory>
#include <string>
#include <utility>

#include "queue/damage.h"
#include "queue/keys.h"
#include "queue/rocks.h"
#include "queue/wire.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {

absl::Status AddOrder(Database* database, Sealer* sealer, const Order& order, rocksdb::WriteBatch* batch) {
  const std::string key = NumberedKey(OrderPrefix(order.kind), order.number);
  if (order.text.empty()) {
    batch->Delete(database->handle(Column::kMeta), key);
    return absl::OkStatus();
  }
  std::string sealed;
  if (absl::Status status = sealer->Seal(KeyName::Node(), Seal::kOrder, key, order.text, &sealed); !status.ok()) {
    return status;
  }
  batch->Put(database->handle(Column::kMeta), key, sealed);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Order>> ReadOrders(Database* database, Unsealer* unsealer, OrderKind kind) {
  const std::string prefix = OrderPrefix(kind), end = PrefixEnd(prefix);
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(database->get()->NewIterator(options, database->handle(Column::kMeta)));
  std::vector<Order> orders;
  for (it->Seek(prefix); it->Valid(); it->Next()) {
    const std::string_view key = ToView(it->key());
    if (key.size() != prefix.size() + 4) return Damage("a key of the operators' orders is cut short");
    absl::StatusOr<std::string> text = unsealer->Open(KeyName::Node(), Seal::kOrder, key, ToView(it->value()));
    if (!text.ok()) return text.status();
    orders.push_back({kind, Fixed32(key.data() + prefix.size()), *std::move(text)});
  }
  if (auto status = it->status(); !status.ok()) return FromRocks(status, "read the operators' orders");
  return orders;
}

}  // namespace sealift::queue
