#include "engine/directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "engine/mx_filter.h"
#include "engine/tls_account.h"

namespace sealift::engine {
namespace {

constexpr size_t kDomainsMax = 65'536;  // remembered with their site, for `domain explain`
constexpr size_t kWokenATurn = 32;      // of the answers that wait; those that find it spent wait again

std::set<int> FamiliesOf(const Options& options) {
  std::set<int> families;
  for (const SourceOptions& source : options.sources) families.insert(source.family);
  return families;
}

}  // namespace

std::string SiteKeyOf(const std::vector<dns::MxHost>& hosts) {
  std::vector<std::string> names;
  names.reserve(hosts.size());
  for (const dns::MxHost& host : hosts) names.push_back(fmt::format("{} {}", host.preference, host.name));
  std::ranges::sort(names);
  return fmt::format("{}", fmt::join(names, ","));
}

std::string JudgeOf(const Options& options, const std::vector<dns::MxHost>& hosts) {
  if (const std::string_view provider = options.ProviderOf(hosts.front().name); provider != "other") {
    return std::string(provider);
  }
  // The same after every restart, whatever order the hosts come in.
  const auto first =
      std::ranges::min_element(hosts, {}, [](const dns::MxHost& host) { return std::tie(host.preference, host.name); });
  return std::string(Restraints::kSitePrefix) + first->name;
}

LaneVerdict VerdictOf(const dns::MxAnswer& answer) {
  using dns::Verdict;
  if (answer.null_mx) {
    return {ClassifyFailure(ReasonClass::kNoMx), "the domain takes no mail (null MX, RFC 7505)"};
  }
  switch (answer.verdict) {
    case Verdict::kNxDomain:
      return {ClassifyFailure(ReasonClass::kBadDomain), "the domain does not exist (NXDOMAIN)"};
    case Verdict::kBadName:
      return {ClassifyFailure(ReasonClass::kBadDomain), "the domain is not a valid name"};
    case Verdict::kUnusable:
      return {ClassifyFailure(ReasonClass::kNoMx), answer.implicit ? "the domain has neither MX records nor an address"
                                                                   : "the domain's MX records name no usable host"};
    default:
      return {ClassifyFailure(ReasonClass::kDns),
              fmt::format("the MX lookup failed ({})", dns::ToString(answer.verdict))};
  }
}

Directory::Directory(ShardServices& services, TaskGroup& tasks, Callbacks callbacks)
    : services_(services), tasks_(tasks), callbacks_(std::move(callbacks)), budget_(services.ring, kAnswersATurn) {}

void Directory::Resolve(Lane& lane) {
  if (services_.options->delivery == Delivery::kSink) {
    callbacks_.resolved(lane, SiteOf({.key = lane.domain, .hosts = {{0, lane.domain}}}, lane.domain));
    return;
  }
  Question& question = resolving_[lane.domain];
  if (std::ranges::find(question.lanes, &lane) != question.lanes.end()) return;
  question.lanes.push_back(&lane);
  if (question.fetches && lane.transactional) Search().Urge(lane.domain);
  if (question.begun || (question.lanes.size() > 1 && !lane.transactional)) return;
  (lane.transactional ? urgent_ : waiting_).push_back(lane.domain);
  StartLookups();
}

void Directory::StartLookups() {
  while (Busy() < kLookupsMax + kTransactionalMax && !urgent_.empty()) StartLast(urgent_);
  while (Busy() < kLookupsMax && !waiting_.empty()) StartLast(waiting_);
}

void Directory::StartLast(std::vector<std::string>& waiting) {
  std::string domain = std::move(waiting.back());
  waiting.pop_back();
  const auto found = resolving_.find(domain);
  if (found == resolving_.end() || std::exchange(found->second.begun, true)) return;
  ++lookups_;
  tasks_.Start(LookUp(std::move(domain)));
}

Task<void> Directory::LookUp(std::string domain) {
  dns::MxAnswer answer = co_await services_.resolver.ResolveMx(domain);
  StsFinding sts;
  if (answer.verdict == dns::Verdict::kFound && !answer.null_mx) {
    answer.hosts = co_await Allowed(std::move(answer.hosts));
    const bool reachable = answer.hosts.empty() || co_await HaveAddress(answer.hosts);
    if (!reachable) answer.verdict = dns::Verdict::kUnusable;
    if (reachable) sts = co_await Search().Look(domain, services_.Now());
  }
  --lookups_;
  const Scope& scope = co_await CurrentScope();
  if (scope.ended()) co_return;
  if (sts.IsOpen()) sts = co_await FetchPolicy(domain, std::move(sts));
  while (!scope.ended() && budget_.IsSpent() && !IsUrgent(domain)) {
    if (!std::exchange(wakes_answers_, true)) tasks_.Start(WakeAnswers());
    const absl::Status woken = co_await answers_.Wait();
    if (!woken.ok()) co_return;
  }
  if (scope.ended()) co_return;
  CountStsFailure(services_, domain, sts);
  budget_.Spend([&] { Answer(domain, answer, sts.record); });
  StartLookups();
  if (sts.id.empty() || fetches_ >= kRefreshesMax) co_return;
  services_.sts_policies.NoteFailure(domain, sts.id, services_.Now());  // until it succeeds: nobody else tries it now
  sts = co_await FetchPolicy(domain, std::move(sts));
  CountStsFailure(services_, domain, sts);
}

Task<void> Directory::WakeAnswers() {
  while (answers_.waiting() > 0) {
    const absl::Status yielded = co_await services_.ring.Yield();
    if (!yielded.ok()) break;
    for (size_t i = 0; i < kWokenATurn && answers_.waiting() > 0; ++i) answers_.NotifyOne();
  }
  wakes_answers_ = false;
}

Task<StsFinding> Directory::FetchPolicy(std::string domain, StsFinding looked) {
  const auto asked = resolving_.find(domain);
  if (asked != resolving_.end()) asked->second.fetches = true;
  const auto is_urgent = [this, domain] { return IsUrgent(domain); };
  ++fetches_;
  StartLookups();
  StsFinding found = co_await Search().Fetch(std::move(domain), std::move(looked), services_.Now(), is_urgent);
  --fetches_;
  co_return found;
}

bool Directory::IsUrgent(const std::string& domain) const {
  const auto question = resolving_.find(domain);
  return question != resolving_.end() && std::ranges::any_of(question->second.lanes, &Lane::transactional);
}

StsSearch Directory::Search() const {
  return {services_.resolver, services_.web, services_.sts_policies, services_.options};
}

size_t Directory::Busy() const {
  return lookups_ + answers_.waiting() + (fetches_ > kFetchesMax ? fetches_ - kFetchesMax : 0);
}

Task<std::vector<dns::MxHost>> Directory::Allowed(std::vector<dns::MxHost> hosts) {
  const std::shared_ptr<const Options> options = services_.options;
  const MxFilter filter(options->dns);
  if (!filter.active()) co_return hosts;
  std::erase_if(hosts, [&](const dns::MxHost& host) { return filter.Denies(host.name); });
  if (!filter.asks_addresses()) co_return hosts;
  const std::set<int> families = FamiliesOf(*options);
  std::vector<dns::MxHost> allowed;
  for (dns::MxHost& host : hosts) {
    bool found = false, any = false;
    for (const int family : families) {
      const dns::AddressAnswer answer = co_await services_.resolver.ResolveAddresses(host.name, family);
      for (const dns::Address& address : answer.addresses) {
        found = true;
        any = any || filter.Allows(host.name, address);
      }
    }
    // Where no address is known now, whoever connects asks again (connection.h).
    if (any || !found) allowed.push_back(std::move(host));
  }
  co_return allowed;
}

Task<bool> Directory::HaveAddress(const std::vector<dns::MxHost>& hosts) {
  const std::shared_ptr<const Options> options = services_.options;
  const std::set<int> families = FamiliesOf(*options);
  for (const dns::MxHost& host : hosts) {
    for (const int family : families) {
      const dns::AddressAnswer answer = co_await services_.resolver.ResolveAddresses(host.name, family);
      if (dns::IsTemporary(answer.verdict)) co_return true;
      for (const dns::Address& address : answer.addresses) {
        if (!address.IsLoopback() || options->dns.allow_private_addresses) co_return true;
      }
    }
  }
  co_return false;
}

void Directory::Answer(const std::string& domain, dns::MxAnswer answer, const StsPolicies::RecordPtr& sts) {
  const auto found = resolving_.find(domain);
  if (found == resolving_.end()) return;
  const std::vector<Lane*> lanes = std::move(found->second.lanes);
  resolving_.erase(found);
  if (answer.verdict != dns::Verdict::kFound || answer.null_mx) {
    for (Lane* lane : lanes) callbacks_.failed(*lane, VerdictOf(answer));
    return;
  }
  if (answer.hosts.empty()) {
    const LaneVerdict denied{ClassifyFailure(ReasonClass::kMxDenied),
                             "dns.mx_deny and dns.mx_allow leave no host that takes mail for the domain"};
    for (Lane* lane : lanes) callbacks_.failed(*lane, denied);
    return;
  }
  // Equal sets of hosts stand in one order, so that a bit of DomainSecurity means the same host for all of their
  // domains.
  std::ranges::sort(answer.hosts, [](const dns::MxHost& a, const dns::MxHost& b) {
    return a.preference != b.preference ? a.preference < b.preference : a.name < b.name;
  });
  DomainSecurity security{.mx_authenticated = services_.options->dns.trust_ad && answer.authenticated};
  if (sts != nullptr && sts->policy.mode == dns::StsPolicy::Mode::kEnforce) security.Enforce(sts->policy, answer.hosts);
  const SiteIdentity identity{.key = SiteKeyOf(answer.hosts), .hosts = answer.hosts, .security = security};
  const int shard = static_cast<int>(std::hash<std::string>()(identity.key) % static_cast<size_t>(services_.shards));
  for (Lane* lane : lanes) {
    if (shard == services_.index) {
      lane->security = security;
      callbacks_.resolved(*lane, SiteOf(identity, domain));
    } else {
      callbacks_.elsewhere(*lane, identity, shard);
    }
  }
}

void Directory::Forget(Lane& lane) {
  const auto found = resolving_.find(lane.domain);
  if (found != resolving_.end()) std::erase(found->second.lanes, &lane);
}

Site& Directory::SiteOf(const SiteIdentity& identity, const std::string& domain) {
  std::shared_ptr<Site>& site = sites_[identity.key];
  if (site == nullptr) {
    site.reset(new Site());  // whose memory goes with it, whoever still has a weak pointer
    site->key = identity.key;
    site->hosts = identity.hosts;
    site->domain = domain;
    Group(*site);
  }
  if (site_of_domain_.size() >= kDomainsMax) site_of_domain_.clear();
  site_of_domain_[domain] = site;
  return *site;
}

void Directory::Group(Site& site) const {
  site.provider = std::string(services_.options->ProviderOf(site.hosts.front().name));
  site.judge = JudgeOf(*services_.options, site.hosts);
}

bool Directory::Regroup() {
  bool changed = false;
  for (const auto& [key, site] : sites_) {
    const std::string before = site->provider;
    Group(*site);
    changed = changed || site->provider != before;
  }
  return changed;
}

Site* Directory::FindSite(const std::string& domain) const {
  const auto found = site_of_domain_.find(domain);
  return found == site_of_domain_.end() ? nullptr : found->second.lock().get();
}

void Directory::ForEach(const std::function<void(Site&)>& visit) const {
  for (const auto& [key, site] : sites_) visit(*site);
}

void Directory::Sweep() {
  const absl::Time now = services_.Now();
  // A block outlives the lanes that met it: what is paused and resumed must not try earlier.
  const auto blocked = [now](const std::unique_ptr<Path>& path) { return path->block.until > now; };
  std::erase_if(sites_, [&](const auto& entry) {
    return entry.second->Unused() && std::ranges::none_of(entry.second->paths, blocked);
  });
  std::erase_if(site_of_domain_, [](const auto& entry) { return entry.second.expired(); });
}

void Directory::MayBeUnused(Site& site) {
  if (site.maybe_unused || !site.Unused()) return;
  const auto found = sites_.find(site.key);
  if (found == sites_.end()) return;
  site.maybe_unused = true;
  unused_.push_back(found->second);
}

void Directory::ForgetUnused(const std::function<void(const Site&)>& forgotten) {
  while (unused_.size() > kUnusedMax) {
    const std::shared_ptr<Site> site = unused_.front().lock();
    unused_.pop_front();
    if (site == nullptr) continue;
    site->maybe_unused = false;
    if (!site->Unused()) continue;
    forgotten(*site);
    sites_.erase(site->key);
  }
}

}  // namespace sealift::engine
