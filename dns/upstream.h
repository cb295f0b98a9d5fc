#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dns/reactor.h"

struct ares_channeldata;

namespace sealift::dns {

// Upstream is one recursive server, asked through a c-ares channel of its own: one try a question.
//
// Which server is asked next, and how often, is the Resolver's to decide: c-ares 1.18 tells a server that fails from
// one that refuses only by hiding both behind the next try. Questions go by UDP, and by TCP where the answer was
// truncated; without EDNS, which this c-ares turns off for a whole channel, and cuts from the wrong queries, at one
// server's first complaint.
//
// Owned by:  one Resolver.
// Threads:   its shard's alone.
// Callbacks: run inside c-ares, once each, and only take note: they must not call back here. Destroyed uncalled with
// the Upstream. Errors:    Create: Internal. A question without an answer is an empty one.
class Upstream {
 public:
  // The answer as it was received, valid during the call, to this question (c-ares has compared ids and questions);
  // empty when none came.
  using Callback = std::move_only_function<void(std::span<const uint8_t>)>;

  // `server` as Servers gives it.
  static absl::StatusOr<std::unique_ptr<Upstream>> Create(const std::string& server, absl::Duration timeout,
                                                          Reactor& reactor);
  ~Upstream();
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  // False when this cannot be asked of anyone; the callback is then not called. It may be called before this returns.
  bool Ask(const std::string& name, uint16_t type, Callback callback);

  bool Watches(int fd) const;
  void OnReady(int fd, bool readable, bool writable);
  void OnTimer();

  // Until OnTimer is needed; infinite when nothing is asked.
  absl::Duration NextTimeout() const;

 private:
  struct Query {
    Upstream* upstream;
    Callback callback;
  };

  explicit Upstream(Reactor& reactor) : reactor_(reactor) {}

  static void OnSocketState(void* upstream, int fd, int read, int write);
  static void OnAnswer(void* query, int status, int timeouts, unsigned char* answer, int size);

  Reactor& reactor_;
  ares_channeldata* channel_ = nullptr;
  std::vector<int> watched_;
  bool closing_ = false;
};

}  // namespace sealift::dns
