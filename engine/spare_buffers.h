#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace sealift::engine {

// SpareBuffers keeps the memory of what has carried a message for the next one, of whichever session: those that wait
// hold none, and those that send use the same few buffers, which are still warm in the shard's caches.
//
// Owned by:  a shard.
// Threads:   the shard's.
// Memory:    kBytesMax together; what is larger than kBufferMax is not kept.
class SpareBuffers {
 public:
  static constexpr size_t kBytesMax = size_t{8} << 20;
  static constexpr size_t kBufferMax = size_t{64} << 10;

  // An empty one: that which was given last.
  std::string Take() {
    if (buffers_.empty()) return {};
    std::string buffer = std::move(buffers_.back());
    buffers_.pop_back();
    bytes_ -= buffer.capacity();
    return buffer;
  }

  void Give(std::string buffer) {
    const size_t bytes = buffer.capacity();
    if (bytes <= std::string().capacity() || bytes > kBufferMax || bytes_ + bytes > kBytesMax) return;
    buffer.clear();
    bytes_ += bytes;
    buffers_.push_back(std::move(buffer));
  }

  size_t bytes() const { return bytes_; }

 private:
  std::vector<std::string> buffers_;
  size_t bytes_ = 0;
};

}  // namespace sealift::engine
