// What hard bounces make of a campaign, and of the provider that gave them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/log.h"
#include "engine/restraints.h"

namespace sealift::engine {
namespace {

// Hard bounces far above the norm: so many in ten minutes, and such a share of the attempts.
constexpr size_t kSpikeMinutes = 10;
constexpr uint64_t kSpikeMin = 50;
constexpr uint64_t kSpikeLook = 10;  // it is looked for at every tenth: a fast one would be over in a minute
constexpr double kSpikeShare = 0.1, kSpikeTimesNorm = 5, kNormMin = 0.02;
constexpr double kNormWeight = 1.0 / 120;  // of a minute
constexpr absl::Duration kSpikeLasts = absl::Hours(1);
constexpr size_t kJudgesMax = 4096;  // then no more sites are watched; those that refuse nobody are not among them

}  // namespace

void Restraints::Count(const StreamOptions& stream, const std::string& campaign, bool hard_bounce) {
  if (stream.kind != StreamKind::kMarketing || stream.max_hard_bounces.rate_percent <= 0) return;
  const std::lock_guard lock(mutex_);
  Tally& tally = tallies_[campaign];
  tally.stream = stream.name;
  ++tally.settled;
  tally.hard += hard_bounce ? 1 : 0;
  tally.changed = true;
  Judge(tally);
}

void Restraints::Judge(Tally& tally) {
  const StreamOptions* const stream = options_ != nullptr ? options_->FindStream(tally.stream) : nullptr;
  if (stream == nullptr || stream->max_hard_bounces.rate_percent <= 0 || !tally.why.empty()) return;
  const MaxHardBounces& most = stream->max_hard_bounces;
  if (tally.settled < static_cast<uint64_t>(most.min)) return;
  const double percent = 100.0 * static_cast<double>(tally.hard) / static_cast<double>(tally.settled);
  if (percent <= most.rate_percent) return;
  tally.why = fmt::format("{} of {} messages bounced hard ({:.1f}%), and stream {} allows {:g}%", tally.hard,
                          tally.settled, percent, stream->name, most.rate_percent);
  if (on_pause_ != nullptr) on_pause_();
}

std::vector<Restraints::Pause> Restraints::Pauses() const {
  const std::lock_guard lock(mutex_);
  std::vector<Pause> pauses;
  for (const auto& [campaign, tally] : tallies_) {
    if (!tally.why.empty()) pauses.push_back({campaign, tally.why});
  }
  return pauses;
}

void Restraints::CountAnew(const std::string& campaign) {
  const std::lock_guard lock(mutex_);
  tallies_[campaign] = {.stream = {}, .why = {}, .changed = true};
}

std::vector<std::string> Restraints::Counted() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> campaigns;
  for (const auto& [campaign, tally] : tallies_) {
    if (tally.settled > 0) campaigns.push_back(campaign);
  }
  return campaigns;
}

bool Restraints::Acceptance::IsQuiet(absl::Time now) const {
  const bool refuses = std::ranges::any_of(minutes, [](const auto& minute) { return minute.second > 0; });
  return !refuses && hard == 0 && spike_until <= now;
}

bool Restraints::Doubts(const std::string& judge, absl::Time now) {
  const std::lock_guard lock(mutex_);
  return IsDoubted(judge, now);
}

bool Restraints::IsDoubted(const std::string& provider, absl::Time now) {
  const bool has_room = IsKnownProvider(provider) || acceptances_.size() < kJudgesMax;
  if (!has_room && !acceptances_.contains(provider)) return false;
  const auto [entry, made] = acceptances_.try_emplace(provider);
  Acceptance& acceptance = entry->second;
  // This one is of those since.
  if (made) acceptance.usual = acceptance.attempts_seen = std::max<uint64_t>(AttemptsTo(provider), 1) - 1;
  if (++acceptance.hard % kSpikeLook == 0) Doubt(provider, acceptance, now);
  return acceptance.spike_until > now;
}

uint64_t Restraints::AttemptsTo(std::string_view provider) const {
  if (options_ == nullptr) return 0;
  uint64_t attempts = 0;
  for (const SourceOptions& source : options_->sources) {
    const auto pace = paces_.find({std::string(kPairKind), NameOfPair(source.name, provider)});
    if (pace != paces_.end()) attempts += pace->second.attempts->value();
  }
  return attempts;
}

uint64_t Restraints::AttemptsSince(uint64_t seen, std::string_view provider) const {
  const uint64_t attempts = AttemptsTo(provider);
  return attempts >= seen ? attempts - seen : attempts;  // a site's are counted anew once nobody has sent there
}

void Restraints::Doubt(const std::string& provider, Acceptance& acceptance, absl::Time now) {
  uint64_t tried = AttemptsSince(acceptance.attempts_seen, provider), refused = acceptance.hard;
  for (const auto& [tries, bounces] : acceptance.minutes) {
    tried += tries;
    refused += bounces;
  }
  const double share = tried == 0 ? 0 : static_cast<double>(refused) / static_cast<double>(tried);
  const bool has_norm = acceptance.usual >= kUsualMin || IsKnownProvider(provider);
  const bool far_above = has_norm && refused >= kSpikeMin && share > kSpikeShare &&
                         share > kSpikeTimesNorm * std::max(acceptance.norm, kNormMin);
  if (!far_above) return;
  const bool begins = acceptance.spike_until <= now;
  acceptance.spike_until = now + kSpikeLasts;
  acceptance.changed = true;
  if (begins) {
    LogError("a provider refuses far more recipients than it used to: none of them is suppressed, their rows wait",
             {{"provider", provider},
              {"refused", fmt::format("{} of {}", refused, tried)},
              {"usual", fmt::format("{:.1f}%", 100 * acceptance.norm)},
              {"next", "look at its replies; `sealift suppression undo` takes back what was suppressed before"}});
    ShowSpikes(provider, now);
  }
}

// Sites are counted: there may be many.
void Restraints::ShowSpikes(const std::string& provider, absl::Time now) {
  const bool known = IsKnownProvider(provider);
  const auto spikes = std::ranges::count_if(acceptances_, [&](const auto& entry) {
    const auto& [name, acceptance] = entry;
    return (known ? name == provider : !IsKnownProvider(name)) && acceptance.spike_until > now;
  });
  metrics_.gauge(Metric::kHardBounceSpikes, {known ? std::string_view(provider) : "other"})->Set(spikes);
}

void Restraints::TickProviders(absl::Time now) {
  std::erase_if(acceptances_, [&](const auto& entry) {
    const auto& [provider, acceptance] = entry;
    const bool forgets = !IsKnownProvider(provider) && acceptance.minutes.size() == kSpikeMinutes;
    return forgets && acceptance.IsQuiet(now) && !acceptance.changed && acceptance.spike_until == absl::InfinitePast();
  });
  for (auto& [provider, acceptance] : acceptances_) {
    if (acceptance.minute != absl::Time() && now < acceptance.minute + absl::Minutes(1)) continue;
    Doubt(provider, acceptance, now);
    acceptance.minute = now;
    const uint64_t minute = AttemptsSince(acceptance.attempts_seen, provider);
    acceptance.attempts_seen = AttemptsTo(provider);
    const uint64_t hard = std::exchange(acceptance.hard, 0);
    acceptance.minutes.emplace_back(minute, hard);
    if (acceptance.minutes.size() > kSpikeMinutes) acceptance.minutes.pop_front();
    const double refused = minute == 0 ? 0 : static_cast<double>(hard) / static_cast<double>(minute);
    // An outage does not become the norm, however long it lasts, or however little is sent meanwhile.
    if (minute > 0 && refused <= kSpikeShare && acceptance.spike_until <= now) {
      acceptance.norm += kNormWeight * (refused - acceptance.norm);
      acceptance.usual += minute;
    }
    if (acceptance.spike_until != absl::InfinitePast()) ShowSpikes(provider, now);
    // Of a site nothing is known on the disk any more once it is over.
    const bool over = !IsKnownProvider(provider) && acceptance.spike_until <= now;
    if (over && acceptance.spike_until != absl::InfinitePast()) {
      acceptance.spike_until = absl::InfinitePast();
      acceptance.changed = true;
    }
  }
}

}  // namespace sealift::engine
