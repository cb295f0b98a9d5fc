#include "engine/binding_rates.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/providers.h"

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

const std::vector<std::string>& PatternsOf(const DestinationOptions& block) {
  return block.mx.empty() ? block.domains : block.mx;
}

// By which of its domains or hosts, or by which provider, a block is known: what it begins with, or began with before a
// reload.
const std::string& KnownBy(const DestinationOptions& block) {
  if (!block.counts_as.empty()) return block.counts_as;
  return block.provider.empty() ? PatternsOf(block).front() : block.provider;
}

// Both select by domain, by host, or by provider.
bool AreAlike(const DestinationOptions& one, const DestinationOptions& other) {
  return one.provider.empty() == other.provider.empty() && one.mx.empty() == other.mx.empty();
}

bool AreNamesakes(const DestinationOptions& one, const DestinationOptions& other) {
  return AreAlike(one, other) && KnownBy(one) == KnownBy(other);
}

auto CountedBy(const DestinationOptions& block) {
  return std::tuple(block.message_rate.rate, block.messages_per_day.count, block.connection_rate.rate,
                    block.connections.count, block.per);
}

bool CountsAnything(const DestinationOptions& block) {
  return !block.message_rate.rate.unlimited() || block.messages_per_day.count > 0 ||
         !block.connection_rate.rate.unlimited() || block.connections.count > 0;
}

// Blocks that are known by the same domain, host or provider are told apart by their order: each counts for itself.
int NamesakeOf(const Options& options, const DestinationOptions& block) {
  if (block.namesake > 0) return block.namesake;
  int number = 1;
  for (const DestinationOptions& other : options.destinations) {
    if (&other == &block) break;
    if (CountsAnything(other) && AreNamesakes(other, block)) ++number;
  }
  return number;
}

std::string NumberOf(const Options& options, const DestinationOptions& block) {
  const int number = NamesakeOf(options, block);
  return number == 1 ? "" : fmt::format(" #{}", number);
}

// What a block counts at a site: hosts that judge as one share a provider's limit; otherwise each site has its own, of
// every block that binds it.
struct Counted {
  std::string name, identity;
};
Counted CountedAt(const Options& options, std::string_view site, const DestinationOptions& block) {
  const std::string number = NumberOf(options, block);
  if (!block.provider.empty()) return {block.provider, ProviderCountedAs(options, block)};
  if (block.domains == std::vector<std::string>{"*"}) return {std::string(site), std::string(site) + number};
  const std::vector<std::string>& patterns = PatternsOf(block);
  const std::string_view kind = block.mx.empty() ? "" : "mx ";
  std::string name = fmt::format("{} for {}{}", site, kind, patterns.front());
  if (patterns.size() > 1) name += fmt::format(" and {} more", patterns.size() - 1);
  return {std::move(name), fmt::format("{} for {}{}{}", site, kind, KnownBy(block), number)};
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
      const Counted counted = CountedAt(options, site, destination);
      add("destination", "destination_day", counted.name + whose, counted.identity + identity, destination.message_rate,
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
  rates.push_back({"campaign", campaign, {.rate = sending.limits.rate, .origin = "campaign load --rate"}, campaign});
  rates.push_back({"campaign_day",
                   campaign,
                   {.rate = sending.limits.a_day, .origin = "campaign load --messages-per-day"},
                   campaign});
  // A source may be of other pools too, and mail that overflows leaves from a source of another pool alone.
  for (const PoolOptions& pool : options.pools) {
    if (pool.name != sending.stream.pool && pool.Has(source.name)) add_pool(pool);
  }
  return rates;
}

std::string ProviderCountedAs(const Options& options, const DestinationOptions& block) {
  return KnownBy(block) + NumberOf(options, block);
}

void KeepCounts(const Options& before, Options& after) {
  std::vector<const DestinationOptions*> left;
  for (const DestinationOptions& block : before.destinations) {
    if (CountsAnything(block)) left.push_back(&block);
  }
  // How much speaks for it that this block was that one; 0: they have nothing in common.
  const auto likeness = [&](const DestinationOptions& block, const DestinationOptions& was) {
    if (!AreAlike(was, block)) return 0;
    const int limits = CountedBy(was) == CountedBy(block) ? 1 : 0;
    if (!block.provider.empty()) {
      const std::string now = ProviderNow(after, was.provider, HostsOfProvider(before, was.provider));
      return block.provider == now ? 3 + limits : 0;
    }
    const std::vector<std::string>&patterns = PatternsOf(block), &once = PatternsOf(was);
    if (patterns == once) return 3 + limits;
    const bool shares = std::ranges::any_of(
        once, [&](const std::string& pattern) { return std::ranges::find(patterns, pattern) != patterns.end(); });
    if (!shares) return 0;
    return patterns.front() == KnownBy(was) ? 2 : 1;
  };
  for (int least = 4; least > 0; --least) {
    for (DestinationOptions& block : after.destinations) {
      if (!CountsAnything(block) || block.namesake > 0) continue;
      const auto was = std::ranges::find_if(left, [&](const auto* one) { return likeness(block, *one) >= least; });
      if (was == left.end()) continue;
      block.counts_as = KnownBy(**was);
      block.namesake = NamesakeOf(before, **was);
      left.erase(was);
    }
  }
  // One that got the name of another is not that.
  for (DestinationOptions& block : after.destinations) {
    if (!CountsAnything(block) || block.namesake > 0) continue;
    const auto is_taken = [&](int number) {
      return std::ranges::any_of(after.destinations, [&](const DestinationOptions& other) {
        return other.namesake == number && AreNamesakes(other, block);
      });
    };
    int number = 1;
    while (is_taken(number)) ++number;
    block.namesake = number;
  }
}

std::vector<BindingRate> ConnectionRates(const Options& options, const Sending& sending, const SourceOptions& source,
                                         std::string_view site, const DestinationSettings& settings) {
  std::vector<BindingRate> rates;
  const auto add = [&](const std::string& name, const std::string& identity, const RateLimit& limit) {
    if (!limit.rate.unlimited()) rates.push_back({"connection_rate", name, limit, identity});
  };
  add("source " + source.name, "source " + source.address, source.connection_rate);
  for (const PoolOptions& pool : options.pools) {
    if (pool.Has(source.name)) add("pool " + pool.name, "pool " + pool.name, pool.connection_rate);
  }
  const std::string stream = "stream " + sending.stream.name, campaign = fmt::format("campaign {}", sending.campaign);
  add(stream, stream, sending.stream.connection_rate);
  add(campaign, campaign, {.rate = sending.limits.connection_rate, .origin = "campaign load --connection-rate"});
  add("node " + options.node.hostname, "node", options.node.connection_rate);
  for (const int index : settings.blocks) {
    const DestinationOptions& block = options.destinations[static_cast<size_t>(index)];
    if (block.connection_rate.rate.unlimited()) continue;
    const Counted counted = CountedAt(options, site, block);
    for (const Whose& whose : WhoseAre(options, block.per, source)) {
      rates.push_back(
          {"connection_rate", counted.name + whose.name, block.connection_rate, counted.identity + whose.identity});
    }
  }
  return rates;
}

std::vector<BindingCount> CarryingCounts(const Sending& sending) {
  std::vector<BindingCount> counts;
  const auto add = [&](std::string_view kind, std::string_view name, const CountLimit& limit) {
    if (limit.count > 0) counts.push_back({fmt::format("{} {}", kind, name), limit});
  };
  add("stream", sending.stream.name, sending.stream.connections);
  add("campaign", sending.campaign, {sending.limits.connections, "campaign load --connections"});
  return counts;
}

int MessagesPerConnection(const Options& options, const Sending& sending, const SourceOptions& source,
                          const DestinationSettings& settings) {
  int least = settings.messages_per_connection;
  const auto bind = [&](int messages) {
    if (messages > 0) least = std::min(least, messages);
  };
  bind(source.messages_per_connection);
  for (const PoolOptions& pool : options.pools) {
    if (pool.Has(source.name)) bind(pool.messages_per_connection);
  }
  bind(sending.stream.messages_per_connection);
  bind(sending.limits.messages_per_connection);
  bind(options.node.messages_per_connection);
  return least;
}

std::vector<Whose> WhoseAre(const Options& options, Per per, const SourceOptions& source) {
  if (per == Per::kNode) return {{"", ""}};
  if (per == Per::kSource) return {{" from " + source.name, " from " + source.address}};
  std::vector<Whose> whose;
  for (const PoolOptions& pool : options.pools) {
    if (pool.Has(source.name)) whose.push_back({" from pool " + pool.name, " from pool " + pool.name});
  }
  return whose;
}

tls::Policy BindingPolicy(const StreamOptions& stream, const DestinationSettings& settings) {
  return PolicyOf(settings.tls.has_value() ? Stricter(stream.tls, *settings.tls) : stream.tls);
}

}  // namespace sealift::engine
