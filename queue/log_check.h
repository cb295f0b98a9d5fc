#pragma once

#include <string>

#include "absl/status/status.h"
#include "rocksdb/file_system.h"

namespace sealift::queue {

// Reads RocksDB's logs, the write-ahead logs and the manifest, before RocksDB does, and tells what a power cut tore
// from what the disk damaged.
//
// A log may end in the middle of a record: it was being written, and was never acknowledged. RocksDB takes more for
// such an end than it should: a record whose length was damaged so that it seems to pass the end of the file, and one
// whose type was damaged into that of an older log. It then drops that record and all behind it without a word; in a
// manifest, whole files with them. On the other hand it refuses an end of zeros, which is what some file systems leave
// of blocks that were not written.
//
// So: an end that is cut short, or zeros, is cut off. Anything else, every single flipped bit included, is DataLoss and
// changes nothing. Files that are there without CURRENT, which names the manifest, are DataLoss too: RocksDB would
// begin an empty database.
//
// The format: https://github.com/facebook/rocksdb/wiki/Write-Ahead-Log-File-Format
absl::Status CheckLogs(rocksdb::FileSystem* file_system, const std::string& path);

}  // namespace sealift::queue
