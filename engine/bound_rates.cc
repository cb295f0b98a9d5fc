#include "engine/bound_rates.h"

#include <algorithm>

namespace sealift::engine {
namespace {

// Whoever needs several that others share may find each of them taken whenever another is free. After so many periods
// without a permit it has one kept until it has all.
constexpr int kStarved = 16;

void ReturnFirst(const std::vector<BoundRate>& rates, size_t count, absl::Time taken, absl::Time now) {
  for (size_t i = 0; i < count; ++i) rates[i].rate->Return(taken, now, rates[i].flow.get());
}

// It waits for the last of them that is free, `longest`, for so long, and has the others kept where that costs little.
void Await(const std::vector<BoundRate>& rates, const BoundRate& longest, const Bid& bid, absl::Time now,
           absl::Duration wait) {
  for (const BoundRate& bound : rates) {
    RateInForce& rate = *bound.rate;
    if (&bound == &longest) {
      rate.Await(now, bid, bound.flow.get(), now + wait + rate.Grace());
    } else if (wait <= rate.HeldFor()) {
      const bool starved = bid.waited > kStarved * std::max(rate.period(), longest.rate->period());
      if (starved) {
        rate.Await(now, bid, bound.flow.get(), now + wait + rate.Grace());
      } else {
        rate.AwaitOverOthers(now, bid.standing, now + wait + rate.Grace());
      }
    }
  }
}

}  // namespace

const BoundRate* AcquireEach(const std::vector<BoundRate>& rates, const Bid& bid, absl::Time now,
                             absl::Duration& wait) {
  const auto refuses = std::ranges::find_if(rates, [&](const BoundRate& bound) {
    wait = bound.rate->Take(now, bid, bound.flow.get());
    return wait > absl::ZeroDuration();
  });
  if (refuses == rates.end()) return nullptr;
  ReturnFirst(rates, static_cast<size_t>(refuses - rates.begin()), now, now);
  const BoundRate* longest = &*refuses;
  for (const BoundRate& bound : rates) {
    const absl::Duration other = bound.rate->Look(now, bid, bound.flow.get());
    if (other <= wait) continue;
    wait = other;
    longest = &bound;
  }
  const auto needs_disk = [now](const BoundRate& bound) { return bound.rate->NeedsDisk(now); };
  if (wait > RateInForce::kCommit || std::ranges::none_of(rates, needs_disk)) {
    Await(rates, *longest, bid, now, wait);
    return longest;
  }
  for (const BoundRate& bound : rates) {
    bound.rate->AskDisk(now);
    bound.rate->Await(now, bid, bound.flow.get(), now + wait + bound.rate->Grace());
  }
  return longest;
}

void ReturnEach(const std::vector<BoundRate>& rates, absl::Time taken, absl::Time now) {
  ReturnFirst(rates, rates.size(), taken, now);
}

}  // namespace sealift::engine
