#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/campaign_limits.h"
#include "engine/options.h"
#include "tls/policy.h"

namespace sealift::engine {

// Which rates and which TLS policy the configuration puts on some mail. The scheduler acts on them, a preflight says
// beforehand what will come of it: both ask here.

// A rate as Limits knows it; one without a limit binds nothing.
struct BindingRate {
  std::string_view kind;  // source, destination, pool, stream, node, campaign; source_day, ...: messages a day
  std::string name;       // what it is counted for, as the configuration calls it
  RateLimit limit;
  std::string identity;  // who has the same kind and identity shares it: addresses instead of their sources' names
};

// What mail of one campaign is.
struct Sending {
  const StreamOptions& stream;
  std::string_view campaign;
  CampaignLimits limits;
};

// The rates of mail that leaves `source` for a site: a pool's bind what its streams send, and whatever leaves from its
// sources. Of one sending and one destination each source has the same kinds in the same order; those of further pools
// that it is in come last, as many as there are.
std::vector<BindingRate> BindingRates(const Options& options, const Sending& sending, const SourceOptions& source,
                                      std::string_view site, const DestinationSettings& settings);

// A block of `after` that has a domain or host of one of `before` is that block, whatever stands first in its list by
// now, and one of a provider whose group has another name is its block: what was counted of it goes on. Of several it
// is the one that it is most like, and keeps its number among its namesakes. For a reload; a start knows a block by
// what it begins with, and by its place among those.
void KeepCounts(const Options& before, Options& after);
// As what a block of a provider counts, whatever its group is called by now.
std::string ProviderCountedAs(const Options& options, const DestinationOptions& block);

// The rates at which connections from `source` to the site may be opened for mail of that sending and these settings.
std::vector<BindingRate> ConnectionRates(const Options& options, const Sending& sending, const SourceOptions& source,
                                         std::string_view site, const DestinationSettings& settings);

// Of how many connections that carry a sending's mail at once there may be no more: the stream's, the campaign's. None
// of them is without a limit.
struct BindingCount {
  std::string name;  // "stream news"
  CountLimit limit;
};
std::vector<BindingCount> CarryingCounts(const Sending& sending);

// How many messages a connection from `source` to the site has carried when it carries no more of that sending.
int MessagesPerConnection(const Options& options, const Sending& sending, const SourceOptions& source,
                          const DestinationSettings& settings);

// With whom a source shares what a destination counts `per` that: with nobody, with the pools that it is in, with all.
struct Whose {
  std::string name, identity;  // " from ip1", " from 192.0.2.1"
};
std::vector<Whose> WhoseAre(const Options& options, Per per, const SourceOptions& source);

// The stream's policy, or the stricter one of the destination.
tls::Policy BindingPolicy(const StreamOptions& stream, const DestinationSettings& settings);

}  // namespace sealift::engine
