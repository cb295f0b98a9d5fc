#include "engine/recipient_cap.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "engine/runtime/signal.h"

namespace sealift::engine {
namespace {

// What is under way has its outcome by then, as a rule.
constexpr absl::Duration kUnderWayAgain = absl::Minutes(1);

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
  const std::vector<absl::Time>& times = **read->times;
  Answer answer;
  if (times.size() + others < most) {
    answer.admitted = place;
    co_return answer;
  }
  if (times.size() >= most) {
    answer.again = times.front() + cap.period + absl::Milliseconds(1);
    answer.why = fmt::format("the recipient has had {} of stream {}, which allows {}", times.size(), name, ToText(cap));
  } else {
    answer.again = now + kUnderWayAgain;
    answer.why = fmt::format("{} to the recipient are under way, and stream {} allows {}", others, name, ToText(cap));
  }
  co_return answer;
}

}  // namespace sealift::engine
