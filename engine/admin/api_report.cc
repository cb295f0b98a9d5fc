// campaign report: what became of a campaign's rows, by where they went and from where.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr int kPageMax = 10'000;

// Outcome, class, provider, source.
using Group = std::tuple<std::string, std::string, std::string, std::string>;

// Of "mx1.d1.test [192.0.2.1]:25"; an outcome without a host was nobody's.
std::string ProviderOf(const engine::Options& options, const std::string& mx) {
  const std::string host = mx.substr(0, mx.find_first_of(" ["));
  return host.empty() ? "" : std::string(options.ProviderOf(host));
}

}  // namespace

absl::StatusOr<json> Api::ReportCampaign(Call& call) {
  const absl::StatusOr<CampaignStatus> status = node_.Show(call.Name());
  if (!status.ok()) return status.status();
  const std::shared_ptr<const engine::Options> options = node_.options();
  const queue::EventFilter filter{.campaign = status->campaign.id};
  std::map<Group, uint64_t> groups;
  uint64_t attempts = 0;
  for (std::string cursor;;) {
    const absl::StatusOr<queue::EventsPage> page = node_.Events(cursor, kPageMax, filter);
    if (!page.ok()) return page.status();
    for (const queue::Event& event : page->events) {
      ++groups[{std::string(queue::ToString(event.kind)), event.reason_class, ProviderOf(*options, event.evidence.mx),
                event.evidence.source}];
    }
    attempts += page->events.size();
    cursor = page->cursor;
    if (page->end) break;
  }
  std::vector<std::pair<Group, uint64_t>> sorted(groups.begin(), groups.end());
  // Within an outcome the largest first.
  std::ranges::sort(sorted, [](const auto& a, const auto& b) {
    const int order = std::get<0>(a.first).compare(std::get<0>(b.first));
    return order != 0 ? order < 0 : a.second > b.second;
  });
  json answer = {{"campaign", ToJson(*status, options_.clock())}, {"events", attempts}, {"outcomes", json::array()}};
  for (const auto& [group, count] : sorted) {
    const auto& [outcome, reason, provider, source] = group;
    answer["outcomes"].push_back(
        {{"outcome", outcome}, {"class", reason}, {"provider", provider}, {"source", source}, {"count", count}});
  }
  return answer;
}

}  // namespace sealift::engine
