#include "engine/admin/api.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <utility>

#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/config_show.h"
#include "engine/exit_code.h"
#include "engine/failure_parts.h"
#include "engine/options.h"
#include "engine/restoration.h"
#include "engine/units.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr size_t kBodyBytesMax = 64 << 10;
constexpr int64_t kTailBytesMax = 1 << 20;
// Of the control socket's connections, those whose requests may last: the others are for commands that are answered at
// once.
constexpr int kLastingMax = 24;

absl::Status Usage(const std::string& why) { return WithExit(absl::InvalidArgumentError(why), ExitCode::kUsage); }

// Why something was refused, as the audit file has it. What is wrong with a template, a default, recipients or a list
// is said in their own words, which are the caller's alone: the file, which is in every backup and outlives an erasure,
// says where it is.
std::string ForTheAudit(const absl::Status& refused) {
  std::string place = PlaceOf(refused);
  if (place.empty()) return std::string(refused.message());
  static const std::regex kLine("^line [0-9]+");
  const std::string why(refused.message());
  if (std::smatch line; std::regex_search(why, line, kLine)) place += ", " + line.str();
  return fmt::format("{}: refused with exit code {}", place, static_cast<int>(ExitCodeOf(refused)));
}

absl::Status NoEntry(const absl::Status& why) {
  if (!absl::IsResourceExhausted(why)) return WithExit(why, ExitCode::kIo);
  return WithNext(WithExit(why, ExitCode::kTryLater), "Free some space and give the same command again.");
}

}  // namespace

absl::StatusOr<std::string> Api::Call::Text(const char* member) const {
  const auto found = body.find(member);
  if (found == body.end() || found->is_null()) return std::string();
  if (!found->is_string()) return Usage(fmt::format("`{}` in the request is no text.", member));
  return found->get<std::string>();
}

absl::StatusOr<bool> Api::Call::Truth(const char* member) const {
  const auto found = body.find(member);
  if (found == body.end() || found->is_null()) return false;
  if (!found->is_boolean()) return Usage(fmt::format("`{}` in the request is neither true nor false.", member));
  return found->get<bool>();
}

absl::StatusOr<Rate> Api::Call::RateIn(const char* member) const {
  const absl::StatusOr<std::string> text = Text(member);
  if (!text.ok()) return text.status();
  if (text->empty()) return Rate();
  const absl::StatusOr<Rate> rate = ParseRate(*text);
  if (!rate.ok()) return WithExit(rate.status(), ExitCode::kUsage);
  return *rate;
}

absl::StatusOr<int> Api::Call::Number(const std::string& name, int otherwise, int max) const {
  const std::string text = request.Query(name);
  if (text.empty()) return otherwise;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > max) {
    return Usage(fmt::format("`{}` must be a whole number from 1 to {}.", name, max));
  }
  return value;
}

absl::StatusOr<QueueFilter> Api::Call::Filter() const {
  QueueFilter filter;
  const auto value_of = [&](const char* member) -> absl::StatusOr<std::string> {
    return body.is_object() ? Text(member) : absl::StatusOr<std::string>(request.Query(member));
  };
  for (const FilterTerm& term : FilterTerms()) {
    absl::StatusOr<std::string> value = value_of(term.name);
    if (!value.ok()) return value.status();
    if (!value->empty()) filter.*term.value = *std::move(value);
  }
  const absl::StatusOr<std::string> older_than = value_of("older_than");
  if (!older_than.ok()) return older_than.status();
  if (!older_than->empty()) {
    const absl::StatusOr<absl::Duration> age = ParseDuration(*older_than);
    if (!age.ok()) return WithExit(age.status(), ExitCode::kUsage);
    filter.older_than = *age;
  }
  filter.everything = request.Query("everything") == "1";
  if (body.is_object()) {
    const absl::StatusOr<bool> everything = Truth("everything");
    if (!everything.ok()) return everything.status();
    filter.everything = *everything;
  }
  if (filter.empty()) {
    return Usage(
        "No filter was given. Say which rows: --domain, --provider, --campaign, --stream, --source, --class, --state, "
        "--older-than, --recipient, --id, or --everything.");
  }
  return filter;
}

Api::Api(Node& node, Audit& audit, Options options) : node_(node), audit_(audit), options_(std::move(options)) {}

void Api::AddTo(UnixListener& listener) {
  Add(listener, "GET", "/api/v1/node", "version", Audited::kNo, &Api::DescribeNode);
  Add(listener, "GET", "/api/v1/campaigns", "campaign list", Audited::kNo, &Api::ListCampaigns);
  Add(listener, "GET", "/api/v1/campaigns/:name/report", "campaign report", Audited::kNo, &Api::ReportCampaign);
  Add(listener, "GET", "/api/v1/campaigns/:name", "campaign show", Audited::kNo, &Api::ShowCampaign);
  Add(listener, "POST", "/api/v1/campaigns/:name/load", "campaign load", Audited::kYes, &Api::LoadCampaign);
  Add(listener, "POST", "/api/v1/campaigns/:name/start", "campaign start", Audited::kYes, &Api::StartCampaign);
  Add(listener, "POST", "/api/v1/campaigns/:name/pause", "campaign pause", Audited::kYes, &Api::PauseCampaign);
  Add(listener, "POST", "/api/v1/campaigns/:name/resume", "campaign resume", Audited::kYes, &Api::ResumeCampaign);
  Add(listener, "POST", "/api/v1/campaigns/:name/cancel", "campaign cancel", Audited::kUnlessDryRun,
      &Api::CancelCampaign);
  Add(listener, "GET", "/api/v1/campaigns/:name/preview", "campaign preview", Audited::kYes, &Api::PreviewCampaign);
  Add(listener, "POST", "/api/v1/campaigns/:name/preflight", "campaign preflight", Audited::kYes,
      &Api::PreflightCampaign);
  Add(listener, "POST", "/api/v1/campaigns/:name/test", "campaign test", Audited::kYes, &Api::TestCampaign);
  Add(listener, "GET", "/api/v1/queue/rows", "queue list", Audited::kWhenRevealing, &Api::ListRows);
  Add(listener, "GET", "/api/v1/queue/shape", "queue shape", Audited::kNo, &Api::ShapeQueue);
  Add(listener, "POST", "/api/v1/queue/retry", "queue retry", Audited::kUnlessDryRun, &Api::RetryQueue);
  Add(listener, "POST", "/api/v1/queue/hold", "queue hold", Audited::kUnlessDryRun, &Api::HoldQueue);
  Add(listener, "POST", "/api/v1/queue/route", "queue route", Audited::kUnlessDryRun, &Api::RouteQueue);
  Add(listener, "POST", "/api/v1/queue/release", "queue release", Audited::kUnlessDryRun, &Api::ReleaseQueue);
  Add(listener, "GET", "/api/v1/queue/holds", "queue holds", Audited::kWhenRevealing, &Api::ListHolds);
  Add(listener, "POST", "/api/v1/queue/bounce", "queue bounce", Audited::kUnlessDryRun, &Api::BounceQueue);
  Add(listener, "POST", "/api/v1/queue/expire", "queue expire", Audited::kUnlessDryRun, &Api::ExpireQueue);
  Add(listener, "POST", "/api/v1/queue/replay", "queue replay", Audited::kUnlessDryRun, &Api::ReplayQueue);
  Add(listener, "GET", "/api/v1/queue/jobs", "queue jobs", Audited::kWhenRevealing, &Api::ListJobs);
  Add(listener, "GET", "/api/v1/queue/jobs/:name", "queue job", Audited::kWhenRevealing, &Api::ShowJob);
  Add(listener, "POST", "/api/v1/queue/jobs/:name/cancel", "queue job --cancel", Audited::kYes, &Api::CancelJob);
  Add(listener, "POST", "/api/v1/sources/:name/suspend", "source suspend", Audited::kUnlessDryRun, &Api::SuspendSource);
  Add(listener, "POST", "/api/v1/sources/:name/resume", "source resume", Audited::kUnlessDryRun, &Api::ResumeSource);
  Add(listener, "GET", "/api/v1/sources/:name/warmup", "source warmup", Audited::kNo, &Api::ShowWarmup);
  Add(listener, "POST", "/api/v1/sources/:name/warmup", "source warmup", Audited::kYes, &Api::SetWarmup);
  Add(listener, "GET", "/api/v1/sources", "source list", Audited::kNo, &Api::ListSources);
  Add(listener, "GET", "/api/v1/sources/:name", "source show", Audited::kNo, &Api::ShowSource);
  Add(listener, "GET", "/api/v1/throttles", "throttle list", Audited::kNo, &Api::ListThrottles);
  Add(listener, "POST", "/api/v1/throttles/resume", "throttle resume", Audited::kUnlessDryRun, &Api::ResumeThrottle);
  Add(listener, "GET", "/api/v1/domains", "domain list", Audited::kNo, &Api::ListDomains);
  Add(listener, "GET", "/api/v1/domains/:name/explain", "domain explain", Audited::kNo, &Api::ExplainDomain);
  Add(listener, "POST", "/api/v1/domains/:name/tls-probe", "tls probe", Audited::kYes, &Api::ProbeTls);
  Add(listener, "GET", "/api/v1/tls/counts", "tls report", Audited::kNo, &Api::CountTls);
  Add(listener, "GET", "/api/v1/tls/reports", "tls reports", Audited::kNo, &Api::ListTlsReports);
  Add(listener, "POST", "/api/v1/tls/reports", "tls send-report", Audited::kYes, &Api::IssueTlsReports);
  Add(listener, "GET", "/api/v1/messages/:name", "message trace", Audited::kWhenRevealing, &Api::TraceMessage);
  Add(listener, "POST", "/api/v1/messages/find", "message find", Audited::kYes, &Api::FindMessages);
  Add(listener, "GET", "/api/v1/events", "events", Audited::kWhenRevealing, &Api::StreamEvents);
  Add(listener, "POST", "/api/v1/suppressions/add", "suppression add", Audited::kYes, &Api::AddSuppression);
  Add(listener, "POST", "/api/v1/suppressions/unsubscribe", "suppression unsubscribe", Audited::kYes,
      &Api::Unsubscribe);
  Add(listener, "POST", "/api/v1/suppressions/remove", "suppression remove", Audited::kUnlessDryRun,
      &Api::RemoveSuppression);
  Add(listener, "POST", "/api/v1/suppressions/check", "suppression check", Audited::kNo, &Api::CheckSuppression);
  Add(listener, "POST", "/api/v1/suppressions/history", "suppression history", Audited::kNo,
      &Api::ShowSuppressionHistory);
  Add(listener, "GET", "/api/v1/suppressions", "suppression list", Audited::kWhenRevealing, &Api::ListSuppressions);
  Add(listener, "POST", "/api/v1/suppressions/import", "suppression import", Audited::kYes, &Api::ImportSuppressions);
  Add(listener, "GET", "/api/v1/suppressions/export", "suppression export", Audited::kYes, &Api::ExportSuppressions);
  Add(listener, "POST", "/api/v1/suppressions/undo", "suppression undo", Audited::kUnlessDryRun,
      &Api::UndoSuppressions);
  Add(listener, "POST", "/api/v1/bounces/ingest", "bounce ingest", Audited::kYes, &Api::IngestBounces);
  Add(listener, "POST", "/api/v1/backup/create", "backup create", Audited::kYes, &Api::CreateBackup);
  Add(listener, "POST", "/api/v1/backup/reconcile", "backup reconcile", Audited::kYes, &Api::ReconcileBackup);
  Add(listener, "GET", "/api/v1/keys", "key show", Audited::kNo, &Api::ShowKeys);
  Add(listener, "POST", "/api/v1/keys/rotate", "key rotate", Audited::kYes, &Api::RotateKey);
  Add(listener, "POST", "/api/v1/reload", "reload", Audited::kYes, &Api::ReloadConfig);
  Add(listener, "GET", "/api/v1/config", "config show", Audited::kNo, &Api::ShowConfig);
  Add(listener, "GET", "/api/v1/config/diff", "config diff", Audited::kNo, &Api::DiffConfig);
  Add(listener, "GET", "/api/v1/metrics", "top", Audited::kNo, &Api::ShowMetrics);
  Add(listener, "GET", "/api/v1/audit", "audit tail", Audited::kNo, &Api::TailAudit);
  Add(listener, "GET", "/api/v1/audit/verify", "audit verify", Audited::kNo, &Api::VerifyAudit);
  Add(listener, "GET", "/api/v1/audit/export", "audit export", Audited::kYes, &Api::ExportAudit);
}

void Api::Add(UnixListener& listener, const char* method, const char* pattern, const char* command, Audited audited,
              Act act) {
  listener.Route(method, pattern, [this, command, audited, act](AdminRequest& request, AdminResponse& response) {
    Answer(command, audited, act, request, response);
  });
}

void Api::Answer(const char* command, Audited audited, Act act, AdminRequest& request, AdminResponse& response) {
  Call call{request, response, {}, {}};
  call.entry.uid = request.caller.uid;
  call.entry.pid = request.caller.pid;
  call.entry.user = request.caller.user;
  call.entry.command = command;
  call.entry.target = request.Param("name");
  call.reveal = request.Query("reveal") == "1";
  call.audited = audited != Audited::kNo && (audited != Audited::kWhenRevealing || call.reveal);
  if (call.reveal) {
    call.entry.command += " --reveal";
    call.entry.reason = request.Query("reason");
  }

  // What of its room is left is for what was begun: while there is no more, a refusal gets no entry either.
  if (call.audited) call.entry_refused = audit_.CanAppend();

  if (request.method == "POST" && !TakesPieces(act)) {
    absl::StatusOr<std::string> body = request.Body(kBodyBytesMax);
    if (!body.ok()) return Respond(call, body.status(), response);
    call.body = body->empty() ? json::object() : json::parse(*body, nullptr, false);
    if (!call.body.is_object()) return Respond(call, Usage("The request's body is no JSON object."), response);
    if (absl::StatusOr<std::string> reason = call.Text("reason"); reason.ok()) call.entry.reason = *reason;
  }
  if (!call.entry_refused.ok() && !(audited == Audited::kUnlessDryRun && DryRun(call))) {
    return Respond(call, NoEntry(call.entry_refused), response);
  }
  // It would wait for room, and with as many such commands as there are threads whoever only asks would too.
  if (Changes(act, call)) {
    if (const absl::Status admitted = node_.AdmitChange(); !admitted.ok()) return Respond(call, admitted, response);
  }
  if (request.method == "POST" && request.gone()) {
    return Respond(call, absl::CancelledError("who asked has gone: nothing was done"), response);
  }
  if (!Lasts(act, call)) return Respond(call, (this->*act)(call), response);
  const std::shared_ptr<void> place = PlaceForLasting();
  if (place == nullptr) {
    const std::string why = fmt::format(
        "{} loads, imports and `events --follow` are under way, which are as many as may be at once", kLastingMax);
    const absl::Status full = WithExit(absl::UnavailableError(why), ExitCode::kTryLater);
    return Respond(call, WithNext(full, "End some of them, or give the same command again later."), response);
  }
  Respond(call, (this->*act)(call), response);
  if (!response.stream) return;
  response.stream = [place, stream = std::move(response.stream)](AdminWriter& writer) { stream(writer); };
}

std::shared_ptr<void> Api::PlaceForLasting() {
  if (lasting_.fetch_add(1) < kLastingMax) return {this, [](Api* api) { --api->lasting_; }};
  --lasting_;
  return nullptr;
}

bool Api::TakesPieces(Act act) {
  constexpr Act kActs[] = {&Api::LoadCampaign, &Api::ImportSuppressions, &Api::ReconcileBackup, &Api::IngestBounces};
  return std::ranges::find(kActs, act) != std::end(kActs);
}

bool Api::Lasts(Act act, const Call& call) {
  return TakesPieces(act) || (act == &Api::StreamEvents && call.request.Query("follow") == "1");
}

absl::Status Api::Begin(const Call& call) {
  if (!call.audited) return absl::OkStatus();
  AuditEntry begun = call.entry;
  begun.result = "begun";
  const absl::Status written = audit_.Append(begun);
  return written.ok() ? absl::OkStatus() : WithExit(written, ExitCode::kIo);
}

bool Api::Changes(Act act, const Call& call) {
  constexpr Act kOthers[] = {
      &Api::LoadCampaign,     &Api::PreflightCampaign,      &Api::TestCampaign, &Api::ProbeTls,    &Api::FindMessages,
      &Api::CheckSuppression, &Api::ShowSuppressionHistory, &Api::CreateBackup, &Api::ReloadConfig};
  if (call.request.method != "POST" || std::ranges::find(kOthers, act) != std::end(kOthers)) return false;
  return !DryRun(call);
}

bool Api::DryRun(const Call& call) {
  const absl::StatusOr<bool> dry_run = call.body.is_object() ? call.Truth("dry_run") : absl::StatusOr<bool>(false);
  return dry_run.ok() && *dry_run;
}

void Api::Respond(Call& call, absl::StatusOr<json> result, AdminResponse& response) {
  if (call.audited && call.entry_refused.ok()) {
    call.entry.result = result.ok() ? "ok" : ForTheAudit(result.status());
    if (const absl::Status written = audit_.Append(call.entry); !written.ok() && result.ok()) {
      result = WithExit(written, ExitCode::kIo);
      if (call.request.method == "POST") {
        call.done_but = "is not in the audit file";
        result = WithNext(result.status(), "Keep a note elsewhere of who did it, when and why.");
      }
    }
  }
  if (result.ok()) {
    if (!response.stream) response.body = Dump(*result);
    return;
  }
  response.status = HttpStatusOf(result.status());
  response.content_type = "application/json";
  response.stream = nullptr;
  const std::string name = call.request.Param("name");
  response.body = Dump(ErrorJson(
      result.status(), fmt::format("{}{}{} {}", call.entry.command, name.empty() ? "" : " ", name,
                                   call.done_but.empty() ? "was refused" : "was done, but " + call.done_but)));
}

absl::StatusOr<json> Api::DescribeNode(Call&) {
  const std::shared_ptr<const engine::Options> options = node_.options();
  const absl::Status audited = audit_.CanAppend();
  absl::Status ready = node_.Ready();
  if (ready.ok()) ready = audited;
  json answer = {{"version", options_.version},
                 {"delivery", ToString(options->delivery)},
                 {"hostname", options->node.hostname},
                 {"data_dir", options->node.data_dir},
                 {"ready", ready.ok()},
                 {"in_doubt", RestoredJson(node_.restoration().pending())},
                 {"pid", getpid()}};
  if (!ready.ok()) answer["why"] = std::string(ready.message());
  if (!audited.ok()) answer["audit"] = std::string(audited.message());
  if (options->delivery == Delivery::kSink) answer["notice"] = "SINK: nothing leaves this machine";
  return answer;
}

absl::StatusOr<json> Api::ReloadConfig(Call& call) {
  const absl::StatusOr<bool> allow_weaker = call.Truth("allow_weaker");
  if (!allow_weaker.ok()) return allow_weaker.status();
  if (*allow_weaker && call.entry.reason.empty()) {
    return Usage("A weaker TLS policy needs a reason: --allow-weaker --reason TEXT; it is written to the audit file.");
  }
  if (*allow_weaker) call.entry.target = "allow weaker";
  absl::StatusOr<std::vector<std::string>> changes = node_.Reload(*allow_weaker);
  if (!changes.ok()) return changes.status();
  return json{{"changes", *changes}};
}

absl::StatusOr<json> Api::ShowConfig(Call&) {
  const std::shared_ptr<const engine::Options> options = node_.options();
  json values = json::array();
  for (const EffectiveValue& one : ListEffective(*options)) {
    values.push_back({{"key", one.key}, {"value", one.value}, {"set_by", one.set_by}});
  }
  return json{{"generation", options->generation}, {"toml", ShowEffective(*options)}, {"values", std::move(values)}};
}

absl::StatusOr<json> Api::DiffConfig(Call&) {
  const absl::StatusOr<ConfigDiff> diff = node_.DiffConfig();
  if (!diff.ok()) return diff.status();
  json answer = {{"changes", json::array()}, {"keys", diff->keys}, {"weaker", json::array()}};
  bool restart = false;
  for (const ConfigChange& change : diff->changes) {
    restart = restart || change.restart;
    answer["changes"].push_back({{"key", change.key},
                                 {"before", change.before},
                                 {"after", change.after},
                                 {"effect", change.restart ? "restart" : "reload"},
                                 {"weakens_tls", diff->Weakens(change)}});
  }
  for (const WeakerPolicy& policy : diff->weaker) answer["weaker"].push_back(policy.text);
  answer["needs_restart"] = restart;
  answer["needs_allow_weaker"] = !diff->weaker.empty();
  return answer;
}

absl::StatusOr<json> Api::ShowMetrics(Call&) {
  return json{{"time", TimeJson(options_.clock())}, {"text", node_.MetricsText()}};
}

absl::StatusOr<json> Api::TailAudit(Call& call) {
  const absl::StatusOr<int> lines = call.Number("lines", 20, 10000);
  if (!lines.ok()) return lines.status();
  std::ifstream file(options_.data_dir + "/audit", std::ios::binary);
  if (!file) return WithExit(absl::NotFoundError("The audit file cannot be opened."), ExitCode::kIo);
  file.seekg(0, std::ios::end);
  const int64_t size = file.tellg();
  file.seekg(std::max<int64_t>(0, size - kTailBytesMax));
  std::string line;
  if (size > kTailBytesMax) std::getline(file, line);  // the rest of a line
  std::vector<json> entries;
  while (std::getline(file, line)) {
    json entry = json::parse(line, nullptr, false);
    if (entry.is_discarded()) entry = {{"torn", true}};
    entries.push_back(std::move(entry));
  }
  if (entries.size() > static_cast<size_t>(*lines)) entries.erase(entries.begin(), entries.end() - *lines);
  return json{{"entries", entries}};
}

// The lines as they are, so that their chain can be verified elsewhere; to the last whole one.
absl::StatusOr<json> Api::ExportAudit(Call& call) {
  const std::string path = options_.data_dir + "/audit";
  const absl::StatusOr<uint64_t> lines = Audit::Verify(path);
  if (!lines.ok()) return lines.status();
  auto file = std::make_shared<std::ifstream>(path, std::ios::binary);
  if (!*file) return WithExit(absl::NotFoundError("The audit file cannot be opened."), ExitCode::kIo);
  call.response.content_type = "application/x-ndjson";
  call.response.stream = [file, left = *lines](AdminWriter& writer) mutable {
    std::string line;
    for (; left > 0 && std::getline(*file, line); --left) {
      if (!writer.Write(line + "\n")) return;
    }
    if (left == 0) writer.Write("{\"end\":true}\n");
  };
  return json();
}

absl::StatusOr<json> Api::VerifyAudit(Call&) {
  const absl::StatusOr<uint64_t> lines = Audit::Verify(options_.data_dir + "/audit");
  if (!lines.ok()) return lines.status();
  return json{{"lines", *lines}, {"intact", true}};
}

}  // namespace sealift::engine
