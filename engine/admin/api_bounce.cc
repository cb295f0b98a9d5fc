// The route of mail that came back: bounces and complaints, as the command line has read them.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "engine/admin/api.h"
#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/exit_code.h"
#include "engine/returned/report_json.h"
#include "engine/returned_mail.h"
#include "engine/suppressions.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr size_t kLineBytesMax = 64 << 10;

absl::Status Usage(const std::string& why) { return WithExit(absl::InvalidArgumentError(why), ExitCode::kUsage); }

std::string_view NameOf(ReturnedMail::Result result) {
  switch (result) {
    case ReturnedMail::Result::kBounce:
      return "bounces";
    case ReturnedMail::Result::kComplaint:
      return "complaints";
    case ReturnedMail::Result::kDelayed:
      return "delayed";
    case ReturnedMail::Result::kNothing:
      return "other";
    case ReturnedMail::Result::kUnknown:
      return "unknown";
    case ReturnedMail::Result::kKnown:
      return "known";
  }
  return "other";
}

}  // namespace

// One line of JSON (reason), then a line a report (returned/report_json.h).
absl::StatusOr<json> Api::IngestBounces(Call& call) {
  json counts = {{"bounces", 0}, {"complaints", 0}, {"delayed", 0}, {"other", 0}, {"unknown", 0}, {"known", 0}};
  bool begun = false;
  std::string pending;
  const auto take_line = [&](std::string_view line) -> absl::Status {
    if (!begun) {
      begun = true;
      call.body = json::parse(line, nullptr, false);
      if (!call.body.is_object()) return Usage("The request's first line is no JSON object.");
      absl::StatusOr<std::string> reason = call.Text("reason");
      if (!reason.ok()) return reason.status();
      call.entry.reason = *std::move(reason);
      if (absl::Status fits = CheckSuppressionReason(call.entry.reason); !fits.ok()) return fits;
      return Begin(call);
    }
    const std::optional<ReturnedReport> report = DecodeReturnedReport(line);
    if (!report) return Usage("A line of the request is no report.");
    const absl::StatusOr<ReturnedMail::Result> result =
        node_.returned_mail().Take(*report, call.entry.user, call.entry.reason);
    if (!result.ok()) return result.status();
    json& count = counts[std::string(NameOf(*result))];
    count = count.get<uint64_t>() + 1;
    return absl::OkStatus();
  };
  const auto take = [&](std::string_view piece) -> absl::Status {
    while (!piece.empty()) {
      const size_t end = piece.find('\n');
      pending.append(piece.substr(0, end));
      if (pending.size() > kLineBytesMax) return Usage("A line of the request is too long.");
      if (end == std::string_view::npos) return absl::OkStatus();
      piece.remove_prefix(end + 1);
      if (absl::Status taken = take_line(pending); !taken.ok()) return taken;
      pending.clear();
    }
    return absl::OkStatus();
  };
  // After a failure the rest is read and dropped: an HTTP client that still writes would not see the answer.
  absl::Status failed;
  const absl::Status read = call.request.ReadBody([&](std::string_view piece) {
    if (failed.ok()) failed = take(piece);
    return true;
  });
  if (failed.ok()) failed = read;
  if (failed.ok() && (!begun || !pending.empty())) failed = Usage("The request ended within a line.");
  call.entry.target = fmt::format("bounces={} complaints={} unknown={}", counts["bounces"].get<uint64_t>(),
                                  counts["complaints"].get<uint64_t>(), counts["unknown"].get<uint64_t>());
  if (!failed.ok()) return failed;
  const json answer = {{"summary", counts}};
  call.response.content_type = "application/x-ndjson";
  call.response.stream = [text = Dump(answer) + "\n"](AdminWriter& writer) { writer.Write(text); };
  return answer;
}

}  // namespace sealift::engine
