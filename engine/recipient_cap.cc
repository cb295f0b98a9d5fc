#include "engine/recipient_cap.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
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
  const std::string name = stream.name;
  const Key key(name, services_.store.AddressOf(recipient));
  // Taken before the store is asked: of two that ask at once the second sees the first, and what is committed
  // meanwhile was under way when this began.
  Places& places = (*under_way_)[key];
  const Places others = places;
  const auto own = places.emplace_back(std::make_shared<Place>());
  const auto leave = [under_way = under_way_, key, own](Place* place) {
    place->given_up = !place->delivered.has_value();
    const auto found = under_way->find(key);
    std::erase(found->second, own);
    if (found->second.empty()) under_way->erase(found);
  };
  const std::shared_ptr<Place> admitted(own.get(), leave);

  const absl::Time now = services_.Now();
  const auto read = std::make_shared<Read>();
  services_.store.ReadReceived(
      name, std::move(recipient), now - cap.period, static_cast<size_t>(cap.count),
      [read, post = services_.post](absl::StatusOr<std::vector<absl::Time>> got) {
        post([read, got = std::move(got)]() mutable {
          read->times = std::move(got);
          read->arrived.NotifyAll();
        });
      },
      queue::TurnOf(stream.kind == StreamKind::kTransactional));
  while (!read->times.has_value()) {
    const absl::Status waited = co_await read->arrived.Wait();
    if (!waited.ok()) co_return waited;
  }
  if (!read->times->ok()) co_return read->times->status();
  const std::vector<absl::Time>& on_disk = **read->times;
  std::vector<absl::Time> received = With(on_disk, others);
  const auto given_up =
      static_cast<size_t>(std::ranges::count(others, true, [](const auto& p) { return p->given_up; }));
  Answer answer;
  std::optional<Wait> wait = WaitFor(stream, received, on_disk.size() + others.size() - given_up, now);
  if (wait.has_value()) {
    answer.wait = *std::move(wait);
  } else {
    answer.admitted = admitted;
  }
  Learn(key, std::move(received));
  co_return answer;
}

std::optional<RecipientCap::Wait> RecipientCap::Known(const StreamOptions& stream, std::string_view recipient,
                                                      absl::Time now) const {
  if (known_.empty() && under_way_->empty()) return std::nullopt;
  const Key key(stream.name, services_.store.AddressOf(recipient));
  const auto found = known_.find(key);
  const auto places = under_way_->find(key);
  const Places others = places != under_way_->end() ? places->second : Places();
  std::vector<absl::Time> received = With(found != known_.end() ? found->second : std::vector<absl::Time>(), others);
  received.erase(received.begin(), std::ranges::lower_bound(received, now - stream.recipient_cap.rate.period));
  const auto arrived = std::ranges::count(others, true, [](const auto& p) { return p->delivered.has_value(); });
  return WaitFor(stream, received, received.size() + others.size() - static_cast<size_t>(arrived), now);
}

void RecipientCap::Delivered(Place& admitted, const std::string& stream, std::string_view recipient, absl::Time now) {
  admitted.delivered = absl::FromUnixMillis(absl::ToUnixMillis(now));  // as the disk has it
  const auto found = known_.find(Key(stream, services_.store.AddressOf(recipient)));
  if (found == known_.end()) return;
  std::vector<absl::Time>& times = found->second;
  times.insert(std::ranges::upper_bound(times, *admitted.delivered), *admitted.delivered);
}

std::vector<absl::Time> RecipientCap::With(const std::vector<absl::Time>& received, const Places& others) {
  std::vector<absl::Time> arrived, all;
  for (const std::shared_ptr<Place>& other : others) {
    if (other->delivered.has_value()) arrived.push_back(*other->delivered);
  }
  std::ranges::sort(arrived);
  std::ranges::set_union(received, arrived, std::back_inserter(all));
  return all;
}

std::optional<RecipientCap::Wait> RecipientCap::WaitFor(const StreamOptions& stream,
                                                        const std::vector<absl::Time>& received, size_t counted,
                                                        absl::Time now) {
  const auto most = static_cast<size_t>(stream.recipient_cap.rate.count);
  if (received.size() >= most) return WaitOf(stream, received[received.size() - most]);
  if (counted < most) return std::nullopt;
  return Wait{.again = now + kUnderWayAgain,
              .why = fmt::format("{} to the recipient are under way, and stream {} allows {}",
                                 counted - received.size(), stream.name, ToText(stream.recipient_cap.rate))};
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

}  // namespace sealift::engine
