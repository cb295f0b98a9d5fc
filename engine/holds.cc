#include "engine/holds.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ranges>
#include <utility>

#include "engine/exit_code.h"
#include "engine/filter_names.h"
#include "engine/log.h"
#include "engine/message_identity.h"
#include "engine/providers.h"
#include "engine/suppressions.h"

namespace sealift::engine {
namespace {

absl::Status Usage(const std::string& why) { return WithExit(absl::InvalidArgumentError(why), ExitCode::kUsage); }

// What an order is for is not there any more.
absl::Status Gone(const Hold& hold) {
  return absl::FailedPreconditionError(fmt::format(
      "{} is in force for the provider '{}', which the configuration does not have any more: end it first (`sealift "
      "queue release --hold {}`), or keep a [[provider]] with its hosts",
      hold.Id(), *hold.filter.provider, hold.Id()));
}

// "h12"; 0: it is none.
uint32_t NumberOf(std::string_view id) {
  uint32_t number = 0;
  if (!id.starts_with('h')) return 0;
  const auto [end, error] = std::from_chars(id.data() + 1, id.data() + id.size(), number);
  return error == std::errc() && end == id.data() + id.size() ? number : 0;
}

}  // namespace

Holds::Holds(queue::Store& store, ReadOptions options, Publish publish)
    : store_(store), options_(std::move(options)), publish_(std::move(publish)) {}

absl::Status Holds::Open(absl::Time now) {
  const absl::StatusOr<std::vector<queue::Order>> orders = store_.ReadOrders(queue::OrderKind::kHold);
  if (!orders.ok()) return orders.status();
  for (const queue::Order& order : *orders) {
    absl::StatusOr<Hold> hold = Hold::Parse(order.number, order.text);
    if (!hold.ok()) return hold.status();
    holds_[order.number] = std::make_shared<const Hold>(*std::move(hold));
  }
  in_force_ = Assemble();
  EndDue(now);
  return absl::OkStatus();
}

std::shared_ptr<const HoldSet> Holds::in_force() const {
  const std::lock_guard lock(mutex_);
  return in_force_;
}

std::shared_ptr<const HoldSet> Holds::Assemble() {
  std::vector<std::shared_ptr<const Hold>> holds;
  for (const auto& [number, hold] : holds_) {
    if (!hold->ended) holds.push_back(hold);
  }
  for (const auto& [job, kept] : of_jobs_) holds.insert(holds.end(), kept.begin(), kept.end());
  return std::make_shared<const HoldSet>(std::move(holds), store_, ++generation_);
}

void Holds::Announce() {
  std::shared_ptr<const HoldSet> set;
  {
    const std::lock_guard lock(mutex_);
    set = in_force_ = Assemble();
  }
  publish_(std::move(set));
}

absl::Status Holds::Write(const std::vector<Hold>& holds) {
  std::vector<queue::Order> orders;
  orders.reserve(holds.size());
  for (const Hold& hold : holds) orders.push_back({queue::OrderKind::kHold, hold.number, hold.ToText()});
  if (absl::Status written = store_.WriteOrders(orders); !written.ok()) return WithExit(written, ExitCode::kIo);
  const std::lock_guard lock(mutex_);
  for (const Hold& hold : holds) holds_[hold.number] = std::make_shared<const Hold>(hold);
  return absl::OkStatus();
}

absl::StatusOr<Hold> Holds::Check(const Request& request) const {
  const absl::StatusOr<RowMatcher> matcher = RowMatcher::Of(request.filter, store_);
  if (!matcher.ok()) return matcher.status();
  const std::shared_ptr<const Options> options = options_();
  Hold hold{.kind = request.kind, .filter = matcher->filter(), .to_pool = request.to_pool};
  const QueueFilter& filter = hold.filter;
  if (absl::Status known = CheckNames(filter, *options); !known.ok()) return known;
  if (filter.source.has_value()) {
    const SourceOptions* const source = options->FindSource(*filter.source);
    if (source != nullptr) hold.address = source->address;
  }
  if (filter.provider.has_value()) hold.hosts = HostsOfProvider(*options, *filter.provider);
  if (filter.state == kHeldState) return Usage("rows that are held are held already: `sealift queue holds` lists why");
  if (filter.state == kInDoubtState) {
    return Usage("rows in doubt are held already, until `sealift queue release --state in_doubt`");
  }
  if (filter.source.has_value() && filter.OfRows()) {
    return Usage(
        "a row does not know the source that it will leave from: --source goes with --domain, --provider, "
        "--campaign and --stream only");
  }
  if (request.kind != Hold::Kind::kRoute) return hold;
  if (options->FindPool(request.to_pool) == nullptr) {
    return Usage(
        fmt::format("a route needs --to-pool with a pool of the configuration; there is no '{}'", request.to_pool));
  }
  if (filter.OfRows() || filter.source.has_value()) {
    return Usage("a route is for whole destinations: give --domain, --provider, --campaign, --stream or --everything");
  }
  return hold;
}

absl::StatusOr<Hold> Holds::Place(const Request& request, const Given& given, absl::Time now) {
  absl::StatusOr<Hold> hold = Check(request);
  if (!hold.ok()) return hold.status();
  if (given.reason.empty()) return Usage("it needs --reason TEXT, which stands in its history");
  if (absl::Status fits = CheckSuppressionReason(given.reason); !fits.ok()) return fits;
  const std::lock_guard decision(decision_);
  {
    const std::lock_guard lock(mutex_);
    if (in_force_->holds().size() >= kInForceMax) {
      return WithExit(absl::ResourceExhaustedError(fmt::format(
                          "{} holds are in force, which are the most: end some, or hold more with one", kInForceMax)),
                      ExitCode::kUsage);
    }
    hold->number = holds_.empty() ? 1 : holds_.rbegin()->first + 1;
  }
  if (request.for_duration.has_value()) hold->until = now + *request.for_duration;
  hold->history.push_back({.time = now, .what = "placed", .by = given.by, .reason = given.reason});
  if (absl::Status written = Write({*hold}); !written.ok()) return written;
  Announce();
  return hold;
}

absl::StatusOr<std::vector<Hold>> Holds::End(const Which& which, const Given& given, absl::Time now, bool dry_run) {
  std::vector<Hold> ended;
  QueueFilter filter = which.filter;
  if (which.id.empty()) {
    const absl::StatusOr<RowMatcher> matcher = RowMatcher::Of(which.filter, store_);
    if (!matcher.ok()) return matcher.status();
    filter = matcher->filter();
  }
  if (given.reason.empty()) return Usage("it needs --reason TEXT, which stands in its history");
  if (absl::Status fits = CheckSuppressionReason(given.reason); !fits.ok()) return fits;
  const std::lock_guard decision(decision_);
  const std::vector<Hold> in_force = List(/*ended=*/false);
  for (const Hold& hold : std::views::reverse(in_force)) {  // the oldest first
    const bool meant = which.id.empty() ? std::ranges::find(which.kinds, hold.kind) != which.kinds.end() &&
                                              filter.Covers(Implied(hold.filter))
                                        : hold.number == NumberOf(which.id);
    if (meant) ended.push_back(hold);
  }
  if (ended.empty()) {
    return WithExit(absl::NotFoundError("nothing that is in force lies within it; `sealift queue holds` shows what is, "
                                        "and --hold ID ends one"),
                    ExitCode::kNoInput);
  }
  if (dry_run) return ended;
  for (Hold& hold : ended) {
    hold.ended = true;
    hold.history.push_back({.time = now, .what = "ended", .by = given.by, .reason = given.reason});
  }
  if (absl::Status written = Write(ended); !written.ok()) return written;
  Announce();
  return ended;
}

QueueFilter Holds::Implied(QueueFilter filter) const {
  if (filter.id.has_value()) {
    const absl::StatusOr<queue::MessageKey> message = ParseMessageName(store_, *filter.id);
    if (message.ok() && !filter.campaign.has_value()) {
      const absl::StatusOr<queue::Campaign> campaign = store_.GetCampaign(message->lane.campaign);
      if (campaign.ok()) filter.campaign = campaign->spec.name;
    }
  }
  if (filter.recipient.has_value()) filter.domain = filter.recipient->substr(filter.recipient->rfind('@') + 1);
  if (filter.campaign.has_value() && !filter.stream.has_value()) {
    const absl::StatusOr<queue::Campaign> campaign = store_.FindCampaign(*filter.campaign);
    if (campaign.ok()) filter.stream = campaign->spec.stream;
  }
  return filter;
}

void Holds::EndDue(absl::Time now) {
  const std::lock_guard decision(decision_);
  std::vector<Hold> over;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [number, hold] : holds_) {
      if (!hold->ended && hold->until <= now) over.push_back(*hold);
    }
  }
  if (over.empty()) return;
  for (Hold& hold : over) {
    hold.ended = true;
    hold.history.push_back({.time = now, .what = "ended", .by = "sealiftd", .reason = "its time was over"});
  }
  if (const absl::Status written = Write(over); !written.ok()) {
    LogError("a hold whose time is over could not be ended; it is tried again", {{"why", written}});
    return;
  }
  for (const Hold& hold : over) LogInfo("a hold has ended: its time was over", {{"hold", hold.Id()}});
  Announce();
}

absl::Status Holds::FollowNames(const Options& after, absl::Time now, Since since) {
  const std::lock_guard decision(decision_);
  std::vector<Hold> followed;
  std::vector<std::shared_ptr<const Hold>> as_before;
  const auto rename = [&](Hold& hold, std::optional<std::string>& name, std::string_view what, const std::string& to) {
    hold.history.push_back({.time = now,
                            .what = "renamed",
                            .by = "sealiftd",
                            .reason = fmt::format("the {} '{}' is called '{}' now", what, *name, to)});
    name = to;
  };
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [number, each] : holds_) {
      if (each->ended) continue;
      Hold hold = *each;
      const auto source = std::ranges::find(after.sources, hold.address, &SourceOptions::address);
      if (!hold.address.empty() && source != after.sources.end() && source->name != hold.filter.source) {
        rename(hold, hold.filter.source, "source", source->name);
      }
      if (hold.filter.provider.has_value()) {
        const std::string provider = ProviderNow(after, *hold.filter.provider, hold.hosts);
        if (provider.empty() && since == Since::kReload) return WithExit(Gone(hold), ExitCode::kConfig);
        if (provider.empty()) LogWarning("an order of an operator binds nothing any more", {{"why", Gone(hold)}});
        if (!provider.empty() && provider != hold.filter.provider) {
          rename(hold, hold.filter.provider, "provider", provider);
        }
        if (!provider.empty()) hold.hosts = HostsOfProvider(after, provider);
      }
      if (hold.history.size() == each->history.size() && hold.hosts == each->hosts) continue;
      followed.push_back(std::move(hold));
      as_before.push_back(each);
    }
  }
  if (followed.empty()) return absl::OkStatus();
  if (absl::Status written = Write(followed); !written.ok()) return written;
  {
    const std::lock_guard lock(mutex_);
    of_jobs_[kOfOldNames] = std::move(as_before);
  }
  for (const Hold& hold : followed) {
    if (hold.history.back().what == "renamed") LogInfo("a hold follows a name", {{"hold", hold.Id()}});
  }
  Announce();
  return absl::OkStatus();
}

void Holds::Followed() {
  {
    const std::lock_guard lock(mutex_);
    if (!of_jobs_.contains(kOfOldNames)) return;
  }
  KeepFor(kOfOldNames, {});
}

absl::Status Holds::Forget(absl::Time before) {
  const std::lock_guard decision(decision_);
  std::vector<queue::Order> old;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [number, hold] : holds_) {
      // The newest stays, so that no number is given twice.
      if (hold->ended && hold->history.back().time < before && number != holds_.rbegin()->first) {
        old.push_back({queue::OrderKind::kHold, number, ""});
      }
    }
  }
  if (old.empty()) return absl::OkStatus();
  if (absl::Status written = store_.WriteOrders(old); !written.ok()) return written;
  const std::lock_guard lock(mutex_);
  for (const queue::Order& order : old) holds_.erase(order.number);
  return absl::OkStatus();
}

std::vector<Hold> Holds::List(bool ended) const {
  std::vector<Hold> list;
  const std::lock_guard lock(mutex_);
  for (auto it = holds_.rbegin(); it != holds_.rend(); ++it) {
    if (ended || !it->second->ended) list.push_back(*it->second);
  }
  return list;
}

void Holds::KeepFor(uint32_t job, std::vector<std::shared_ptr<const Hold>> holds) {
  const std::lock_guard decision(decision_);
  {
    const std::lock_guard lock(mutex_);
    if (holds.empty()) {
      of_jobs_.erase(job);
    } else {
      of_jobs_[job] = std::move(holds);
    }
  }
  Announce();
}

}  // namespace sealift::engine
