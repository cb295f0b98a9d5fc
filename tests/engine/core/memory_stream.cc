#include "tests/engine/core/memory_stream.h"

#include <algorithm>

namespace sealift::engine {

MemoryStream::MemoryStream(std::shared_ptr<WireHalf> in, std::shared_ptr<WireHalf> out)
    : in_(std::move(in)), out_(std::move(out)) {}

MemoryStream::~MemoryStream() { Close(); }

std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>> MemoryStream::Connect() {
  auto one = std::make_shared<WireHalf>();
  auto other = std::make_shared<WireHalf>();
  return {std::unique_ptr<Stream>(new MemoryStream(one, other)), std::unique_ptr<Stream>(new MemoryStream(other, one))};
}

Task<absl::StatusOr<size_t>> MemoryStream::Read(std::span<char> buffer) {
  while (true) {
    const absl::StatusOr<std::optional<size_t>> count = TryRead(buffer);
    if (!count.ok()) co_return count.status();
    if (count->has_value()) co_return **count;
    const absl::Status waited = co_await in_->changed.Wait();
    if (!waited.ok()) co_return waited;
  }
}

absl::StatusOr<std::optional<size_t>> MemoryStream::TryRead(std::span<char> buffer) {
  if (closed_) return absl::FailedPreconditionError("the stream is closed");
  if (in_->writes.empty()) return in_->closed ? std::optional<size_t>(0) : std::nullopt;
  std::string& first = in_->writes.front();
  const size_t count = std::min(first.size(), buffer.size());
  std::copy_n(first.begin(), count, buffer.begin());
  first.erase(0, count);
  if (first.empty()) in_->writes.pop_front();
  return count;
}

Task<absl::Status> MemoryStream::Write(std::span<const char> bytes) {
  const Scope& scope = co_await CurrentScope();
  if (scope.ended()) co_return scope.status();
  if (closed_) co_return absl::FailedPreconditionError("the stream is closed");
  if (out_->closed) co_return absl::UnavailableError("connection reset by peer");
  if (!bytes.empty()) out_->writes.emplace_back(bytes.begin(), bytes.end());
  out_->changed.NotifyAll();
  co_return absl::OkStatus();
}

void MemoryStream::Close() {
  if (closed_) return;
  closed_ = true;
  in_->closed = true;
  out_->closed = true;
  in_->changed.NotifyAll();
  out_->changed.NotifyAll();
}

}  // namespace sealift::engine
