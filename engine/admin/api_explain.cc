// The routes that say what is in force: domains, sources, limits.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/admin/api.h"
#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/exit_code.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

json LimitJson(const LimitStatus& limit) {
  return {{"kind", limit.kind},
          {"name", limit.name},
          {"limit", fmt::format("{} {}", limit.kind, limit.name)},
          {"value", limit.value},
          {"set_by", limit.set_by},
          {"until", limit.until.has_value() ? TimeJson(*limit.until) : json()},
          {"waiting", limit.waiting},
          {"binds", limit.binds}};
}

std::string_view StateOf(const SourceStatus& source) {
  if (!source.available) return "unavailable";
  if (!source.suspended.empty()) return "suspended";
  return std::ranges::any_of(source.restraints, &SourceStatus::Restraint::slows) ? "slowed" : "sends";
}

json SourceJson(const SourceStatus& source) {
  json answer = {{"name", source.name},         {"address", source.address},
                 {"hostname", source.hostname}, {"pools", source.pools},
                 {"limits", json::array()},     {"suspended", source.suspended},
                 {"restraints", json::array()}, {"blocks", json::array()},
                 {"replies", json::array()},    {"blocked", source.blocks.size()},
                 {"warmups", json::array()},    {"state", StateOf(source)}};
  if (!source.available) {
    answer["unavailable"] = "its address is not one of this machine: add it to an interface, then `sealift reload`";
  }
  for (const LimitStatus& limit : source.limits) {
    answer["limits"].push_back(LimitJson(limit));
    if (limit.kind == "source") answer["rate"] = limit.value;
    if (limit.kind == "source_day") answer["messages_per_day"] = limit.value;
    if (limit.kind == "connections") answer["connections"] = limit.value;
    if (limit.kind == "warmup") answer["warmups"].push_back({{"name", limit.name}, {"value", limit.value}});
  }
  for (const SourceStatus::Restraint& restraint : source.restraints) {
    answer["restraints"].push_back({{"where", restraint.where},
                                    {"value", restraint.value},
                                    {"rule", restraint.rule},
                                    {"set_by", restraint.set_by},
                                    {"since", TimeJson(restraint.since)},
                                    {"until", TimeJson(restraint.until)}});
  }
  for (const SourceStatus::Block& block : source.blocks) {
    answer["blocks"].push_back({{"site", block.site}, {"what", block.text}, {"until", TimeJson(block.until)}});
  }
  for (const auto& [time, reply] : source.replies) {
    answer["replies"].push_back({{"time", TimeJson(time)}, {"reply", reply}});
  }
  return answer;
}

}  // namespace

absl::StatusOr<json> Api::ExplainDomain(Call& call) {
  const absl::StatusOr<DomainExplanation> explanation = node_.Explain(call.Name());
  if (!explanation.ok()) return explanation.status();
  return ToJson(*explanation);
}

absl::StatusOr<json> Api::ListDomains(Call& call) {
  const absl::StatusOr<int> limit = call.Number("limit", 100, 10'000);
  if (!limit.ok()) return limit.status();
  QueueFilter everything;
  everything.everything = true;
  const absl::StatusOr<Node::QueueShape> shape = node_.Shape(everything, static_cast<size_t>(*limit));
  if (!shape.ok()) return shape.status();
  json answer = {{"domains", json::array()}, {"total", shape->destinations}};
  for (const ShapeRow& row : shape->rows) {
    answer["domains"].push_back({{"domain", row.domain}, {"queued", row.queued}, {"retrying", row.retrying}});
  }
  return answer;
}

absl::StatusOr<json> Api::ListSources(Call&) {
  json answer = {{"sources", json::array()}};
  for (const SourceStatus& source : node_.Sources()) answer["sources"].push_back(SourceJson(source));
  return answer;
}

absl::StatusOr<json> Api::ShowSource(Call& call) {
  const std::vector<SourceStatus> sources = node_.Sources();
  const auto found = std::ranges::find(sources, call.Name(), &SourceStatus::name);
  if (found == sources.end()) {
    return WithExit(absl::NotFoundError(fmt::format(
                        "the configuration has no source '{}'; `sealift source list` shows those it has", call.Name())),
                    ExitCode::kNoInput);
  }
  return SourceJson(*found);
}

absl::StatusOr<json> Api::ListThrottles(Call& call) {
  const std::string which = call.request.Query("limit");
  const bool binding = call.request.Query("binding") == "1";
  if (binding || !which.empty()) call.entry.command = "throttle explain";
  json answer = {{"limits", json::array()}};
  for (const LimitStatus& limit : node_.Throttles()) {
    if (binding && !limit.binds) continue;
    json entry = LimitJson(limit);
    if (which.empty() || entry["limit"] == which || limit.name == which) answer["limits"].push_back(std::move(entry));
  }
  if (!which.empty() && answer["limits"].empty()) {
    return WithExit(absl::NotFoundError("no such limit is in force; `sealift throttle list` shows those that are"),
                    ExitCode::kNoInput);
  }
  return answer;
}

}  // namespace sealift::engine
