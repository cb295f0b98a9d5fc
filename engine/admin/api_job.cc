// The routes of jobs: rows bounced, expired, made due and replayed in the background.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/admin/api.h"
#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/exit_code.h"
#include "engine/jobs.h"
#include "engine/units.h"

namespace sealift::engine {

using nlohmann::json;

namespace {

constexpr absl::Duration kJobPatience = absl::Seconds(1);

json JobJson(const Job& job, bool reveal) {
  json answer = {{"id", job.Id()},
                 {"kind", ToString(job.kind)},
                 {"state", ToString(job.state)},
                 {"rows", job.filter.Describe()},
                 {"filter", ToJson(job.filter, reveal)},
                 {"reason", job.reason},
                 {"by", job.by},
                 {"created", TimeJson(job.created)},
                 {"ended", TimeJson(job.ended)},
                 {"total", job.total},
                 {"moved", job.moved}};
  if (!job.why.empty()) answer["why"] = job.why;
  if (job.kind == Job::Kind::kRetry) answer["rate"] = job.rate.unlimited() ? "all at once" : ToText(job.rate);
  if (job.kind != Job::Kind::kReplay) return answer;
  answer["outcome"] = queue::ToString(job.outcome);
  answer["suppressed"] = job.suppressed;
  answer["gone"] = job.gone;
  answer["rate"] = job.rate.unlimited() ? "a tenth of what binds each destination" : ToText(job.rate);
  return answer;
}

}  // namespace

absl::StatusOr<json> Api::StartJob(Call& call, const Jobs::Request& request) {
  call.entry.target = request.filter.Describe();
  const absl::StatusOr<bool> dry_run = call.Truth("dry_run");
  if (!dry_run.ok()) return dry_run.status();
  if (*dry_run) {
    call.audited = false;
    const absl::StatusOr<RowCount> count = node_.jobs().Count(request);
    if (!count.ok()) return count.status();
    json answer = {{"queued", count->rows}, {"dry_run", true}};
    AddUnplaced(count->unplaced, answer);
    return answer;
  }
  const absl::StatusOr<Job> job =
      node_.jobs().Start(request, {.reason = call.entry.reason, .by = call.entry.user}, options_.clock());
  if (!job.ok()) return job.status();
  call.entry.target += " id=" + job->Id();
  // A small one is over before its order is answered.
  const absl::StatusOr<Job> now = node_.jobs().Await(job->Id(), kJobPatience);
  return JobJson(now.ok() ? *now : *job, call.reveal);
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

absl::StatusOr<json> Api::RetryQueue(Call& call) {
  absl::StatusOr<QueueFilter> filter = call.Filter();
  if (!filter.ok()) return filter.status();
  const absl::StatusOr<Rate> rate = call.RateIn("rate");
  if (!rate.ok()) return rate.status();
  return StartJob(call, {.kind = Job::Kind::kRetry, .filter = *std::move(filter), .rate = *rate});
}

absl::StatusOr<json> Api::ReplayQueue(Call& call) {
  absl::StatusOr<QueueFilter> filter = call.Filter();
  if (!filter.ok()) return filter.status();
  Jobs::Request request{.kind = Job::Kind::kReplay, .filter = *std::move(filter)};
  std::map<std::string, std::string> texts;
  for (const char* member : {"outcome", "matching", "since", "expires_in"}) {
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
  const absl::StatusOr<Rate> rate = call.RateIn("rate");
  if (!rate.ok()) return rate.status();
  request.rate = *rate;
  if (!texts["expires_in"].empty()) {
    const absl::StatusOr<absl::Duration> lives = ParseExpiresIn(texts["expires_in"]);
    if (!lives.ok()) return lives.status();
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
  const std::string because = call.entry.reason.empty() ? "" : ": " + call.entry.reason;
  const absl::StatusOr<Job> job = node_.jobs().Cancel(call.Name(), "cancelled by " + call.entry.user + because);
  if (!job.ok()) return job.status();
  return JobJson(*job, call.reveal);
}

}  // namespace sealift::engine
