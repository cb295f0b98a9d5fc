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

}  // namespace

std::vector<BindingRate> BindingRates(const Options& options, const Sending& sending, const SourceOptions& source,
                                      std::string_view site, const DestinationSettings& settings) {
  std::vector<BindingRate> rates;
  rates.push_back({"source", source.name, source.rate});
  for (const int block : settings.blocks) {
    const DestinationOptions& destination = options.destinations[static_cast<size_t>(block)];
    if (destination.message_rate.rate.unlimited()) continue;
    // Hosts that judge as one share a provider's limit; otherwise each site has its own.
    std::string name(destination.provider.empty() ? site : destination.provider);
    if (destination.per == Per::kSource) name += " from " + source.name;
    if (destination.per == Per::kPool) name += " from pool " + sending.stream.pool;
    rates.push_back({"destination", std::move(name), destination.message_rate});
  }
  rates.push_back({"stream", sending.stream.name, sending.stream.rate});
  rates.push_back(
      {"campaign", std::string(sending.campaign), {.rate = sending.campaign_rate, .origin = "campaign load --rate"}});
  return rates;
}

tls::Policy BindingPolicy(const StreamOptions& stream, const DestinationSettings& settings) {
  return PolicyOf(settings.tls.has_value() ? Stricter(stream.tls, *settings.tls) : stream.tls);
}

}  // namespace sealift::engine
