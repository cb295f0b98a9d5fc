// queue bounce, expire, retry, replay, jobs, job
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/confirmation.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/filter_flags.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

const std::vector<Column>& DryRunColumns() {
  static const std::vector<Column> columns = {{"queued", "rows that it would move"},
                                              {"unplaced", "left: provider not known"}};
  return columns;
}

const std::vector<Column>& JobColumns() {
  static const std::vector<Column> columns = {{"id", "id"},
                                              {"kind", "kind"},
                                              {"state", "state"},
                                              {"rows", "rows"},
                                              {"total", "total"},
                                              {"moved", "moved"},
                                              {"suppressed", "suppressed"},
                                              {"gone", "gone"},
                                              {"rate", "rate"},
                                              {"reason", "reason"},
                                              {"by", "by"},
                                              {"created", "created"},
                                              {"ended", "ended"},
                                              {"why", "why"}};
  return columns;
}

CommandResult Order(DaemonClient& daemon, Console& console, const std::string& path, json body) {
  body["dry_run"] = false;
  const absl::StatusOr<json> answer = daemon.Post(path, body);
  if (!answer.ok()) return answer.status();
  console.Record(*answer, JobColumns());
  if (answer->value("state", "") == "running") {
    console.Say(fmt::format("\nIt goes on in the background: sealift queue job {}", answer->value("id", "")));
  }
  return ExitCode::kOk;
}

// Orders it, once it was said how many rows it is about.
CommandResult Start(const Invocation& call, Console& console, const std::string& path, json body,
                    const std::string& would, const std::string& question) {
  body["reason"] = call.Value("reason");
  body["dry_run"] = true;
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> dry_run = daemon->Post(path, body);
  if (!dry_run.ok()) return dry_run.status();
  if (call.Has("dry-run")) {
    console.Record(*dry_run, DryRunColumns());
    return ExitCode::kOk;
  }
  std::string would_be = fmt::format("{} rows would be {}", dry_run->value("queued", uint64_t{0}), would);
  if (dry_run->contains("unplaced")) {
    would_be += fmt::format(", and of {} nobody knows the provider yet", (*dry_run)["unplaced"].get<uint64_t>());
  }
  const absl::StatusOr<bool> confirmed = Confirmed(call, console, would_be, question);
  if (!confirmed.ok()) return confirmed.status();
  if (!*confirmed) {
    console.err() << "Nothing was changed.\n";
    return ExitCode::kInterrupted;
  }
  return Order(*daemon, console, path, std::move(body));
}

}  // namespace

CommandResult RunQueueBounce(const Invocation& call, Console& console) {
  const absl::StatusOr<json> filter = FilterBody(call);
  if (!filter.ok()) return filter.status();
  return Start(call, console, "/api/v1/queue/bounce", *filter, "bounced", "Bounce them?");
}

CommandResult RunQueueExpire(const Invocation& call, Console& console) {
  const absl::StatusOr<json> filter = FilterBody(call);
  if (!filter.ok()) return filter.status();
  return Start(call, console, "/api/v1/queue/expire", *filter, "expired", "Expire them?");
}

// It asks for no confirmation: the rows would have been tried all the same.
CommandResult RunQueueRetry(const Invocation& call, Console& console) {
  absl::StatusOr<json> body = FilterBody(call);
  if (!body.ok()) return body.status();
  (*body)["reason"] = call.Value("reason");
  (*body)["rate"] = call.Value("rate");
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  if (!call.Has("dry-run")) return Order(*daemon, console, "/api/v1/queue/retry", *std::move(body));
  (*body)["dry_run"] = true;
  const absl::StatusOr<json> dry_run = daemon->Post("/api/v1/queue/retry", *body);
  if (!dry_run.ok()) return dry_run.status();
  console.Record(*dry_run, DryRunColumns());
  return ExitCode::kOk;
}

CommandResult RunQueueReplay(const Invocation& call, Console& console) {
  absl::StatusOr<json> body = FilterBody(call);
  if (!body.ok()) return body.status();
  for (const auto& [flag, member] :
       {std::pair{"outcome", "outcome"}, {"matching", "matching"}, {"rate", "rate"}, {"expires-in", "expires_in"}}) {
    (*body)[member] = call.Value(flag);
  }
  if (call.Has("since")) {
    const absl::StatusOr<absl::Time> since = ParseTimeArgument("since", call.Value("since"), absl::Now());
    if (!since.ok()) return since.status();
    (*body)["since"] = FormatTimeArgument(*since);
  }
  return Start(call, console, "/api/v1/queue/replay", *std::move(body), "sent again", "Send them again?");
}

CommandResult RunQueueJobs(const Invocation& call, Console& console) {
  DaemonClient::Parameters parameters;
  if (call.Has("reveal")) parameters["reveal"] = "1";
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Get("/api/v1/queue/jobs", parameters);
  if (!answer.ok()) return answer.status();
  console.Rows(*answer, "jobs",
               {{"id", "ID"},
                {"kind", "KIND"},
                {"state", "STATE"},
                {"rows", "ROWS"},
                {"moved", "MOVED"},
                {"total", "TOTAL"},
                {"reason", "REASON"},
                {"by", "BY"},
                {"created", "CREATED"},
                {"ended", "ENDED"}});
  return ExitCode::kOk;
}

CommandResult RunQueueJob(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const std::string path = "/api/v1/queue/jobs/" + PathPart(call.arguments[0]);
  const absl::StatusOr<json> answer =
      call.Has("cancel") ? daemon->Post(path + "/cancel", {{"reason", call.Value("reason")}}) : daemon->Get(path);
  if (!answer.ok()) return answer.status();
  console.Record(*answer, JobColumns());
  return ExitCode::kOk;
}

}  // namespace sealift::tools
