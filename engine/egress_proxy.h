#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "engine/options.h"
#include "engine/runtime/endpoint.h"
#include "engine/runtime/network.h"
#include "engine/runtime/stream.h"
#include "engine/runtime/task.h"

namespace sealift::engine {

// EgressProxy is what a source's connections leave through, where its address is not this machine's: a SOCKS5 server
// (RFC 1928, RFC 1929), or an HAProxy that is told source and destination by the PROXY protocol, version 2.
//
// Owned by:  who connects; a value.
// Threads:   the ring's.
// Errors:    of Connect: Unavailable, with the proxy's address in front, whether the proxy failed or what lies behind
// it; the status of the scope that ended the wait. The login never stands in one.
class EgressProxy {
 public:
  // Nothing: the source has none. The configuration was checked.
  static std::optional<EgressProxy> Of(const SourceOptions& source);

  // A stream to `to`; nothing of what `to` says is taken. `from` is what an HAProxy is to send from.
  Task<absl::StatusOr<std::unique_ptr<Stream>>> Connect(Network& network, Endpoint to,
                                                        std::optional<Endpoint> from) const;

 private:
  EgressProxy(bool socks, Endpoint at, std::string login) : socks_(socks), at_(at), login_(std::move(login)) {}

  Task<absl::Status> Greet(Stream& stream) const;
  Task<absl::Status> LogIn(Stream& stream) const;
  Task<absl::Status> Ask(Stream& stream, Endpoint to) const;

  bool socks_;
  Endpoint at_;
  std::string login_;  // "user:password"; empty: none
};

}  // namespace sealift::engine
