// queue hold, release, route, holds; source suspend, resume; throttle resume
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/queue_filter.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/confirmation.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/filter_flags.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

const std::vector<Column>& HoldColumns() {
  static const std::vector<Column> columns = {{"id", "id"},
                                              {"kind", "kind"},
                                              {"rows", "rows"},
                                              {"queued", "queued"},
                                              {"unplaced", "provider not known yet"},
                                              {"until", "until"},
                                              {"to_pool", "to pool"}};
  return columns;
}

// Places it, or says what it would bind.
CommandResult Place(const Invocation& call, Console& console, const std::string& path, json body) {
  body["reason"] = call.Value("reason");
  body["for"] = call.Value("for");
  body["dry_run"] = call.Has("dry-run");
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Post(path, body);
  if (!answer.ok()) return answer.status();
  if (call.Has("dry-run")) {
    console.Record(*answer, {{"queued", "rows that it would bind now"}, {"unplaced", "provider not known yet"}});
    return ExitCode::kOk;
  }
  console.Record(*answer, HoldColumns());
  return ExitCode::kOk;
}

// Ends them, once it was said what would be free.
CommandResult End(const Invocation& call, Console& console, const std::string& path, json body) {
  body["reason"] = call.Value("reason");
  body["dry_run"] = true;
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> dry_run = daemon->Post(path, body);
  if (!dry_run.ok()) return dry_run.status();
  const std::vector<Column> columns = {{"id", "ID"},         {"kind", "KIND"}, {"rows", "ROWS"},
                                       {"reason", "REASON"}, {"by", "BY"},     {"since", "SINCE"}};
  if (call.Has("dry-run")) {
    console.Rows(*dry_run, "holds", columns);
    return ExitCode::kOk;
  }
  const absl::StatusOr<bool> confirmed =
      Confirmed(call, console, fmt::format("{} would be ended", dry_run->value("ended", 0)), "Send these rows again?",
                Unasked::kGoOn);
  if (!confirmed.ok()) return confirmed.status();
  if (!*confirmed) {
    console.err() << "Nothing was changed.\n";
    return ExitCode::kInterrupted;
  }
  body["dry_run"] = false;
  const absl::StatusOr<json> answer = daemon->Post(path, body);
  if (!answer.ok()) return answer.status();
  console.Rows(*answer, "holds", columns);
  return ExitCode::kOk;
}

// Sends rows of which nobody knows whether they arrived again; without a terminal it needs --yes.
CommandResult ReleaseInDoubt(const Invocation& call, Console& console, json body) {
  body["reason"] = call.Value("reason");
  body["dry_run"] = true;
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> dry_run = daemon->Post("/api/v1/queue/release", body);
  if (!dry_run.ok()) return dry_run.status();
  if (call.Has("dry-run")) {
    console.Record(*dry_run, {{"rows", "rows that it would release"}, {"unplaced", "left: provider not known"}});
    return ExitCode::kOk;
  }
  const absl::StatusOr<bool> confirmed =
      Confirmed(call, console,
                fmt::format("{} rows would be sent again that may have arrived", dry_run->value("rows", uint64_t{0})),
                "Send these rows again?");
  if (!confirmed.ok()) return confirmed.status();
  if (!*confirmed) {
    console.err() << "Nothing was changed.\n";
    return ExitCode::kInterrupted;
  }
  body["dry_run"] = false;
  const absl::StatusOr<json> answer = daemon->Post("/api/v1/queue/release", body);
  if (!answer.ok()) return answer.status();
  console.Record(*answer, {{"rows", "rows released"}, {"unplaced", "left: provider not known"}});
  return ExitCode::kOk;
}

std::string SourcePath(const Invocation& call, const char* act) {
  return fmt::format("/api/v1/sources/{}/{}", PathPart(call.arguments[0]), act);
}

}  // namespace

CommandResult RunQueueHold(const Invocation& call, Console& console) {
  const absl::StatusOr<json> filter = FilterBody(call);
  if (!filter.ok()) return filter.status();
  return Place(call, console, "/api/v1/queue/hold", *filter);
}

CommandResult RunQueueRoute(const Invocation& call, Console& console) {
  absl::StatusOr<json> filter = FilterBody(call);
  if (!filter.ok()) return filter.status();
  (*filter)["to_pool"] = call.Value("to-pool");
  return Place(call, console, "/api/v1/queue/route", *std::move(filter));
}

CommandResult RunQueueRelease(const Invocation& call, Console& console) {
  if (call.Has("hold")) return End(call, console, "/api/v1/queue/release", {{"hold", call.Value("hold")}});
  const absl::StatusOr<json> filter = FilterBody(call);
  if (!filter.ok()) return filter.status();
  if (call.Value("state") == engine::kInDoubtState) return ReleaseInDoubt(call, console, *filter);
  return End(call, console, "/api/v1/queue/release", *filter);
}

CommandResult RunQueueHolds(const Invocation& call, Console& console) {
  DaemonClient::Parameters parameters;
  if (call.Has("all")) parameters["all"] = "1";
  if (call.Has("reveal")) parameters["reveal"] = "1";
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Get("/api/v1/queue/holds", parameters);
  if (!answer.ok()) return answer.status();
  console.Rows(*answer, "holds",
               {{"id", "ID"},
                {"kind", "KIND"},
                {"rows", "ROWS"},
                {"to_pool", "TO POOL"},
                {"reason", "REASON"},
                {"by", "BY"},
                {"since", "SINCE"},
                {"until", "UNTIL"},
                {"ended", "ENDED"}});
  return ExitCode::kOk;
}

CommandResult RunSourceSuspend(const Invocation& call, Console& console) {
  return Place(call, console, SourcePath(call, "suspend"), {{"provider", call.Value("provider")}});
}

CommandResult RunSourceResume(const Invocation& call, Console& console) {
  return End(call, console, SourcePath(call, "resume"), {{"provider", call.Value("provider")}});
}

CommandResult RunThrottleResume(const Invocation& call, Console& console) {
  return End(call, console, "/api/v1/throttles/resume", {{"limit", call.arguments[0]}});
}

}  // namespace sealift::tools
