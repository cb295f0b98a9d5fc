#include "engine/source_address.h"

#include <sys/socket.h>
#include <unistd.h>

#include "absl/status/statusor.h"
#include "engine/runtime/endpoint.h"

namespace sealift::engine {

bool HasAddressOf(const SourceOptions& source) {
  const int fd = socket(source.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const absl::StatusOr<Endpoint> endpoint =
      Endpoint::Parse(source.family == AF_INET ? source.address + ":0" : "[" + source.address + "]:0");
  const bool ours = endpoint.ok() && bind(fd, reinterpret_cast<const sockaddr*>(&endpoint->addr), endpoint->size) == 0;
  close(fd);
  return ours;
}

}  // namespace sealift::engine
