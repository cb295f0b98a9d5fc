#include "engine/preflight/projection.h"

#include <algorithm>
#include <cmath>
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

WarmupProjection ProjectWarmup(uint64_t rows, std::vector<Warmup> sources, absl::Time start, absl::Time expires) {
  constexpr absl::Duration kLooksAhead = absl::Hours(24 * 3650);
  WarmupProjection projection{.finish = start, .late = expires <= start ? rows : 0};
  auto left = static_cast<double>(rows);
  for (absl::Time at = start;;) {
    absl::Time until = expires > at ? expires : absl::InfiniteFuture();
    double per_second = 0;
    std::vector<double> each;
    for (Warmup& source : sources) {
      if (source.IsNewDay(at)) source.Advance(at);
      if (source.over()) return projection;  // it takes all that is left
      const int64_t of_today = std::max<int64_t>(source.quota() - source.standing().sent, 0);
      each.push_back(of_today == 0 ? 0 : 1 / absl::ToDoubleSeconds(source.TimeFor(of_today, at) / of_today));
      per_second += each.back();
      until = std::min(until, source.Ends(at));
    }
    const double goes = per_second * absl::ToDoubleSeconds(until - at);
    if (left < goes + 0.5) {  // messages are whole
      projection.finish = std::min(at + absl::Seconds(std::round(left / per_second)), until);
      return projection;
    }
    left -= goes;
    for (size_t i = 0; i < sources.size(); ++i) {
      const int64_t sent = std::llround(each[i] * absl::ToDoubleSeconds(until - at));
      sources[i].SetSent(sources[i].standing().sent + sent);
    }
    at = projection.finish = until;
    if (at == expires) projection.late = static_cast<uint64_t>(std::llround(left));
    if (at > start + kLooksAhead) return projection;
  }
}

}  // namespace sealift::engine
