// The routes of what operators order of rows and sources: holds, routes to another pool, suspensions, and jobs.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/admin/api.h"
#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/admin/api_mask.h"
#include "engine/exit_code.h"
#include "engine/holds.h"
#include "engine/restoration.h"
#include "engine/units.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

json FilterJson(const QueueFilter& filter, bool reveal) {
  json answer = json::object();
  for (const FilterTerm& term : FilterTerms()) {
    const std::optional<std::string>& value = filter.*term.value;
    if (!value.has_value()) continue;
    const bool hidden = term.value == &QueueFilter::recipient && !reveal;
    answer[term.name] = hidden ? MaskAddress(*value) : *value;
  }
  if (filter.older_than.has_value()) answer["older_than"] = ToText(*filter.older_than);
  if (filter.everything) answer["everything"] = true;
  return answer;
}

json HoldJson(const Hold& hold, bool reveal) {
  json answer = {{"id", hold.Id()},
                 {"kind", ToString(hold.kind)},
                 {"rows", hold.filter.Describe()},
                 {"filter", FilterJson(hold.filter, reveal)},
                 {"reason", hold.placed().reason},
                 {"by", hold.placed().by},
                 {"since", TimeJson(hold.placed().time)},
                 {"until", TimeJson(hold.until)},
                 {"ended", hold.ended},
                 {"history", json::array()}};
  if (!hold.to_pool.empty()) answer["to_pool"] = hold.to_pool;
  for (const Hold::Entry& entry : hold.history) {
    answer["history"].push_back(
        {{"time", TimeJson(entry.time)}, {"what", entry.what}, {"by", entry.by}, {"reason", entry.reason}});
  }
  return answer;
}

}  // namespace

absl::StatusOr<json> Api::PlaceHold(Call& call, Hold::Kind kind, QueueFilter filter) {
  call.entry.target = filter.Describe();
  Holds::Request request{.kind = kind, .filter = std::move(filter)};
  const absl::StatusOr<std::string> for_text = call.Text("for");
  if (!for_text.ok()) return for_text.status();
  if (!for_text->empty()) {
    const absl::StatusOr<absl::Duration> duration = ParseDuration(*for_text);
    if (!duration.ok()) return WithExit(duration.status(), ExitCode::kUsage);
    request.for_duration = *duration;
  }
  const absl::StatusOr<std::string> pool = call.Text("to_pool");
  if (!pool.ok()) return pool.status();
  request.to_pool = *pool;
  const absl::StatusOr<bool> dry_run = call.Truth("dry_run");
  if (!dry_run.ok()) return dry_run.status();
  const absl::StatusOr<Hold> understood = node_.holds().Check(request);
  if (!understood.ok()) return understood.status();
  const absl::StatusOr<uint64_t> rows = node_.CountRows(understood->filter);
  if (!rows.ok()) return rows.status();
  if (*dry_run) {
    call.audited = false;
    return json{{"queued", *rows}, {"dry_run", true}};
  }
  const absl::StatusOr<Hold> hold =
      node_.holds().Place(request, {.reason = call.entry.reason, .by = call.entry.user}, options_.clock());
  if (!hold.ok()) return hold.status();
  call.entry.target += " id=" + hold->Id();
  json answer = HoldJson(*hold, call.reveal);
  answer["queued"] = *rows;
  return answer;
}

absl::StatusOr<json> Api::HoldQueue(Call& call) {
  absl::StatusOr<QueueFilter> filter = call.Filter();
  if (!filter.ok()) return filter.status();
  return PlaceHold(call, Hold::Kind::kHold, *std::move(filter));
}

absl::StatusOr<json> Api::RouteQueue(Call& call) {
  absl::StatusOr<QueueFilter> filter = call.Filter();
  if (!filter.ok()) return filter.status();
  return PlaceHold(call, Hold::Kind::kRoute, *std::move(filter));
}

absl::StatusOr<json> Api::SuspendSource(Call& call) {
  QueueFilter filter{.source = call.Name()};
  const absl::StatusOr<std::string> provider = call.Text("provider");
  if (!provider.ok()) return provider.status();
  if (!provider->empty()) filter.provider = *provider;
  return PlaceHold(call, Hold::Kind::kSuspension, std::move(filter));
}

absl::StatusOr<json> Api::EndHolds(Call& call, const Holds::Which& which) {
  call.entry.target = which.id.empty() ? which.filter.Describe() : which.id;
  const absl::StatusOr<bool> dry_run = call.Truth("dry_run");
  if (!dry_run.ok()) return dry_run.status();
  if (*dry_run) call.audited = false;
  const absl::StatusOr<std::vector<Hold>> ended =
      node_.holds().End(which, {.reason = call.entry.reason, .by = call.entry.user}, options_.clock(), *dry_run);
  if (!ended.ok()) return ended.status();
  json answer = {{"holds", json::array()}, {"ended", ended->size()}, {"dry_run", *dry_run}};
  for (const Hold& hold : *ended) {
    answer["holds"].push_back(HoldJson(hold, call.reveal));
    if (which.id.empty()) call.entry.target += " id=" + hold.Id();
  }
  return answer;
}

// All of a restored node is in doubt, and sends all or nothing. What was in doubt before the backup stays held.
absl::StatusOr<json> Api::ReleaseRestored(const QueueFilter& filter, bool dry_run) {
  if (filter.terms() > 1) {
    return WithExit(
        absl::InvalidArgumentError("this node was restored: every row is in doubt, and it is released as a whole. Give "
                                   "--state in_doubt alone; or `sealift backup reconcile` with what happened since"),
        ExitCode::kUsage);
  }
  uint64_t rows = 0;
  const absl::StatusOr<std::vector<CampaignStatus>> campaigns = node_.List();
  if (!campaigns.ok()) return campaigns.status();
  for (const CampaignStatus& status : *campaigns) rows += status.campaign.counters.queued();
  if (!dry_run) {
    if (absl::Status released = node_.restoration().Release(); !released.ok()) return released;
  }
  return json{{"rows", rows}, {"dry_run", dry_run}};
}

absl::StatusOr<json> Api::ReleaseInDoubt(Call& call, const QueueFilter& filter) {
  call.entry.target = filter.Describe();
  const absl::StatusOr<bool> dry_run = call.Truth("dry_run");
  if (!dry_run.ok()) return dry_run.status();
  if (*dry_run) call.audited = false;
  if (call.entry.reason.empty()) {
    return WithExit(absl::InvalidArgumentError("it needs --reason TEXT; it is written to the audit file"),
                    ExitCode::kUsage);
  }
  if (node_.restoration().pending()) return ReleaseRestored(filter, *dry_run);
  const absl::StatusOr<uint64_t> rows = *dry_run ? node_.CountRows(filter) : node_.ReleaseInDoubt(filter);
  if (!rows.ok()) return rows.status();
  return json{{"rows", *rows}, {"dry_run", *dry_run}};
}

absl::StatusOr<json> Api::ReleaseQueue(Call& call) {
  Holds::Which which{.kinds = {Hold::Kind::kHold, Hold::Kind::kRoute}};
  const absl::StatusOr<std::string> id = call.Text("hold");
  if (!id.ok()) return id.status();
  if (id->empty()) {
    absl::StatusOr<QueueFilter> filter = call.Filter();
    if (!filter.ok()) return filter.status();
    if (filter->state == kInDoubtState) return ReleaseInDoubt(call, *filter);
    which.filter = *std::move(filter);
  }
  which.id = *id;
  return EndHolds(call, which);
}

absl::StatusOr<json> Api::ResumeSource(Call& call) {
  Holds::Which which{.kinds = {Hold::Kind::kSuspension}, .filter = {.source = call.Name()}};
  const absl::StatusOr<std::string> provider = call.Text("provider");
  if (!provider.ok()) return provider.status();
  if (!provider->empty()) which.filter.provider = *provider;
  return EndHolds(call, which);
}

absl::StatusOr<json> Api::ListHolds(Call& call) {
  json answer = {{"holds", json::array()}};
  for (const Hold& hold : node_.holds().List(call.request.Query("all") == "1")) {
    answer["holds"].push_back(HoldJson(hold, call.reveal));
  }
  return answer;
}

namespace {

json JobJson(const Job& job, bool reveal) {
  json answer = {{"id", job.Id()},
                 {"kind", ToString(job.kind)},
                 {"state", ToString(job.state)},
                 {"rows", job.filter.Describe()},
                 {"filter", FilterJson(job.filter, reveal)},
                 {"reason", job.reason},
                 {"by", job.by},
                 {"created", TimeJson(job.created)},
                 {"ended", TimeJson(job.ended)},
                 {"total", job.total},
                 {"moved", job.moved}};
  if (!job.why.empty()) answer["why"] = job.why;
  if (job.kind != Job::Kind::kReplay) return answer;
  answer["outcome"] = queue::ToString(job.outcome);
  answer["suppressed"] = job.suppressed;
  answer["rate"] = job.rate.unlimited() ? "a tenth of what binds each destination" : ToText(job.rate);
  absl::Time last = absl::InfinitePast();
  for (const auto& [domain, next] : job.paced) last = std::max(last, next);
  answer["last_due"] = TimeJson(last);
  return answer;
}

}  // namespace

absl::StatusOr<json> Api::StartJob(Call& call, const Jobs::Request& request) {
  call.entry.target = request.filter.Describe();
  const absl::StatusOr<bool> dry_run = call.Truth("dry_run");
  if (!dry_run.ok()) return dry_run.status();
  if (*dry_run) {
    call.audited = false;
    const absl::StatusOr<uint64_t> rows = node_.jobs().Count(request);
    if (!rows.ok()) return rows.status();
    return json{{"queued", *rows}, {"dry_run", true}};
  }
  const absl::StatusOr<Job> job =
      node_.jobs().Start(request, {.reason = call.entry.reason, .by = call.entry.user}, options_.clock());
  if (!job.ok()) return job.status();
  call.entry.target += " id=" + job->Id();
  return JobJson(*job, call.reveal);
}

absl::StatusOr<json> Api::BounceQueue(Call& call) {
  absl::StatusOr<QueueFilter> filter = call.Filter();
  if (!filter.ok()) return filter.status();
  return StartJob(call, {.kind = Job::Kind::kBounce, .filter = *std::move(filter)});
}

absl::StatusOr<json> Api::ExpireQueue(Call& call) {
  absl::StatusOr<QueueFilter> filter = call.Filter();
  if (!filter.ok()) return filter.status();
  return StartJob(call, {.kind = Job::Kind::kExpire, .filter = *std::move(filter)});
}

absl::StatusOr<json> Api::ReplayQueue(Call& call) {
  absl::StatusOr<QueueFilter> filter = call.Filter();
  if (!filter.ok()) return filter.status();
  Jobs::Request request{.kind = Job::Kind::kReplay, .filter = *std::move(filter)};
  std::map<std::string, std::string> texts;
  for (const char* member : {"outcome", "matching", "since", "rate", "expires_in"}) {
    absl::StatusOr<std::string> text = call.Text(member);
    if (!text.ok()) return text.status();
    texts[member] = *std::move(text);
  }
  const absl::StatusOr<queue::OutcomeKind> outcome = ParseOutcome(texts["outcome"]);
  if (!outcome.ok()) return outcome.status();
  request.outcome = *outcome;
  request.matching = texts["matching"];
  if (!texts["since"].empty()) {
    const absl::StatusOr<absl::Time> since = ParseTime(texts["since"]);
    if (!since.ok()) return since.status();
    request.since = *since;
  }
  if (!texts["rate"].empty()) {
    const absl::StatusOr<Rate> rate = ParseRate(texts["rate"]);
    if (!rate.ok()) return WithExit(rate.status(), ExitCode::kUsage);
    request.rate = *rate;
  }
  if (!texts["expires_in"].empty()) {
    const absl::StatusOr<absl::Duration> lives = ParseDuration(texts["expires_in"]);
    if (!lives.ok()) return WithExit(lives.status(), ExitCode::kUsage);
    request.expires_in = *lives;
  }
  return StartJob(call, request);
}

absl::StatusOr<json> Api::ListJobs(Call& call) {
  json answer = {{"jobs", json::array()}};
  for (const Job& job : node_.jobs().List()) answer["jobs"].push_back(JobJson(job, call.reveal));
  return answer;
}

absl::StatusOr<json> Api::ShowJob(Call& call) {
  const absl::StatusOr<Job> job = node_.jobs().Find(call.Name());
  if (!job.ok()) return job.status();
  return JobJson(*job, call.reveal);
}

absl::StatusOr<json> Api::CancelJob(Call& call) {
  const absl::StatusOr<Job> job = node_.jobs().Cancel(call.Name());
  if (!job.ok()) return job.status();
  return JobJson(*job, call.reveal);
}

}  // namespace sealift::engine
