#include "tests/dns/poll_reactor.h"

#include <poll.h>

#include <algorithm>

#include "absl/time/clock.h"

namespace sealift::dns {

void PollReactor::Watch(int fd, bool read, bool write) {
  if (!read && !write) {
    watched_.erase(fd);
    return;
  }
  watched_[fd] = static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0));
}

void PollReactor::SetTimer(absl::Duration after) {
  timer_ = after == absl::InfiniteDuration() ? absl::InfiniteFuture() : absl::Now() + after;
}

bool PollReactor::RunUntil(Resolver& resolver, const std::function<bool()>& done) {
  const absl::Time end = absl::Now() + absl::Seconds(10);
  while (!done()) {
    if (absl::Now() > end) return false;
    Turn(&resolver, absl::Milliseconds(100));
  }
  return true;
}

void PollReactor::Turn(Resolver* resolver, absl::Duration wait) {
  std::vector<pollfd> fds;
  for (const auto& [fd, events] : watched_) fds.push_back({.fd = fd, .events = events, .revents = 0});
  const size_t resolvers = fds.size();
  for (const auto& [fd, ready] : others_) fds.push_back({.fd = fd, .events = POLLIN, .revents = 0});
  wait = std::clamp(timer_ - absl::Now(), absl::ZeroDuration(), wait);
  const auto wait_ms = static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1))));
  const bool idle = poll(fds.data(), fds.size(), wait_ms) == 0;
  for (size_t i = 0; i < fds.size(); ++i) {
    if (fds[i].revents == 0) continue;
    const bool writable = (fds[i].revents & POLLOUT) != 0;
    if (i < resolvers && resolver != nullptr && watched_.contains(fds[i].fd)) {
      resolver->OnReady(fds[i].fd, (fds[i].revents & ~POLLOUT) != 0, writable);
    } else if (i >= resolvers && others_.contains(fds[i].fd)) {
      const std::function<void()> ready = others_[fds[i].fd];
      ready();
    }
  }
  // Only when nothing else happens: the test's servers are never late because the machine is busy.
  if (idle && absl::Now() >= timer_ && resolver != nullptr) {
    timer_ = absl::InfiniteFuture();
    resolver->OnTimer();
  }
}

}  // namespace sealift::dns
