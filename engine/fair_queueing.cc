#include "engine/fair_queueing.h"

#include <algorithm>

namespace sealift::engine {

int64_t FairQueueing::Flow::Start(int64_t behind) const {
  const int64_t earliest = equals_->now.load(std::memory_order_relaxed) - std::max<int64_t>(behind, 1) * cost_;
  return std::max(earliest, end_.load(std::memory_order_relaxed));
}

void FairQueueing::Flow::Take(int64_t start) {
  // Shards that take at once must each be counted.
  int64_t end = end_.load(std::memory_order_relaxed);
  while (!end_.compare_exchange_weak(end, std::max(start, end) + cost_, std::memory_order_relaxed)) {
  }
  int64_t now = equals_->now.load(std::memory_order_relaxed);
  while (now < start && !equals_->now.compare_exchange_weak(now, start, std::memory_order_relaxed)) {
  }
}

std::shared_ptr<FairQueueing::Flow> FairQueueing::FlowOf(std::string_view name, uint8_t standing, int weight) {
  const std::lock_guard lock(mutex_);
  if (flows_.size() > flows_max_) {
    std::erase_if(flows_, [](const auto& entry) { return entry.second.expired(); });
    flows_max_ = 2 * flows_.size() + 64;
  }
  std::weak_ptr<Flow>& entry = flows_[{standing, std::string(name)}];
  std::shared_ptr<Flow> flow = entry.lock();
  if (flow != nullptr) return flow;
  std::shared_ptr<Equals>& equals = equals_[standing];
  if (equals == nullptr) equals = std::make_shared<Equals>();
  entry = flow = std::make_shared<Flow>(equals, weight);
  return flow;
}

}  // namespace sealift::engine
