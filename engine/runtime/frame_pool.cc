#include "engine/runtime/frame_pool.h"

#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define SEALIFT_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SEALIFT_ADDRESS_SANITIZER 1
#endif
#endif
#ifdef SEALIFT_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace sealift::engine {
namespace {

constexpr size_t kClassBytes = 64;
constexpr size_t kClasses = 64;

// The link is the last word of a free block: the first ones are the frame's resume and destroy pointers, and with the
// block poisoned the address sanitizer then reports whoever resumes a frame that has ended.
struct Link {
  void* next;
};

Link* LinkOf(void* block, size_t size) {
  return reinterpret_cast<Link*>(static_cast<char*>(block) + size - sizeof(Link));
}

void Poison([[maybe_unused]] void* block, [[maybe_unused]] size_t size) {
#ifdef SEALIFT_ADDRESS_SANITIZER
  ASAN_POISON_MEMORY_REGION(block, size - sizeof(Link));
#endif
}

void Unpoison([[maybe_unused]] void* block, [[maybe_unused]] size_t size) {
#ifdef SEALIFT_ADDRESS_SANITIZER
  ASAN_UNPOISON_MEMORY_REGION(block, size);
#endif
}

// Trivial, so that reaching it costs no check for construction; Closer ends it.
struct Lists {
  void* heads[kClasses];
  bool has_closer;
  bool closed;
};
constinit thread_local Lists lists{};

// Gives the blocks back when the thread ends.
struct Closer {
  ~Closer() {
    lists.closed = true;
    for (size_t i = 0; i < kClasses; ++i) {
      const size_t size = (i + 1) * kClassBytes;
      while (void* block = lists.heads[i]) {
        lists.heads[i] = LinkOf(block, size)->next;
        Unpoison(block, size);
        ::operator delete(block);
      }
    }
  }
};

void EnsureCloser() {
  static thread_local Closer closer;
  static_cast<void>(closer);
  lists.has_closer = true;
}

}  // namespace

void* FramePool::Allocate(size_t bytes) {
  const size_t index = (bytes - 1) / kClassBytes;
  if (index >= kClasses) return ::operator new(bytes);
  const size_t size = (index + 1) * kClassBytes;
  void* block = lists.heads[index];
  if (block == nullptr) return ::operator new(size);
  lists.heads[index] = LinkOf(block, size)->next;
  Unpoison(block, size);
  return block;
}

void FramePool::Free(void* block, size_t bytes) noexcept {
  const size_t index = (bytes - 1) / kClassBytes;
  if (index >= kClasses || lists.closed) {
    ::operator delete(block);
    return;
  }
  if (!lists.has_closer) EnsureCloser();
  const size_t size = (index + 1) * kClassBytes;
  LinkOf(block, size)->next = lists.heads[index];
  lists.heads[index] = block;
  Poison(block, size);
}

size_t FramePool::IdleBlocks() {
  size_t count = 0;
  for (size_t i = 0; i < kClasses; ++i) {
    for (void* block = lists.heads[i]; block != nullptr; block = LinkOf(block, (i + 1) * kClassBytes)->next) ++count;
  }
  return count;
}

}  // namespace sealift::engine
