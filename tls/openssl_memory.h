#pragma once

#include <cstddef>

namespace sealift::tls {

// OpenSslMemory lends OpenSSL what it allocates: for every record it takes a buffer of 16 KiB and three small
// structures, and frees them again, so that an idle connection holds none.
//
// It keeps a list of freed blocks a size class (powers of two up to 2 KiB, and a record's buffer; what is larger goes
// to the allocator), so that all connections of a thread are served by the same few blocks, still warm in the cache.
// What OpenSSL wants cleansed it has cleansed before it frees.
//
// Owned by:  each thread has its own lists.
// Threads:   any. A block may be freed on another thread than the one that took it; it then stays with that thread.
// Memory:    at most kIdleBlocksMax blocks of a class wait in a thread, kIdleRecordsMax of records: 0.6 MiB.
// Errors:    null when memory is out, as OpenSSL expects. A block that waits in a list and is freed again ends the
// process.
class OpenSslMemory {
 public:
  static constexpr size_t kIdleBlocksMax = 64;
  static constexpr size_t kIdleRecordsMax = 16;

  // Has the whole process's OpenSSL allocate here from now on. Before anything of it is used, initializers of shared
  // libraries included. False: too late, or a sanitizer watches OpenSSL's own allocations, and nothing has changed.
  static bool Install();

  static void* Allocate(size_t bytes);
  static void* Resize(void* block, size_t bytes);
  static void Free(void* block);

  // Blocks of the calling thread that wait to be used again, and how many it has ever taken from the allocator.
  static size_t IdleBlocks();
  static size_t TakenFromHeap();
};

}  // namespace sealift::tls
