#include "engine/domain_hosts.h"

#include <algorithm>
#include <utility>

#include "engine/mx_filter.h"
#include "engine/runtime/deadline.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kStopLook = absl::Milliseconds(50);

}  // namespace

Task<void> DomainHosts::Run(std::vector<std::string> domains, absl::Duration patience) {
  domains_ = std::move(domains);
  next_ = 0;
  TaskGroup asking(ring_);
  TaskGroup watching(ring_);
  asking.Start(WithDeadline(ring_, patience, AskAll()));
  watching.Start(WatchStop(asking));
  co_await asking.Join();
  watching.Cancel();
  co_await watching.Join();
}

Task<void> DomainHosts::WatchStop(TaskGroup& asking) {
  while (true) {
    const absl::Status slept = co_await ring_.Sleep(kStopLook);
    if (!slept.ok()) co_return;
    if (stop_.load()) asking.Cancel();
  }
}

Task<void> DomainHosts::AskAll() {
  TaskGroup group(co_await CurrentScope());
  for (int i = 0; i < kAtOnce && static_cast<size_t>(i) < domains_.size(); ++i) group.Start(AskSome());
  co_await group.Join();
}

Task<void> DomainHosts::AskSome() {
  const MxFilter filter(options_->dns);
  while (next_ < domains_.size()) {
    const Scope& scope = co_await CurrentScope();
    if (scope.ended()) co_return;
    const std::string domain = domains_[next_++];
    dns::MxAnswer answer = co_await resolver_.ResolveMx(domain);
    if (answer.verdict != dns::Verdict::kFound || answer.null_mx) continue;
    std::erase_if(answer.hosts, [&](const dns::MxHost& host) { return filter.active() && filter.Denies(host.name); });
    if (answer.hosts.empty()) continue;
    std::ranges::sort(answer.hosts, [](const dns::MxHost& a, const dns::MxHost& b) {
      return a.preference != b.preference ? a.preference < b.preference : a.name < b.name;
    });
    found_[domain] = std::move(answer.hosts);
  }
}

}  // namespace sealift::engine
