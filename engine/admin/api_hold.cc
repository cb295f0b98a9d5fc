// The routes of what operators order of rows and sources: holds, routes to another pool, and suspensions.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/strip.h"
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

constexpr absl::Duration kAnswerWithin = absl::Milliseconds(500);  // of a hold, which is in force at once
constexpr absl::Duration kCountWithin = absl::Seconds(15);         // of what would be moved

using nlohmann::json;

json RestraintJson(const std::string& rows, const SourceStatus::Restraint& restraint) {
  return {{"id", ""},
          {"kind", "replies"},
          {"rows", rows},
          {"reason", "rule " + restraint.rule},
          {"by", restraint.set_by},
          {"since", TimeJson(restraint.since)},
          {"until", TimeJson(restraint.until)}};
}

json HoldJson(const Hold& hold, bool reveal) {
  json answer = {{"id", hold.Id()},
                 {"kind", ToString(hold.kind)},
                 {"rows", hold.filter.Describe()},
                 {"filter", ToJson(hold.filter, reveal)},
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
    if (*duration <= absl::ZeroDuration()) {
      return WithExit(absl::InvalidArgumentError("`for` is longer than nothing, such as \"2h\"; without it the order "
                                                 "stands until it is ended"),
                      ExitCode::kUsage);
    }
    request.for_duration = *duration;
  }
  const absl::StatusOr<std::string> pool = call.Text("to_pool");
  if (!pool.ok()) return pool.status();
  request.to_pool = *pool;
  const absl::StatusOr<bool> dry_run = call.Truth("dry_run");
  if (!dry_run.ok()) return dry_run.status();
  const absl::StatusOr<Hold> understood = node_.holds().Check(request);
  if (!understood.ok()) return understood.status();
  const absl::StatusOr<RowCount> count = node_.CountRows(understood->filter, kAnswerWithin);
  if (!count.ok()) return count.status();
  if (*dry_run) {
    call.audited = false;
    json answer = {{"queued", count->rows}, {"dry_run", true}};
    AddUnplaced(count->unplaced, answer);
    return answer;
  }
  const absl::StatusOr<Hold> hold =
      node_.holds().Place(request, {.reason = call.entry.reason, .by = call.entry.user}, options_.clock());
  if (!hold.ok()) return hold.status();
  call.entry.target += " id=" + hold->Id();
  json answer = HoldJson(*hold, call.reveal);
  answer["queued"] = count->rows;
  AddUnplaced(count->unplaced, answer);
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
  if (*dry_run) {
    const absl::StatusOr<RowCount> count = node_.CountRows(filter, kCountWithin);
    if (!count.ok()) return count.status();
    json answer = {{"rows", count->rows}, {"dry_run", true}};
    AddUnplaced(count->unplaced, answer);
    return answer;
  }
  const absl::StatusOr<RowCount> released = node_.ReleaseInDoubt(filter);
  if (!released.ok()) return released.status();
  json answer = {{"rows", released->rows}, {"dry_run", false}};
  AddUnplaced(released->unplaced, answer);
  return answer;
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
  const absl::StatusOr<bool> dry_run = call.Truth("dry_run");
  if (!dry_run.ok()) return dry_run.status();
  // What replies have put on it, beside what operators have.
  const std::string source = call.Name();
  const bool any = !node_.EndSuspensions(source, *provider, /*dry_run=*/true).empty();
  absl::StatusOr<json> answer = EndHolds(call, which);
  if (!answer.ok() && !(absl::IsNotFound(answer.status()) && any)) return answer;
  if (!answer.ok()) answer = json{{"holds", json::array()}, {"ended", 0}, {"dry_run", *dry_run}};
  for (const SourceStatus::Restraint& restraint : node_.EndSuspensions(source, *provider, *dry_run)) {
    (*answer)["holds"].push_back(RestraintJson(fmt::format("source={} {}", source, restraint.where), restraint));
    call.entry.target += fmt::format(" rule={} {}", restraint.rule, restraint.where);
  }
  (*answer)["ended"] = (*answer)["holds"].size();
  return answer;
}

absl::StatusOr<json> Api::ResumeThrottle(Call& call) {
  const absl::StatusOr<std::string> limit = call.Text("limit");
  if (!limit.ok()) return limit.status();
  const absl::StatusOr<bool> dry_run = call.Truth("dry_run");
  if (!dry_run.ok()) return dry_run.status();
  call.audited = !*dry_run;
  // As the list has it, or as explanations do.
  const std::string name(absl::StripPrefix(*limit, "backoff "));
  call.entry.target = name;
  json answer = {{"holds", json::array()}, {"dry_run", *dry_run}};
  for (const SourceStatus::Restraint& restraint : node_.EndSuspension(name, *dry_run)) {
    answer["holds"].push_back(RestraintJson(restraint.where, restraint));
    call.entry.target += " rule=" + restraint.rule;
  }
  if (answer["holds"].empty()) {
    return WithExit(absl::NotFoundError("replies suspend nothing by that name; what they do suspend has the value "
                                        "\"nothing until ...\" in `sealift throttle list`"),
                    ExitCode::kNoInput);
  }
  answer["ended"] = answer["holds"].size();
  return answer;
}

absl::StatusOr<json> Api::ListHolds(Call& call) {
  json answer = {{"holds", json::array()}};
  for (const Hold& hold : node_.holds().List(call.request.Query("all") == "1")) {
    answer["holds"].push_back(HoldJson(hold, call.reveal));
  }
  return answer;
}

}  // namespace sealift::engine
