#include "engine/preflight/destination_survey.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/binding_rates.h"
#include "engine/directory.h"
#include "engine/runtime/deadline.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kStopLook = absl::Milliseconds(100);

std::string MxState(const dns::MxAnswer& answer) {
  if (answer.null_mx) return "null_mx";
  if (answer.verdict == dns::Verdict::kFound && answer.implicit) return "implicit";
  return std::string(dns::ToString(answer.verdict));
}

std::string InWords(const std::optional<Attempt>& failure, const std::string& peer) {
  if (!failure.has_value()) return fmt::format("{}: no address to connect to", peer);
  return failure->code != 0 ? fmt::format("{}: {} {}", peer, failure->code, failure->text) : failure->text;
}

void NoteOffered(const Capabilities& offered, PreflightSite& found) {
  found.eightbitmime = offered.eightbitmime;
  found.smtputf8 = offered.smtputf8 && offered.eightbitmime;
}

}  // namespace

DestinationSurvey::DestinationSurvey(Connection::Services services, StsSearch sts,
                                     std::shared_ptr<const Options> options, const StreamOptions& stream,
                                     const SourceOptions& source, const std::atomic<bool>& stop, Limits limits)
    : services_(std::move(services)),
      sts_(std::move(sts)),
      options_(std::move(options)),
      stream_(stream),
      source_(source),
      stop_(stop),
      limits_(limits) {}

Task<void> DestinationSurvey::Run(std::vector<Domain> domains) {
  domains_ = std::move(domains);
  TaskGroup working(services_.ring);
  TaskGroup watching(services_.ring);
  working.Start(Work());
  watching.Start(WatchStop(working));
  co_await working.Join();
  watching.Cancel();
  co_await watching.Join();
}

Task<void> DestinationSurvey::WatchStop(TaskGroup& working) {
  while (true) {
    const absl::Status slept = co_await services_.ring.Sleep(kStopLook);
    if (!slept.ok()) co_return;
    if (stop_.load()) working.Cancel();
  }
}

Task<void> DestinationSurvey::Work() {
  co_await WithDeadline(services_.ring, limits_.lookups,
                        Together(&DestinationSurvey::LookUpDomains, limits_.lookups_at_once));
  AddUnasked(std::min(next_domain_, domains_.size()));
  std::ranges::sort(sites_, [](const Site& a, const Site& b) {
    return a.found.rows != b.found.rows ? a.found.rows > b.found.rows : a.found.domain < b.found.domain;
  });
  co_await WithDeadline(services_.ring, limits_.probes,
                        Together(&DestinationSurvey::ProbeSites, limits_.probes_at_once));
  if (options_->delivery != Delivery::kSink || sites_.empty()) co_return;
  const PreflightSite sink = sites_.front().found;
  for (Site& site : sites_) {
    site.found.host = sink.host;
    site.found.tls = sink.tls;
    site.found.smtputf8 = sink.smtputf8;
    site.found.eightbitmime = sink.eightbitmime;
    site.found.fate = sink.fate;
    site.found.why = sink.why;
  }
}

Task<void> DestinationSurvey::Together(Task<void> (DestinationSurvey::*worker)(), int workers) {
  TaskGroup group(co_await CurrentScope());
  for (int i = 0; i < workers; ++i) group.Start((this->*worker)());
  co_await group.Join();
}

Task<void> DestinationSurvey::LookUpDomains() {
  while (next_domain_ < std::min(domains_.size(), limits_.domains_max)) {
    const Scope& scope = co_await CurrentScope();
    if (scope.ended()) co_return;
    const Domain domain = domains_[next_domain_++];
    if (options_->delivery == Delivery::kSink) {
      Add(domain, {.verdict = dns::Verdict::kFound, .hosts = {{0, domain.name}}}, nullptr);
      continue;
    }
    const dns::MxAnswer answer = co_await services_.resolver.ResolveMx(domain.name);
    StsFinding sts;
    if (answer.verdict == dns::Verdict::kFound && !answer.null_mx) {
      sts = co_await sts_.Find(domain.name, services_.ring.Now());
    }
    Add(domain, answer, sts.record);
  }
}

void DestinationSurvey::Add(const Domain& domain, const dns::MxAnswer& answer, const StsPolicies::RecordPtr& sts) {
  const bool hosts = answer.verdict == dns::Verdict::kFound && !answer.null_mx;
  const bool sink = options_->delivery == Delivery::kSink;
  const std::string first = hosts ? answer.hosts.front().name : std::string();
  const std::string key = hosts && !sink ? SiteKeyOf(answer.hosts) : domain.name;
  DestinationSettings settings = options_->DestinationFor(domain.name, first);
  DomainSecurity security{.mx_authenticated = options_->dns.trust_ad && answer.authenticated};
  if (sts != nullptr && sts->policy.mode == dns::StsPolicy::Mode::kEnforce) security.Enforce(sts->policy, answer.hosts);
  const TlsRequirement requirement = RequirementOf(BindingPolicy(stream_, settings), stream_.requiretls, security);
  const DomainSecurity& asked = requirement.domain;
  const auto [known, fresh] =
      known_.try_emplace({key, settings.blocks, asked.mx_authenticated, asked.sts, asked.sts_hosts}, sites_.size());
  if (!fresh) {
    PreflightSite& site = sites_[known->second].found;
    ++site.domains;
    site.rows += domain.rows;
    site.rows_utf8 += domain.rows_utf8;
    site.rows_8bit += domain.rows_8bit;
    return;
  }
  Site site{.identity = {.key = key, .hosts = hosts ? answer.hosts : std::vector<dns::MxHost>()},
            .requirement = requirement};
  site.settings = std::move(settings);
  PreflightSite& found = site.found;
  found.domain = domain.name;
  found.domains = 1;
  found.rows = domain.rows;
  found.rows_utf8 = domain.rows_utf8;
  found.rows_8bit = domain.rows_8bit;
  found.policy = std::string(tls::ToString(site.requirement.policy));
  found.mx = sink ? "sink" : MxState(answer);
  if (hosts) {
    found.provider = std::string(options_->ProviderOf(first));
    for (const dns::MxHost& host : answer.hosts) {
      found.hosts.push_back(fmt::format("{} {}", host.preference, host.name));
    }
    found.why = "it was not connected to: it is not among those with the most rows";
  } else {
    const LaneVerdict verdict = VerdictOf(answer);
    found.fate = verdict.Bounces() ? Fate::kBounce : Fate::kDefer;
    found.why = verdict.text;
  }
  sites_.push_back(std::move(site));
}

void DestinationSurvey::AddUnasked(size_t from) {
  if (from >= domains_.size()) return;
  Site rest{.settings = options_->DestinationFor({}, {})};
  for (size_t i = from; i < domains_.size(); ++i) rest.found.rows += domains_[i].rows;
  rest.found.domains = domains_.size() - from;
  rest.found.mx = "not_asked";
  rest.found.why = "they were not looked at: they are not among those with the most rows, or time was over";
  sites_.push_back(std::move(rest));
}

Task<void> DestinationSurvey::ProbeSites() {
  const size_t sites_max = options_->delivery == Delivery::kSink ? 1 : limits_.sites_max;
  while (next_site_ < sites_.size() && probed_ < sites_max) {
    const Scope& scope = co_await CurrentScope();
    if (scope.ended()) co_return;
    Site& site = sites_[next_site_++];
    if (site.identity.hosts.empty()) continue;
    ++probed_;
    co_await WithDeadline(services_.ring, limits_.probe, Probe(site));
  }
}

Task<void> DestinationSurvey::Probe(Site& site) {
  PreflightSite& found = site.found;
  using Opened = Connection::Opened;
  bool no_tls = true;     // every host let us in and offered too little
  bool promised = false;  // ... one of them, less than it has promised
  const std::vector<dns::MxHost> hosts = site.requirement.Admitted(site.identity.hosts);
  if (hosts.empty()) {
    found.fate = stream_.requiretls ? Fate::kBounce : Fate::kHold;
    found.why = "none of the domain's MX hosts is one that its MTA-STS policy names";
    co_return;
  }
  for (const dns::MxHost& host : hosts) {
    const Connection::Opened opened = co_await ProbeHost(site, host.name);
    if (opened == Connection::Opened::kYes) {
      found.fate = Fate::kSend;
      co_return;
    }
    no_tls = no_tls && opened != Opened::kNo;
    promised = promised || opened == Opened::kNoPromisedTls;
    const Scope& scope = co_await CurrentScope();
    if (scope.ended()) {
      found.why =
          fmt::format("it did not answer within {}; sending waits longer. {}", ToText(limits_.probe), found.why);
      co_return;
    }
  }
  found.fate = Fate::kDefer;
  if (no_tls) {
    const bool bounces = stream_.requiretls || (stream_.on_no_tls == OnNoTls::kBounce && !promised);
    found.fate = bounces ? Fate::kBounce : Fate::kHold;
  }
}

Task<Connection::Opened> DestinationSurvey::ProbeHost(Site& site, std::string host) {
  using Opened = Connection::Opened;
  PreflightSite& found = site.found;
  TlsRequirement strictest = site.requirement;
  strictest.policy = std::max(strictest.policy, tls::Policy::kVerify);
  Connection strict(services_, options_, source_, strictest);
  const Opened verified = co_await strict.Open(host);
  found.host = strict.peer();
  if (verified == Opened::kYes) {
    const queue::Evidence evidence = strict.evidence();
    found.tls = evidence.tls_version;
    NoteOffered(strict.capabilities(), found);
    if (!evidence.verified_name.empty()) found.verified = true;
    found.why.clear();
    co_await strict.Quit();
    co_return Opened::kYes;
  }
  found.why = InWords(strict.failure(), host);
  if (verified == Opened::kNoRequireTls) {
    found.tls = strict.evidence().tls_version;
    found.verified = true;
    co_return verified;
  }
  // HELO is tried only where nothing is required, so a host that refuses EHLO gets another chance there.
  const bool lax = site.requirement.policy == tls::Policy::kOpportunistic;
  if (verified == Opened::kNo && !(lax && strict.failure().has_value() && strict.failure()->code != 0)) {
    co_return Opened::kNo;
  }
  found.tls = strict.capabilities().starttls ? "broken" : "none";
  if (!strict.capabilities().starttls && !lax) co_return verified;
  // What it offers to who does not look at the certificate.
  TlsRequirement as_asked = site.requirement;
  as_asked.policy = std::min(as_asked.policy, tls::Policy::kRequire);
  Connection lenient(services_, options_, source_, as_asked);
  const Opened opened = co_await lenient.Open(host);
  if (opened != Opened::kYes) {
    found.why = InWords(lenient.failure(), host);
    co_return opened;
  }
  found.tls = lenient.evidence().tls_version;
  NoteOffered(lenient.capabilities(), found);
  found.verified = false;
  co_await lenient.Quit();
  co_return site.requirement.policy >= tls::Policy::kVerify ? verified : Opened::kYes;
}

}  // namespace sealift::engine
