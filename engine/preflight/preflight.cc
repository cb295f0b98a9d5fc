#include "engine/preflight/preflight.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

#include "engine/directory.h"
#include "engine/exit_code.h"
#include "engine/message/template.h"
#include "engine/preflight/projection.h"
#include "engine/preflight/sender_checks.h"
#include "engine/resolver.h"
#include "engine/runtime/tcp_network.h"
#include "engine/shaping/send_window.h"
#include "engine/source_address.h"
#include "engine/template_admission.h"
#include "engine/web.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kSenderChecks = absl::Seconds(30);  // all questions to the DNS together
constexpr absl::Duration kQuestion = absl::Seconds(2);       // one try
constexpr int kTries = 2;
constexpr unsigned kSurveyEntries = 256;

Task<void> Main(DestinationSurvey& survey, std::vector<DestinationSurvey::Domain> domains, DnsResolver& resolver) {
  co_await survey.Run(std::move(domains));
  co_await resolver.Stop();
}

void Append(std::vector<PreflightFinding>& to, std::vector<PreflightFinding> more) {
  std::ranges::move(more, std::back_inserter(to));
}

// In their order otherwise.
std::vector<PreflightFinding> WorstFirst(std::vector<PreflightFinding> findings) {
  std::vector<PreflightFinding> ordered;
  for (const Severity severity : {Severity::kFail, Severity::kWarn, Severity::kSkipped, Severity::kOk}) {
    for (PreflightFinding& finding : findings) {
      if (finding.severity == severity) ordered.push_back(std::move(finding));
    }
  }
  return ordered;
}

// Those that bounce at a host that lets us in, for want of an extension.
uint64_t RowsWithoutUtf8(const PreflightSite& site) { return site.smtputf8.value_or(true) ? 0 : site.rows_utf8; }
uint64_t RowsWithout8bit(const PreflightSite& site) { return site.eightbitmime.value_or(true) ? 0 : site.rows_8bit; }
uint64_t RowsUnfit(const PreflightSite& site) { return RowsWithoutUtf8(site) + RowsWithout8bit(site); }

std::string Rows(uint64_t rows) { return fmt::format("{} row{}", rows, rows == 1 ? "" : "s"); }

// How much of [from, to) the stream may send in.
absl::Duration OpenTime(const StreamOptions& stream, absl::Time from, absl::Time to) {
  if (stream.opens == nullptr) return std::max(to - from, absl::ZeroDuration());
  absl::Duration open;
  for (absl::Time at = from; at < to;) {
    const SendWindow::Span span = stream.opens->At(at);
    const absl::Time end = std::min(span.until, to);
    if (span.open) open += end - at;
    at = end;
  }
  return open;
}

}  // namespace

absl::StatusOr<PreflightReport> Preflight::Run(Subject subject) {
  const Options& options = *context_.options;
  const queue::Campaign& campaign = subject.campaign;
  const StreamOptions* const stream = options.FindStream(campaign.spec.stream);
  if (stream == nullptr) {
    return WithExit(absl::FailedPreconditionError(fmt::format(
                        "the configuration has no stream '{}' any more, which campaign '{}' was loaded for: its rows "
                        "wait; add a [[stream]] of that name",
                        campaign.spec.stream, campaign.spec.name)),
                    ExitCode::kConfig);
  }
  report_.campaign = campaign.spec.name;
  report_.stream = stream->name;
  report_.sink = options.delivery == Delivery::kSink;
  report_.queued = campaign.counters.queued();
  report_.suppressed_at_load = campaign.counters.suppressed_at_load;
  report_.suppressed_now = subject.suppressed_now;
  report_.needs_counted = subject.needs_counted;
  std::ranges::sort(subject.domains,
                    [](const auto& a, const auto& b) { return a.rows != b.rows ? a.rows > b.rows : a.name < b.name; });
  CheckCampaign(subject);
  const absl::Status surveyed = Survey(*stream, std::move(subject.domains));
  if (!surveyed.ok()) return surveyed;
  CheckDestinations();
  CheckFrom(*stream, subject.campaign);
  CheckSender(*stream);
  CheckFinish(*stream, subject);
  if (context_.stop.load()) {
    return WithExit(absl::UnavailableError("the daemon is stopping; ask again once it runs"), ExitCode::kTryLater);
  }
  for (const DestinationSurvey::Site& site : sites_) report_.sites.push_back(site.found);
  report_.findings = WorstFirst(std::move(report_.findings));
  return std::move(report_);
}

absl::Status Preflight::Survey(const StreamOptions& stream, std::vector<DestinationSurvey::Domain> domains) {
  const Options& options = *context_.options;
  const std::vector<int>& indexes = options.pools[static_cast<size_t>(stream.pool_index)].source_indexes;
  const SourceOptions* source = &options.sources[static_cast<size_t>(indexes.front())];
  for (const int index : indexes) {
    const SourceOptions& other = options.sources[static_cast<size_t>(index)];
    if (!HasAddressOf(other)) continue;
    source = &other;
    break;
  }
  report_.source = source->name;
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create({.entries = kSurveyEntries});
  if (!ring.ok()) return ring.status();
  absl::StatusOr<std::unique_ptr<DnsResolver>> resolver = DnsResolver::Create(
      **ring, {.servers = options.dns.servers, .timeout = options.dns.timeout, .tries = options.dns.tries},
      context_.dns_cache);
  if (!resolver.ok()) return resolver.status();
  TcpNetwork network(**ring);
  HttpsWeb web(**ring, context_.https);
  DestinationSurvey survey({.ring = **ring, .network = network, .resolver = **resolver, .tls = context_.tls},
                           {**resolver, web, context_.sts_policies, context_.options}, context_.options, stream,
                           *source, context_.stop, context_.limits);
  (*ring)->Run(Main(survey, std::move(domains), **resolver));
  sites_ = survey.sites();
  return absl::OkStatus();
}

void Preflight::CheckCampaign(const Subject& subject) {
  const queue::Campaign& campaign = subject.campaign;
  const auto find = [this](Severity severity, std::string state, std::string what) {
    report_.findings.push_back(
        {.check = "campaign", .severity = severity, .state = std::move(state), .what = std::move(what)});
  };
  if ((campaign.spec.mode == "sink") != report_.sink) {
    find(Severity::kFail, "other_mode",
         fmt::format("it was loaded under delivery = \"{}\" and is never sent under another mode", campaign.spec.mode));
  }
  if (campaign.state == queue::CampaignState::kCancelled) {
    find(Severity::kFail, "cancelled", "it is cancelled: nothing of it will be sent");
  } else if (!campaign.load_complete) {
    find(Severity::kWarn, "loading", "it is not loaded completely: run the same `campaign load` again, it resumes");
  } else if (report_.queued == 0) {
    find(Severity::kWarn, "empty", "no row of it is queued");
  }
  PreflightFinding suppressed{.check = "suppressed", .state = "counted"};
  suppressed.what = fmt::format("{} left out at load", Rows(report_.suppressed_at_load));
  if (report_.suppressed_now.has_value()) {
    suppressed.what += fmt::format("; {} of those queued suppressed since", Rows(*report_.suppressed_now));
  } else {
    suppressed.what += "; who of those queued was suppressed since is found when they are sent";
  }
  report_.findings.push_back(std::move(suppressed));
}

// It was asked when the campaign was loaded; the stream may have been changed since.
void Preflight::CheckFrom(const StreamOptions& stream, const queue::Campaign& campaign) {
  if (campaign.erased) return;
  PreflightFinding from{.check = "from"};
  if (campaign.spec.finished) {
    from.severity = Severity::kSkipped;
    from.state = "finished";
    from.what = "each finished message has a From address of its own, which was looked at when it was loaded";
  } else if (const absl::StatusOr<TemplateFields> fields = Template::FieldsOf(campaign.spec.template_text);
             !fields.ok()) {
    from.severity = Severity::kFail;
    from.state = "unreadable";
    from.what = std::string(fields.status().message());
  } else {
    from.what = MisalignedFrom(stream, fields->from_domain);
    from.state = from.what.empty() ? "aligned" : "not_aligned";
    if (!from.what.empty()) from.severity = report_.sink ? Severity::kWarn : Severity::kFail;
    if (fields->own.unsubscribe) own_unsubscribe_ = true;
  }
  report_.findings.push_back(std::move(from));
}

void Preflight::CheckSender(const StreamOptions& stream) {
  std::vector<PreflightFinding>& findings = report_.findings;
  if (report_.sink) {
    for (const char* check : {"source", "dkim", "spf", "ptr", "unsubscribe"}) {
      findings.push_back({.check = check,
                          .severity = Severity::kSkipped,
                          .state = "sink",
                          .what = "not asked: in sink mode nothing leaves this machine"});
    }
    return;
  }
  const Options& options = *context_.options;
  Append(findings, CheckSources(options, stream));
  absl::StatusOr<dns::Lookup> lookup = dns::Lookup::Create({.servers = options.dns.servers,
                                                            .timeout = std::min(options.dns.timeout, kQuestion),
                                                            .tries = std::min(options.dns.tries, kTries),
                                                            .deadline = absl::Now() + kSenderChecks,
                                                            .stop = &context_.stop});
  if (!lookup.ok()) {
    findings.push_back({.check = "dkim",
                        .severity = Severity::kWarn,
                        .state = "dns_failed",
                        .what = std::string(lookup.status().message())});
    return;
  }
  Append(findings, CheckDkim(stream, *context_.keys, *lookup));
  Append(findings, CheckSpf(options, stream, *lookup));
  Append(findings, CheckPtr(options, stream, *lookup));
  if (!context_.stop.load()) findings.push_back(AskUnsubscribeUrl(options, stream, own_unsubscribe_, *lookup));
}

// A session bounces what needs an extension that its host has not (RFC 6531 3.2, RFC 6152 3), whatever else is well
// there.
void Preflight::CheckExtensions(PreflightSite& found) {
  const auto warn = [&](std::string check, std::string what) {
    if (RowsUnfit(found) == found.rows) {
      found.fate = Fate::kBounce;
      found.why = what;
    }
    report_.findings.push_back({.check = std::move(check),
                                .about = found.domain,
                                .severity = Severity::kWarn,
                                .state = "bounce",
                                .what = std::move(what)});
  };
  if (const uint64_t rows = RowsWithoutUtf8(found); rows > 0) {
    warn("smtputf8", fmt::format("{} with an address or a header beyond ASCII, and {} does not offer SMTPUTF8: 5.6.7",
                                 Rows(rows), found.host));
  }
  if (const uint64_t rows = RowsWithout8bit(found); rows > 0) {
    warn("8bitmime", fmt::format("{} of an 8-bit message, and {} does not offer 8BITMIME: 5.6.3; encode the message as "
                                 "quoted-printable or base64 before it is signed",
                                 Rows(rows), found.host));
  }
}

void Preflight::CheckDestinations() {
  std::map<std::string, PreflightProvider> providers;
  uint64_t may_be_sent = 0;
  if (!report_.needs_counted) {
    report_.findings.push_back({.check = "smtputf8",
                                .severity = Severity::kSkipped,
                                .state = "not_counted",
                                .what = "there are too many rows to look for addresses and finished messages beyond "
                                        "ASCII, which bounce where a host does not offer SMTPUTF8 or 8BITMIME"});
  }
  for (DestinationSurvey::Site& site : sites_) {
    PreflightSite& found = site.found;
    CheckExtensions(found);
    const uint64_t bounced = RowsUnfit(found);
    PreflightProvider& provider = providers[found.provider];
    provider.name = found.provider;
    provider.domains += found.domains;
    provider.rows += found.rows;
    provider.rows_of[static_cast<size_t>(found.fate)] += found.rows - bounced;
    provider.rows_of[static_cast<size_t>(Fate::kBounce)] += bounced;
    if (found.fate == Fate::kSend || found.fate == Fate::kUnknown) {
      may_be_sent += found.rows - bounced;
      continue;
    }
    if (bounced == found.rows) continue;  // it is said
    const bool mx = site.identity.hosts.empty();
    // What cannot be sent at all would be read one by one; the others stand in `sites`.
    PreflightFinding finding{.check = mx ? "mx" : "tls", .about = found.domain, .severity = Severity::kWarn};
    if (!mx && found.fate == Fate::kDefer) finding.check = "connect";
    finding.state = std::string(ToString(found.fate));
    finding.what =
        fmt::format("{} of {} domain{}: {}", Rows(found.rows), found.domains, found.domains == 1 ? "" : "s", found.why);
    report_.findings.push_back(std::move(finding));
  }
  for (auto& [name, provider] : providers) report_.providers.push_back(std::move(provider));
  std::ranges::sort(report_.providers, [](const auto& a, const auto& b) { return a.rows > b.rows; });
  if (may_be_sent == 0 && !sites_.empty()) {
    report_.findings.push_back({.check = "campaign",
                                .severity = Severity::kFail,
                                .state = "unreachable",
                                .what = "not one row could be sent now; the warnings say why"});
  }
}

void Preflight::CheckFinish(const StreamOptions& stream, const Subject& subject) {
  const Options& options = *context_.options;
  const PoolOptions& pool = options.pools[static_cast<size_t>(stream.pool_index)];
  const Sending sending{stream, subject.campaign.spec.name, subject.limits};
  std::vector<ProjectedRows> groups;
  PreflightFinish& finish = report_.finish;
  for (const DestinationSurvey::Site& site : sites_) {
    if (site.found.fate == Fate::kHold || site.found.fate == Fate::kBounce) continue;
    ProjectedRows group{.rows = site.found.rows - RowsUnfit(site.found)};
    for (const int index : pool.source_indexes) {
      const SourceOptions& source = options.sources[static_cast<size_t>(index)];
      group.by_source.push_back(BindingRates(options, sending, source, site.identity.key, site.settings));
    }
    finish.rows += group.rows;
    groups.push_back(std::move(group));
  }
  const absl::Time now = absl::Now();
  finish.start = subject.start_at.has_value() ? std::max(*subject.start_at, now) : now;
  if (stream.opens != nullptr) finish.start = stream.opens->After(finish.start, absl::ZeroDuration());
  finish.expires = subject.campaign.created + subject.campaign.spec.expires_in;
  const std::optional<Projection> projection = Project(groups);
  PreflightFinding finding{.check = "finish", .state = "in_time"};
  if (projection.has_value()) {
    finish.finish = stream.opens != nullptr ? stream.opens->After(finish.start, projection->takes)
                                            : finish.start + projection->takes;
    finish.limit = fmt::format("{} rate of {}", projection->kind, projection->name);
    finish.value = projection->value;
    finish.set_by = projection->set_by;
    finding.about = finish.limit;
    finding.what = fmt::format("{} at {} take {}; deferrals, connections and other campaigns are not counted",
                               Rows(projection->rows), projection->value,
                               absl::FormatDuration(absl::Trunc(projection->takes, absl::Seconds(1))));
    if (stream.opens != nullptr) finding.what += fmt::format("; it sends {}", stream.opens->Describe());
    if (*finish.finish > finish.expires) {
      const double in_time =
          absl::ToDoubleSeconds(OpenTime(stream, finish.start, finish.expires)) * projection->per_second;
      finish.rows_late = projection->rows - std::min(projection->rows, static_cast<uint64_t>(in_time));
    }
  } else {
    finding.state = "unlimited";
    finding.what = "no rate binds it; the receivers and the connections decide";
    if (finish.start > finish.expires) finish.rows_late = finish.rows;
  }
  if (std::string what = CheckWarmups(stream); !what.empty()) {
    finding.state = "in_time";
    finding.about = finish.limit;
    finding.what = std::move(what);
  }
  if (finish.rows_late > 0) {
    finding.severity = Severity::kFail;
    finding.state = "expires";
    finding.what = fmt::format("{} would expire first, at {}: {}", Rows(finish.rows_late),
                               absl::FormatTime(absl::RFC3339_sec, finish.expires, absl::UTCTimeZone()), finding.what);
  }
  report_.findings.push_back(std::move(finding));
}

std::string Preflight::CheckWarmups(const StreamOptions& stream) {
  if (stream.kind == StreamKind::kTransactional) return "";
  const Options& options = *context_.options;
  const PoolOptions& pool = options.pools[static_cast<size_t>(stream.pool_index)];
  std::map<std::string, uint64_t> rows_to;  // by who judges
  for (const DestinationSurvey::Site& site : sites_) {
    if (site.found.fate == Fate::kHold || site.found.fate == Fate::kBounce || site.identity.hosts.empty()) continue;
    rows_to[JudgeOf(options, site.identity.hosts)] += site.found.rows - RowsUnfit(site.found);
  }
  PreflightFinish& finish = report_.finish;
  std::string what;
  uint64_t late = 0;
  for (const auto& [judge, rows] : rows_to) {
    const std::vector<Warmups::Status> binding = context_.warmups.Binding(options, pool, judge);
    if (binding.empty() || rows == 0) continue;
    std::vector<Warmup> sources;
    std::vector<std::string> names, values;
    for (const Warmups::Status& status : binding) {
      sources.emplace_back(status.plan, status.standing);
      names.push_back(status.source);
      values.push_back(
          status.standing.day == 0
              ? fmt::format("nothing before {}", absl::FormatCivilTime(status.plan.first))
              : fmt::format("{} on day {} of {}", status.quota, status.standing.day, status.plan.per_day.size()));
    }
    const WarmupProjection projection = ProjectWarmup(rows, std::move(sources), finish.start, finish.expires);
    late += projection.late;
    const absl::Time ends =
        stream.opens != nullptr ? stream.opens->After(projection.finish, absl::ZeroDuration()) : projection.finish;
    if (ends <= finish.finish.value_or(finish.start)) continue;
    finish.finish = ends;
    finish.limit = fmt::format("warm-up of {} to {}", fmt::join(names, ", "), judge);
    finish.value = fmt::format("{}", fmt::join(values, " + "));
    finish.set_by = binding.front().origin;
    what = fmt::format(
        "{} under a warm-up with {} take {}; deferrals, other campaigns and days that are repeated are "
        "not counted",
        Rows(rows), finish.value, absl::FormatDuration(absl::Trunc(ends - finish.start, absl::Seconds(1))));
  }
  finish.rows_late = std::max(finish.rows_late, late);
  return what;
}

}  // namespace sealift::engine
