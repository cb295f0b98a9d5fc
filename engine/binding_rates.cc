#include "engine/binding_rates.h"

#include <utility>

namespace sealift::engine {
namespace {

tls::Policy PolicyOf(TlsPolicy policy) {
  switch (policy) {
    case TlsPolicy::kOpportunistic:
      return tls::Policy::kOpportunistic;
    case TlsPolicy::kRequire:
      return tls::Policy::kRequire;
    case TlsPolicy::kVerify:
      return tls::Policy::kVerify;
    case TlsPolicy::kDane:
      return tls::Policy::kDane;
  }
  return tls::Policy::kDane;
}

RateLimit ADay(const CountLimit& messages) {
  return {.rate = {.count = messages.count, .period = absl::Hours(24)}, .origin = messages.origin};
}

}  // namespace

std::vector<BindingRate> BindingRates(const Options& options, const Sending& sending, const SourceOptions& source,
                                      std::string_view site, const DestinationSettings& settings) {
  std::vector<BindingRate> rates;
  const auto add = [&](std::string_view kind, std::string_view kind_a_day, const std::string& name,
                       const std::string& identity, const RateLimit& rate, const CountLimit& a_day) {
    rates.push_back({kind, name, rate, identity});
    rates.push_back({kind_a_day, name, ADay(a_day), identity});
  };
  add("source", "source_day", source.name, source.address, source.rate, source.messages_per_day);
  const auto add_destinations = [&](Per per, const std::string& whose, const std::string& identity) {
    for (const int block : settings.blocks) {
      const DestinationOptions& destination = options.destinations[static_cast<size_t>(block)];
      if (destination.per != per) continue;
      if (destination.message_rate.rate.unlimited() && destination.messages_per_day.count == 0) continue;
      // Hosts that judge as one share a provider's limit; otherwise each site has its own.
      const std::string name(destination.provider.empty() ? site : destination.provider);
      add("destination", "destination_day", name + whose, name + identity, destination.message_rate,
          destination.messages_per_day);
    }
  };
  add_destinations(Per::kNode, "", "");
  add_destinations(Per::kSource, " from " + source.name, " from " + source.address);
  const auto add_pool = [&](const PoolOptions& pool) {
    add("pool", "pool_day", pool.name, pool.name, pool.rate, pool.messages_per_day);
    add_destinations(Per::kPool, " from pool " + pool.name, " from pool " + pool.name);
  };
  if (const PoolOptions* const pool = options.FindPool(sending.stream.pool); pool != nullptr) add_pool(*pool);
  const std::string& stream = sending.stream.name;
  add("stream", "stream_day", stream, stream, sending.stream.rate, sending.stream.messages_per_day);
  add("node", "node_day", options.node.hostname, "node", options.node.rate, options.node.messages_per_day);
  const std::string campaign(sending.campaign);
  rates.push_back({"campaign", campaign, {.rate = sending.rates.rate, .origin = "campaign load --rate"}, campaign});
  rates.push_back({"campaign_day",
                   campaign,
                   {.rate = sending.rates.a_day, .origin = "campaign load --messages-per-day"},
                   campaign});
  // A source may be of other pools too, and mail that overflows leaves from a source of another pool alone.
  for (const PoolOptions& pool : options.pools) {
    if (pool.name != sending.stream.pool && pool.Has(source.name)) add_pool(pool);
  }
  return rates;
}

tls::Policy BindingPolicy(const StreamOptions& stream, const DestinationSettings& settings) {
  return PolicyOf(settings.tls.has_value() ? Stricter(stream.tls, *settings.tls) : stream.tls);
}

}  // namespace sealift::engine
