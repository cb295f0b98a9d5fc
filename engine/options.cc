#include "engine/options.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "engine/providers.h"

namespace sealift::engine {
namespace {

template <typename T>
const T* FindNamed(const std::vector<T>& all, std::string_view name) {
  const auto it = std::find_if(all.begin(), all.end(), [&](const T& one) { return one.name == name; });
  return it == all.end() ? nullptr : &*it;
}

bool MatchesAny(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return MatchesHostPattern(pattern, name); });
}

// How closely a block describes a delivery; 0 is not at all.
int Closeness(const DestinationOptions& block, std::string_view domain, std::string_view mx_host,
              std::string_view provider) {
  int best = 0;
  for (const std::string& pattern : block.domains) {
    if (!MatchesHostPattern(pattern, domain)) continue;
    best = std::max(best, pattern == "*" ? 1 : pattern.starts_with('*') ? 4 : 5);
  }
  if (!mx_host.empty() && MatchesAny(block.mx, mx_host)) best = std::max(best, 3);
  if (!block.provider.empty() && block.provider == provider) best = std::max(best, 2);
  return best;
}

}  // namespace

int Share::Of(int whole) const {
  if (percent <= 0 || whole <= 1) return 0;
  return std::clamp(static_cast<int>(std::ceil(whole * percent / 100)), 1, whole - 1);
}

std::string_view ToString(Delivery value) { return value == Delivery::kSink ? "sink" : "live"; }
std::string_view ToString(StreamKind value) { return value == StreamKind::kMarketing ? "marketing" : "transactional"; }
std::string_view ToString(TlsPolicy value) {
  static constexpr std::array<std::string_view, 4> kNames = {"opportunistic", "require", "verify", "dane"};
  return kNames.at(static_cast<size_t>(value));
}
std::string_view ToString(TlsVersion value) { return value == TlsVersion::kTls12 ? "1.2" : "1.3"; }
std::string_view ToString(OnNoTls value) { return value == OnNoTls::kHold ? "hold" : "bounce"; }
std::string_view ToString(InDoubt value) { return value == InDoubt::kResend ? "resend" : "hold"; }
std::string_view ToString(Per value) {
  static constexpr std::array<std::string_view, 3> kNames = {"source", "pool", "node"};
  return kNames.at(static_cast<size_t>(value));
}
std::string_view ToString(LogLevel value) {
  static constexpr std::array<std::string_view, 4> kNames = {"debug", "info", "warning", "error"};
  return kNames.at(static_cast<size_t>(value));
}

std::string Options::WhereSet(std::string_view key) const {
  const auto it = origins.find(key);
  return it == origins.end() ? "default" : it->second.substr(0, it->second.rfind(':'));
}

const StreamOptions* Options::FindStream(std::string_view name) const { return FindNamed(streams, name); }
const PoolOptions* Options::FindPool(std::string_view name) const { return FindNamed(pools, name); }
const SourceOptions* Options::FindSource(std::string_view name) const { return FindNamed(sources, name); }

std::string_view Options::ProviderOf(std::string_view mx_host) const {
  for (const ProviderOptions& provider : providers) {
    if (MatchesAny(provider.mx, mx_host)) return provider.name;
  }
  for (const BuiltInProvider& provider : kBuiltInProviders) {
    // A group of the config replaces the built-in one of its name.
    if (FindNamed(providers, provider.name) != nullptr) continue;
    for (const std::string_view pattern : provider.mx) {
      if (!pattern.empty() && MatchesHostPattern(pattern, mx_host)) return provider.name;
    }
  }
  return "other";
}

DestinationSettings Options::DestinationFor(std::string_view domain, std::string_view mx_host) const {
  const std::string_view provider = mx_host.empty() ? std::string_view("other") : ProviderOf(mx_host);
  std::vector<std::pair<int, int>> found;  // minus the closeness, block
  for (int i = 0; i < static_cast<int>(destinations.size()); ++i) {
    const int closeness = Closeness(destinations[static_cast<size_t>(i)], domain, mx_host, provider);
    if (closeness > 0) found.emplace_back(-closeness, i);
  }
  std::sort(found.begin(), found.end());

  DestinationSettings settings;
  for (const auto& [order, i] : found) {
    const DestinationOptions& block = destinations[static_cast<size_t>(i)];
    settings.blocks.push_back(i);
    if (settings.connections.count == 0 && block.connections.count != 0) {
      settings.connections = block.connections;
      settings.reserved_for_transactional = block.reserved_for_transactional;
      settings.per = block.per;
    }
    if (settings.connection_rate.rate.unlimited()) settings.connection_rate = block.connection_rate;
    if (settings.message_rate.rate.unlimited()) settings.message_rate = block.message_rate;
    if (settings.messages_per_connection == 0) settings.messages_per_connection = block.messages_per_connection;
    if (settings.pipeline_depth == 0) settings.pipeline_depth = block.pipeline_depth;
    if (block.tls) settings.tls = settings.tls ? Stricter(*settings.tls, *block.tls) : *block.tls;
  }
  if (settings.connections.count == 0) settings.connections = {smtp.connections, WhereSet("smtp.connections")};
  if (settings.messages_per_connection == 0) settings.messages_per_connection = smtp.messages_per_connection;
  if (settings.pipeline_depth == 0) settings.pipeline_depth = smtp.pipeline_depth;
  return settings;
}

std::vector<std::string_view> ProviderNames(const Options& options) {
  std::vector<std::string_view> names = BuiltInProviders();
  for (const ProviderOptions& provider : options.providers) {
    if (std::ranges::find(names, provider.name) == names.end()) names.push_back(provider.name);
  }
  return names;
}

std::vector<std::string> HostsOfProvider(const Options& options, std::string_view provider) {
  const auto found = std::ranges::find(options.providers, provider, &ProviderOptions::name);
  return found == options.providers.end() ? std::vector<std::string>() : found->mx;
}

std::string ProviderNow(const Options& options, std::string_view provider, const std::vector<std::string>& hosts) {
  const auto same = std::ranges::find(options.providers, hosts, &ProviderOptions::mx);
  if (!hosts.empty() && same != options.providers.end()) return same->name;
  const std::vector<std::string_view> names = ProviderNames(options);
  if (std::ranges::find(names, provider) != names.end()) return std::string(provider);
  std::string now;
  std::ptrdiff_t most = 0;
  for (const ProviderOptions& other : options.providers) {
    const std::ptrdiff_t shared =
        std::ranges::count_if(hosts, [&](const std::string& host) { return std::ranges::count(other.mx, host) > 0; });
    if (shared > most) now = other.name;
    most = std::max(most, shared);
  }
  return now;
}

bool MatchesHostPattern(std::string_view pattern, std::string_view name) {
  if (pattern == "*") return true;
  if (!pattern.starts_with("*.")) return pattern == name;
  const std::string_view suffix = pattern.substr(1);  // with its dot
  return name.size() > suffix.size() && name.ends_with(suffix);
}

std::vector<std::string_view> BuiltInProviders() {
  std::vector<std::string_view> names;
  names.reserve(std::size(kBuiltInProviders) + 1);
  for (const BuiltInProvider& provider : kBuiltInProviders) names.push_back(provider.name);
  names.push_back("other");
  return names;
}

}  // namespace sealift::engine
