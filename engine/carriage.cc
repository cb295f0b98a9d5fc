#include "engine/carriage.h"

#include <algorithm>

namespace sealift::engine {
namespace {

bool Contains(const SharedSlots& counts, const std::shared_ptr<Slots>& count) {
  return std::ranges::find(counts, count) != counts.end();
}

}  // namespace

bool Carriage::Take(const SharedSlots& counts, absl::Time now) {
  if (counts.empty()) return true;
  if (has_.empty()) {
    if (now < left_until_) return false;
    since_ = now;
  }
  const size_t had = has_.size();
  for (const std::shared_ptr<Slots>& count : counts) {
    if (Contains(has_, count)) continue;
    if (!count->TryTake()) {
      for (size_t taken = had; taken < has_.size(); ++taken) has_[taken]->Return();
      has_.resize(had);
      Call(counts, of_path_, now);
      return false;
    }
    has_.push_back(count);
  }
  of_path_.insert(of_path_.end(), has_.begin() + static_cast<ptrdiff_t>(had), has_.end());
  return true;
}

void Carriage::KeepOnly(const SharedSlots& counts) {
  std::erase_if(has_, [&](const std::shared_ptr<Slots>& count) {
    if (Contains(counts, count)) return false;
    count->Return();
    of_path_.erase(std::ranges::find(of_path_, count));
    return true;
  });
}

bool Carriage::IsToGiveWay(absl::Duration turn, absl::Time now) {
  if (!gives_way_ && !has_.empty() && now - since_ >= turn) {
    gives_way_ = std::ranges::any_of(has_, [now](const auto& count) { return count->idle_call().Answer(now); });
  }
  return gives_way_;
}

void Carriage::GiveWay(absl::Time now) {
  Release();
  left_until_ = now + kLeftToOthers;
  gives_way_ = false;
}

void Carriage::Call(const SharedSlots& counts, const SharedSlots& of_path, absl::Time now) {
  for (const std::shared_ptr<Slots>& count : counts) {
    if (count->IsFull() && !Contains(of_path, count)) count->idle_call().Call(now);
  }
}

}  // namespace sealift::engine
