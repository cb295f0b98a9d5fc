#include "engine/pipeline.h"

#include <utility>

#include "engine/runtime/check.h"

namespace sealift::engine {

bool Pipeline::IsLast(Phase command) const {
  if (awaited_.empty()) return true;
  return command != Phase::kReset && (awaited_.front() == Phase::kReset || awaited_.front() == Phase::kMail);
}

Pipeline::Step Pipeline::End(Step::Next next, Phase phase, const Reply& reply) {
  const bool taken = phase == Phase::kContent && reply.IsPositive();
  Step step{.next = next, .phase = phase, .reply = &reply, .unfinished = !taken};
  ended_ = std::exchange(refusal_, std::nullopt);
  if (ended_.has_value()) {
    step.phase = ended_->phase;
    step.reply = &ended_->reply;
  }
  lone_dot_ = false;
  return step;
}

std::optional<Pipeline::Step> Pipeline::Cut() {
  awaited_.clear();
  if (!refusal_.has_value()) return std::nullopt;
  return End(Step::Next::kBroken, refusal_->phase, refusal_->reply);
}

bool Pipeline::Fits(const Reply& reply) const {
  constexpr int kAddressing = 1;
  if (!reply.IsPositive()) return true;
  const bool to_address = front() == Phase::kMail || front() == Phase::kRcpt;
  return reply.enhanced.has_value() && (reply.enhanced->subject == kAddressing) == to_address;
}

Pipeline::Step Pipeline::OnReply(const Reply& reply) {
  using Next = Step::Next;
  CHECK(!awaited_.empty(), "a reply is taken for a command that was sent");
  const Phase phase = awaited_.front();
  awaited_.erase(awaited_.begin());
  if (reply.code == 421) return End(Next::kBye, phase, reply);
  switch (phase) {
    case Phase::kReset:
      // What a MAIL means behind it is unknown.
      if (!reply.IsPositive()) return End(Next::kBroken, phase, reply);
      return {};
    case Phase::kData:
      if (reply.IsIntermediate()) {
        lone_dot_ = refusal_.has_value();
        return {.next = lone_dot_ ? Next::kLoneDot : Next::kContent};
      }
      return End(Next::kDone, phase, reply);
    case Phase::kContent:
      // A message whose envelope was refused is nobody's: a server that takes it has lost its place.
      if (refusal_.has_value() && !lone_dot_ && reply.IsPositive()) return End(Next::kBroken, phase, reply);
      return End(Next::kDone, phase, reply);
    default:
      if (reply.IsPositive()) return {};
      if (!refusal_.has_value()) refusal_ = Refusal{phase, reply};
      return IsLast(phase) ? End(Next::kDone, phase, reply) : Step{};
  }
}

}  // namespace sealift::engine
