// Where sources stand in their warm-up, and what operators order of it.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/admin/api_call.h"
#include "engine/exit_code.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr int kDayMax = 3650;

std::string_view StateOf(const WarmupStatus& status) {
  if (status.over) return "warm";
  if (status.day == 0) return "not begun";
  return status.frozen ? "frozen" : "warming";
}

json WarmupJson(const std::vector<WarmupStatus>& list) {
  json answer = {{"warmup", json::array()}};
  for (const WarmupStatus& status : list) {
    answer["warmup"].push_back({{"source", status.source},
                                {"provider", status.provider},
                                {"state", StateOf(status)},
                                {"date", status.date},
                                {"day", status.day},
                                {"days", status.days},
                                {"quota", status.over ? json() : json(status.quota)},
                                {"sent", status.sent},
                                {"slowed", status.slowed},
                                {"frozen", status.frozen},
                                {"start", status.starts},
                                {"tz", status.tz},
                                {"then", status.then},
                                {"overflow", status.overflow},
                                {"set_by", status.set_by}});
  }
  return answer;
}

}  // namespace

absl::StatusOr<json> Api::ShowWarmup(Call& call) {
  const absl::StatusOr<std::vector<WarmupStatus>> list = node_.ShowWarmup(call.Name());
  if (!list.ok()) return list.status();
  return WarmupJson(*list);
}

absl::StatusOr<json> Api::SetWarmup(Call& call) {
  call.entry.target = call.Name();
  WarmupOrder order{.by = call.entry.user, .reason = call.entry.reason};
  const absl::StatusOr<std::string> provider = call.Text("provider");
  if (!provider.ok()) return provider.status();
  order.provider = *provider;
  if (!order.provider.empty()) call.entry.target += " provider=" + order.provider;
  if (const auto day = call.body.find("day"); day != call.body.end() && !day->is_null()) {
    if (!day->is_number_integer() || day->get<int64_t>() < 1 || day->get<int64_t>() > kDayMax) {
      return WithExit(absl::InvalidArgumentError(fmt::format("`day` is a number from 1 to {}", kDayMax)),
                      ExitCode::kUsage);
    }
    order.day = day->get<int>();
    call.entry.target += fmt::format(" day={}", *order.day);
  }
  if (call.body.contains("freeze")) {
    const absl::StatusOr<bool> freeze = call.Truth("freeze");
    if (!freeze.ok()) return freeze.status();
    order.freeze = *freeze;
    call.entry.target += *freeze ? " freeze" : " unfreeze";
  }
  if (!order.day.has_value() && !order.freeze.has_value()) {
    return WithExit(absl::InvalidArgumentError("nothing to set: it takes `day` or `freeze`"), ExitCode::kUsage);
  }
  const absl::StatusOr<std::vector<WarmupStatus>> list = node_.SetWarmup(call.Name(), order);
  if (!list.ok()) return list.status();
  return WarmupJson(*list);
}

}  // namespace sealift::engine
