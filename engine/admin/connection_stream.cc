#include "engine/admin/connection_stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"

namespace sealift::engine {
namespace {

constexpr size_t kBufferBytes = 64 << 10;
constexpr char kRange[] = "range:";

}  // namespace

void ConnectionStream::BeginHead() {
  in_head_ = true;
  head_bytes_ = 0;
  line_.clear();
  line_taken_ = 0;
  EndReadsIn(limits_.head_timeout);
}

bool ConnectionStream::Wait(short events, absl::Duration at_most) const {
  const Clock::time_point end = Clock::now() + absl::ToChronoNanoseconds(at_most);
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd ready{.fd = fd_, .events = events, .revents = 0};
    const int n = ::poll(&ready, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (n > 0) return (ready.revents & (events | POLLHUP | POLLERR)) != 0;
    if (n == 0 || errno != EINTR) return false;
  }
}

bool ConnectionStream::is_readable() const { return buffered() || Wait(POLLIN, limits_.read_timeout); }

bool ConnectionStream::is_writable() const { return Wait(POLLOUT, limits_.write_timeout); }

ssize_t ConnectionStream::read(char* out, size_t size) {
  if (!in_head_) return Take(out, size);
  while (line_taken_ == line_.size() || absl::StartsWithIgnoreCase(line_, kRange)) {
    if (const ssize_t n = NextLine(); n <= 0) return n;
  }
  const size_t n = line_.copy(out, size, line_taken_);
  line_taken_ += n;
  return static_cast<ssize_t>(n);
}

ssize_t ConnectionStream::NextLine() {
  line_.clear();
  line_taken_ = 0;
  ssize_t n = 1;
  for (char byte = 0; n > 0 && byte != '\n';) {
    n = Take(&byte, 1);
    if (n > 0) line_ += byte;
  }
  return n;
}

ssize_t ConnectionStream::Take(char* out, size_t size) {
  if (in_head_ && head_bytes_ >= limits_.head_bytes_max) return -1;
  if (!buffered()) {
    const absl::Duration wait = std::min(limits_.read_timeout, absl::FromChrono(end_ - Clock::now()));
    if (wait <= absl::ZeroDuration() || !Wait(POLLIN, wait)) return -1;
    buffer_.resize(kBufferBytes);
    taken_ = 0;
    ssize_t n = 0;
    do {
      n = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
    } while (n < 0 && errno == EINTR);
    buffer_.resize(n > 0 ? static_cast<size_t>(n) : 0);
    if (n <= 0) return n;
  }
  const size_t n = std::min(size, buffer_.size() - taken_);
  std::memcpy(out, buffer_.data() + taken_, n);
  taken_ += n;
  if (in_head_) head_bytes_ += n;
  return static_cast<ssize_t>(n);
}

ssize_t ConnectionStream::write(const char* bytes, size_t size) {
  while (is_writable()) {
    const ssize_t n = ::send(fd_, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0 || (errno != EINTR && errno != EAGAIN)) return n;
  }
  return -1;
}

// Only what a log of httplib's would print; the peer is known by its credential.
void ConnectionStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}
void ConnectionStream::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace sealift::engine
