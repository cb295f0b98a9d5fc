#pragma once

#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "queue/database.h"
#include "queue/order.h"
#include "queue/sealer.h"

namespace rocksdb {
class WriteBatch;
}

namespace sealift::queue {

// Adds an order to a batch, so that it is durable with whatever else the batch does.
//
// Threads: the sealer's.
absl::Status AddOrder(Database* database, Sealer* sealer, const Order& order, rocksdb::WriteBatch* batch);

// All orders of a kind, by their numbers.
//
// Threads: the unsealer's.
// Errors:  DataLoss.
absl::StatusOr<std::vector<Order>> ReadOrders(Database* database, Unsealer* unsealer, OrderKind kind);

}  // namespace sealift::queue
