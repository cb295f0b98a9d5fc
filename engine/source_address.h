#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <vector>

#include "dns/address.h"
#include "engine/options.h"

namespace sealift::engine {

// InterfaceAddresses knows what addresses this machine's interfaces have.
//
// Threads:   any; one lock, held for a look-up.
// Time:      the caller passes `now`; what was read is relied on for kFresh.
// Errors:    where the kernel does not say, what it said last stands; where it has never said, any address may be ours.
class InterfaceAddresses {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kFresh{1};

  bool MayHave(const dns::Address& address, Time now);

 private:
  std::mutex mutex_;
  std::optional<std::vector<dns::Address>> addresses_;
  Time read_;
};

// Whether mail can leave from the address of a source: this machine has it, or a proxy does.
bool HasAddressOf(const SourceOptions& source);

// Whether an address is a source's, or an interface of this machine has it.
bool IsOwnAddress(const dns::Address& address, const Options& options);

// Whether an address that records of strangers name may be connected to, be it a mail server's or a web server's: they
// must not lead to this machine, where mail would go round in a circle, or into our own network.
// `dns.allow_private_addresses` allows it.
bool MayBeOfOthers(const dns::Address& address, const Options& options);

}  // namespace sealift::engine
