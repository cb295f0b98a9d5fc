#pragma once

#include <functional>
#include <map>
#include <vector>

#include "absl/time/time.h"
#include "dns/reactor.h"
#include "dns/resolver.h"

namespace sealift::dns {

// A Reactor over poll(2), which also turns the test's servers. The clock that answers age by stands still until a test
// moves it.
class PollReactor : public Reactor {
 public:
  void Watch(int fd, bool read, bool write) override;
  void SetTimer(absl::Duration after) override;
  absl::Time Now() override { return now; }

  // Something else to poll: `ready` is called when `fd` can be read.
  void Also(int fd, std::function<void()> ready) { others_[fd] = std::move(ready); }
  void Forget(int fd) { others_.erase(fd); }

  // Turns until `done`; false when that takes longer than ten seconds.
  bool RunUntil(Resolver& resolver, const std::function<bool()>& done);

  // One turn, waiting at most `wait`.
  void Turn(Resolver* resolver, absl::Duration wait);

  size_t watched() const { return watched_.size(); }
  bool timer_set() const { return timer_ != absl::InfiniteFuture(); }

  absl::Time now = absl::FromUnixSeconds(1'700'000'000);

 private:
  std::map<int, short> watched_;
  std::map<int, std::function<void()>> others_;
  absl::Time timer_ = absl::InfiniteFuture();
};

}  // namespace sealift::dns
