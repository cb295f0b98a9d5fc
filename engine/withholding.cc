// Rows that are not sent because of their recipient, who is suppressed or has had enough: found when they are claimed,
// before a connection is opened for them, or just before MAIL by what became known since.
#include <algorithm>
#include <memory>
#include <utility>

#include "engine/log.h"
#include "engine/scheduler.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kReadAgain = absl::Minutes(1);  // after the disk gave no answer

}  // namespace

void Scheduler::Hear(const queue::SuppressionNews& news) {
  if (!suppressed_since_.Add(news)) lanes_.GiveBack();
}

void Scheduler::JudgeAgain() {
  suppressed_since_.Clear();
  lanes_.GiveBack();
}

bool Scheduler::Confirm(const Assignment& assignment) {
  Lane& lane = *assignment.lane;
  if (lane.discarded) {
    Return(assignment);
    return false;
  }
  if (lanes_.Keep(lane, assignment.claim)) {
    KeepHeld(assignment);
    return false;
  }
  if (assignment.queue->ClosedUntil(services_.Now()) > services_.Now()) {
    Return(assignment);
    return false;
  }
  if (assignment.claim.pack().expires() <= services_.Now()) {
    ReturnPermits(assignment, services_.Now());
    Conclude({.claim = assignment.claim, .lane = &lane, .queue = assignment.queue}, {.begun = false});
    return false;
  }
  if (suppressed_since_.empty()) return true;
  const queue::AddressHash address = services_.store.AddressOf(assignment.claim.row().recipient);
  if (!suppressed_since_.Binds(address, lanes_.MailingOf(lane))) return true;
  ReturnPermits(assignment, services_.Now());
  Withhold(assignment);
  return false;
}

Task<bool> Scheduler::Admit(Assignment& assignment) {
  const StreamOptions* const stream = assignment.queue->stream;
  if (stream == nullptr || stream->recipient_cap.rate.unlimited()) co_return true;
  absl::StatusOr<RecipientCap::Answer> answer =
      co_await recipient_cap_.Ask(*stream, std::string(assignment.claim.row().recipient));
  if (absl::IsCancelled(answer.status()) || absl::IsDeadlineExceeded(answer.status())) {
    Return(assignment);
    co_return false;
  }
  if (!answer.ok()) {
    LogError("what a recipient has received cannot be read, so nothing is sent to it", {{"why", answer.status()}});
    Postpone(assignment, services_.Now() + kReadAgain, "what the recipient has received cannot be read");
    co_return false;
  }
  if (answer->admitted == nullptr) {
    Postpone(assignment, answer->wait.again, std::move(answer->wait.why));
    co_return false;
  }
  assignment.under_cap = std::move(answer->admitted);
  co_return true;
}

bool Scheduler::PostponeFront(SendQueue& queue, absl::Time now) {
  if (queue.stream == nullptr || queue.stream->recipient_cap.rate.unlimited()) return false;
  std::optional<RecipientCap::Wait> wait = recipient_cap_.Known(*queue.stream, queue.Front().row().recipient, now);
  if (!wait.has_value()) return false;
  Postpone(TakeFront(queue, nullptr), wait->again, std::move(wait->why));
  return true;
}

void Scheduler::Postpone(const Assignment& assignment, absl::Time until, std::string why) {
  const Lane& lane = *assignment.lane;
  const queue::Row& row = assignment.claim.row();
  ReturnPermits(assignment, services_.Now());
  auto evidence = std::make_shared<queue::Evidence>();
  evidence->stream = lane.campaign->stream;
  queue::Outcome outcome;
  outcome.kind = queue::OutcomeKind::kDeferred;
  outcome.time = services_.Now();
  // One that has no time left then expires, as whatever waits longer than that does.
  outcome.due = std::min(until, assignment.claim.pack().expires());
  outcome.attempt = row.attempts;
  outcome.date = row.date;
  outcome.reason_class = kRecipientCapClass;
  outcome.reply = std::move(why);
  outcome.evidence = std::move(evidence);
  const std::string provider = assignment.queue != nullptr ? assignment.queue->site->provider : "other";
  services_.metrics.counter(Metric::kMessagesDeferred, {lane.campaign->stream, "", provider, kRecipientCapClass})
      ->Add();
  Settle(assignment, std::move(outcome));
}

void Scheduler::SettleWithheld(Lane& lane) {
  while (!lane.withheld.empty() && !draining_ && MayBegin()) {
    const WithheldClaim withheld = std::move(lane.withheld.front());
    lane.withheld.pop_front();
    settler_.Begin(lane);
    const Assignment assignment{.claim = withheld.claim, .lane = &lane, .queue = lane.queue};
    const StreamOptions* const stream = services_.options->FindStream(lane.campaign->stream);
    if (!withheld.sated_since.has_value()) {
      Withhold(assignment);
    } else if (stream == nullptr || stream->recipient_cap.rate.unlimited()) {  // until a moment ago
      Postpone(assignment, services_.Now(), "the stream had a cap");
    } else {
      RecipientCap::Wait wait = RecipientCap::WaitOf(*stream, *withheld.sated_since);
      Postpone(assignment, wait.again, std::move(wait.why));
    }
  }
  if (!lane.withheld.empty()) starved_lanes_.insert(lane.id);
}

void Scheduler::Withhold(const Assignment& assignment) {
  const Lane& lane = *assignment.lane;
  const queue::Row& row = assignment.claim.row();
  auto evidence = std::make_shared<queue::Evidence>();
  evidence->stream = lane.campaign->stream;
  queue::Outcome outcome;
  outcome.kind = queue::OutcomeKind::kSuppressed;
  outcome.time = services_.Now();
  outcome.attempt = row.attempts;
  outcome.date = row.date;
  outcome.reason_class = "suppressed";
  outcome.evidence = std::move(evidence);
  services_.metrics.counter(Metric::kMessagesSuppressed, {lane.campaign->stream})->Add();
  Settle(assignment, std::move(outcome));
}

bool Scheduler::KindsChange(const Options& before, const Options& after) {
  const auto transactional = [](const Options& options, const std::string& name) {
    const StreamOptions* const stream = options.FindStream(name);
    return stream != nullptr && stream->kind == StreamKind::kTransactional;
  };
  const auto differs = [&](const StreamOptions& stream) {
    return transactional(before, stream.name) != transactional(after, stream.name);
  };
  return std::ranges::any_of(before.streams, differs) || std::ranges::any_of(after.streams, differs);
}

}  // namespace sealift::engine
