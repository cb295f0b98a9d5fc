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

queue::Note Warmups::NoteOf(const Key& key, const Entry& entry, int64_t sent) const {
  const Warmup::Standing& standing = entry.warmup.standing();
  const json value = {{"day", standing.day},
                      {"date", standing.date - absl::CivilDay()},
                      {"sent", sent},
                      {"slowed", standing.slowed},
                      {"frozen", standing.frozen}};
  return {queue::NoteKind::kWarmup, json({mode_, key.first, key.second}).dump(), value.dump()};
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

const Warmup::Plan* Warmups::PlanOf(const std::string& source, const std::string& judge) const {
  const auto planned = plans_.find(source);
  if (planned == plans_.end()) return nullptr;
  const auto named = planned->second.by_judge.find(judge);
  if (named != planned->second.by_judge.end()) return &named->second;
  return planned->second.of_others.has_value() ? &*planned->second.of_others : nullptr;
}

void Warmups::Adopt(const Options& options) {
  const std::lock_guard lock(mutex_);
  plans_.clear();
  for (const SourceOptions& source : options.sources) {
    const WarmupOptions& warmup = source.warmup;
    if (warmup.start.empty()) continue;
    Planned& planned = plans_[source.name];
    planned.origin = options.WhereSet(fmt::format("source[{}].warmup", source.name));
    for (const auto& [judge, days] : warmup.per_day) {
      Warmup::Plan plan{.per_day = days, .repeats_last = warmup.then == "repeat"};
      // The configuration was checked: both can be read.
      absl::ParseCivilTime(warmup.start, &plan.first);
      absl::LoadTimeZone(warmup.tz, &plan.zone);
      if (judge == "default") {
        planned.of_others = std::move(plan);
      } else {
        planned.by_judge.emplace(judge, std::move(plan));
      }
    }
    // What the plan names is there from the start, whether anything was sent or not.
    for (const auto& [judge, plan] : planned.by_judge) Find(source.name, judge);
  }
  // And so is what was known before: an operator may look at it, and it goes on from there.
  for (const auto& [key, standing] : recalled_) Find(key.first, key.second);
  for (auto& [key, entry] : entries_) {
    const Warmup::Plan* const plan = PlanOf(key.first, key.second);
    if (plan == nullptr) continue;  // nothing asks for it any more
    entry.warmup.Adopt(*plan);
    Describe(key, entry);
  }
  turned_ = true;
}

Warmups::Place* Warmups::Find(const std::string& source, const std::string& judge) {
  const Warmup::Plan* const plan = PlanOf(source, judge);
  if (plan == nullptr) return nullptr;
  Key key(source, judge);
  size_t& judges = judges_[source];
  if (judges >= kJudgesMax && !entries_.contains(key)) key.second = kOtherSites;
  const auto [place, made] = entries_.try_emplace(key, Entry{.warmup = Warmup(*plan)});
  Entry& entry = place->second;
  if (made) {
    ++judges;
    if (const auto known = recalled_.find(key); known != recalled_.end()) {
      entry.warmup = Warmup(*plan, known->second);
      entry.reserved = entry.asked = known->second.sent;
      SupposeUsed(entry);
    }
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

std::shared_ptr<RateInForce> Warmups::On(const std::string& source, const std::string& judge) {
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
  const bool begins = entry.warmup.standing().day == 0;
  entry.warmup.SetSent(entry.reserved - left);
  entry.warmup.Advance(now);
  entry.reserved = entry.asked = 0;
  SupposeUsed(entry);
  // What went without asking before anybody looked is of the first day.
  if (begins && entry.rate != nullptr) limits_.Fill(*entry.rate, left);
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
  limits_.Describe(*entry.rate, std::move(value), plans_.at(key.first).origin);
  const std::string_view provider = key.second.find(' ') == std::string::npos ? std::string_view(key.second) : "other";
  if (provider != "other") {
    metrics_.gauge(Metric::kSourceWarmupDay, {key.first, provider})->Set(warmup.over() ? 0 : std::max(day, 1));
  }
}

bool Warmups::IsForgettable(const Place& place) const {
  const auto& [key, entry] = place;
  const bool held = entry.rate != nullptr && entry.rate.use_count() > 2;  // by more than this and the limits
  if (held || !entry.warmup.standing().IsNew() || SentOf(entry) != 0) return false;
  const auto planned = plans_.find(key.first);
  return planned == plans_.end() || !planned->second.by_judge.contains(key.second);
}

std::vector<queue::Note> Warmups::Tick(absl::Time now, const std::set<std::pair<std::string, std::string>>& slowed) {
  std::vector<queue::Note> notes;
  const std::lock_guard lock(mutex_);
  for (auto& [key, entry] : entries_) {
    if (entry.warmup.IsNewDay(now) && !entry.warmup.over()) {
      Turn(entry, now);
      Describe(key, entry);
    } else if (entry.warmup.standing().day == 0 && entry.rate != nullptr) {
      limits_.BeginBudget(*entry.rate, now, now + absl::Seconds(1));  // what goes before the first day is of no day
    }
    const bool slow = slowed.contains(key) || slowed.contains({key.first, ""});
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
      notes.push_back(NoteOf(key, entry, entry.asked));
      entry.changed = false;
    }
    if (entry.rate != nullptr) {
      limits_.FilledAgainAt(*entry.rate, sent >= quota ? entry.warmup.Ends(now) : now + absl::Seconds(1));
    }
  }
  for (auto place = entries_.begin(); place != entries_.end();) {
    if (!IsForgettable(*place)) {
      ++place;
      continue;
    }
    queue::Note gone = NoteOf(place->first, place->second, 0);
    gone.value.clear();
    notes.push_back(std::move(gone));
    recalled_.erase(place->first);
    --judges_[place->first.first];
    place = entries_.erase(place);
  }
  return notes;
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

std::vector<queue::Note> Warmups::Close() {
  const std::lock_guard lock(mutex_);
  std::vector<queue::Note> notes;
  notes.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) notes.push_back(NoteOf(key, entry, SentOf(entry)));
  return notes;
}

bool Warmups::TakeTurns() {
  const std::lock_guard lock(mutex_);
  return std::exchange(turned_, false);
}

std::vector<Warmups::Status> Warmups::List() {
  const std::lock_guard lock(mutex_);
  std::vector<Status> list;
  for (const auto& [key, entry] : entries_) {
    if (PlanOf(key.first, key.second) == nullptr) continue;
    Status status{.source = key.first,
                  .judge = key.second,
                  .plan = entry.warmup.plan(),
                  .standing = entry.warmup.standing(),
                  .quota = entry.warmup.quota(),
                  .over = entry.warmup.over(),
                  .origin = plans_.at(key.first).origin};
    status.standing.sent = SentOf(entry);
    list.push_back(std::move(status));
  }
  return list;
}

absl::StatusOr<int> Warmups::Apply(const std::string& source, const std::string& judge, const Order& order,
                                   absl::Time now) {
  const std::lock_guard lock(mutex_);
  if (!plans_.contains(source)) {
    return absl::NotFoundError(
        fmt::format("source '{}' has no warm-up; give it one with `warmup` in its [[source]] and reload", source));
  }
  const bool all = judge.empty();
  if (!all && Find(source, judge) == nullptr) {
    return absl::NotFoundError(fmt::format(
        "the warm-up of source '{}' says nothing of '{}', and has no `default`; see `sealift source warmup {}`", source,
        judge, source));
  }
  int applied = 0;
  for (auto& [key, entry] : entries_) {
    if (key.first != source || (!all && key.second != judge)) continue;
    if (PlanOf(key.first, key.second) == nullptr) continue;
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
