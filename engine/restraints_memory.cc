// What replies have put on our sending, as it is known after a restart.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/log.h"
#include "engine/restraints.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr std::string_view kSlowdown = "slowdown", kSpike = "spike", kTally = "tally", kMatches = "matches";

absl::Time TimeOf(const json& nanos) { return absl::FromUnixNanos(nanos.get<int64_t>()); }

}  // namespace

std::string_view Restraints::SourceOf(const Key& key) {
  const std::string_view name = key.second;
  if (key.first == kSourceKind) return name;
  return key.first == kPairKind ? name.substr(0, name.find(" to ")) : std::string_view();
}

Restraints::Key Restraints::Renamed(const Key& key, std::string_view source) {
  return {key.first, std::string(source) + key.second.substr(SourceOf(key).size())};
}

void Restraints::Rename(const Options& options) {
  std::map<Key, Slowdown> renamed;
  for (auto known = slowdowns_.begin(); known != slowdowns_.end();) {
    const SourceOptions* const before = options_->FindSource(SourceOf(known->first));
    const auto now = before == nullptr || before->address.empty()
                         ? options.sources.end()
                         : std::ranges::find(options.sources, before->address, &SourceOptions::address);
    if (now == options.sources.end() || now->name == before->name) {
      ++known;
      continue;
    }
    Slowdown slowdown = std::move(known->second);
    const Key key = Renamed(known->first, now->name);
    slowdown.rate = limits_.OwnedRate(kRateKind, key.second, {});
    slowdown.changed = true;
    Set(slowdown);
    if (slowdown.base > 0) Wait(slowdown);
    outdated_.push_back(known->first);
    known = slowdowns_.erase(known);
    renamed[key] = std::move(slowdown);
  }
  for (auto& [key, slowdown] : renamed) Add(key, std::move(slowdown));
}

std::optional<Restraints::Key> Restraints::KeyNow(const Key& key, std::string_view address) const {
  const std::string_view source = SourceOf(key);
  if (source.empty() || address.empty() || options_ == nullptr) return key;
  const auto now = std::ranges::find(options_->sources, address, &SourceOptions::address);
  if (now != options_->sources.end()) return Renamed(key, now->name);
  return options_->FindSource(source) == nullptr ? std::optional(key) : std::nullopt;
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
  return notes;
}

void Restraints::Refused() {
  const std::lock_guard lock(mutex_);
  for (auto& [key, slowdown] : slowdowns_) slowdown.changed = true;
  for (auto& [provider, acceptance] : acceptances_) acceptance.changed = true;
  for (auto& [campaign, tally] : tallies_) tally.changed = true;
  for (auto& [what, matches] : matches_) matches.changed = true;
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
      const std::optional<Key> key = KeyNow(written, known.value("address", ""));
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
    if (slowdown.base <= 0) continue;
    if (key.first == kSourceKind) slowed.emplace(key.second, "");
    if (key.first == kProviderKind) slowed.emplace("", key.second);
    if (key.first != kPairKind) continue;
    const size_t to = key.second.find(" to ");
    slowed.emplace(key.second.substr(0, to), key.second.substr(to + 4));
  }
  return slowed;
}

}  // namespace sealift::engine
