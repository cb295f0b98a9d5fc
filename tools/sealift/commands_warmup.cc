// source warmup
#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/exit_code.h"
#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

// What the flags order; null: nothing.
absl::StatusOr<json> OrderOf(const Invocation& call) {
  json order = {{"provider", call.Value("provider")}, {"reason", call.Value("reason")}};
  const size_t without = order.size();
  if (call.Has("freeze") && call.Has("unfreeze")) {
    return engine::WithExit(absl::InvalidArgumentError("--freeze and --unfreeze: choose one"), ExitCode::kUsage);
  }
  if (call.Has("freeze")) order["freeze"] = true;
  if (call.Has("unfreeze")) order["freeze"] = false;
  if (call.Has("set-day")) {
    const absl::StatusOr<int> day = ParseCount("set-day", call.Value("set-day"), 1, 3650);
    if (!day.ok()) return day.status();
    order["day"] = *day;
  }
  return order.size() == without ? json() : order;
}

}  // namespace

CommandResult RunSourceWarmup(const Invocation& call, Console& console) {
  const absl::StatusOr<json> order = OrderOf(call);
  if (!order.ok()) return order.status();
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const std::string path = "/api/v1/sources/" + PathPart(call.arguments[0]) + "/warmup";
  absl::StatusOr<json> answer = order->is_null() ? daemon->Get(path) : daemon->Post(path, *order);
  if (!answer.ok()) return answer.status();
  if (const std::string& provider = call.Value("provider"); !provider.empty()) {
    json& list = (*answer)["warmup"];
    const bool is_named =
        std::any_of(list.begin(), list.end(), [&](const json& entry) { return entry["provider"] == provider; });
    for (auto entry = list.begin(); entry != list.end();) {
      entry = (*entry)["provider"] == (is_named ? provider : "default") ? entry + 1 : list.erase(entry);
    }
  }
  if (console.format() == Format::kTable && (*answer)["warmup"].empty()) {
    console.Say("It is warm: the configuration gives it no warm-up there.");
    return ExitCode::kOk;
  }
  console.Rows(*answer, "warmup",
               {{"provider", "PROVIDER"},
                {"state", "STATE"},
                {"day", "DAY"},
                {"days", "OF"},
                {"quota", "QUOTA"},
                {"sent", "SENT"},
                {"slowed", "SLOWED"},
                {"then", "THEN"},
                {"overflow", "OVERFLOW"},
                {"set_by", "SET BY"}});
  return ExitCode::kOk;
}

}  // namespace sealift::tools
