#include "engine/site.h"

#include <algorithm>

namespace sealift::engine {

const std::shared_ptr<const SendPermits>* SendQueue::PermitsOf(int source) const {
  for (const std::shared_ptr<const SendPermits>& entry : permits) {
    if (entry->source == source) return &entry;
  }
  return nullptr;
}

std::pair<Lane*, Claim> SendQueue::PopFront() {
  Lane& lane = *ready.front();
  Claim claim = std::move(lane.window.front());
  lane.window.pop_front();
  --lane.rows_listed;
  ++taken_of_front;
  if (lane.window.empty()) {
    lane.listed.reset();
    ready.pop_front();
    taken_of_front = 0;
  } else if (lane.window.front().open != claim.open && taken_of_front >= queue::Pack::kRowsMax) {
    ready.splice(ready.end(), ready, ready.begin());
    taken_of_front = 0;
  }
  return {&lane, std::move(claim)};
}

void SendQueue::PushFront(Lane& lane, Claim claim) {
  lane.window.push_front(std::move(claim));
  ++lane.rows_listed;
  if (!lane.listed.has_value()) lane.listed = ready.insert(ready.begin(), &lane);
}

bool SendPermits::Binds(const RateInForce& rate) const {
  const auto is_it = [&](const BoundRate& bound) { return bound.rate.get() == &rate; };
  return std::ranges::any_of(rates, is_it) || std::ranges::any_of(connection_rates, is_it);
}

uint8_t SendQueue::Standing() const {
  if (stream == nullptr) return 0;
  const int kind = stream->kind == StreamKind::kTransactional ? 128 : 0;
  return static_cast<uint8_t>(kind + std::clamp(stream->priority, 0, 126));
}

absl::Time SendQueue::ClosedUntil(absl::Time now) {
  if (stream == nullptr || stream->opens == nullptr) return absl::InfinitePast();
  if (!window.Has(now)) window = stream->opens->At(now);
  return window.open ? absl::InfinitePast() : window.until;
}

StreamOptions SendQueue::RoutedStream() const {
  StreamOptions routed = *stream;
  if (!placement.pool.empty()) routed.pool = placement.pool;
  return routed;
}

void Site::Remember(absl::Time now, const Path& by, std::string reply) {
  if (replies.size() == kRepliesMax) replies.pop_front();
  replies.push_back({.time = now, .source = by.source_name, .reply = std::move(reply)});
}

bool Site::Unused() const {
  return queues.empty() && std::ranges::all_of(paths, [](const auto& path) { return path->sessions == 0; });
}

bool Path::CountsWith(const Path& other, Per per) const {
  if (per == Per::kNode || other.address == address) return true;
  return per == Per::kPool && std::ranges::find(pool_mates, other.source) != pool_mates.end();
}

int Site::SessionsWith(const Path& path, Per per) const {
  int sessions = 0;
  for (const std::unique_ptr<Path>& other : paths) {
    if (path.CountsWith(*other, per)) sessions += other->sessions;
  }
  return sessions;
}

int Site::OpenSessionsWith(const Path& path, Per per) const {
  int sessions = 0;
  for (const std::unique_ptr<Path>& other : paths) {
    if (path.CountsWith(*other, per)) sessions += other->sessions - other->reserved_sessions;
  }
  return sessions;
}

LaneFacts FactsOf(const Lane& lane, const Site* site) {
  return {.id = lane.id,
          .campaign = lane.campaign->name,
          .stream = lane.campaign->stream,
          .domain = lane.domain,
          .provider = site == nullptr ? nullptr : &site->provider};
}

RowFacts FactsOf(const Claim& claim) {
  const queue::Row& row = claim.row();
  return {.id = row.id,
          .attempts = row.attempts,
          .reason_class = row.reason_class,
          .recipient = row.recipient,
          .accepted = claim.pack().accepted()};
}

}  // namespace sealift::engine
