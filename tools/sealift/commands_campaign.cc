// campaign list, show, watch, start, pause, resume, cancel
#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/confirmation.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/progress_line.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

const std::vector<Column>& CampaignColumns() {
  static const std::vector<Column> columns = {
      {"name", "NAME"},           {"stream", "STREAM"},         {"state", "STATE"},         {"loaded", "LOADED"},
      {"delivered", "DELIVERED"}, {"deferred", "DEFERRED"},     {"held", "HELD"},           {"bounced", "BOUNCED"},
      {"expired", "EXPIRED"},     {"suppressed", "SUPPRESSED"}, {"cancelled", "CANCELLED"}, {"queued", "QUEUED"}};
  return columns;
}

const std::vector<Column>& CampaignDetails() {
  static const std::vector<Column> columns = {{"name", "campaign"},
                                              {"stream", "stream"},
                                              {"weight", "weight"},
                                              {"state", "state"},
                                              {"damage", "DAMAGE"},
                                              {"paused", "paused"},
                                              {"paused_at", "paused at"},
                                              {"delivery", "delivery"},
                                              {"created", "created"},
                                              {"start_at", "starts by itself at"},
                                              {"started", "started"},
                                              {"loaded", "loaded"},
                                              {"delivered", "delivered"},
                                              {"bounced", "bounced"},
                                              {"expired", "expired"},
                                              {"suppressed", "suppressed"},
                                              {"cancelled", "cancelled"},
                                              {"queued", "queued"},
                                              {"deferred", "  of these deferred (wait for another try)"},
                                              {"held", "  of these held (by an order, or for no TLS)"},
                                              {"in_doubt", "  of these in doubt (may have arrived)"},
                                              {"rejected", "rejected at load"},
                                              {"duplicates", "duplicates at load"},
                                              {"suppressed_at_load", "suppressed at load"},
                                              {"settled_per_second", "settled a second, since its start"}};
  return columns;
}

std::string PathOf(const Invocation& call, const char* verb) {
  const std::string path = "/api/v1/campaigns/" + PathPart(call.arguments[0]);
  return *verb == '\0' ? path : path + "/" + verb;
}

void SayNotice(const json& answer, Console& console) {
  if (answer.contains("notice")) console.Say(CellText(answer["notice"]));
}

// start, pause and resume differ in one word.
CommandResult Change(const Invocation& call, Console& console, const char* verb, const json& body) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Post(PathOf(call, verb), body);
  if (!answer.ok()) return answer.status();
  console.Record(*answer, CampaignDetails());
  SayNotice(*answer, console);
  return ExitCode::kOk;
}

}  // namespace

CommandResult RunCampaignList(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Get("/api/v1/campaigns");
  if (!answer.ok()) return answer.status();
  if (answer->value("campaigns", json::array()).empty()) {
    if (console.format() == Format::kTable) {
      console.err() << "There are no campaigns yet. See `sealift campaign load --help`.\n";
      return ExitCode::kOk;
    }
  }
  console.Rows(*answer, "campaigns", CampaignColumns());
  for (const json& campaign : (*answer)["campaigns"]) {
    if (!campaign.contains("paused")) continue;
    console.Say(fmt::format("{} was paused {}", CellText(campaign["name"]), CellText(campaign["paused"])));
  }
  SayNotice(*answer, console);
  return ExitCode::kOk;
}

CommandResult RunCampaignShow(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Get(PathOf(call, ""));
  if (!answer.ok()) return answer.status();
  console.Record(*answer, CampaignDetails());
  if (answer->value("erased", false)) console.Say("Its content and recipients are erased.");
  for (const json& entry : answer->value("pauses", json::array())) {
    const std::string reason = entry.value("reason", "");
    console.Say(fmt::format("{} {} by {}{}", CellText(entry["time"]), CellText(entry["what"]), CellText(entry["by"]),
                            reason.empty() ? "" : ": " + reason));
  }
  SayNotice(*answer, console);
  return ExitCode::kOk;
}

CommandResult RunCampaignReport(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const absl::StatusOr<json> answer = daemon->Get(PathOf(call, "report"));
  if (!answer.ok()) return answer.status();
  const json& campaign = (*answer)["campaign"];
  if (console.format() == Format::kTable) {
    console.Record(campaign, CampaignDetails());
    console.Say("");
  }
  console.Rows(
      *answer, "outcomes",
      {{"outcome", "OUTCOME"}, {"class", "CLASS"}, {"provider", "PROVIDER"}, {"source", "SOURCE"}, {"count", "COUNT"}});
  SayNotice(campaign, console);
  return ExitCode::kOk;
}

CommandResult RunCampaignWatch(const Invocation& call, Console& console) {
  const absl::StatusOr<absl::Duration> interval = ParseIntervalArgument("interval", call.Value("interval", "1s"));
  if (!interval.ok()) return interval.status();
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  ProgressLine line(console, console.terminal().out);
  std::string notice;
  for (;;) {
    const absl::StatusOr<json> answer = daemon->Get(PathOf(call, ""));
    if (!answer.ok()) return answer.status();
    const std::string state = answer->value("state", "");
    const bool last = call.Has("once") || (state != "running" && state != "loading");
    if (console.format() == Format::kTable) {
      if (answer->contains("notice") && notice.empty()) {
        notice = (*answer)["notice"].get<std::string>();
        console.Say(notice);
      }
      line.Show(*answer, absl::Now());
    } else if (console.format() == Format::kNdjson || last) {
      console.Record(*answer, CampaignColumns());
    }
    if (last || !console.out()) break;
    std::this_thread::sleep_for(absl::ToChronoNanoseconds(*interval));
  }
  line.End();
  return ExitCode::kOk;
}

CommandResult RunCampaignStart(const Invocation& call, Console& console) {
  return Change(call, console, "start", json::object());
}

CommandResult RunCampaignPause(const Invocation& call, Console& console) {
  return Change(call, console, "pause", {{"reason", call.Value("reason")}});
}

CommandResult RunCampaignResume(const Invocation& call, Console& console) {
  return Change(call, console, "resume", {{"reason", call.Value("reason")}});
}

CommandResult RunCampaignCancel(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  json body = {{"dry_run", true}, {"erase", call.Has("erase")}, {"reason", call.Value("reason")}};
  const absl::StatusOr<json> dry_run = daemon->Post(PathOf(call, "cancel"), body);
  if (!dry_run.ok()) return dry_run.status();
  if (call.Has("dry-run")) {
    console.Record(
        *dry_run,
        {{"name", "campaign"}, {"state", "state"}, {"would_cancel", "would be cancelled"}, {"delivered", "delivered"}});
    return ExitCode::kOk;
  }
  const absl::StatusOr<bool> confirmed =
      Confirmed(call, console,
                fmt::format("{} queued rows of {} would be cancelled{}", dry_run->value("would_cancel", uint64_t{0}),
                            call.arguments[0],
                            call.Has("erase") ? ", and its content erased: nothing of it could ever be sent"
                                              : "; `queue replay --outcome cancelled` sends them after all"),
                "Cancel it?");
  if (!confirmed.ok()) return confirmed.status();
  if (!*confirmed) {
    console.err() << "Nothing was changed.\n";
    return ExitCode::kInterrupted;
  }
  body["dry_run"] = false;
  const absl::StatusOr<json> answer = daemon->Post(PathOf(call, "cancel"), body);
  if (!answer.ok()) return answer.status();
  console.Record(*answer, CampaignDetails());
  SayNotice(*answer, console);
  return ExitCode::kOk;
}

}  // namespace sealift::tools
