#include "queue/restored.h"

#include "queue/keys.h"
#include "queue/rocks.h"
#include "queue/wire.h"
#include "rocksdb/db.h"

namespace sealift::queue {

std::string Encode(const Restored& restored) {
  std::string value;
  PutTime(restored.taken, &value);
  PutTime(restored.at, &value);
  PutFixed64(restored.sequence, &value);
  return value;
}

absl::StatusOr<std::optional<Restored>> ReadRestored(rocksdb::DB* db) {
  std::string value;
  const rocksdb::Status found = db->Get({}, ToSlice(kRestoredKey), &value);
  if (found.IsNotFound()) return std::nullopt;
  if (!found.ok()) return FromRocks(found, "read whether it was restored");
  WireReader in(value);
  Restored restored;
  restored.taken = in.Time();
  restored.at = in.Time();
  restored.sequence = in.ReadFixed64();
  if (in.done()) return restored;
  return absl::DataLossError("the mark of a restore in the queue cannot be read. Restore the data directory again");
}

}  // namespace sealift::queue
