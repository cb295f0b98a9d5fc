#pragma once

#include <cstddef>

#include "engine/runtime/frame_pool.h"

namespace sealift::engine {

// Pooled is an allocator for what a shard makes and drops all the time: its memory comes from the lists of freed blocks
// that coroutines' frames come from (frame_pool.h).
template <typename T>
struct Pooled {
  using value_type = T;

  Pooled() = default;
  template <typename Other>
  Pooled(const Pooled<Other>&) {}  // NOLINT(google-explicit-constructor): as allocators are converted

  T* allocate(size_t count) {
    static_assert(alignof(T) <= alignof(std::max_align_t));
    return static_cast<T*>(FramePool::Allocate(count * sizeof(T)));
  }
  void deallocate(T* block, size_t count) noexcept { FramePool::Free(block, count * sizeof(T)); }

  template <typename Other>
  bool operator==(const Pooled<Other>&) const {
    return true;
  }
};

}  // namespace sealift::engine
