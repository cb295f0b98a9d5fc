#include "engine/restraints.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/blamed_address.h"
#include "engine/log.h"
#include "engine/rule_reading.h"

namespace sealift::engine {
namespace {

constexpr double kFirstPerSecond = 1;  // where nothing was measured yet
constexpr int kSteps = 10;             // of a recovery
constexpr absl::Duration kMeasuredOver = absl::Seconds(10);
constexpr double kForgottenPerSecond = 0.01;                    // a pace that is as good as none
constexpr absl::Duration kAfterSuspension = absl::Minutes(30);  // until everything is as it was, at most
constexpr int kPauseShare = 8;  // a pause is such a part of the time for that nothing was taken, beyond the rule's own
constexpr absl::Duration kGraceMax = absl::Seconds(60);  // for replies to what was under way
constexpr const char* kEverySource = "all";              // in the metric, of what binds all of them
constexpr const char* kEveryProvider = "all";
constexpr size_t kMatchesMax = 4096;    // rules and scopes whose triggers are counted; then no more by a site
constexpr size_t kPacesATick = 16'384;  // that are measured: whoever is heard meanwhile waits for it

std::string NameOfStream(std::string_view stream) { return fmt::format("stream {}", stream); }
std::string NameOfCampaign(std::string_view campaign) { return fmt::format("campaign {}", campaign); }

// Whether one of them is one of the others.
bool Shares(const std::set<std::string>& ones, const std::set<std::string>& others) {
  return std::ranges::any_of(ones, [&](const std::string& one) { return others.contains(one); });
}

bool Suppresses(Remedy remedy) { return remedy == Remedy::kSuppress || remedy == Remedy::kSuppressAgain; }

Rate ToRate(double per_second) {
  return {.count = std::max<int64_t>(1, std::llround(per_second * 3600)), .period = absl::Hours(1)};
}

}  // namespace

std::string Restraints::NameOfPair(std::string_view source, std::string_view provider) {
  return fmt::format("{} to {}", source, provider);
}

std::string Restraints::NameOfProvider(std::string_view provider) { return fmt::format("everything to {}", provider); }

absl::Status Restraints::Adopt(std::shared_ptr<const Options> options) {
  absl::StatusOr<std::shared_ptr<const ResponseRules>> rules = ReadRules(*options);
  if (!rules.ok()) return rules.status();
  const std::lock_guard lock(mutex_);
  if (options_ != nullptr) Rename(*options);
  options_ = std::move(options);
  rules_ = *std::move(rules);
  for (auto& [key, slowdown] : slowdowns_) {
    if (slowdown.base <= 0) continue;
    slowdown.origin = OriginOf(slowdown.rule);
    Set(slowdown);
  }
  return absl::OkStatus();
}

Restraints::Ruling Restraints::Hear(const Place& place, const HeardReply& reply, const Told& told, absl::Time permitted,
                                    absl::Time now) {
  Ruling ruling{.action = reply.verdict.action, .remedy = reply.verdict.remedy, .rule = {}};
  std::shared_ptr<const ResponseRules> rules;
  {
    const std::lock_guard lock(mutex_);
    rules = rules_;
  }
  const ResponseRule* const rule = rules != nullptr ? rules->Find(reply) : nullptr;
  const std::lock_guard lock(mutex_);
  if (rule != nullptr) {
    const ResponseActions& actions = rule->actions;
    if (actions.defer || actions.bounce || actions.suppress) {
      ruling.action = actions.defer ? Action::kDefer : Action::kBounce;
      ruling.rule = rule->name;
      if (Suppresses(ruling.remedy)) ruling.remedy = Remedy::kNone;
      // Whatever a rule says: nobody is suppressed for a 4xx, nor for what was said of us, or before he was named.
      const bool may_suppress = reply.code / 100 == 5 && !IsAboutUs(reply.verdict.about) && told.row != 0;
      if (actions.suppress && may_suppress) ruling.remedy = Remedy::kSuppress;
    }
    const bool is_of_number = told.crowded && !rule->why.empty() && rule->reply_rule.empty();
    if (!is_of_number && !AsksAnother(*rule, place, reply, told)) {
      Act(*rule, place, {.permitted = permitted, .heard = now});
      ruling.suspended_until = SuspendedUntil(place);
    }
  }
  // Whatever is said of so many recipients, they have not all gone. What a rule of the configuration bounces, bounces.
  const bool of_recipient = reply.verdict.about == About::kRecipient && ruling.rule.empty();
  const bool hard = Suppresses(ruling.remedy) || (ruling.action == Action::kBounce && of_recipient);
  if (hard && IsDoubted(place.provider, now)) {
    ruling = {.action = Action::kDefer, .remedy = Remedy::kNone, .rule = "guard.hard_bounces"};
  }
  return ruling;
}

Restraints::Attempts Restraints::AttemptsAt(const Place& place) {
  const std::lock_guard lock(mutex_);
  Pace& pair = paces_[{std::string(kPairKind), NameOfPair(place.source, place.provider)}];
  pair.source = place.source;
  pair.provider = place.provider;
  std::weak_ptr<Counter>& of_stream = pair.streams[place.stream];
  std::shared_ptr<Counter> of_pair = of_stream.lock();
  if (of_pair == nullptr) {  // the same counter, and known to be the stream's for as long as somebody has it
    const auto owner = std::make_shared<std::shared_ptr<Counter>>(pair.attempts);
    of_pair = std::shared_ptr<Counter>(owner, owner->get());
    of_stream = of_pair;
  }
  return {std::move(of_pair), paces_[{std::string(kStreamKind), NameOfStream(place.stream)}].attempts,
          paces_[{std::string(kCampaignKind), NameOfCampaign(place.campaign)}].attempts};
}

std::vector<std::shared_ptr<RateInForce>> Restraints::RatesOn(const Place& place) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<RateInForce>> rates;
  for (const Key& key : KeysOf(place)) {
    const auto found = slowdowns_.find(key);
    if (found != slowdowns_.end()) rates.push_back(found->second.rate);
  }
  return rates;
}

std::vector<Restraints::Key> Restraints::KeysOf(const Place& place) {
  return {{std::string(kPairKind), NameOfPair(place.source, place.provider)},
          {std::string(kSourceKind), place.source},
          {std::string(kProviderKind), NameOfProvider(place.provider)},
          {std::string(kStreamKind), NameOfStream(place.stream)},
          {std::string(kCampaignKind), NameOfCampaign(place.campaign)}};
}

bool Restraints::AsksAnother(const ResponseRule& rule, const Place& place, const HeardReply& reply, const Told& told) {
  if (!rule.asks_another_row || told.row == 0) return false;
  const SourceOptions* const source = options_->FindSource(place.source);
  const bool is_doubtful = told.again || (source != nullptr && BlamesAnother(reply.text, source->address));
  const auto pace = paces_.find({std::string(kPairKind), NameOfPair(place.source, place.provider)});
  if (!is_doubtful || pace == paces_.end()) return false;
  const uint64_t attempts = pace->second.attempts->value();
  const uint64_t before = std::exchange(pace->second.doubted_at, attempts);
  const uint64_t row = std::exchange(pace->second.doubted_row, told.row);
  return row == 0 || row == told.row || attempts > before + 1;  // none, or it alone, or another was taken in between
}

absl::Time Restraints::SuspendedUntil(const Place& place) const {
  absl::Time until = absl::InfinitePast();
  for (const Key& key : KeysOf(place)) {
    const auto found = slowdowns_.find(key);
    if (found == slowdowns_.end() || found->second.base <= 0 || !found->second.suspended) continue;
    until = std::max(until, found->second.Over());
  }
  return until;
}

std::string Restraints::WhatCounts(const ResponseRule& rule, const Place& place) const {
  std::string what;
  switch (rule.scope) {
    case ResponseScope::kSource:
      what = place.source;
      break;
    case ResponseScope::kSourceProvider:
      what = NameOfPair(place.source, place.provider);
      break;
    case ResponseScope::kProvider:
      what = place.provider;
      break;
    case ResponseScope::kPool: {
      const std::set<std::string> pools = PoolsThatSent(place);
      what = NameOfPair(pools.empty() ? place.source : fmt::format("{}", fmt::join(pools, "+")), place.provider);
      break;
    }
    case ResponseScope::kSigners: {
      const std::set<std::string> domains = DomainsOf(place.stream);
      what = NameOfPair(domains.empty() ? place.stream : fmt::format("{}", fmt::join(domains, "+")), place.provider);
      break;
    }
    case ResponseScope::kStream:
      what = place.stream;
      break;
    case ResponseScope::kCampaign:
      what = place.campaign;
      break;
  }
  return fmt::format("{}/{}", rule.counted_as, what);
}

bool Restraints::Triggered(const ResponseRule& rule, const Place& place, absl::Time now) {
  if (rule.trigger_count <= 1) return true;
  std::string what = WhatCounts(rule, place);
  // There may be very many sites, and of all else as many as are configured. The others' time will be over.
  const bool by_site = !IsKnownProvider(place.provider) && what.ends_with(place.provider);
  if (by_site && matches_.size() >= kMatchesMax && !matches_.contains(what)) return false;
  Matches& matches = matches_[std::move(what)];
  matches.changed = true;
  matches.period = rule.trigger_period;
  std::deque<absl::Time>& times = matches.times;
  times.push_back(now);
  while (times.front() + rule.trigger_period <= now && times.size() > 1) times.pop_front();
  if (times.size() < static_cast<size_t>(rule.trigger_count)) return false;
  times.clear();
  return true;
}

void Restraints::Act(const ResponseRule& rule, const Place& place, const Reply& reply) {
  const ResponseActions& actions = rule.actions;
  if (!actions.backoff && !actions.suspend && !actions.alert) return;
  if (!Triggered(rule, place, reply.heard)) return;
  metrics_.counter(Metric::kRuleHits, {rule.name})->Add();
  if (actions.alert) {
    LogWarning("a rule was triggered by replies",
               {{"rule", rule.name}, {"source", place.source}, {"provider", place.provider}, {"stream", place.stream}});
  }
  std::set<std::string> sources;
  if (rule.scope == ResponseScope::kPool) sources = SourcesOf(PoolsThatSent(place));
  if (rule.scope == ResponseScope::kSigners) {
    const std::set<std::string> domains = DomainsOf(place.stream);
    sources = SourcesOf(PoolsThatSignWith(place.stream));
    sources.merge(SourcesThatCarry([&](const std::string& stream) { return Shares(domains, DomainsOf(stream)); },
                                   place.provider));
  }
  sources.insert(place.source);  // whatever it is configured for: it was refused

  const double factor = actions.suspend ? 0 : rule.factor;
  if (actions.backoff || actions.suspend) {
    switch (rule.scope) {
      case ResponseScope::kSource:
        Slow({std::string(kSourceKind), place.source}, factor, rule, reply);
        break;
      case ResponseScope::kProvider:
        Slow({std::string(kProviderKind), NameOfProvider(place.provider)}, factor, rule, reply);
        break;
      case ResponseScope::kStream:
        Slow({std::string(kStreamKind), NameOfStream(place.stream)}, factor, rule, reply);
        break;
      case ResponseScope::kCampaign:
        Slow({std::string(kCampaignKind), NameOfCampaign(place.campaign)}, factor, rule, reply);
        break;
      case ResponseScope::kSourceProvider:
      case ResponseScope::kPool:
      case ResponseScope::kSigners:
        for (const std::string& source : sources) {
          Slow({std::string(kPairKind), NameOfPair(source, place.provider)}, factor, rule, reply);
        }
        break;
    }
  }
  if (rule.spares_siblings) {
    // Its load is not what they are trusted with yet.
    const Key pair{std::string(kPairKind), NameOfPair(place.source, place.provider)};
    const auto slowed = slowdowns_.find(pair);
    const double refused = slowed != slowdowns_.end() && slowed->second.base > 0 ? slowed->second.base : PaceOf(pair);
    for (const std::string& sibling : SiblingsOf(place)) {
      Spare({std::string(kPairKind), NameOfPair(sibling, place.provider)}, refused, rule, reply.heard);
    }
  }
}

bool Restraints::IsKnown(const Slowdown& slowdown, double factor, const ResponseRule& rule, const Reply& reply) {
  if (slowdown.base <= 0) return false;
  if (slowdown.suspended && (factor > 0 || reply.heard + rule.duration <= slowdown.Over())) return true;
  const absl::Duration grace = std::min(kGraceMax, slowdown.duration / kSteps);
  return reply.permitted <= slowdown.acted && reply.heard < slowdown.acted + grace;
}

Restraints::Slowdown& Restraints::At(const Key& key, absl::Time now) {
  if (!slowdowns_.contains(key)) Add(key, {.rate = limits_.OwnedRate(kRateKind, key.second, {})});
  Slowdown& slowdown = slowdowns_.at(key);
  if (slowdown.suspended && now >= slowdown.Over()) Resume(slowdown);
  return slowdown;
}

void Restraints::Add(const Key& key, Slowdown slowdown) {
  slowdowns_[key] = std::move(slowdown);
  generation_.fetch_add(1, std::memory_order_release);
}

std::string Restraints::OriginOf(std::string_view rule) const {
  const auto known = std::ranges::find(rules_->rules(), rule, &ResponseRule::name);
  return known != rules_->rules().end() ? known->origin : "no longer in the configuration";
}

double Restraints::AfterSuspension(const Slowdown& slowdown) {
  const double a_step = kSteps / absl::ToDoubleSeconds(slowdown.recovery);
  return std::min(slowdown.base, std::max(slowdown.floor, a_step));
}

void Restraints::Begin(const Key& key, Slowdown& slowdown, const ResponseRule& rule, absl::Time now) const {
  slowdown.base = std::max(PaceOf(key), rule.floor_per_second);
  slowdown.now = slowdown.base;
  slowdown.since = now;
}

void Restraints::Slow(const Key& key, double factor, const ResponseRule& rule, const Reply& reply) {
  const absl::Time now = reply.heard;
  Slowdown& slowdown = At(key, now);
  if (IsKnown(slowdown, factor, rule, reply)) return;
  const bool active = slowdown.base > 0;
  const bool at_floor = active && !slowdown.suspended && slowdown.now <= slowdown.floor;
  // Nothing is over sooner for what is said besides.
  const absl::Duration left = active && !slowdown.suspended ? slowdown.Over() - now : absl::ZeroDuration();
  const double floor = active ? std::min(slowdown.floor, rule.floor_per_second) : rule.floor_per_second;
  if (!active) Begin(key, slowdown, rule, now);
  slowdown.suspended = factor <= 0;
  slowdown.base = slowdown.top = std::max(slowdown.base, slowdown.now);  // a sibling may have grown beyond it
  slowdown.floor = std::min(floor, slowdown.base);
  slowdown.last = slowdown.acted = now;
  slowdown.duration = std::max(rule.duration, absl::Seconds(1));
  if (slowdown.suspended) {
    slowdown.recovery = std::max(std::min(slowdown.duration, kAfterSuspension), left - slowdown.duration);
  } else {
    slowdown.recovery = slowdown.duration = std::max(slowdown.duration, left);
  }
  slowdown.lowest =
      slowdown.suspended ? AfterSuspension(slowdown) : std::max(slowdown.floor, slowdown.now * std::min(factor, 1.0));
  slowdown.now = slowdown.lowest;
  if (at_floor && factor > 0) PauseAtFloor(slowdown, rule, now);
  Enforce(slowdown, rule);
  LogWarning(slowdown.suspended ? "replies suspend us" : "replies slow us down",
             {{"what", key.second},
              {"rule", rule.name},
              {"rate", ToText(ToRate(slowdown.now))},
              {"before", ToText(ToRate(slowdown.base))},
              {"for", absl::FormatDuration(slowdown.duration)}});
}

void Restraints::Spare(const Key& key, double by, const ResponseRule& rule, absl::Time now) {
  Slowdown& slowdown = At(key, now);
  if (slowdown.base > 0) return;  // slowed itself, or growing already
  Begin(key, slowdown, rule, now);
  slowdown.top = slowdown.base + by;
  slowdown.lowest = slowdown.base;
  slowdown.floor = std::min(rule.floor_per_second, slowdown.base);
  slowdown.last = now;
  slowdown.duration = slowdown.recovery = std::max(rule.duration, absl::Seconds(1));
  Enforce(slowdown, rule);
  LogInfo("a sibling of a refused source takes its load over in steps",
          {{"what", key.second},
           {"rule", rule.name},
           {"rate", ToText(ToRate(slowdown.now))},
           {"until", ToText(ToRate(slowdown.top))},
           {"for", absl::FormatDuration(slowdown.duration)}});
}

void Restraints::Enforce(Slowdown& slowdown, const ResponseRule& rule) {
  slowdown.rule = rule.name;
  slowdown.origin = rule.origin;
  slowdown.changed = true;
  Set(slowdown);
  Wait(slowdown);
}

// Whoever blocks us for an hour is not asked every ten seconds whether he still does, nor found an hour late.
void Restraints::PauseAtFloor(Slowdown& slowdown, const ResponseRule& rule, absl::Time now) {
  slowdown.refused_since = std::min(slowdown.refused_since, now);
  const absl::Duration most = std::max(rule.duration, (now - slowdown.refused_since) / kPauseShare);
  slowdown.pause = std::clamp(2 * slowdown.pause, std::min(kGraceMax, rule.duration / kSteps), most);
  slowdown.suspended = true;
  slowdown.duration = slowdown.pause;
}

void Restraints::Set(Slowdown& slowdown) {
  const bool active = slowdown.base > 0;
  const RateLimit limit{.rate = active ? ToRate(slowdown.now) : Rate{},
                        .origin = active ? fmt::format("rule {} ({})", slowdown.rule, slowdown.origin) : "default"};
  limits_.OwnedRate(kRateKind, slowdown.rate->name(), limit);
  if (!active) return;
  if (slowdown.suspended) {
    limits_.Describe(*slowdown.rate,
                     "nothing until " + absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", slowdown.Over(), absl::UTCTimeZone()),
                     limit.origin);
  }
}

void Restraints::Wait(Slowdown& slowdown) {
  limits_.FreeFrom(*slowdown.rate,
                   slowdown.suspended ? slowdown.Over() : slowdown.last + absl::Seconds(1 / slowdown.now),
                   slowdown.last);
}

void Restraints::Resume(Slowdown& slowdown) {
  slowdown.suspended = false;
  slowdown.last = slowdown.Over();
  slowdown.duration = slowdown.recovery;
  slowdown.changed = true;
  Set(slowdown);
}

double Restraints::Measured(const Key& key) const {
  if (const auto found = paces_.find(key); found != paces_.end()) return found->second.per_second;
  double per_second = 0;
  for (const auto& [of, pace] : paces_) {
    if (of.first != kPairKind) continue;
    const bool counts = key.first == kSourceKind
                            ? key.second == pace.source
                            : key.first == kProviderKind && key.second == NameOfProvider(pace.provider);
    if (counts) per_second += pace.per_second;
  }
  return per_second;
}

double Restraints::PaceOf(const Key& key) const {
  const double measured = Measured(key);
  return measured > 0 ? measured : kFirstPerSecond;
}

void Restraints::Tick(absl::Time now) {
  const std::lock_guard lock(mutex_);
  const absl::Duration since = now - ticked_;
  if (ticked_ != absl::InfinitePast() && since > absl::ZeroDuration()) TickPaces(since, now);
  if (ticked_ == absl::InfinitePast() || since > absl::ZeroDuration()) ticked_ = now;
  TickSlowdowns(now);
  TickProviders(now);
  TickMatches(now);
}

// What is past its window is taken off the disk, then forgotten.
void Restraints::TickMatches(absl::Time now) {
  std::erase_if(matches_, [](const auto& entry) { return entry.second.times.empty() && !entry.second.changed; });
  for (auto& [what, matches] : matches_) {
    if (matches.times.empty() || matches.times.back() + matches.period > now) continue;
    matches.times.clear();
    matches.changed = true;
  }
}

void Restraints::TickPaces(absl::Duration of_tick, absl::Time now) {
  auto entry = paces_.lower_bound(next_pace_);
  for (size_t left = std::min(paces_.size(), kPacesATick); left > 0; --left) {
    if (entry == paces_.end()) entry = paces_.begin();
    Pace& pace = entry->second;
    const absl::Duration since = pace.measured == absl::InfinitePast() ? of_tick : now - pace.measured;
    pace.measured = now;
    const double seconds = absl::ToDoubleSeconds(since);
    const double usual_weight = 1 - std::exp(-seconds / absl::ToDoubleSeconds(kMeasuredOver));
    std::erase_if(pace.streams, [](const auto& stream) { return stream.second.expired(); });
    const uint64_t attempts = pace.attempts->value();
    // What began three seconds ago has had no time to make up for the seven before.
    const bool begins = pace.per_second < kForgottenPerSecond;
    pace.began = begins ? since : pace.began + since;
    const double weight = std::max(usual_weight, absl::FDivDuration(since, pace.began));
    pace.per_second += weight * (static_cast<double>(attempts - pace.seen) / seconds - pace.per_second);
    pace.idle = attempts == pace.seen ? pace.idle + since : absl::ZeroDuration();
    pace.seen = attempts;
    // Sites and campaigns come and go; attempts are what hard bounces are a share of, of a site too that has had many.
    const bool has_norm = IsKnownProvider(pace.provider) || (attempts >= kUsualMin && pace.idle < kNormKept);
    const bool stays = entry->first.first == kPairKind && has_norm;
    const bool unused = pace.attempts.use_count() == 1 && pace.per_second < kForgottenPerSecond;
    entry = unused && !stays ? paces_.erase(entry) : std::next(entry);
  }
  next_pace_ = entry == paces_.end() ? Key() : entry->first;
}

void Restraints::TickSlowdowns(absl::Time now) {
  // What is over is forgotten once that is written, and nobody has its rate but this and the limits.
  std::erase_if(slowdowns_, [](const auto& entry) {
    const Slowdown& slowdown = entry.second;
    return slowdown.base <= 0 && !slowdown.changed && slowdown.rate.use_count() <= 2;
  });
  for (auto& [key, slowdown] : slowdowns_) {
    if (slowdown.base <= 0) continue;
    if (slowdown.suspended && now >= slowdown.Over()) {
      Resume(slowdown);
    } else if (!slowdown.suspended) {
      Recover(slowdown, now);
    }
  }
  ShowSlowdowns();
}

Gauge* Restraints::GaugeOf(const Key& key) {
  if (key.first == kCampaignKind) return metrics_.gauge(Metric::kCampaignBackoffs, {});
  if (key.first == kStreamKind)
    return metrics_.gauge(Metric::kStreamBackoff, {key.second.substr(NameOfStream("").size())});
  if (key.first == kSourceKind) return metrics_.gauge(Metric::kSourceBackoff, {key.second, kEveryProvider});
  // "a to microsoft", or "everything to microsoft".
  const std::string_view provider = ProviderOf(key);
  return metrics_.gauge(Metric::kSourceBackoff, {key.first == kProviderKind ? kEverySource : SourceOf(key),
                                                 IsKnownProvider(provider) ? provider : "other"});
}

void Restraints::ShowSlowdowns() {
  for (auto& [gauge, value] : shown_) value = 0;
  for (const auto& [key, slowdown] : slowdowns_) {
    if (slowdown.base <= 0) continue;
    const double withheld = slowdown.suspended ? 1 : std::max(0.0, 1 - slowdown.now / slowdown.base);
    int64_t& value = shown_[GaugeOf(key)];
    value = key.first == kCampaignKind ? value + 1 : std::max<int64_t>(value, std::llround(100 * withheld));
  }
  for (const auto& [gauge, value] : shown_) gauge->Set(value);
}

void Restraints::Recover(Slowdown& slowdown, absl::Time now) {
  const auto step = static_cast<int>((now - slowdown.last) / (slowdown.duration / kSteps));
  const double rate = slowdown.lowest + (slowdown.top - slowdown.lowest) * std::min(step, kSteps) / kSteps;
  if (step >= kSteps) {
    slowdown = {.rate = slowdown.rate, .changed = true};
    Set(slowdown);
  } else if (rate > slowdown.now) {
    slowdown.now = rate;
    if (slowdown.pause > absl::ZeroDuration()) {  // something was taken, or nobody minded for a while
      slowdown.pause = absl::ZeroDuration();
      slowdown.refused_since = absl::InfiniteFuture();
      slowdown.changed = true;
    }
    Set(slowdown);
  }
}

std::vector<Restraints::Slowed> Restraints::List() const {
  const std::lock_guard lock(mutex_);
  std::vector<Slowed> list;
  for (const auto& [key, slowdown] : slowdowns_) {
    if (slowdown.base <= 0) continue;
    list.push_back(AsListed(key, slowdown));
  }
  return list;
}

std::vector<Restraints::Slowed> Restraints::EndSuspensions(std::string_view source, std::string_view provider,
                                                           bool dry_run, absl::Time now) {
  return EndIf(
      [&](const Key& key) { return SourceOf(key) == source && (provider.empty() || ProviderOf(key) == provider); },
      dry_run, now);
}

std::vector<Restraints::Slowed> Restraints::EndSuspension(std::string_view name, bool dry_run, absl::Time now) {
  return EndIf([&](const Key& key) { return key.second == name; }, dry_run, now);
}

std::vector<Restraints::Slowed> Restraints::EndIf(const std::function<bool(const Key&)>& is_meant, bool dry_run,
                                                  absl::Time now) {
  const std::lock_guard lock(mutex_);
  std::vector<Slowed> ended;
  for (auto& [key, slowdown] : slowdowns_) {
    if (slowdown.base <= 0 || !slowdown.suspended || slowdown.Over() <= now || !is_meant(key)) continue;
    ended.push_back(AsListed(key, slowdown));
    if (!dry_run) ResumeNow(slowdown, now);
  }
  return ended;
}

void Restraints::ResumeNow(Slowdown& slowdown, absl::Time now) {
  limits_.OwnedRate(kRateKind, slowdown.rate->name(), {});  // nothing is kept until its end any more
  slowdown.suspended = false;
  slowdown.last = now;
  slowdown.duration = slowdown.recovery;
  slowdown.changed = true;
  Set(slowdown);
}

Restraints::Slowed Restraints::AsListed(const Key& key, const Slowdown& slowdown) {
  return {.kind = key.first,
          .name = key.second,
          .rule = slowdown.rule,
          .origin = slowdown.origin,
          .suspended = slowdown.suspended,
          .rate_per_second = slowdown.suspended ? 0 : slowdown.now,
          .base_per_second = slowdown.base,
          .top_per_second = slowdown.top,
          .since = slowdown.since,
          .last = slowdown.last,
          .duration = slowdown.duration};
}

std::set<std::string> Restraints::PoolsOf(const std::string& source) const {
  std::set<std::string> pools;
  if (options_ == nullptr) return pools;
  for (const PoolOptions& pool : options_->pools) {
    if (pool.Has(source)) pools.insert(pool.name);
  }
  return pools;
}

std::set<std::string> Restraints::PoolsThatSent(const Place& place) const {
  std::set<std::string> pools = PoolsOf(place.source);
  const StreamOptions* const stream = options_ != nullptr ? options_->FindStream(place.stream) : nullptr;
  if (stream != nullptr && pools.contains(stream->pool)) return {stream->pool};
  return pools;
}

std::set<std::string> Restraints::DomainsOf(std::string_view stream) const {
  const StreamOptions* const options = options_ != nullptr ? options_->FindStream(stream) : nullptr;
  if (options == nullptr) return {};
  return {options->dkim.begin(), options->dkim.end()};
}

std::set<std::string> Restraints::PoolsThatSignWith(std::string_view stream) const {
  const StreamOptions* const of = options_ != nullptr ? options_->FindStream(stream) : nullptr;
  if (of == nullptr) return {};
  std::set<std::string> pools = {of->pool};
  const std::set<std::string> domains = DomainsOf(stream);
  for (const StreamOptions& other : options_->streams) {
    if (Shares(domains, DomainsOf(other.name))) pools.insert(other.pool);
  }
  return pools;
}

std::set<std::string> Restraints::SourcesOf(const std::set<std::string>& pools) const {
  std::set<std::string> sources;
  for (const std::string& name : pools) {
    const PoolOptions* const pool = options_->FindPool(name);
    if (pool != nullptr) sources.insert(pool->sources.begin(), pool->sources.end());
  }
  return sources;
}

std::set<std::string> Restraints::SourcesThatCarry(const std::function<bool(const std::string& stream)>& is_meant,
                                                   std::string_view provider) const {
  std::set<std::string> sources;
  if (options_ == nullptr) return sources;
  for (const SourceOptions& source : options_->sources) {
    const auto pace = paces_.find({std::string(kPairKind), NameOfPair(source.name, provider)});
    if (pace == paces_.end()) continue;
    const bool carries = std::ranges::any_of(
        pace->second.streams, [&](const auto& stream) { return !stream.second.expired() && is_meant(stream.first); });
    if (carries) sources.insert(source.name);
  }
  return sources;
}

std::set<std::string> Restraints::SiblingsOf(const Place& place) const {
  std::set<std::string> siblings = SourcesOf(PoolsOf(place.source));
  if (const auto pace = paces_.find({std::string(kPairKind), NameOfPair(place.source, place.provider)});
      pace != paces_.end()) {
    const std::map<std::string, std::weak_ptr<Counter>>& streams = pace->second.streams;
    siblings.merge(
        SourcesThatCarry([&](const std::string& stream) { return streams.contains(stream); }, place.provider));
  }
  siblings.erase(place.source);
  return siblings;
}

}  // namespace sealift::engine
