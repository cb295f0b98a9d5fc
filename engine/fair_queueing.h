#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace sealift::engine {

// FairQueueing divides the permits of one limit between those who want more of them than there are, by their weights:
// start-time fair queueing (Goyal, Vin and Cheng 1996) without a queue. Each flow has a virtual time at which its next
// permit starts, which a permit moves on by the inverse of its weight; the one that starts first is to have the next
// permit. Whoever gives them out (engine/limits.h) keeps a permit for a flow that waits and starts before the one that
// asks.
//
// Flows of different standing do not share: the higher one has all that it wants. Who has had nothing for a while may
// be behind by as many permits as the limit gives in a moment, no more: an idle spell is no credit.
//
// Owned by:  a rate in force.
// Threads:   any. A look-up locks, so callers keep the flow; starts and permits are relaxed atomics: of two that ask in
//            the same moment both may think that it was before the other.
class FairQueueing {
  struct Equals {
    std::atomic<int64_t> now{0};  // the start of the permit that was given last
  };

 public:
  // What shares: a campaign's mail, wherever it goes.
  class Flow {
   public:
    Flow(std::shared_ptr<Equals> equals, int weight) : equals_(std::move(equals)), cost_(kCost / weight) {}

    // When its next permit starts; by so many permits, and at least one, it may be behind.
    int64_t Start(int64_t behind) const;
    void Take(int64_t start);
    void GiveBack() { end_.fetch_sub(cost_, std::memory_order_relaxed); }

   private:
    static constexpr int64_t kCost = int64_t{1} << 20;  // of a permit, with the weight of 1

    const std::shared_ptr<Equals> equals_;
    const int64_t cost_;
    std::atomic<int64_t> end_{0};  // of the permits that it has had
  };

  // The flow of that name among those of the same standing, for as long as somebody has it. `weight`: 1 or more.
  std::shared_ptr<Flow> FlowOf(std::string_view name, uint8_t standing, int weight);

 private:
  std::mutex mutex_;
  std::map<uint8_t, std::shared_ptr<Equals>> equals_;
  std::map<std::pair<uint8_t, std::string>, std::weak_ptr<Flow>> flows_;
  size_t flows_max_ = 64;  // with more, those that nobody has are taken out
};

}  // namespace sealift::engine
