#include "engine/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr Job::Kind kKinds[] = {Job::Kind::kBounce, Job::Kind::kExpire, Job::Kind::kReplay, Job::Kind::kRetry};
constexpr Job::State kStates[] = {Job::State::kRunning, Job::State::kDone, Job::State::kCancelled, Job::State::kFailed};
constexpr queue::OutcomeKind kReplayed[] = {queue::OutcomeKind::kBounced, queue::OutcomeKind::kExpired,
                                            queue::OutcomeKind::kCancelled};

template <typename Enum, size_t kCount>
std::optional<Enum> Named(const Enum (&values)[kCount], std::string_view name) {
  const auto found = std::ranges::find_if(values, [&](Enum value) { return ToString(value) == name; });
  return found == std::end(values) ? std::nullopt : std::optional(*found);
}

}  // namespace

std::string_view ToString(Job::Kind kind) {
  switch (kind) {
    case Job::Kind::kBounce:
      return "bounce";
    case Job::Kind::kExpire:
      return "expire";
    case Job::Kind::kReplay:
      return "replay";
    case Job::Kind::kRetry:
      return "retry";
  }
  return "bounce";
}

std::string_view ToString(Job::State state) {
  switch (state) {
    case Job::State::kRunning:
      return "running";
    case Job::State::kDone:
      return "done";
    case Job::State::kCancelled:
      return "cancelled";
    case Job::State::kFailed:
      return "failed";
  }
  return "running";
}

std::string Job::Id() const { return fmt::format("j{}", number); }

std::string Job::ToText() const {
  json text = {{"kind", ToString(kind)},
               {"state", ToString(state)},
               {"filter", json::parse(FilterToText(filter))},
               {"reason", reason},
               {"by", by},
               {"created_ms", absl::ToUnixMillis(created)},
               {"total", total},
               {"moved", moved},
               {"suppressed", suppressed},
               {"gone", gone},
               {"why", why}};
  if (ended != absl::InfiniteFuture()) text["ended_ms"] = absl::ToUnixMillis(ended);
  if (!rate.unlimited()) text["rate"] = engine::ToText(rate);
  if (kind == Kind::kReplay) {
    text["outcome"] = queue::ToString(outcome);
    text["matching"] = matching;
    if (since != absl::InfinitePast()) text["since_ms"] = absl::ToUnixMillis(since);
    if (expires_in.has_value()) text["expires_in_ms"] = absl::ToInt64Milliseconds(*expires_in);
  }
  for (const queue::CampaignId campaign : given_up) text["given_up"].push_back(static_cast<uint32_t>(campaign));
  for (const auto& [domain, next] : paced) text["paced"][domain] = absl::ToUnixMicros(next);
  return text.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<Job> Job::Parse(uint32_t number, std::string_view text) {
  const auto malformed = [] {
    return absl::DataLossError("a job was written in a form that this version does not know");
  };
  const json read = json::parse(text, nullptr, false);
  if (!read.is_object() || !read.contains("filter")) return malformed();
  Job job{.number = number};
  const std::optional<Kind> kind = Named(kKinds, read.value("kind", ""));
  const std::optional<State> state = Named(kStates, read.value("state", ""));
  absl::StatusOr<QueueFilter> filter = ParseFilter(read["filter"].dump());
  if (!kind || !state || !filter.ok()) return malformed();
  job.kind = *kind;
  job.state = *state;
  job.filter = *std::move(filter);
  job.reason = read.value("reason", "");
  job.by = read.value("by", "");
  job.why = read.value("why", "");
  job.created = absl::FromUnixMillis(read.value("created_ms", int64_t{0}));
  if (read.contains("ended_ms")) job.ended = absl::FromUnixMillis(read.value("ended_ms", int64_t{0}));
  job.total = read.value("total", uint64_t{0});
  job.moved = read.value("moved", uint64_t{0});
  job.suppressed = read.value("suppressed", uint64_t{0});
  job.gone = read.value("gone", uint64_t{0});
  if (read.contains("rate")) {
    const absl::StatusOr<Rate> rate = ParseRate(read.value("rate", ""));
    if (!rate.ok()) return malformed();
    job.rate = *rate;
  }
  if (const auto paced = read.find("paced"); paced != read.end() && paced->is_object()) {
    for (const auto& [domain, next] : paced->items()) job.paced[domain] = absl::FromUnixMicros(next.get<int64_t>());
  }
  if (job.kind != Kind::kReplay) return job;
  for (const json& campaign : read.value("given_up", json::array())) {
    if (campaign.is_number_unsigned()) job.given_up.insert(queue::CampaignId{campaign.get<uint32_t>()});
  }
  const std::optional<queue::OutcomeKind> outcome = Named(kReplayed, read.value("outcome", ""));
  if (!outcome) return malformed();
  job.outcome = *outcome;
  job.matching = read.value("matching", "");
  if (read.contains("since_ms")) job.since = absl::FromUnixMillis(read.value("since_ms", int64_t{0}));
  if (read.contains("expires_in_ms")) job.expires_in = absl::Milliseconds(read.value("expires_in_ms", int64_t{0}));
  return job;
}

}  // namespace sealift::engine
