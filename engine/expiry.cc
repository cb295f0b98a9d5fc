#include "engine/expiry.h"

#include <pthread.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "engine/campaign_settings.h"
#include "engine/log.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(1);
constexpr int kRestForWork = 20;  // rest so many times as long as the look took

}  // namespace

Expiry::Expiry(queue::Store& store, std::function<void(const queue::Campaign&, uint64_t rows)> expired)
    : store_(store), expired_(std::move(expired)) {}

void Expiry::Start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "expiry");
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      lock.unlock();
      Look(absl::Now());
      lock.lock();
      wake_.wait_for(lock, absl::ToChronoNanoseconds(kLookEvery), [this] { return stopping_.load(); });
    }
  });
}

void Expiry::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Expiry::Look(absl::Time now) {
  if (store_.restored()) return;
  for (const queue::CampaignId id : store_.Expiring(now)) {
    if (!store_.writable()) return;  // they are settled once there is room
    const auto begin = std::chrono::steady_clock::now();
    if (const auto rest = not_before_.find(id); rest != not_before_.end() && rest->second > begin) continue;
    ExpireRowsOf(id, now);
    const auto end = std::chrono::steady_clock::now();
    not_before_[id] = end + kRestForWork * (end - begin);
  }
}

void Expiry::ExpireRowsOf(queue::CampaignId id, absl::Time now) {
  const absl::StatusOr<queue::Campaign> campaign = store_.GetCampaign(id);
  if (!campaign.ok()) {
    LogError("a campaign whose messages expire cannot be read", {{"why", campaign.status()}});
    return;
  }
  auto evidence = std::make_shared<queue::Evidence>();
  evidence->stream = campaign->spec.stream;
  const std::optional<size_t> key = KeyFieldOf(*campaign);
  const auto outcome_of = [&](const queue::Pack& pack, const queue::Row& row) {
    queue::Outcome outcome;
    outcome.kind = queue::OutcomeKind::kExpired;
    outcome.time = now;
    outcome.attempt = row.attempts;
    outcome.date = row.date;
    // Whoever replays what has expired must not send again what may have arrived.
    outcome.reason_class = pack.due() == absl::InfiniteFuture() ? queue::kInDoubtClass : "expired";
    if (key.has_value() && *key < row.fields.size()) outcome.key = row.fields[*key];
    outcome.evidence = evidence;
    return outcome;
  };
  const absl::StatusOr<uint64_t> rows = store_.Expire(id, now, outcome_of, &stopping_);
  if (!rows.ok()) {
    LogError("messages that have expired cannot be settled; it is tried again",
             {{"campaign", campaign->spec.name}, {"why", rows.status()}});
  } else if (*rows > 0) {
    expired_(*campaign, *rows);
  }
}

}  // namespace sealift::engine
