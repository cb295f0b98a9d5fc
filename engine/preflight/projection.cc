#include "engine/preflight/projection.h"

#include <algorithm>
#include <map>
#include <set>

namespace sealift::engine {
namespace {

// The rate at one place of the sources' lists, of all sources together: infinite where one of them has none.
std::optional<Projection> Together(const std::vector<std::vector<BindingRate>>& by_source, size_t place) {
  Projection rate;
  std::set<std::string> names;
  for (const std::vector<BindingRate>& rates : by_source) {
    if (place >= rates.size() || rates[place].limit.rate.unlimited()) return std::nullopt;
    const BindingRate& one = rates[place];
    rate.kind = one.kind;
    if (!names.insert(one.name).second) continue;  // the sources share it
    rate.name += (rate.name.empty() ? "" : ", ") + one.name;
    rate.value += (rate.value.empty() ? "" : " + ") + ToText(one.limit.rate);
    rate.set_by = one.limit.origin;
    rate.per_second += one.limit.rate.PerSecond();
  }
  return rate;
}

}  // namespace

std::optional<Projection> Project(const std::vector<ProjectedRows>& groups) {
  std::map<std::pair<std::string, std::string>, Projection> rates;
  for (const ProjectedRows& group : groups) {
    if (group.rows == 0 || group.by_source.empty()) continue;
    for (size_t place = 0; place < group.by_source.front().size(); ++place) {
      std::optional<Projection> rate = Together(group.by_source, place);
      if (!rate.has_value()) continue;
      Projection& whole = rates.try_emplace({rate->kind, rate->name}, *rate).first->second;
      whole.rows += group.rows;
    }
  }
  std::optional<Projection> slowest;
  for (auto& [key, rate] : rates) {
    rate.takes = absl::Seconds(static_cast<double>(rate.rows) / rate.per_second);
    if (!slowest.has_value() || rate.takes > slowest->takes) slowest = rate;
  }
  return slowest;
}

}  // namespace sealift::engine
