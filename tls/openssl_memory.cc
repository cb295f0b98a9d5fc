#include "tls/openssl_memory.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace sealift::tls {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kWatched = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kWatched = true;
#else
constexpr bool kWatched = false;
#endif
#else
constexpr bool kWatched = false;
#endif

constexpr size_t kSmallest = 32;
constexpr size_t kSmallClasses = 7;             // 32 bytes to 2 KiB
constexpr size_t kRecordBytes = 18 * 1024;      // RFC 8446 5.2: 2^14 + 256, a header, and what OpenSSL aligns by
constexpr size_t kClasses = kSmallClasses + 1;  // records last
constexpr size_t kNoClass = kClasses;           // of what is too large to be kept
constexpr size_t kFreed = kClasses + 1;         // of what waits in a list

size_t ClassOf(size_t bytes) {
  if (bytes <= kSmallest) return 0;
  const auto index =
      static_cast<size_t>(std::bit_width(bytes - 1)) - static_cast<size_t>(std::bit_width(kSmallest - 1));
  if (index < kSmallClasses) return index;
  return bytes > kRecordBytes / 2 && bytes <= kRecordBytes ? kClasses - 1 : kNoClass;
}

size_t BytesOf(size_t index) { return index < kSmallClasses ? kSmallest << index : kRecordBytes; }
size_t IdleMax(size_t index) {
  return index < kSmallClasses ? OpenSslMemory::kIdleBlocksMax : OpenSslMemory::kIdleRecordsMax;
}

// In front of every block; as large as malloc aligns.
struct alignas(std::max_align_t) Header {
  size_t index;
  size_t bytes;  // behind it
};

// What a free block begins with, behind its header.
struct Link {
  Header* next;
};

Header* HeaderOf(void* block) { return static_cast<Header*>(block) - 1; }
Link* LinkOf(Header* header) { return reinterpret_cast<Link*>(header + 1); }

// Trivial, so that reaching it costs no check for construction; Closer ends it.
struct Lists {
  Header* heads[kClasses];
  size_t sizes[kClasses];
  size_t from_heap;
  bool has_closer;
  bool closed;
};
constinit thread_local Lists lists{};

// Gives the blocks back when the thread ends.
struct Closer {
  ~Closer() {
    lists.closed = true;
    for (Header*& head : lists.heads) {
      while (head != nullptr) {
        Header* const next = LinkOf(head)->next;
        std::free(head);
        head = next;
      }
    }
    std::ranges::fill(lists.sizes, 0);
  }
};

void EnsureCloser() {
  static thread_local Closer closer;
  static_cast<void>(closer);
  lists.has_closer = true;
}

void* AllocateFor(size_t bytes, const char*, int) { return OpenSslMemory::Allocate(bytes); }
void* ResizeFor(void* block, size_t bytes, const char*, int) { return OpenSslMemory::Resize(block, bytes); }
void FreeFor(void* block, const char*, int) { OpenSslMemory::Free(block); }

}  // namespace

bool OpenSslMemory::Install() { return !kWatched && CRYPTO_set_mem_functions(AllocateFor, ResizeFor, FreeFor) == 1; }

void* OpenSslMemory::Allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  const size_t index = ClassOf(bytes);
  if (index != kNoClass && lists.heads[index] != nullptr) {
    Header* const header = lists.heads[index];
    lists.heads[index] = LinkOf(header)->next;
    --lists.sizes[index];
    header->index = index;
    return header + 1;
  }
  const size_t room = index == kNoClass ? bytes : BytesOf(index);
  if (room > SIZE_MAX - sizeof(Header)) return nullptr;
  auto* const header = static_cast<Header*>(std::malloc(sizeof(Header) + room));
  if (header == nullptr) return nullptr;
  ++lists.from_heap;
  *header = {.index = index, .bytes = room};
  return header + 1;
}

void* OpenSslMemory::Resize(void* block, size_t bytes) {
  if (block == nullptr) return Allocate(bytes);
  if (bytes == 0) {
    Free(block);
    return nullptr;
  }
  const size_t had = HeaderOf(block)->bytes;
  if (bytes <= had) return block;
  void* const larger = Allocate(bytes);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, block, had);
  Free(block);
  return larger;
}

void OpenSslMemory::Free(void* block) {
  if (block == nullptr) return;
  Header* const header = HeaderOf(block);
  const size_t index = header->index;
  if (index == kFreed) std::abort();  // two owners of one block would read each other's mail
  if (index == kNoClass || lists.closed || lists.sizes[index] >= IdleMax(index)) return std::free(header);
  if (!lists.has_closer) EnsureCloser();
  header->index = kFreed;
  LinkOf(header)->next = lists.heads[index];
  lists.heads[index] = header;
  ++lists.sizes[index];
}

size_t OpenSslMemory::IdleBlocks() {
  size_t count = 0;
  for (const size_t size : lists.sizes) count += size;
  return count;
}

size_t OpenSslMemory::TakenFromHeap() { return lists.from_heap; }

}  // namespace sealift::tls
