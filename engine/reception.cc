#include "engine/reception.h"

#include <algorithm>

namespace sealift::engine {

Reception::Visit::Visit(std::shared_ptr<Reception> reception, absl::Time now) : reception_(std::move(reception)) {
  const std::lock_guard lock(reception_->mutex_);
  ++reception_->waiting_;
  reception_->opened_ = now;
}

void Reception::Visit::LetIn() {
  if (let_in_) return;
  let_in_ = true;
  const std::lock_guard lock(reception_->mutex_);
  --reception_->waiting_;
  reception_->most_ = std::max(reception_->most_, ++reception_->let_in_);
}

void Reception::Visit::End(absl::Time now) {
  const std::shared_ptr<Reception> reception = std::move(reception_);
  const std::lock_guard lock(reception->mutex_);
  --(let_in_ ? reception->let_in_ : reception->waiting_);
  reception->ended_ = now;
}

Reception::Visit::~Visit() {
  if (reception_ != nullptr) End(absl::InfinitePast());
}

absl::Time Reception::MayOpen(absl::Time now) const {
  const std::lock_guard lock(mutex_);
  if (let_in_ + waiting_ < most_) return refused_ ? ended_ + kSettles : absl::InfinitePast();
  if (now < full_until_) return full_until_;
  const int at_once = refused_ ? 1 : std::max(1, most_ / kShareTried);
  return waiting_ < at_once ? absl::InfinitePast() : opened_ + kPatience;
}

bool Reception::Refused(absl::Time now) {
  const std::lock_guard lock(mutex_);
  const bool first = now >= full_until_;
  refused_ = true;
  most_ = let_in_;
  full_until_ = now + kPause;
  return first;
}

absl::Time Reception::full_until() const {
  const std::lock_guard lock(mutex_);
  return full_until_;
}

int Reception::most() const {
  const std::lock_guard lock(mutex_);
  return most_;
}

int Reception::let_in() const {
  const std::lock_guard lock(mutex_);
  return let_in_;
}

}  // namespace sealift::engine
