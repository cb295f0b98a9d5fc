#pragma once

#include <cstddef>

namespace sealift::engine {

// FramePool hands out the memory of coroutine frames: a session awaits dozens of short coroutines a message, and a
// general allocator would be the dearest part of each.
//
// It keeps one list of freed blocks a size class (64 bytes apart, up to 4 KiB; larger frames go to the allocator), so a
// frame that ends is the next one of its size to be used, still warm in the cache. What a thread has once used at its
// busiest stays with it until the thread ends.
//
// Owned by:  each thread has its own lists.
// Threads:   any. A block may be freed on another thread than the one that took it; it then stays with that thread.
// Errors:    none; out of memory ends the process, as everywhere.
class FramePool {
 public:
  static void* Allocate(size_t bytes);
  static void Free(void* block, size_t bytes) noexcept;

  // Blocks of the calling thread that wait to be used again.
  static size_t IdleBlocks();
};

}  // namespace sealift::engine
