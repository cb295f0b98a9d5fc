#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "engine/runtime/network.h"
#include "engine/runtime/ring.h"

namespace sealift::engine {

// TcpNetwork connects over the machine's own TCP. A source address is bound without a port (IP_BIND_ADDRESS_NO_PORT),
// so that one source can hold as many connections as each peer has ports for it, not 28,000 altogether.
//
// Owned by, Threads, Errors: as Network says. The ring outlives it.
class TcpNetwork final : public Network {
 public:
  explicit TcpNetwork(Ring& ring) : ring_(ring) {}

  Task<absl::StatusOr<std::unique_ptr<Stream>>> Connect(Endpoint to, std::optional<Endpoint> from) override;

 private:
  Ring& ring_;
};

}  // namespace sealift::engine
