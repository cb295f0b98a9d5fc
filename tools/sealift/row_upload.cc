#include "tools/sealift/row_upload.h"

#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

constexpr size_t kPieceBytes = 256 << 10;
constexpr size_t kShownRejections = 5;

}  // namespace

absl::StatusOr<json> Upload(DaemonClient& daemon, RowUpload upload, RowFile& file, RejectsFile& rejects,
                            Console& console) {
  const RowSource rows = [&file](std::string* piece, size_t bytes_max) { return file.Read(piece, bytes_max); };
  return Upload(daemon, std::move(upload), rows, rejects, console);
}

absl::StatusOr<json> Upload(DaemonClient& daemon, RowUpload upload, const RowSource& rows, RejectsFile& rejects,
                            Console& console) {
  const auto next = [&](std::string* piece) -> absl::StatusOr<bool> {
    if (upload.beginning.empty()) return rows(piece, kPieceBytes);
    *piece = std::exchange(upload.beginning, {});
    return true;
  };
  json summary;
  size_t shown = 0;
  const absl::Status sent = daemon.Upload(upload.path, next, [&](std::string_view line) -> absl::Status {
    const json answer = json::parse(line, nullptr, false);
    if (answer.contains("summary")) summary = answer["summary"];
    if (answer.contains("error")) return DaemonClient::ErrorOf(line);
    if (!answer.contains("rejected")) return absl::OkStatus();
    const json& rejected = answer["rejected"];
    const uint64_t number = rejected.value("line", uint64_t{0});
    std::string column = rejected.value("column", "");
    if (upload.name_of) column = upload.name_of(number);
    const std::string reason = rejected.value("reason", "");
    if (shown++ < kShownRejections) {
      console.err() << fmt::format("{} {}{}: {}\n", upload.unit, number, column.empty() ? "" : ", " + Printable(column),
                                   Printable(reason));
    }
    return rejects.Add(number, column, reason);
  });
  if (!sent.ok()) return sent;
  if (shown > kShownRejections) console.err() << fmt::format("and {} more rejected rows\n", shown - kShownRejections);
  if (const absl::Status kept = rejects.Keep(); !kept.ok()) return kept;
  if (!summary.is_null()) return summary;
  return Fail(ExitCode::kInternal, {fmt::format("{}: the daemon did not say how it ended", upload.command),
                                    daemon.socket(), "", upload.look_next});
}

}  // namespace sealift::tools
