// A library to be preloaded: counts the heap allocations of each thread of a program that is measured.
//
// SEALIFT_ALLOCATIONS names a file that is made; it holds a Slot a thread from the thread's first allocation on, and is
// read while the program runs. It is the program's own memory, mapped: counting costs no system call.
// SEALIFT_ALLOCATIONS_STACKS names a file to which the call stack of every 97th allocation of threads called "shard" is
// appended, for symbolizing.
#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

constexpr size_t kSlots = 256;

struct Slot {
  char thread[16];  // its name, as it was when it was looked at last
  uint64_t allocations;
  uint64_t bytes;
};

Slot* slots = nullptr;
std::atomic<size_t> used{0};
int stacks = -1;
thread_local Slot* own = nullptr;
thread_local bool busy = false;  // what counting itself allocates does not count

void Open() {
  const char* path = getenv("SEALIFT_ALLOCATIONS");
  if (path == nullptr) return;
  const int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, kSlots * sizeof(Slot)) != 0) abort();
  void* mapped = mmap(nullptr, kSlots * sizeof(Slot), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (mapped == MAP_FAILED) abort();
  if (const char* where = getenv("SEALIFT_ALLOCATIONS_STACKS"); where != nullptr) {
    stacks = open(where, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  slots = static_cast<Slot*>(mapped);
}

void Count(size_t size) {
  if (slots == nullptr || busy) return;
  busy = true;
  if (own == nullptr) {
    const size_t at = used.fetch_add(1);
    own = &slots[at < kSlots ? at : kSlots - 1];
  }
  // A thread gets its name after its first allocations.
  if (own->allocations % 1024 == 0 || own->allocations < 64) prctl(PR_GET_NAME, own->thread);
  ++own->allocations;
  own->bytes += size;
  if (stacks >= 0 && own->allocations % 97 == 0 && memcmp(own->thread, "shard", 5) == 0) {
    void* frames[24];
    backtrace_symbols_fd(frames, backtrace(frames, 24), stacks);
    static_cast<void>(!write(stacks, "\n", 1));
  }
  busy = false;
}

__attribute__((constructor)) void Begin() { Open(); }

}  // namespace

// The allocator in use, whichever it is. Looking it up allocates nothing as long as it is found.
#define NEXT(name, ...)                                                                \
  static const auto next = reinterpret_cast<decltype(&name)>(dlsym(RTLD_NEXT, #name)); \
  return next(__VA_ARGS__)

extern "C" {

void* malloc(size_t size) {
  Count(size);
  NEXT(malloc, size);
}

void* calloc(size_t nmemb, size_t size) {
  Count(nmemb * size);
  NEXT(calloc, nmemb, size);
}

void* realloc(void* ptr, size_t size) {
  Count(size);
  NEXT(realloc, ptr, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  Count(size);
  NEXT(aligned_alloc, alignment, size);
}

int posix_memalign(void** memptr, size_t alignment, size_t size) {
  Count(size);
  NEXT(posix_memalign, memptr, alignment, size);
}
}

// An allocator may bring its own operators, which do not come by malloc.
void* operator new(size_t size) {
  Count(size);
  static const auto next = reinterpret_cast<void* (*)(size_t)>(dlsym(RTLD_NEXT, "_Znwm"));
  return next(size);
}

void* operator new[](size_t size) {
  Count(size);
  static const auto next = reinterpret_cast<void* (*)(size_t)>(dlsym(RTLD_NEXT, "_Znam"));
  return next(size);
}

void* operator new(size_t size, const std::nothrow_t& nothrow) noexcept {
  Count(size);
  static const auto next =
      reinterpret_cast<void* (*)(size_t, const std::nothrow_t&)>(dlsym(RTLD_NEXT, "_ZnwmRKSt9nothrow_t"));
  return next(size, nothrow);
}

void* operator new(size_t size, std::align_val_t alignment) {
  Count(size);
  static const auto next =
      reinterpret_cast<void* (*)(size_t, std::align_val_t)>(dlsym(RTLD_NEXT, "_ZnwmSt11align_val_t"));
  return next(size, alignment);
}
