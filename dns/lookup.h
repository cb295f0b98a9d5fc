#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dns/answer.h"

struct ares_channeldata;

namespace sealift::dns {

// The names that an address has by its PTR records (RFC 1035 3.5), in lower case; those that are no host's name are
// left out.
struct PtrAnswer {
  Verdict verdict = Verdict::kBadAnswer;
  std::vector<std::string> names;
};

// Lookup asks the DNS and waits for the answer: for commands and the threads of the API, which have nothing else to do.
// A shard asks its Resolver.
//
// c-ares asks the servers in turn, `tries` times each; an answer that was truncated is asked for again over TCP.
// Nothing is cached.
//
// Owned by:  whoever asks.
// Threads:   one.
// Errors:    Create: as Servers', or Internal. What the DNS answers is a verdict.
class Lookup {
 public:
  struct Options {
    std::span<const std::string> servers;  // as Servers takes them; none: the system's
    absl::Duration timeout = absl::Seconds(5);
    int tries = 3;
    absl::Time deadline = absl::InfiniteFuture();  // of all questions together; kTimeout from then on
    const std::atomic<bool>* stop = nullptr;       // once true, as if the deadline had come
  };

  static absl::StatusOr<Lookup> Create(const Options& options);

  TxtAnswer Txt(const std::string& name);
  PtrAnswer Ptr(const Address& address);
  // As Resolver's.
  MxAnswer Mx(std::string_view domain);
  AddressAnswer Addresses(std::string_view host, int family);

 private:
  struct Free {
    void operator()(ares_channeldata* channel) const;
  };
  // What a server sent, or nothing and why.
  struct Received {
    Verdict verdict = Verdict::kTimeout;
    std::vector<uint8_t> bytes;
  };
  static void OnAnswer(void* into, int status, int timeouts, unsigned char* bytes, int size);

  Lookup(ares_channeldata* channel, absl::Time deadline, const std::atomic<bool>* stop)
      : channel_(channel), deadline_(deadline), stop_(stop) {}

  Received Ask(const std::string& name, int type);
  bool Over() const;

  std::unique_ptr<ares_channeldata, Free> channel_;
  absl::Time deadline_;
  const std::atomic<bool>* stop_;
};

}  // namespace sealift::dns
