#include "tools/sink/delay_line.h"

#include <cstddef>

namespace sealift::tools::sink {
namespace {

using engine::Task;

constexpr size_t kPiecesMax = 4096;

}  // namespace

Task<bool> SendAll(engine::Ring& ring, int fd, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const absl::StatusOr<size_t> sent = co_await ring.Send(fd, bytes);
    if (!sent.ok()) co_return false;
    bytes = bytes.subspan(*sent);
  }
  co_return true;
}

Task<bool> DelayLine::Put(std::span<const char> bytes) {
  while (pieces_.size() >= kPiecesMax && !failed_) {
    const absl::Status waited = co_await changed_.Wait();
    if (!waited.ok()) co_return false;
  }
  if (failed_ || closed_) co_return false;
  pieces_.push_back({ring_.NowNanos() + absl::ToInt64Nanoseconds(latency_), std::string(bytes.data(), bytes.size())});
  changed_.NotifyAll();
  co_return true;
}

Task<void> DelayLine::WaitUntilEmpty() {
  while (!pieces_.empty() && !failed_) {
    const absl::Status waited = co_await changed_.Wait();
    if (!waited.ok()) co_return;
  }
}

void DelayLine::Close() {
  closed_ = true;
  changed_.NotifyAll();
}

Task<void> DelayLine::Deliver() {
  while (true) {
    if (pieces_.empty()) {
      if (closed_) co_return;
      const absl::Status waited = co_await changed_.Wait();
      if (!waited.ok()) break;
      continue;
    }
    if (const int64_t wait = pieces_.front().due_nanos - ring_.NowNanos(); wait > 0) {
      const absl::Status slept = co_await ring_.Sleep(absl::Nanoseconds(wait));
      if (!slept.ok()) break;
      continue;
    }
    const bool sent = co_await SendAll(ring_, fd_, pieces_.front().bytes);  // it stays in place while others are put in
    if (!sent) break;
    pieces_.pop_front();
    changed_.NotifyAll();
  }
  failed_ = true;
  changed_.NotifyAll();
}

}  // namespace sealift::tools::sink
