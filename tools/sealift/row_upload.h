#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/output.h"
#include "tools/sealift/rejects_file.h"
#include "tools/sealift/row_file.h"

namespace sealift::tools {

// What a request is made of whose rows may be millions: its first line with what belongs to it, and then a file.
struct RowUpload {
  std::string command;                                       // "campaign load", for failures
  std::string path;                                          // of the API
  std::string beginning;                                     // sent before the file
  std::string look_next;                                     // what to do when the daemon did not say how it ended
  std::string unit = "line";                                 // what a rejection counts
  std::function<std::string(uint64_t number)> name_of = {};  // what it stands in, where only we know
};

// What the file is read with: false at the end.
using RowSource = std::function<absl::StatusOr<bool>(std::string* piece, size_t bytes_max)>;

// Sends the request, shows the first rejected rows on stderr and lists all of them in `rejects`. Returns the daemon's
// summary.
absl::StatusOr<nlohmann::json> Upload(DaemonClient& daemon, RowUpload upload, RowFile& file, RejectsFile& rejects,
                                      Console& console);
absl::StatusOr<nlohmann::json> Upload(DaemonClient& daemon, RowUpload upload, const RowSource& rows,
                                      RejectsFile& rejects, Console& console);

}  // namespace sealift::tools
