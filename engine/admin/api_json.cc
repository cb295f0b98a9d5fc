#include "engine/admin/api_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/admin/api_mask.h"
#include "engine/exit_code.h"
#include "engine/failure_parts.h"
#include "engine/units.h"

namespace sealift::engine {

using nlohmann::json;

json TimeJson(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) return nullptr;
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

absl::StatusOr<absl::Time> ParseTime(std::string_view text) {
  absl::Time time;
  std::string error;
  // Abseil also reads "infinite-future", which is no time to start at.
  if (text.find("infinite") == std::string_view::npos &&
      absl::ParseTime(absl::RFC3339_full, std::string(text), &time, &error))
    return time;
  return WithExit(
      absl::InvalidArgumentError(fmt::format(
          "`{}` is not a time: RFC 3339 is expected, 2026-12-01T09:00:00Z or 2026-12-01T10:00:00+01:00.", text)),
      ExitCode::kUsage);
}

absl::StatusOr<absl::Duration> ParseExpiresIn(std::string_view text) {
  absl::StatusOr<absl::Duration> lives = ParseDuration(text);
  if (lives.ok() && *lives < absl::Seconds(1)) {
    lives = absl::InvalidArgumentError("a message lives for a second at least: else every row would expire at once");
  }
  if (!lives.ok()) return WithExit(WithPlace(lives.status(), "--expires-in"), ExitCode::kUsage);
  return lives;
}

absl::StatusOr<queue::OutcomeKind> ParseOutcome(std::string_view text) {
  using queue::OutcomeKind;
  for (const OutcomeKind kind : {OutcomeKind::kDelivered, OutcomeKind::kDeferred, OutcomeKind::kBounced,
                                 OutcomeKind::kExpired, OutcomeKind::kSuppressed, OutcomeKind::kCancelled}) {
    if (queue::ToString(kind) == text) return kind;
  }
  return WithExit(absl::InvalidArgumentError("There is no such outcome. There are: delivered, deferred, bounced, "
                                             "expired, suppressed, cancelled."),
                  ExitCode::kUsage);
}

json ToJson(const CampaignStatus& status, absl::Time now) {
  const queue::Campaign& campaign = status.campaign;
  const queue::Counters& counters = campaign.counters;
  json answer = {{"name", campaign.spec.name},
                 {"stream", campaign.spec.stream},
                 {"state", status.state},
                 {"delivery", campaign.spec.mode},
                 {"created", TimeJson(campaign.created)},
                 {"started", TimeJson(campaign.started)},
                 {"weight", status.weight},
                 {"loaded", counters.accepted},
                 {"delivered", counters.delivered},
                 {"deferred", status.deferred},
                 {"held", status.held},
                 {"in_doubt", status.in_doubt},
                 {"bounced", counters.bounced},
                 {"expired", counters.expired},
                 {"suppressed", counters.suppressed},
                 {"cancelled", counters.cancelled},
                 {"queued", counters.queued()},
                 {"retrying", counters.retrying},
                 {"deferrals", counters.deferrals},
                 {"rejected", counters.rejected},
                 {"duplicates", counters.duplicates},
                 {"input_rows", campaign.input_rows},
                 {"erased", campaign.erased},
                 {"suppressed_at_load", counters.suppressed_at_load}};
  if (!status.damage.empty()) answer["damage"] = status.damage;
  if (status.state == "running" && campaign.started < now) {
    answer["settled_per_second"] =
        static_cast<double>(counters.settled()) / absl::ToDoubleSeconds(now - campaign.started);
  }
  for (const PauseHistory::Entry& entry : status.pauses.entries) {
    answer["pauses"].push_back({{"time", TimeJson(entry.cause.time)},
                                {"what", entry.paused ? "paused" : "resumed"},
                                {"by", entry.cause.by},
                                {"reason", entry.cause.reason}});
  }
  if (status.pause.has_value()) {
    answer["paused"] = status.pause->Describe();
    answer["paused_by"] = status.pause->by;
    answer["paused_why"] = status.pause->reason;
    answer["paused_at"] = TimeJson(status.pause->time);
  }
  if (status.start_at.has_value()) answer["start_at"] = TimeJson(*status.start_at);
  if (status.sink) answer["notice"] = "SINK: nothing leaves this machine";
  return answer;
}

json ToJson(const ShapeRow& row) {
  return {{"domain", row.domain},    {"queued", row.queued},    {"retrying", row.retrying}, {"under_5m", row.ages[0]},
          {"under_1h", row.ages[1]}, {"under_4h", row.ages[2]}, {"under_1d", row.ages[3]},  {"older", row.ages[4]}};
}

json ToJson(const QueueRow& row, bool reveal) {
  return {{"id", row.id},
          {"campaign", row.campaign},
          {"stream", row.stream},
          {"domain", row.domain},
          {"key", row.key},
          {"recipient", reveal ? row.recipient : MaskAddress(row.recipient)},
          {"state", row.state},
          {"attempts", row.attempts},
          {"due", row.due.has_value() ? TimeJson(*row.due) : json()},
          {"accepted", TimeJson(row.accepted)},
          {"expires", TimeJson(row.expires)}};
}

void AddUnplaced(uint64_t rows, json& answer) {
  if (rows > 0) answer["unplaced"] = rows;
}

json ToJson(const DomainExplanation& explanation) {
  json answer = {
      {"domain", explanation.domain},
      {"site", explanation.site},
      {"provider", explanation.provider.empty() ? json() : json(explanation.provider)},
      {"hosts", explanation.hosts},
      {"queued", explanation.queued},
      {"sessions", explanation.sessions},
      {"next_eligible", explanation.next_eligible.has_value() ? TimeJson(*explanation.next_eligible) : json()},
      {"limits", json::array()},
      {"waits", json::array()},
      {"replies", json::array()}};
  for (const auto& limit : explanation.limits) {
    answer["limits"].push_back({{"name", limit.name},
                                {"value", limit.value},
                                {"set_by", limit.set_by},
                                {"until", limit.until.has_value() ? TimeJson(*limit.until) : json()}});
  }
  for (const auto& wait : explanation.waits) {
    answer["waits"].push_back({{"reason", wait.reason},
                               {"detail", wait.detail},
                               {"set_by", wait.set_by},
                               {"until", wait.until.has_value() ? TimeJson(*wait.until) : json()},
                               {"rows", wait.rows}});
  }
  for (const auto& [time, reply] : explanation.replies)
    answer["replies"].push_back({{"time", TimeJson(time)}, {"reply", reply}});
  return answer;
}

json ToJson(const queue::Event& event, std::string_view id, std::string_view campaign, bool reveal) {
  json answer = {
      {"cursor", event.cursor},
      {"time", TimeJson(event.time)},
      {"id", id},
      {"key", event.key.empty() && !event.of_campaign() ? fmt::format("{}", static_cast<uint32_t>(event.message.row))
                                                        : event.key},
      {"campaign", campaign},
      {"stream", event.evidence.stream},
      {"source", event.evidence.source},
      {"mx", event.evidence.mx},
      {"attempt", event.attempt},
      {"outcome", queue::ToString(event.kind)},
      {"class", event.reason_class},
      {"rule", event.rule},
      {"code", event.code},
      {"enhanced", event.enhanced},
      {"reply", event.reply},
      {"tls", event.evidence.tls_version},
      {"cipher", event.evidence.cipher},
      {"verified", event.evidence.verified_name},
      {"policy", event.evidence.policy},
      {"recipient", reveal || event.of_campaign() ? event.recipient : MaskAddress(event.recipient)}};
  if (!event.after.empty()) answer["after"] = event.after;
  return answer;
}

json ErrorJson(const absl::Status& status, std::string_view what) {
  return {{"error",
           {{"what", what},
            {"where", PlaceOf(status)},
            {"why", std::string(status.message())},
            {"next", NextOf(status)},
            {"exit_code", static_cast<int>(ExitCodeOf(status))}}}};
}

int HttpStatusOf(const absl::Status& status) {
  switch (ExitCodeOf(status)) {
    case ExitCode::kOk:
    case ExitCode::kPartly:
      return 200;
    case ExitCode::kUsage:
      return 400;
    case ExitCode::kDenied:
      return 403;
    case ExitCode::kNoInput:
      return 404;
    case ExitCode::kCannotCreate:
      return 409;
    case ExitCode::kBadData:
    case ExitCode::kConfig:
      return 422;
    case ExitCode::kNotRunning:
    case ExitCode::kTryLater:
    case ExitCode::kInterrupted:
      return 503;
    case ExitCode::kIo:
    case ExitCode::kInternal:
      return 500;
  }
  return 500;
}

std::string Dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

json ToJson(const QueueFilter& filter, bool reveal) {
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

}  // namespace sealift::engine
