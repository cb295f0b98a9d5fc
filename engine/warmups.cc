#include "engine/warmups.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/log.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr std::string_view kOtherSites = "other sites";
// A budget holds what so many seconds can use: as long as writing may take.
constexpr double kReserveSeconds = 3;
// A rate is changed when it would differ by more than this part.
constexpr double kPaceSlack = 0.05;

}  // namespace

void Warmups::Recall(std::string_view name, std::string_view value) {
  const json key = json::parse(name, nullptr, /*allow_exceptions=*/false);
  const json known = json::parse(value, nullptr, /*allow_exceptions=*/false);
  Warmup::Standing standing;
  try {
    if (key.at(0) != mode_) return;
    standing = {.day = known.at("day"),
                .date = absl::CivilDay() + known.at("date").get<int64_t>(),
                .sent = known.at("sent"),
                .slowed = known.at("slowed"),
                .frozen = known.at("frozen")};
    if (standing.day < 0 || standing.sent < 0) return;
    const std::lock_guard lock(mutex_);
    recalled_[{key.at(1), key.at(2)}] = standing;
  } catch (const json::exception&) {
    LogWarning("what was known of a warm-up cannot be read and is forgotten", {});
  }
}

Warmups::Written Warmups::WrittenOf(const Key& key, const Entry& entry, int64_t sent) const {
  const Warmup::Standing& standing = entry.warmup.standing();
  return {json({mode_, key.first, key.second}).dump(), json({{"day", standing.day},
                                                             {"date", standing.date - absl::CivilDay()},
                                                             {"sent", sent},
                                                             {"slowed", standing.slowed},
                                                             {"frozen", standing.frozen}})
                                                           .dump()};
}

void Warmups::SupposeUsed(absl::Time now) {
  const std::lock_guard lock(mutex_);
  supposed_used_ = now;
}

void Warmups::SupposeUsed(Entry& entry) const {
  const Warmup& warmup = entry.warmup;
  if (warmup.standing().date != absl::ToCivilDay(supposed_used_, warmup.plan().zone)) return;
  entry.reserved = entry.asked = std::max(entry.reserved, warmup.quota());
}

std::optional<Warmup::Plan> Warmups::PlanOf(const SourceOptions& source, std::string_view judge) const {
  const WarmupOptions& options = source.warmup;
  if (options.start.empty()) return std::nullopt;
  auto days = options.per_day.find(std::string(judge));
  if (days == options.per_day.end()) days = options.per_day.find("default");
  if (days == options.per_day.end() || days->second.empty()) return std::nullopt;
  Warmup::Plan plan{.per_day = days->second, .repeats_last = options.then == "repeat"};
  // The configuration was checked: both can be read.
  absl::ParseCivilTime(options.start, &plan.first);
  absl::LoadTimeZone(options.tz, &plan.zone);
  return plan;
}

void Warmups::Adopt(std::shared_ptr<const Options> options) {
  const std::lock_guard lock(mutex_);
  options_ = std::move(options);
  turned_ = true;
  // What was known before a shard asks: an operator may look at it, and it goes on from there.
  for (const auto& [key, standing] : recalled_) Find(key.first, key.second);
  for (auto& [key, entry] : entries_) {
    const SourceOptions* const source = options_->FindSource(key.first);
    const std::optional<Warmup::Plan> plan = source == nullptr ? std::nullopt : PlanOf(*source, key.second);
    if (!plan.has_value()) continue;  // nothing asks for it any more
    entry.warmup.Adopt(*plan);
    entry.origin = options_->WhereSet(fmt::format("source[{}].warmup", key.first));
    Describe(key, entry);
  }
}

Warmups::Place* Warmups::Find(const std::string& source, const std::string& judge) {
  const SourceOptions* const options = options_ == nullptr ? nullptr : options_->FindSource(source);
  const std::optional<Warmup::Plan> plan = options == nullptr ? std::nullopt : PlanOf(*options, judge);
  if (!plan.has_value()) return nullptr;
  Key key(source, judge);
  if (!entries_.contains(key)) {
    const auto first = entries_.lower_bound({source, ""});
    const auto last = entries_.lower_bound({source + '\0', ""});
    if (std::distance(first, last) >= static_cast<std::ptrdiff_t>(kJudgesMax)) key.second = kOtherSites;
  }
  const auto [place, made] = entries_.try_emplace(key, Entry{.warmup = Warmup(*plan), .origin = {}});
  Entry& entry = place->second;
  if (made) {
    if (const auto known = recalled_.find(key); known != recalled_.end()) {
      entry.warmup = Warmup(*plan, known->second);
      entry.reserved = entry.asked = known->second.sent;
      SupposeUsed(entry);
    }
    entry.origin = options_->WhereSet(fmt::format("source[{}].warmup", source));
  }
  return &*place;
}

void Warmups::Bind(Place& place) {
  auto& [key, entry] = place;
  entry.rate = limits_.OwnedRate("warmup", fmt::format("{} to {}", key.first, key.second), {});
  // Nothing may be sent before Tick has said what is reserved.
  limits_.BeginBudget(*entry.rate, absl::InfinitePast(), absl::UnixEpoch() + absl::Seconds(1));
  Describe(key, entry);
}

RateInForce* Warmups::On(const std::string& source, const std::string& judge) {
  const std::lock_guard lock(mutex_);
  Place* const place = Find(source, judge);
  if (place == nullptr || place->second.warmup.over()) return nullptr;
  if (place->second.rate == nullptr) Bind(*place);
  return place->second.rate;
}

int64_t Warmups::SentOf(const Entry& entry) const {
  return entry.reserved - (entry.rate == nullptr ? 0 : limits_.LeftOf(*entry.rate));
}

void Warmups::Turn(Entry& entry, absl::Time now) {
  const absl::Time again = now + absl::Seconds(1);
  const int64_t left = entry.rate == nullptr ? 0 : limits_.BeginBudget(*entry.rate, now, again);
  entry.warmup.SetSent(entry.reserved - left);
  entry.warmup.Advance(now);
  entry.reserved = entry.asked = 0;
  SupposeUsed(entry);
  entry.changed = true;
  turned_ = turned_ || entry.warmup.over();
}

void Warmups::Pace(Entry& entry, int64_t sent, absl::Time now) {
  const int64_t left = std::max<int64_t>(entry.warmup.quota() - sent, 1);
  const absl::Duration time = entry.warmup.TimeFor(left, now);
  const absl::Duration between = time / left;
  if (entry.spaced > absl::ZeroDuration()) {
    const double by = absl::FDivDuration(between, entry.spaced);
    if (std::abs(by - 1) < kPaceSlack) return;
  }
  entry.spaced = between;
  limits_.Space(*entry.rate, {.count = left, .per = time});
}

void Warmups::Describe(const Key& key, Entry& entry) {
  if (entry.rate == nullptr) return;
  const Warmup& warmup = entry.warmup;
  const int day = warmup.standing().day;
  std::string value = ToText(Rate());
  if (day == 0) {
    value = fmt::format("nothing before {}", absl::FormatCivilTime(warmup.plan().first));
  } else if (!warmup.over()) {
    value = fmt::format("{} on day {} of {}", warmup.quota(), day, warmup.plan().per_day.size());
  }
  limits_.Describe(*entry.rate, std::move(value), entry.origin);
  const std::string_view provider = key.second.find(' ') == std::string::npos ? std::string_view(key.second) : "other";
  if (provider != "other") {
    metrics_.gauge(Metric::kSourceWarmupDay, {key.first, provider})->Set(warmup.over() ? 0 : std::max(day, 1));
  }
}

std::vector<Warmups::Written> Warmups::Tick(absl::Time now,
                                            const std::vector<std::pair<std::string, std::string>>& slowed) {
  std::vector<Written> written;
  const std::lock_guard lock(mutex_);
  for (auto& [key, entry] : entries_) {
    if (entry.warmup.IsNewDay(now) && !entry.warmup.over()) {
      Turn(entry, now);
      Describe(key, entry);
    }
    const bool slow = std::ranges::any_of(slowed, [&](const auto& one) {
      return one.first == key.first && (one.second.empty() || one.second == key.second);
    });
    if (slow && !entry.warmup.standing().slowed) {
      entry.warmup.SetSlowed();
      entry.changed = true;
    }
    const int64_t quota = entry.warmup.quota(), sent = SentOf(entry);
    entry.asked = entry.reserved;
    if (entry.rate != nullptr && !entry.warmup.over() && entry.warmup.standing().day > 0) {
      Pace(entry, sent, now);
      const double uses = kReserveSeconds / std::max(absl::ToDoubleSeconds(entry.spaced), 1e-6);
      const auto ahead = static_cast<int64_t>(std::ceil(uses));
      // What goes without asking may have gone beyond it.
      entry.asked = std::max({entry.reserved, sent, std::min(quota, sent + ahead)});
    }
    if (entry.asked != entry.reserved || entry.changed) {
      written.push_back(WrittenOf(key, entry, entry.asked));
      entry.changed = false;
    }
    if (entry.rate != nullptr) {
      limits_.FilledAgainAt(*entry.rate, sent >= quota ? entry.warmup.Ends(now) : now + absl::Seconds(1));
    }
  }
  return written;
}

void Warmups::Granted() {
  const std::lock_guard lock(mutex_);
  for (auto& [key, entry] : entries_) {
    const int64_t added = entry.asked - std::exchange(entry.reserved, entry.asked);
    if (entry.rate != nullptr && added > 0) limits_.Fill(*entry.rate, added);
  }
}

void Warmups::Refused() {
  const std::lock_guard lock(mutex_);
  for (auto& [key, entry] : entries_) {
    entry.asked = entry.reserved;
    entry.changed = true;
  }
}

std::vector<Warmups::Written> Warmups::Close() {
  std::vector<Written> written;
  const std::lock_guard lock(mutex_);
  written.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) written.push_back(WrittenOf(key, entry, SentOf(entry)));
  return written;
}

bool Warmups::TakeTurns() {
  const std::lock_guard lock(mutex_);
  return std::exchange(turned_, false);
}

std::vector<Warmups::Status> Warmups::List(absl::Time now) {
  const std::lock_guard lock(mutex_);
  std::vector<Status> list;
  // What the plan names is shown from the start, whether anything was sent or not.
  for (const SourceOptions& source : options_->sources) {
    for (const auto& [judge, days] : source.warmup.per_day) {
      if (judge != "default") Find(source.name, judge);
    }
  }
  for (auto& [key, entry] : entries_) {
    const SourceOptions* const source = options_->FindSource(key.first);
    if (source == nullptr || !PlanOf(*source, key.second).has_value()) continue;
    if (entry.warmup.IsNewDay(now) && !entry.warmup.over()) Turn(entry, now);
    Status status{.source = key.first,
                  .judge = key.second,
                  .plan = entry.warmup.plan(),
                  .standing = entry.warmup.standing(),
                  .quota = entry.warmup.quota(),
                  .over = entry.warmup.over(),
                  .origin = entry.origin};
    status.standing.sent = SentOf(entry);
    list.push_back(std::move(status));
  }
  return list;
}

absl::StatusOr<int> Warmups::Apply(const std::string& source, const std::string& judge, const Order& order,
                                   absl::Time now) {
  const std::lock_guard lock(mutex_);
  const SourceOptions* const options = options_->FindSource(source);
  if (options == nullptr || options->warmup.start.empty()) {
    return absl::NotFoundError(
        fmt::format("source '{}' has no warm-up; give it one with `warmup` in its [[source]] and reload", source));
  }
  const bool all = judge.empty();
  if (!all && Find(source, judge) == nullptr) {
    return absl::NotFoundError(fmt::format(
        "the warm-up of source '{}' says nothing of '{}', and has no `default`; see `sealift source warmup {}`", source,
        judge, source));
  }
  for (const auto& [name, days] : options->warmup.per_day) {
    if (all && name != "default") Find(source, name);
  }
  int applied = 0;
  for (auto& [key, entry] : entries_) {
    if (key.first != source || (!all && key.second != judge)) continue;
    if (entry.warmup.IsNewDay(now)) Turn(entry, now);
    if (order.day.has_value()) entry.warmup.SetDay(*order.day);
    if (order.freeze.has_value()) entry.warmup.SetFrozen(*order.freeze);
    entry.changed = true;
    entry.spaced = absl::ZeroDuration();
    turned_ = true;
    Describe(key, entry);
    ++applied;
  }
  return applied;
}

}  // namespace sealift::engine
