#include "engine/sign_ahead.h"

#include <algorithm>
#include <utility>

#include "engine/message_identity.h"

namespace sealift::engine {
namespace {

constexpr size_t kRowsMin = 2;              // of a list: one to be sent, one to be signed meanwhile
constexpr size_t kUnknownBytes = 64 << 10;  // of a message, until one of the queue has been signed

// What a message of the queue is reckoned to have.
size_t MessageBytes(const SendQueue& queue) { return queue.message_bytes > 0 ? queue.message_bytes : kUnknownBytes; }

}  // namespace

size_t SignAhead::RowsMax(const SendQueue& queue) const {
  if (bytes_ >= kShardBytes) return kRowsMin;
  size_t sessions = 0;
  for (const std::unique_ptr<Path>& path : queue.site->paths) sessions += static_cast<size_t>(path->sessions);
  const auto depth = static_cast<size_t>(std::max(queue.settings.pipeline_depth, 1));
  return std::max<size_t>(std::min(sessions * depth * kSessionBytes, kListBytes) / MessageBytes(queue), kRowsMin);
}

void SignAhead::Fill(SendQueue& queue) {
  Enlist(queue);
  Ask();
}

void SignAhead::Enlist(SendQueue& queue, Place place) {
  if (queue.signer == nullptr || queue.waits_for_signers || queue.ready.empty() || !queue.campaign->sending) return;
  if (queue.ahead.size() >= RowsMax(queue)) return;
  queue.waits_for_signers = true;
  const auto behind = std::ranges::find_if(waiting_, [&](const SendQueue* other) {
    return other->Standing() < queue.Standing() ||
           (place == Place::kBeforeEquals && other->Standing() == queue.Standing());
  });
  waiting_.insert(behind, &queue);
}

// Those of equal standing take turns, so that they fill together.
void SignAhead::Ask() {
  while (!waiting_.empty() && HasRoom(*waiting_.front())) {
    SendQueue& queue = *waiting_.front();
    waiting_.pop_front();
    queue.waits_for_signers = false;
    if (queue.signer == nullptr || queue.ready.empty()) continue;
    auto [lane, claim] = queue.PopFront();
    ++lane->ahead;
    const size_t bytes = MessageBytes(queue);
    bytes_ += bytes;
    Request(queue, queue.ahead.emplace_back(std::move(claim), lane, nullptr, bytes));
    callbacks_.taken(*lane);
    Enlist(queue,
           queue.signing_turn.EndsWithThis(queue.campaign->weight) ? Place::kBehindEquals : Place::kBeforeEquals);
  }
}

void SignAhead::Request(SendQueue& queue, ReadyRow& row) {
  const queue::Row& values = row.claim.row();
  row.message = std::make_shared<SignedMessage>();
  row.message->date = values.date != absl::InfinitePast() ? values.date : services_.Now();
  row.message->waiting = &queue;
  ++under_way_;
  services_.signers.Sign({.campaign = queue.campaign,
                          .pack = row.claim.open->pack,
                          .row = row.claim.index,
                          .signer = queue.signer,
                          .store = &services_.store,
                          .identity = Identify(services_.store, *services_.options, *queue.campaign,
                                               {.lane = row.lane->id, .row = values.id}, values.fields),
                          .message = row.message,
                          .client = this,
                          .urgent = queue.transactional()});
}

void SignAhead::OnSigned(std::vector<std::shared_ptr<SignedMessage>> messages) {
  services_.post([this, messages = std::move(messages)] { Receive(messages); });
}

void SignAhead::Receive(const std::vector<std::shared_ptr<SignedMessage>>& messages) {
  under_way_ -= messages.size();
  for (const std::shared_ptr<SignedMessage>& message : messages) {
    message->ready = true;
    if (message->waiting == nullptr) continue;
    message->waiting->message_bytes = std::max(message->waiting->message_bytes, message->wire.size());
  }
  // Whoever is told may take the messages behind, or drop them: these wait no more then.
  for (const std::shared_ptr<SignedMessage>& message : messages) {
    SendQueue* const queue = std::exchange(message->waiting, nullptr);
    if (queue != nullptr && queue->ahead.front().message == message) callbacks_.ready(*queue);
  }
  Ask();
}

bool SignAhead::IsReady(SendQueue& queue) {
  if (queue.ahead.empty()) {
    Fill(queue);
    return false;
  }
  ReadyRow& front = queue.ahead.front();
  if (!front.message->ready) return false;
  const bool fresh = front.claim.row().date == absl::InfinitePast();
  if (!fresh || services_.Now() - front.message->date <= kDateAgeMax) return true;
  if (HasRoom(queue)) {
    Request(queue, front);
  } else {
    GiveBack(queue);
    Fill(queue);
  }
  return false;
}

// A row is about to go from its list.
void SignAhead::Leave(ReadyRow& row) {
  --row.lane->ahead;
  bytes_ -= row.bytes;
  row.message->waiting = nullptr;
}

std::shared_ptr<SignedMessage> SignAhead::Take(ReadyRow& front) {
  Leave(front);
  if (!front.message->ready) front.message = nullptr;
  return std::move(front.message);
}

void SignAhead::GiveBack(SendQueue& queue) {
  while (!queue.ahead.empty()) {
    ReadyRow& row = queue.ahead.back();
    Leave(row);
    queue.PushFront(*row.lane, std::move(row.claim));
    queue.ahead.pop_back();
  }
}

void SignAhead::Drop(SendQueue& queue, Lane& lane) {
  if (lane.ahead == 0) return;
  std::erase_if(queue.ahead, [&](ReadyRow& row) {
    if (row.lane != &lane) return false;
    Leave(row);
    return true;
  });
}

void SignAhead::Forget(SendQueue& queue) {
  if (queue.waits_for_signers) std::erase(waiting_, &queue);
}

}  // namespace sealift::engine
