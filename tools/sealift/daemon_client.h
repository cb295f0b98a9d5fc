#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tools/sealift/command.h"

namespace sealift::tools {

// DaemonClient asks a running sealiftd: HTTP over its control socket, JSON in, JSON out.
//
// Owned by:  a command, for as long as it runs.
// Threads:   one; every call blocks.
// Errors:    69 when nobody listens, 77 when the socket is not ours to open, otherwise what the daemon answered, with
//            the exit code that it gave.
class DaemonClient {
 public:
  using Parameters = std::map<std::string, std::string>;

  explicit DaemonClient(std::string socket) : socket_(std::move(socket)) {}

  // Finds the control socket: --socket, or the data_dir of the configuration. Of that file only node.data_dir is read,
  // and leniently: who runs a campaign may be shut out of the keys and includes that the daemon reads.
  static absl::StatusOr<DaemonClient> For(const Invocation& call);

  absl::StatusOr<nlohmann::json> Get(const std::string& path, const Parameters& parameters = {});
  absl::StatusOr<nlohmann::json> Post(const std::string& path, const nlohmann::json& body);

  // Hands over each line of an answer as it arrives, without its line end; what `on_line` answers ends the reading.
  absl::Status Lines(const std::string& path, const Parameters& parameters,
                     const std::function<absl::Status(std::string_view line)>& on_line);

  // Sends a body of any length as `next` gives it (false from `next`: that was all; an error ends it so that the daemon
  // takes it for unfinished) and hands over each line of the answer. An answer that is an error is returned as one.
  absl::Status Upload(const std::string& path, const std::function<absl::StatusOr<bool>(std::string* piece)>& next,
                      const std::function<absl::Status(std::string_view line)>& on_line);

  // The failure that an answer's {"error": {...}} says.
  static absl::Status ErrorOf(std::string_view answer);

  const std::string& socket() const { return socket_; }

 private:
  absl::Status Unreachable() const;

  std::string socket_;
};

// One part of a path, percent-encoded. The daemon decodes a path before it looks for its route, so a slash is encoded
// twice: it stays part of a name (which no name of ours has), and never leads to another route.
std::string PathPart(std::string_view text);

}  // namespace sealift::tools
