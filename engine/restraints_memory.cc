// What replies have put on our sending, as it is known after a restart.
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/log.h"
#include "engine/providers.h"
#include "engine/restraints.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr std::string_view kSlowdown = "slowdown", kSpike = "spike", kTally = "tally", kMatches = "matches";
constexpr std::string_view kTo = " to ";  // between a source, or everything, and a provider

absl::Time TimeOf(const json& nanos) { return absl::FromUnixNanos(nanos.get<int64_t>()); }

}  // namespace

std::string_view Restraints::SourceOf(const Key& key) {
  const std::string_view name = key.second;
  if (key.first == kSourceKind) return name;
  return key.first == kPairKind ? name.substr(0, name.find(kTo)) : std::string_view();
}

std::string_view Restraints::ProviderOf(const Key& key) {
  if (key.first != kPairKind && key.first != kProviderKind) return {};
  return std::string_view(key.second).substr(key.second.find(kTo) + kTo.size());
}

Restraints::Key Restraints::Renamed(const Key& key, std::string_view source, std::string_view provider) {
  if (key.first == kSourceKind) return {key.first, std::string(source)};
  if (key.first == kProviderKind) return {key.first, NameOfProvider(provider)};
  return key.first == kPairKind ? Key{key.first, NameOfPair(source, provider)} : key;
}

void Restraints::Rename(const Options& options) {
  std::map<Key, Slowdown> renamed;
  for (auto known = slowdowns_.begin(); known != slowdowns_.end();) {
    const SourceOptions* const source = options_->FindSource(SourceOf(known->first));
    const std::optional<Key> key = KeyIn(options, known->first, source == nullptr ? "" : source->address,
                                         HostsOfProvider(*options_, ProviderOf(known->first)));
    if (!key.has_value() || *key == known->first) {
      ++known;
      continue;
    }
    Slowdown slowdown = std::move(known->second);
    slowdown.rate = limits_.OwnedRate(kRateKind, key->second, {});
    slowdown.changed = true;
    Set(slowdown);
    if (slowdown.base > 0) Wait(slowdown);
    outdated_.push_back(known->first);
    known = slowdowns_.erase(known);
    renamed[*key] = std::move(slowdown);
  }
  for (auto& [key, slowdown] : renamed) Add(key, std::move(slowdown));
  for (const ProviderOptions& provider : options_->providers) {
    const std::string now = ProviderNow(options, provider.name, provider.mx);
    const auto known = acceptances_.find(provider.name);
    if (now.empty() || now == provider.name || known == acceptances_.end()) continue;
    acceptances_[now] = std::exchange(known->second, {.changed = true});
    acceptances_[now].changed = true;
  }
}

std::optional<Restraints::Key> Restraints::KeyIn(const Options& options, const Key& key, std::string_view address,
                                                 const std::vector<std::string>& hosts) {
  std::string source(SourceOf(key));
  std::string provider(ProviderOf(key));
  if (!hosts.empty()) {
    const std::string now = ProviderNow(options, provider, hosts);
    if (!now.empty()) provider = now;
  }
  if (!source.empty() && !address.empty()) {
    const auto now = std::ranges::find(options.sources, address, &SourceOptions::address);
    if (now == options.sources.end() && options.FindSource(source) != nullptr) return std::nullopt;
    if (now != options.sources.end()) source = now->name;
  }
  return Renamed(key, source, provider);
}

std::vector<queue::Note> Restraints::TakeChanged() {
  std::vector<queue::Note> notes;
  const auto put = [&](std::string_view what, const std::string& name, const std::string& kind, const json& value) {
    notes.push_back(
        {queue::NoteKind::kRestraint, json({what, name, kind}).dump(), value.is_null() ? "" : value.dump()});
  };
  const std::lock_guard lock(mutex_);
  for (const Key& key : std::exchange(outdated_, {})) {
    if (!slowdowns_.contains(key)) put(kSlowdown, key.second, key.first, {});
  }
  for (auto& [key, slowdown] : slowdowns_) {
    if (!std::exchange(slowdown.changed, false)) continue;
    json value;
    if (slowdown.base > 0) {
      value = {{"suspended", slowdown.suspended},
               {"base", slowdown.base},
               {"lowest", slowdown.lowest},
               {"top", slowdown.top},
               {"floor", slowdown.floor},
               {"since", absl::ToUnixNanos(slowdown.since)},
               {"last", absl::ToUnixNanos(slowdown.last)},
               {"duration", absl::ToInt64Nanoseconds(slowdown.duration)},
               {"recovery", absl::ToInt64Nanoseconds(slowdown.recovery)},
               {"pause", absl::ToInt64Nanoseconds(slowdown.pause)},
               {"rule", slowdown.rule},
               {"origin", slowdown.origin}};
      const std::string_view source = SourceOf(key);
      const SourceOptions* const known = options_ == nullptr ? nullptr : options_->FindSource(source);
      if (known != nullptr) value["address"] = known->address;
      const std::vector<std::string> hosts =
          options_ == nullptr ? std::vector<std::string>() : HostsOfProvider(*options_, ProviderOf(key));
      if (!hosts.empty()) value["hosts"] = hosts;
      if (slowdown.pause > absl::ZeroDuration()) value["refused_since"] = absl::ToUnixNanos(slowdown.refused_since);
    }
    put(kSlowdown, key.second, key.first, value);
  }
  for (auto& [provider, acceptance] : acceptances_) {
    if (!std::exchange(acceptance.changed, false)) continue;
    const bool spiked = acceptance.spike_until != absl::InfinitePast();
    put(kSpike, provider, "",
        spiked ? json({{"until", absl::ToUnixNanos(acceptance.spike_until)}, {"norm", acceptance.norm}}) : json());
  }
  // What nothing is counted of, and the disk knows nothing of by now.
  std::erase_if(tallies_, [](const auto& entry) { return entry.second.settled == 0 && !entry.second.changed; });
  for (auto& [campaign, tally] : tallies_) {
    if (!std::exchange(tally.changed, false)) continue;
    put(kTally, campaign, "",
        tally.settled == 0 ? json()
                           : json({{"settled", tally.settled}, {"hard", tally.hard}, {"stream", tally.stream}}));
  }
  for (auto& [what, matches] : matches_) {
    if (!std::exchange(matches.changed, false)) continue;
    json value;
    if (!matches.times.empty()) {
      json times = json::array();
      for (const absl::Time time : matches.times) times.push_back(absl::ToUnixNanos(time));
      value = {{"times", std::move(times)}, {"period", absl::ToInt64Nanoseconds(matches.period)}};
    }
    put(kMatches, what, "", value);
  }
  // What was not written is, unless there is something newer.
  std::set<std::string_view> names;
  for (const queue::Note& note : notes) names.insert(note.name);
  std::erase_if(refused_, [&](const queue::Note& note) { return names.contains(note.name); });
  std::ranges::move(std::exchange(refused_, {}), std::back_inserter(notes));
  offered_ = notes;
  return notes;
}

void Restraints::Refused() {
  const std::lock_guard lock(mutex_);
  refused_ = std::move(offered_);
}

void Restraints::Recall(std::string_view name, std::string_view value, absl::Time now) {
  const json names = json::parse(name, nullptr, /*allow_exceptions=*/false);
  const json known = json::parse(value, nullptr, /*allow_exceptions=*/false);
  const std::lock_guard lock(mutex_);
  try {
    const std::string what = names.at(1);
    if (names.at(0) == kSlowdown) {
      Slowdown slowdown{.suspended = known.at("suspended"),
                        .base = known.at("base"),
                        .lowest = known.at("lowest"),
                        .floor = known.value("floor", 0.1),
                        .since = TimeOf(known.at("since")),
                        // A clock that has stepped back since makes nothing last longer.
                        .last = std::min(TimeOf(known.at("last")), now),
                        .duration = absl::Nanoseconds(known.at("duration").get<int64_t>()),
                        .rule = known.at("rule"),
                        .origin = known.at("origin")};
      if (slowdown.base <= 0 || slowdown.duration <= absl::ZeroDuration()) return;
      slowdown.top = known.value("top", slowdown.base);
      slowdown.recovery = absl::Nanoseconds(known.value("recovery", absl::ToInt64Nanoseconds(slowdown.duration)));
      slowdown.pause = absl::Nanoseconds(known.value("pause", int64_t{0}));
      if (known.contains("refused_since")) slowdown.refused_since = TimeOf(known.at("refused_since"));
      slowdown.now = slowdown.lowest;
      if (rules_ != nullptr) slowdown.origin = OriginOf(slowdown.rule);
      const Key written{names.at(2), what};
      const std::optional<Key> key = options_ == nullptr ? std::optional(written)
                                                         : KeyIn(*options_, written, known.value("address", ""),
                                                                 known.value("hosts", std::vector<std::string>()));
      if (key != written) {
        slowdown.changed = true;
        outdated_.push_back(written);
      }
      if (!key.has_value()) return;
      slowdown.rate = limits_.OwnedRate(kRateKind, key->second, {});
      Set(slowdown);
      Wait(slowdown);
      // Nobody knows when the last one left: perhaps just before.
      if (!slowdown.suspended) limits_.FreeFrom(*slowdown.rate, now + absl::Seconds(1 / slowdown.now), now);
      Add(*key, std::move(slowdown));
    } else if (names.at(0) == kSpike) {
      acceptances_[what].spike_until = TimeOf(known.at("until"));
      acceptances_[what].norm = known.at("norm");
    } else if (names.at(0) == kTally) {
      Tally& tally = tallies_[what];
      tally = {
          .stream = known.value("stream", ""), .settled = known.at("settled"), .hard = known.at("hard"), .why = {}};
      // What was to be paused when the node ended is paused now.
      Judge(tally);
    } else if (names.at(0) == kMatches) {
      Matches matches;
      for (const json& time : known.is_array() ? known : known.at("times")) matches.times.push_back(TimeOf(time));
      if (known.is_object()) matches.period = absl::Nanoseconds(known.at("period").get<int64_t>());
      if (!matches.times.empty()) matches_[what] = std::move(matches);
    }
  } catch (const json::exception&) {
    LogWarning("what replies had put on sending cannot be read and is forgotten", {});
  }
}

std::set<std::pair<std::string, std::string>> Restraints::SlowedSources() const {
  std::set<std::pair<std::string, std::string>> slowed;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, slowdown] : slowdowns_) {
    if (slowdown.base <= 0 || slowdown.Spares()) continue;
    const bool of_a_source = key.first == kSourceKind || key.first == kPairKind || key.first == kProviderKind;
    if (of_a_source) slowed.emplace(SourceOf(key), ProviderOf(key));
  }
  return slowed;
}

}  // namespace sealift::engine
