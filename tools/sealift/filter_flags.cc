#include "tools/sealift/filter_flags.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

// Flags, and what the API calls them.
constexpr std::pair<const char*, const char*> kFilters[] = {
    {"domain", "domain"}, {"provider", "provider"},  {"campaign", "campaign"}, {"stream", "stream"},
    {"source", "source"}, {"class", "class"},        {"state", "state"},       {"older-than", "older_than"},
    {"id", "id"},         {"recipient", "recipient"}};

}  // namespace

absl::StatusOr<DaemonClient::Parameters> FilterQuery(const Invocation& call) {
  DaemonClient::Parameters filter;
  for (const auto& [flag, member] : kFilters) {
    if (call.Has(flag)) filter[member] = call.Value(flag);
  }
  if (call.Has("everything")) filter["everything"] = "1";
  if (filter.empty()) {
    return Fail(engine::ExitCode::kUsage,
                {fmt::format("{}: which rows?", call.command->Name()), "", "No filter was given.",
                 "Give one or more of --domain, --provider, --campaign, --stream, --source, --class, --state, "
                 "--older-than, --recipient, --id, or say --everything."});
  }
  return filter;
}

absl::StatusOr<nlohmann::json> FilterBody(const Invocation& call) {
  const absl::StatusOr<DaemonClient::Parameters> filter = FilterQuery(call);
  if (!filter.ok()) return filter.status();
  nlohmann::json body = nlohmann::json::object();
  for (const auto& [name, value] : *filter) {
    body[name] = name == "everything" ? nlohmann::json(true) : nlohmann::json(value);
  }
  return body;
}

}  // namespace sealift::tools
