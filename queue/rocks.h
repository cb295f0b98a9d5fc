#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"

namespace sealift::queue {

inline rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// What RocksDB says, in the form and words of ours; `doing` completes "the queue cannot ...". Its texts name files and
// numbers, never keys or values in clear.
absl::Status FromRocks(const rocksdb::Status& status, std::string_view doing);

// The calling thread is one of the queue's: it gets this name (at most 15 characters), and RocksDB counts nothing for
// it, which it would do for every comparison of two keys.
void BeginThread(const char* name);

}  // namespace sealift::queue
