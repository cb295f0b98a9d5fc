#include "engine/recipient_cap.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/runtime/signal.h"

namespace sealift::engine {
namespace {

// What is under way has its outcome by then, as a rule.
constexpr absl::Duration kUnderWayAgain = absl::Minutes(1);
constexpr size_t kKnownMax = 16'384;  // recipients a shard; of others the disk is asked

struct Read {
  Signal arrived;
  std::optional<absl::StatusOr<std::vector<absl::Time>>> times;
};

}  // namespace

RecipientCap::RecipientCap(ShardServices& services) : services_(services), under_way_(std::make_shared<UnderWay>()) {}

Task<absl::StatusOr<RecipientCap::Answer>> RecipientCap::Ask(const StreamOptions& stream, std::string recipient) {
  const Rate cap = stream.recipient_cap.rate;
  const auto most = static_cast<size_t>(cap.count);
  const std::string name = stream.name;
  const Key key(name, services_.store.AddressOf(recipient));
  // Taken before the store is asked: of two that ask at once the second sees the first, and what is committed
  // meanwhile was under way when this began.
  const size_t others = (*under_way_)[key]++;
  const auto give_up = [under_way = under_way_, key](const void*) {
    const auto found = under_way->find(key);
    if (--found->second == 0) under_way->erase(found);
  };
  const std::shared_ptr<const void> place(this, give_up);

  const absl::Time now = services_.Now();
  const auto read = std::make_shared<Read>();
  services_.store.ReadReceived(name, std::move(recipient), now - cap.period, most,
                               [read, post = services_.post](absl::StatusOr<std::vector<absl::Time>> got) {
                                 post([read, got = std::move(got)]() mutable {
                                   read->times = std::move(got);
                                   read->arrived.NotifyAll();
                                 });
                               });
  while (!read->times.has_value()) {
    const absl::Status waited = co_await read->arrived.Wait();
    if (!waited.ok()) co_return waited;
  }
  if (!read->times->ok()) co_return read->times->status();
  std::vector<absl::Time>& times = **read->times;
  Answer answer;
  if (times.size() + others < most) {
    answer.admitted = place;
  } else if (times.size() >= most) {
    answer.wait = WaitOf(stream, times.front());
  } else {
    answer.wait = WaitOfOthers(stream, others, now);
  }
  Learn(key, std::move(times));
  co_return answer;
}

std::optional<RecipientCap::Wait> RecipientCap::Known(const StreamOptions& stream, std::string_view recipient,
                                                      absl::Time now) const {
  if (known_.empty() && under_way_->empty()) return std::nullopt;
  const Key key(stream.name, services_.store.AddressOf(recipient));
  const auto most = static_cast<size_t>(stream.recipient_cap.rate.count);
  const auto found = known_.find(key);
  size_t received = 0;
  if (found != known_.end()) {
    const std::vector<absl::Time>& times = found->second;
    const absl::Time since = now - stream.recipient_cap.rate.period;
    received = static_cast<size_t>(times.end() - std::ranges::lower_bound(times, since));
    if (received >= most) return WaitOf(stream, times[times.size() - most]);
  }
  const auto others = under_way_->find(key);
  if (others == under_way_->end() || received + others->second < most) return std::nullopt;
  return WaitOfOthers(stream, others->second, now);
}

void RecipientCap::Delivered(const std::string& stream, std::string_view recipient, absl::Time now) {
  const auto found = known_.find(Key(stream, services_.store.AddressOf(recipient)));
  if (found == known_.end()) return;
  std::vector<absl::Time>& times = found->second;
  times.insert(std::ranges::upper_bound(times, now), now);
}

void RecipientCap::Learn(const Key& key, std::vector<absl::Time> times) {
  const auto [place, added] = known_.insert_or_assign(key, std::move(times));
  if (!added) return;
  learned_.push_back(key);
  if (learned_.size() <= kKnownMax) return;
  known_.erase(learned_.front());
  learned_.pop_front();
}

RecipientCap::Wait RecipientCap::WaitOf(const StreamOptions& stream, absl::Time first) {
  const Rate cap = stream.recipient_cap.rate;
  return {.again = first + cap.period + absl::Milliseconds(1),
          .why = fmt::format("the recipient has had {} of stream {}, which allows {}", cap.count, stream.name,
                             ToText(cap))};
}

RecipientCap::Wait RecipientCap::WaitOfOthers(const StreamOptions& stream, size_t others, absl::Time now) {
  return {.again = now + kUnderWayAgain,
          .why = fmt::format("{} to the recipient are under way, and stream {} allows {}", others, stream.name,
                             ToText(stream.recipient_cap.rate))};
}

}  // namespace sealift::engine
