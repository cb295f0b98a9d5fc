#include "engine/carriage.h"

#include <algorithm>

namespace sealift::engine {
namespace {

// How long what was given up is left to who called, and to who calls no more.
constexpr absl::Duration kLeft = absl::Seconds(5), kLeftToNobody = absl::Seconds(2);

bool Contains(const SharedSlots& counts, const std::shared_ptr<Slots>& count) {
  return std::ranges::find(counts, count) != counts.end();
}

// Whether a path that has given way leaves it to others, who still wait for it.
bool IsLeft(Slots& count, const Carried& of_path, absl::Time now) {
  return now < of_path.left_until && count.idle_call().Called(now - kLeftToNobody);
}

}  // namespace

bool Carriage::MayTake(const SharedSlots& counts, const Carried& of_path, absl::Time now) {
  return std::ranges::none_of(counts,
                              [&](const auto& count) { return count->IsFull() || IsLeft(*count, of_path, now); });
}

bool Carriage::MayTake(const SharedSlots& counts, absl::Time now) const {
  return std::ranges::all_of(counts, [&](const auto& count) {
    return Contains(has_, count) || (!count->IsFull() && !IsLeft(*count, of_path_, now));
  });
}

bool Carriage::Take(const SharedSlots& counts, absl::Time now) {
  if (counts.empty()) return true;
  if (has_.empty()) since_ = now;
  const size_t had = has_.size();
  for (const std::shared_ptr<Slots>& count : counts) {
    if (Contains(has_, count)) continue;
    if (IsLeft(*count, of_path_, now) || !count->TryTake()) {
      for (size_t taken = had; taken < has_.size(); ++taken) has_[taken]->Return();
      has_.resize(had);
      Call(counts, of_path_, now);
      return false;
    }
    has_.push_back(count);
  }
  of_path_.slots.insert(of_path_.slots.end(), has_.begin() + static_cast<ptrdiff_t>(had), has_.end());
  return true;
}

void Carriage::KeepOnly(const SharedSlots& counts) {
  std::erase_if(has_, [&](const std::shared_ptr<Slots>& count) {
    if (Contains(counts, count)) return false;
    count->Return();
    of_path_.slots.erase(std::ranges::find(of_path_.slots, count));
    return true;
  });
}

bool Carriage::IsToGiveWay(absl::Duration turn, absl::Time now) {
  if (gives_way_ != GivesWay::kNo || has_.empty()) return gives_way_ != GivesWay::kNo;
  if (std::ranges::any_of(has_, [](const auto& count) { return count->used() > count->max(); })) {
    gives_way_ = GivesWay::kToLimit;
  } else if (now - since_ >= turn && std::ranges::any_of(has_, [now](const auto& count) {
               return count->IsFull() && count->idle_call().Answer(now);
             })) {
    gives_way_ = GivesWay::kToCallers;
  }
  return gives_way_ != GivesWay::kNo;
}

void Carriage::GiveWay(absl::Time now) {
  Release();
  if (gives_way_ == GivesWay::kToCallers) of_path_.left_until = now + kLeft;
  gives_way_ = GivesWay::kNo;
}

void Carriage::Call(const SharedSlots& counts, const Carried& of_path, absl::Time now) {
  if (now < of_path.left_until) return;
  for (const std::shared_ptr<Slots>& count : counts) {
    if (!Contains(of_path.slots, count)) count->idle_call().Call(now);
  }
}

}  // namespace sealift::engine
