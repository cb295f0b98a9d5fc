// A site's queues: which lanes go together, under which limits, and in which order the queues are served.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "engine/binding_rates.h"
#include "engine/scheduler.h"

namespace sealift::engine {

namespace {

// How much a source that warms up goes before the warm ones: it has what its plan allows, they have the rest.
constexpr int kWarmingWeight = 1000;

BoundRate BoundFor(const SendQueue& queue, const SendPermits& permits, std::shared_ptr<RateInForce> rate) {
  const std::string& campaign = queue.campaign->name;
  const int weight = queue.campaign->weight;
  std::shared_ptr<FairQueueing::Flow> flow =
      permits.waits_for_warmup
          ? rate->FlowOf(fmt::format("{} from {}", campaign, permits.source), queue.Standing(), kWarmingWeight * weight)
          : rate->FlowOf(campaign, queue.Standing(), weight);
  return {std::move(rate), std::move(flow)};
}

}  // namespace

Restraints::Place PlaceOf(const SendQueue& queue, std::string_view source) {
  const Site& site = *queue.site;
  return {.source = std::string(source),
          .provider = site.judge,
          .stream = queue.campaign->stream,
          .campaign = queue.campaign->name};
}

void Scheduler::List(Lane& lane) {
  SendQueue& queue = *lane.queue;
  // Rows enter a window only through here, so the difference is what is new.
  queue.rows_ready += lane.window.size() - lane.rows_listed;
  lane.rows_listed = lane.window.size();
  if (lane.listed.has_value() || lane.window.empty()) return;
  lane.listed = queue.ready.insert(queue.ready.end(), &lane);
}

void Scheduler::Unlist(Lane& lane) {
  SendQueue& queue = *lane.queue;
  queue.rows_ready -= lane.rows_listed + lane.ahead;
  lane.rows_listed = 0;
  sign_ahead_.Drop(queue, lane);
  if (lane.listed.has_value()) queue.ready.erase(*std::exchange(lane.listed, std::nullopt));
}

void Scheduler::Leave(Lane& lane) {
  Unlist(lane);
  SendQueue& queue = *lane.queue;
  lane.queue = nullptr;
  if (--queue.lanes > 0) return;
  sign_ahead_.Forget(queue);
  Site& site = *queue.site;
  std::erase_if(site.queues, [&](const std::unique_ptr<SendQueue>& entry) { return entry.get() == &queue; });
  directory_.MayBeUnused(site);
}

SendQueue& Scheduler::QueueOf(Site& site, const Lane& lane) {
  const DestinationSettings settings = services_.options->DestinationFor(lane.domain, site.hosts.front().name);
  HoldSet::Placement placement = services_.holds->PlacementOf(FactsOf(lane, &site));
  for (const std::unique_ptr<SendQueue>& queue : site.queues) {
    if (queue->campaign->id == lane.id.campaign && queue->settings.blocks == settings.blocks &&
        queue->security == lane.security && queue->placement == placement) {
      return *queue;
    }
  }
  site.queues.push_back(std::make_unique<SendQueue>());
  SendQueue& queue = *site.queues.back();
  queue.site = &site;
  queue.campaign = lane.campaign;
  queue.domain = lane.domain;
  queue.security = lane.security;
  queue.placement = std::move(placement);
  // Of those that come in the same turn of the shard each is a little later: they take turns from the first on.
  queue.had_message = queue.had_connection = services_.SteadyNow() + absl::Nanoseconds(++queues_made_);
  Configure(queue);
  Order(site);
  return queue;
}

std::vector<int> Scheduler::SourcesOf(const SendQueue& queue) {
  const Options& options = *services_.options;
  const std::string& routed = queue.placement.pool;
  const PoolOptions* const pool = options.FindPool(routed.empty() ? queue.stream->pool : routed);
  if (pool == nullptr) return {};  // a reload took away the pool of a route
  if (queue.transactional()) return pool->source_indexes;
  return services_.warmups.SourcesOf(options, *pool, queue.site->judge);
}

void Scheduler::Configure(SendQueue& queue) {
  const Options& options = *services_.options;
  Site& site = *queue.site;
  queue.permits.clear();
  queue.restraints = services_.restraints.generation();
  queue.settings = options.DestinationFor(queue.domain, site.hosts.front().name);
  queue.stream = options.FindStream(queue.campaign->stream);
  queue.window = {};
  std::shared_ptr<const DkimSigner> signer = services_.signing_keys->SignerOf(queue.campaign->stream);
  const bool as_before = queue.signer != nullptr && signer != nullptr && queue.signer->SignsAs(*signer);
  if (!as_before) sign_ahead_.GiveBack(queue);  // what was signed is signed again, or goes unsigned
  queue.signer = std::move(signer);
  if (queue.stream == nullptr) return;  // a reload took the stream away: its rows wait, and `explain` says so
  const StreamOptions stream = queue.RoutedStream();
  queue.requirement = queue.campaign->tls_report
                          ? RequirementOfReport()
                          : RequirementOf(BindingPolicy(stream, queue.settings), stream.requiretls, queue.security);
  queue.delivery_seconds = services_.metrics.histogram(Metric::kDeliverySeconds, {stream.name});
  const Sending sending{stream, queue.campaign->name, queue.campaign->limits};
  queue.carried_by.clear();
  for (const BindingCount& binding : CarryingCounts(sending)) {
    queue.carried_by.push_back(services_.limits.PassingCount(binding.name, binding.limit));
  }
  for (const int index : SourcesOf(queue)) {
    const std::string& source = options.sources[static_cast<size_t>(index)].name;
    if (std::ranges::binary_search(queue.placement.barred, source)) continue;
    queue.permits.push_back(PermitsFrom(queue, sending, index));
  }
  queue.next_source = services_.random() % std::max<size_t>(queue.permits.size(), 1);
}

std::shared_ptr<SendPermits> Scheduler::PermitsFrom(const SendQueue& queue, const Sending& sending, int source) {
  const Options& options = *services_.options;
  const Site& site = *queue.site;
  const SourceOptions& from = options.sources[static_cast<size_t>(source)];
  auto permits = std::make_shared<SendPermits>();
  permits->source = source;
  permits->warmup = services_.warmups.On(from.name, site.judge);
  permits->waits_for_warmup = sending.stream.kind == StreamKind::kMarketing && permits->warmup != nullptr;
  // Asked first: what is kept for it elsewhere it can use.
  if (permits->waits_for_warmup) permits->rates.push_back(BoundFor(queue, *permits, permits->warmup));
  for (const BindingRate& binding : BindingRates(options, sending, from, site.key, queue.settings)) {
    std::shared_ptr<RateInForce> rate =
        services_.limits.Rate(binding.kind, binding.name, binding.limit, binding.identity);
    if (!binding.limit.rate.unlimited()) permits->rates.push_back(BoundFor(queue, *permits, std::move(rate)));
  }
  permits->messages_per_connection = MessagesPerConnection(options, sending, from, queue.settings);
  for (const BindingRate& binding : ConnectionRates(options, sending, from, site.key, queue.settings)) {
    permits->connection_rates.push_back(
        {.rate = services_.limits.Rate(binding.kind, binding.name, binding.limit, binding.identity), .flow = nullptr});
  }
  const Restraints::Place place = PlaceOf(queue, from.name);
  for (std::shared_ptr<RateInForce>& rate : services_.restraints.RatesOn(place)) {
    permits->rates.push_back(BoundFor(queue, *permits, std::move(rate)));
  }
  permits->attempts = services_.restraints.AttemptsAt(place);
  permits->delivered =
      services_.metrics.counter(Metric::kMessagesDelivered, {sending.stream.name, from.name, site.provider});
  return permits;
}

void Scheduler::Restrain(SendQueue& queue) {
  const uint64_t generation = services_.restraints.generation();
  if (std::exchange(queue.restraints, generation) == generation) return;
  for (std::shared_ptr<const SendPermits>& permits : queue.permits) {
    auto restrained = std::make_shared<SendPermits>(*permits);
    const std::string& source = services_.options->sources[static_cast<size_t>(permits->source)].name;
    for (const std::shared_ptr<RateInForce>& rate : services_.restraints.RatesOn(PlaceOf(queue, source))) {
      if (std::ranges::find(restrained->rates, rate, &BoundRate::rate) != restrained->rates.end()) continue;
      restrained->rates.push_back(BoundFor(queue, *permits, rate));
    }
    permits = std::move(restrained);
  }
}

void Scheduler::Order(Site& site) {
  std::ranges::sort(site.queues, [](const auto& a, const auto& b) { return a->Standing() > b->Standing(); });
}

void Scheduler::Unprepare(Site& site) {
  for (const std::unique_ptr<SendQueue>& queue : site.queues) sign_ahead_.GiveBack(*queue);
}

void Scheduler::Adopt(std::shared_ptr<const Options> options, std::shared_ptr<const SigningKeys> keys) {
  const bool kinds_change = KindsChange(*services_.options, *options);
  services_.options = std::move(options);
  services_.signing_keys = std::move(keys);
  const bool regrouped = directory_.Regroup();
  // Queues first: lanes that begin anew are placed by what their settings are now.
  ConfigureAll();
  if (kinds_change) JudgeAgain();
  if (regrouped) HoldAgain();  // what names a provider may name other sites
  lanes_.GiveBack([this](const Lane& lane) {
    if (lane.queue == nullptr) return false;
    const std::string& host = lane.queue->site->hosts.front().name;
    return services_.options->DestinationFor(lane.domain, host).blocks != lane.queue->settings.blocks;
  });
  lanes_.LookAgain();
  PumpAll();
}

void Scheduler::OnClockSet() {
  directory_.ForEach([&](Site& site) {
    for (const std::unique_ptr<Path>& path : site.paths) {
      path->refusal = Refusal{};
      path->look_for_expired = absl::InfinitePast();
      if (!path->timer.armed()) continue;
      // It may be armed for a time of the clock that is past or far away now: it looks for itself.
      path->wake_at = services_.Now();
      services_.ArmAt(path->timer, path->wake_at);
    }
    paths_.Pump(site);
  });
  lanes_.OnClockSet();
}

void Scheduler::Reconfigure() {
  ConfigureAll();
  PumpAll();
}

void Scheduler::ConfigureAll() {
  directory_.ForEach([this](Site& site) {
    for (const std::unique_ptr<SendQueue>& queue : site.queues) Configure(*queue);
    for (const std::unique_ptr<Path>& path : site.paths) {
      path->refusal = Refusal{};
      paths_.Configure(*path);
    }
    Order(site);
  });
}

void Scheduler::PumpAll() {
  directory_.ForEach([this](Site& site) { paths_.Pump(site); });
}

}  // namespace sealift::engine
