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
// A budget holds what so much time can use: as long as writing may take.
constexpr absl::Duration kReserve = absl::Seconds(3);
// A rate is changed when it would differ by more than this part.
constexpr double kPaceSlack = 0.05;

// The judge of what is said of a source as such.
constexpr std::string_view kWholeSource = "";

std::string Ordered(std::string_view what, const Warmups::Order& order, absl::Time now) {
  return fmt::format("{} by {} at {}{}{}", what, order.by,
                     absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now, absl::UTCTimeZone()), order.reason.empty() ? "" : ": ",
                     order.reason);
}

}  // namespace

void Warmups::Recall(std::string_view name, std::string_view value) {
  const json key = json::parse(name, nullptr, /*allow_exceptions=*/false);
  const json known = json::parse(value, nullptr, /*allow_exceptions=*/false);
  Warmup::Standing standing;
  try {
    if (key.at(0) != mode_) return;
    if (key.at(2) == kWholeSource) {
      const std::lock_guard lock(mutex_);
      frozen_[key.at(1)] = known.at("frozen");
      return;
    }
    standing = {.day = known.at("day"),
                .date = absl::CivilDay() + known.at("date").get<int64_t>(),
                .sent = known.at("sent"),
                .slowed = known.at("slowed"),
                .frozen = known.at("frozen"),
                .day_order = known.value("day_order", ""),
                .freeze_order = known.value("freeze_order", "")};
    if (standing.day < 0 || standing.sent < 0) return;
    const std::lock_guard lock(mutex_);
    const int64_t free_ns = known.value("free", absl::ToUnixNanos(absl::InfinitePast()));
    const int64_t went = std::clamp<int64_t>(known.value("went", standing.sent), 0, standing.sent);
    recalled_[{key.at(1), key.at(2)}] = {standing, standing.sent - went, absl::FromUnixNanos(free_ns)};
  } catch (const json::exception&) {
    LogWarning("what was known of a warm-up cannot be read and is forgotten", {});
  }
}

queue::Note Warmups::NoteOf(const Key& key, const Entry& entry, int64_t sent, absl::Time free) const {
  const Warmup::Standing& standing = entry.warmup.standing();
  json value = {{"day", standing.day},
                {"date", standing.date - absl::CivilDay()},
                {"sent", sent},
                {"went", SentOf(entry) - entry.doubtful},
                {"slowed", standing.slowed},
                {"frozen", standing.frozen}};
  if (!standing.day_order.empty()) value["day_order"] = standing.day_order;
  if (!standing.freeze_order.empty()) value["freeze_order"] = standing.freeze_order;
  if (free != absl::InfinitePast()) value["free"] = absl::ToUnixNanos(free);
  return {queue::NoteKind::kWarmup, json({mode_, key.first, key.second}).dump(), value.dump()};
}

queue::Note Warmups::NoteOfFreeze(const std::string& address, const std::string& order) const {
  return {queue::NoteKind::kWarmup, json({mode_, address, kWholeSource}).dump(),
          order.empty() ? "" : json({{"frozen", order}}).dump()};
}

void Warmups::SupposeUsed(absl::Time now) {
  const std::lock_guard lock(mutex_);
  supposed_used_ = now;
}

void Warmups::SupposeUsed(Entry& entry) const {
  const Warmup& warmup = entry.warmup;
  if (warmup.standing().date != absl::ToCivilDay(supposed_used_, warmup.plan().zone)) return;
  const int64_t unknown = std::max<int64_t>(warmup.quota() - entry.reserved, 0);
  entry.asked = entry.reserved += unknown;
  entry.doubtful += unknown;
}

const std::string& Warmups::AddressOf(const std::string& source) const {
  const auto address = addresses_.find(source);
  return address == addresses_.end() ? source : address->second;
}

void Warmups::RecallNames() {
  for (const auto& [source, address] : addresses_) {
    if (source == address) continue;
    for (auto known = recalled_.lower_bound({source, ""}); known != recalled_.end() && known->first.first == source;) {
      const auto& [key, written] = *known;
      recalled_.try_emplace({address, key.second}, written);
      beside_.push_back({queue::NoteKind::kWarmup, json({mode_, key.first, key.second}).dump(), ""});
      known = recalled_.erase(known);
    }
  }
}

const Warmup::Plan* Warmups::PlanOf(const std::string& address, const std::string& judge) const {
  const auto planned = plans_.find(address);
  if (planned == plans_.end()) return nullptr;
  const auto named = planned->second.by_judge.find(judge);
  if (named != planned->second.by_judge.end()) return &named->second;
  return planned->second.of_others.has_value() ? &*planned->second.of_others : nullptr;
}

void Warmups::Adopt(const Options& options) {
  const std::lock_guard lock(mutex_);
  plans_.clear();
  addresses_.clear();
  for (const SourceOptions& source : options.sources) {
    addresses_[source.name] = source.address.empty() ? source.name : source.address;
  }
  RecallNames();
  for (const SourceOptions& source : options.sources) {
    const WarmupOptions& warmup = source.warmup;
    if (warmup.start.empty()) continue;
    const std::string& address = AddressOf(source.name);
    Planned& planned = plans_[address];
    planned.source = source.name;
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
    for (const auto& [judge, plan] : planned.by_judge) Find(address, judge);
  }
  // And so is what was known before: an operator may look at it, and it goes on from there.
  for (const auto& [key, written] : recalled_) Find(key.first, key.second);
  for (auto& [key, entry] : entries_) {
    const Warmup::Plan* const plan = PlanOf(key.first, key.second);
    if (plan == nullptr) continue;  // nothing asks for it any more
    entry.warmup.Adopt(*plan);
    if (entry.rate != nullptr) Name(key, entry);
    Describe(key, entry);
  }
  turned_ = true;
}

Warmups::Place* Warmups::Find(const std::string& address, const std::string& judge) {
  const Warmup::Plan* const plan = PlanOf(address, judge);
  if (plan == nullptr) return nullptr;
  Key key(address, judge);
  size_t& judges = judges_[address];
  if (judges >= kJudgesMax && !entries_.contains(key)) key.second = kOtherSites;
  const auto [place, made] = entries_.try_emplace(key, Entry{.warmup = Warmup(*plan)});
  Entry& entry = place->second;
  if (made) {
    ++judges;
    if (const auto known = recalled_.find(key); known != recalled_.end()) {
      entry.warmup = Warmup(*plan, known->second.standing);
      entry.reserved = entry.asked = entry.noted = known->second.standing.sent;
      entry.doubtful = known->second.doubtful;
      entry.free = known->second.free;
      SupposeUsed(entry);
    } else if (const auto frozen = frozen_.find(address); frozen != frozen_.end()) {
      entry.warmup.SetFrozen(true, frozen->second);
    }
  }
  return &*place;
}

void Warmups::Name(const Key& key, Entry& entry) {
  entry.rate = limits_.OwnedRate("warmup", fmt::format("{} to {}", plans_.at(key.first).source, key.second), {},
                                 fmt::format("{} to {}", key.first, key.second));
}

void Warmups::Bind(Place& place) {
  auto& [key, entry] = place;
  Name(key, entry);
  // Nothing may be sent before Tick has said what is reserved.
  limits_.BeginBudget(*entry.rate, absl::InfinitePast(), absl::UnixEpoch() + absl::Seconds(1));
  Describe(key, entry);
}

std::shared_ptr<RateInForce> Warmups::On(const std::string& source, const std::string& judge) {
  const std::lock_guard lock(mutex_);
  Place* const place = Find(AddressOf(source), judge);
  if (place == nullptr || place->second.warmup.over()) return nullptr;
  if (place->second.rate == nullptr) Bind(*place);
  return place->second.rate;
}

std::string Warmups::OriginOf(const Planned& planned, const Entry& entry) {
  std::string origin = planned.origin;
  const Warmup::Standing& standing = entry.warmup.standing();
  for (const std::string* const order : {&standing.day_order, &standing.freeze_order}) {
    if (!order->empty()) origin += "; " + *order;
  }
  return origin;
}

int64_t Warmups::SentOf(const Entry& entry) const {
  return entry.reserved - (entry.rate == nullptr ? 0 : limits_.LeftOf(*entry.rate));
}

void Warmups::Turn(Entry& entry, absl::Time now) {
  const absl::Time again = now + absl::Seconds(1);
  const int64_t left = entry.rate == nullptr ? 0 : limits_.BeginBudget(*entry.rate, now, again);
  const bool begins = entry.warmup.standing().day == 0;
  entry.warmup.SetSent(entry.reserved - left - std::exchange(entry.doubtful, 0));
  entry.warmup.Advance(now);
  entry.reserved = entry.asked = entry.noted = 0;
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
  limits_.Space(*entry.rate, {.count = left, .per = time}, now);
}

int64_t Warmups::AheadOf(const Entry& entry, absl::Time now) {
  const absl::Duration wait = entry.rate->Peek(now);
  if (wait >= kReserve) return 0;
  return static_cast<int64_t>(
      std::ceil(absl::FDivDuration(kReserve - wait, std::max(entry.spaced, absl::Microseconds(1)))));
}

absl::Time Warmups::FreeAfter(const Entry& entry, int64_t more, absl::Time now) {
  if (entry.rate == nullptr) return entry.free;
  return now + entry.rate->Peek(now) + more * entry.spaced;
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
  const Planned& planned = plans_.at(key.first);
  limits_.Describe(*entry.rate, std::move(value), OriginOf(planned, entry));
  const std::string_view provider = key.second.find(' ') == std::string::npos ? std::string_view(key.second) : "other";
  if (provider != "other") {
    metrics_.gauge(Metric::kSourceWarmupDay, {planned.source, provider})->Set(warmup.over() ? 0 : std::max(day, 1));
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
  const std::lock_guard lock(mutex_);
  offered_ = std::exchange(beside_, {});
  std::vector<queue::Note> notes = offered_;
  for (auto& [key, entry] : entries_) {
    if (entry.warmup.IsNewDay(now) && !entry.warmup.over()) {
      Turn(entry, now);
      Describe(key, entry);
    } else if (entry.warmup.standing().day == 0 && entry.rate != nullptr) {
      limits_.BeginBudget(*entry.rate, now, now + absl::Seconds(1));  // what goes before the first day is of no day
    }
    const auto planned = plans_.find(key.first);
    const std::string& source = planned == plans_.end() ? key.first : planned->second.source;
    const bool slow =
        slowed.contains({source, key.second}) || slowed.contains({source, ""}) || slowed.contains({"", key.second});
    if (slow && !entry.warmup.standing().slowed) {
      entry.warmup.SetSlowed();
      entry.changed = true;
    }
    const int64_t quota = entry.warmup.quota(), sent = SentOf(entry);
    entry.asked = entry.reserved;
    if (entry.rate != nullptr && !entry.warmup.over() && entry.warmup.standing().day > 0) {
      Pace(entry, sent, now);
      if (const absl::Time free = std::exchange(entry.free, absl::InfinitePast()); free > now) {
        // A clock that has stepped back since is not waited for.
        limits_.FreeFrom(*entry.rate, std::min(free, now + entry.spaced), absl::InfinitePast());
      }
      // What goes without asking may have gone beyond it.
      entry.asked = std::max({entry.reserved, sent, std::min(quota, sent + AheadOf(entry, now))});
    }
    if (entry.asked != entry.reserved || sent != entry.noted || entry.changed) {
      notes.push_back(NoteOf(key, entry, entry.asked, FreeAfter(entry, entry.asked - sent, now)));
      entry.noted = sent;
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
    queue::Note gone = NoteOf(place->first, place->second, 0, absl::InfinitePast());
    gone.value.clear();
    offered_.push_back(gone);  // nothing else would write it again
    notes.push_back(std::move(gone));
    recalled_.erase(place->first);
    --judges_[place->first.first];
    place = entries_.erase(place);
  }
  return notes;
}

void Warmups::Granted() {
  const std::lock_guard lock(mutex_);
  offered_.clear();
  for (auto& [key, entry] : entries_) {
    const int64_t added = entry.asked - std::exchange(entry.reserved, entry.asked);
    if (entry.rate != nullptr && added > 0) limits_.Fill(*entry.rate, added);
  }
}

void Warmups::Refused() {
  const std::lock_guard lock(mutex_);
  beside_.insert(beside_.begin(), offered_.begin(), offered_.end());
  offered_.clear();
  for (auto& [key, entry] : entries_) {
    entry.asked = entry.reserved;
    entry.changed = true;
  }
}

std::vector<queue::Note> Warmups::Close(absl::Time now) {
  const std::lock_guard lock(mutex_);
  std::vector<queue::Note> notes;
  notes.reserve(entries_.size());
  for (const auto& [key, entry] : entries_)
    notes.push_back(NoteOf(key, entry, SentOf(entry), FreeAfter(entry, 0, now)));
  return notes;
}

bool Warmups::TakeTurns() {
  const std::lock_guard lock(mutex_);
  return std::exchange(turned_, false);
}

Warmups::Status Warmups::StatusOf(const Key& key, const Entry& entry) const {
  const Planned& planned = plans_.at(key.first);
  Status status{.source = planned.source,
                .judge = key.second,
                .plan = entry.warmup.plan(),
                .standing = entry.warmup.standing(),
                .quota = entry.warmup.quota(),
                .over = entry.warmup.over(),
                .origin = OriginOf(planned, entry)};
  status.standing.sent = SentOf(entry);
  return status;
}

std::vector<Warmups::Status> Warmups::List() {
  const std::lock_guard lock(mutex_);
  std::vector<Status> list;
  for (const auto& [key, entry] : entries_) {
    if (PlanOf(key.first, key.second) != nullptr) list.push_back(StatusOf(key, entry));
  }
  return list;
}

const Warmups::Entry* Warmups::FindKnown(const std::string& address, const std::string& judge) const {
  const auto known = entries_.find({address, judge});
  if (known != entries_.end()) return &known->second;
  const auto judges = judges_.find(address);
  if (judges == judges_.end() || judges->second < kJudgesMax) return nullptr;
  const auto others = entries_.find({address, std::string(kOtherSites)});
  return others == entries_.end() ? nullptr : &others->second;
}

bool Warmups::IsWarm(const std::string& address, const std::string& judge) const {
  if (PlanOf(address, judge) == nullptr) return true;
  const Entry* const known = FindKnown(address, judge);
  return known != nullptr && known->warmup.over();
}

std::vector<int> Warmups::SourcesOf(const Options& options, const PoolOptions& pool, const std::string& judge) {
  const std::lock_guard lock(mutex_);
  std::vector<int> sources = pool.source_indexes;
  for (const int index : pool.source_indexes) {
    const SourceOptions& source = options.sources[static_cast<size_t>(index)];
    const PoolOptions* const other = options.FindPool(source.warmup.overflow);
    if (other == nullptr || IsWarm(AddressOf(source.name), judge)) continue;
    for (const int more : other->source_indexes) {
      if (std::ranges::find(sources, more) == sources.end()) sources.push_back(more);
    }
  }
  return sources;
}

std::vector<Warmups::Status> Warmups::Binding(const Options& options, const PoolOptions& pool,
                                              const std::string& judge) {
  const std::vector<int> sources = SourcesOf(options, pool, judge);
  const std::lock_guard lock(mutex_);
  std::vector<Status> binding;
  for (const int index : sources) {
    const std::string& address = AddressOf(options.sources[static_cast<size_t>(index)].name);
    if (IsWarm(address, judge)) return {};
    const Entry* known = FindKnown(address, judge);
    Entry fresh{.warmup = Warmup(*PlanOf(address, judge))};
    const auto frozen = frozen_.find(address);
    if (frozen != frozen_.end()) fresh.warmup.SetFrozen(true, frozen->second);
    binding.push_back(StatusOf({address, judge}, known == nullptr ? fresh : *known));
  }
  return binding;
}

absl::StatusOr<int> Warmups::Apply(const std::string& source, const std::string& judge, const Order& order,
                                   absl::Time now) {
  const std::lock_guard lock(mutex_);
  const std::string& address = AddressOf(source);
  if (!plans_.contains(address)) {
    return absl::NotFoundError(
        fmt::format("source '{}' has no warm-up; give it one with `warmup` in its [[source]] and reload", source));
  }
  const bool all = judge.empty();
  if (!all && Find(address, judge) == nullptr) {
    return absl::NotFoundError(fmt::format(
        "the warm-up of source '{}' says nothing of '{}', and has no `default`; see `sealift source warmup {}`", source,
        judge, source));
  }
  if (all && order.freeze.has_value()) {
    std::string frozen = *order.freeze ? Ordered("frozen", order, now) : "";
    beside_.push_back(NoteOfFreeze(address, frozen));
    if (*order.freeze) {
      frozen_[address] = std::move(frozen);
    } else {
      frozen_.erase(address);
    }
  }
  int applied = 0;
  for (auto& [key, entry] : entries_) {
    if (key.first != address || (!all && key.second != judge)) continue;
    if (PlanOf(key.first, key.second) == nullptr) continue;
    if (entry.warmup.IsNewDay(now)) Turn(entry, now);
    if (order.day.has_value()) {
      const int day = entry.warmup.DayFor(*order.day);
      entry.warmup.SetDay(day, Ordered(fmt::format("moved to day {}", day), order, now));
    }
    if (order.freeze.has_value()) {
      entry.warmup.SetFrozen(*order.freeze, Ordered(*order.freeze ? "frozen" : "unfrozen", order, now));
    }
    entry.changed = true;
    entry.spaced = absl::ZeroDuration();
    turned_ = true;
    Describe(key, entry);
    ++applied;
  }
  if (applied > 0 || (all && !order.day.has_value())) return applied;
  return absl::NotFoundError(
      fmt::format("source '{}' has not sent in its warm-up yet: name the provider that the order is for", source));
}

}  // namespace sealift::engine
