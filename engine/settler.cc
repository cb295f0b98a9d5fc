#include "engine/settler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/active_campaign.h"

namespace sealift::engine {
namespace {

constexpr int kGatherShare = 4;  // of the share: while these are made durable, as many can gather
constexpr size_t kLargePack = queue::Pack::kRowsMax / 2;  // it does not wait for the lane's others
constexpr size_t kSpareMax = 256;                         // vectors kept, of a pack's outcomes each

// Whether nothing is won by settling it later. Where a row is deferred, perhaps no other is sent for hours.
bool IsRipe(const OpenPack& open, const Lane& lane) {
  if (std::ranges::find(open.outcomes, queue::OutcomeKind::kDeferred, &queue::Outcome::kind) != open.outcomes.end())
    return true;
  return open.IsWhole() && (open.pack->rows().size() >= kLargePack || lane.Answered());
}

}  // namespace

Settler::Settler(const ShardServices& services, int share, Callbacks callbacks)
    : services_(services),
      share_(share),
      callbacks_(std::move(callbacks)),
      linger_timer_(Timer::Calling<&Settler::HandOverAll>(this)) {}

void Settler::Settle(Lane& lane, const Claim& claim, queue::Outcome outcome) {
  OpenPack& open = *claim.open;
  outcome.pack = open.pack;
  outcome.index = claim.index;
  const std::optional<size_t> key = lane.campaign->key_field;
  if (key.has_value() && *key < claim.row().fields.size()) outcome.key = claim.row().fields[*key];
  if (open.outcomes.empty()) {
    lingering_.emplace_back(claim.open, &lane);
    if (!spare_.empty()) {
      open.outcomes = std::move(spare_.back());
      spare_.pop_back();
    } else {
      open.outcomes.reserve(open.pack->rows().size());
    }
  }
  open.outcomes.push_back(std::move(outcome));
  --lane.unanswered;
  ++gathered_;
  ++newly_;
  const int enough = share_ / kGatherShare;
  // Rows of a pack that has expired are settled from elsewhere too (engine/expiry): who is first decides.
  if (open.pack->expires() <= services_.Now() || (gathered_ >= enough && Scarce())) {
    HandOverAll();
  } else if (newly_ >= enough) {
    HandOverRipe();
  }
  if (!lingering_.empty() && !linger_timer_.armed()) {
    services_.ArmAt(linger_timer_, services_.Now() + kLinger);
  }
}

uint64_t Settler::Intend(const Claim& claim, uint16_t attempt, absl::Time date) {
  intents_.push_back({.pack = claim.open->pack, .index = claim.index, .attempt = attempt, .date = date});
  return ++last_number_;
}

// Pack by pack, for the store writes a pack's once.
void Settler::HandOver(OpenPack& open, Lane* lane) {
  for (queue::Outcome& outcome : open.outcomes) {
    const bool deferred = outcome.kind == queue::OutcomeKind::kDeferred && !outcome.in_doubt();
    awaited_.push_back({++last_number_, lane,
                        deferred ? queue::Store::RoundDue(outcome.due, outcome.time) : absl::InfiniteFuture(),
                        std::exchange(outcome.kept, nullptr)});
    batch_.push_back(std::move(outcome));
  }
  open.handed_over += open.outcomes.size();
  gathered_ -= static_cast<int>(open.outcomes.size());
  open.outcomes.clear();
  std::vector<queue::Outcome> emptied = std::exchange(open.outcomes, {});
  if (spare_.size() < kSpareMax) spare_.push_back(std::move(emptied));
}

void Settler::HandOverAll() {
  for (const auto& [open, lane] : lingering_) HandOver(*open, lane);
  lingering_.clear();
  newly_ = 0;
}

void Settler::HandOverRipe() {
  std::erase_if(lingering_, [this](const auto& lingering) {
    const auto& [open, lane] = lingering;
    if (!IsRipe(*open, *lane)) return false;
    HandOver(*open, lane);
    return true;
  });
  newly_ = 0;
}

void Settler::Flush() {
  if (batch_.empty() && intents_.empty()) return;
  services_.store.Settle(services_.index, last_number_, batch_, intents_);
}

void Settler::FlushAll() {
  HandOverAll();
  Flush();
}

void Settler::OnDurable(uint64_t number) {
  durable_ = number;
  grown_.NotifyAll();
  size_t done = 0;  // callbacks may add to what is awaited
  while (done < awaited_.size() && awaited_[done].number <= number) {
    const Awaited settled = std::move(awaited_[done++]);
    --begun_;
    --settled.lane->unsettled;
    // The lane may be forgotten in the last call.
    if (settled.due != absl::InfiniteFuture()) callbacks_.deferred_durable(*settled.lane, settled.due);
    callbacks_.durable(*settled.lane);
  }
  awaited_.erase(awaited_.begin(), awaited_.begin() + static_cast<std::ptrdiff_t>(done));
  if (done > 0 && MayBegin(For::kTransactional)) callbacks_.room();
}

}  // namespace sealift::engine
