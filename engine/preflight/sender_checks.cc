#include "engine/preflight/sender_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "engine/message/dkim_record.h"
#include "engine/preflight/dkim_publication.h"
#include "engine/preflight/spf.h"
#include "engine/source_address.h"

namespace sealift::engine {
namespace {

constexpr size_t kNamesMax = 5;  // of an address that are looked up again

class DnsSpfRecords final : public SpfRecords {
 public:
  explicit DnsSpfRecords(dns::Lookup& lookup) : lookup_(lookup) {}
  dns::TxtAnswer Txt(const std::string& name) override { return lookup_.Txt(name); }
  dns::MxAnswer Mx(const std::string& domain) override { return lookup_.Mx(domain); }
  dns::AddressAnswer Addresses(const std::string& host, int family) override { return lookup_.Addresses(host, family); }

 private:
  dns::Lookup& lookup_;
};

std::vector<const SourceOptions*> SourcesOf(const Options& options, const StreamOptions& stream) {
  std::vector<const SourceOptions*> sources;
  for (const int index : options.pools[static_cast<size_t>(stream.pool_index)].source_indexes) {
    sources.push_back(&options.sources[static_cast<size_t>(index)]);
  }
  return sources;
}

Severity SeverityOf(SpfResult result) {
  switch (result) {
    case SpfResult::kPass:
      return Severity::kOk;
    case SpfResult::kTempError:
    case SpfResult::kUnclear:
      return Severity::kWarn;
    default:
      return Severity::kFail;
  }
}

// The first of an address's names that leads back to it; `hostname` where it is one of them.
std::optional<std::string> ConfirmedName(const dns::Address& address, std::vector<std::string> names,
                                         const std::string& hostname, dns::Lookup& lookup) {
  std::ranges::partition(names, [&](const std::string& name) { return name == hostname; });
  names.resize(std::min(names.size(), kNamesMax));
  for (const std::string& name : names) {
    const dns::AddressAnswer answer = lookup.Addresses(name, address.family);
    if (std::ranges::find(answer.addresses, address) != answer.addresses.end()) return name;
  }
  return std::nullopt;
}

PreflightFinding CheckPtrOf(const SourceOptions& source, dns::Lookup& lookup) {
  PreflightFinding finding{.check = "ptr", .about = source.name, .severity = Severity::kFail};
  const std::optional<dns::Address> address = dns::Address::Parse(source.address);
  if (!address.has_value()) return finding;
  const dns::PtrAnswer answer = lookup.Ptr(*address);
  if (dns::IsTemporary(answer.verdict)) {
    finding.severity = Severity::kWarn;
    finding.state = "dns_failed";
    finding.what =
        fmt::format("the DNS answered {} when asked for the name of {}", dns::ToString(answer.verdict), source.address);
    return finding;
  }
  if (answer.names.empty()) {
    finding.state = "missing";
    finding.what = fmt::format(
        "{} has no name (PTR record); many receivers refuse such a sender. Ask whoever gave you the address for {}",
        source.address, source.hostname);
    return finding;
  }
  const std::optional<std::string> name = ConfirmedName(*address, answer.names, source.hostname, lookup);
  if (!name.has_value()) {
    finding.state = "unconfirmed";
    finding.what = fmt::format("{} is called {}, but that name does not lead back to it; give it an address record",
                               source.address, answer.names.front());
    return finding;
  }
  finding.state = *name == source.hostname ? "confirmed" : "other_name";
  finding.severity = *name == source.hostname ? Severity::kOk : Severity::kWarn;
  finding.what = *name == source.hostname
                     ? fmt::format("{} is {}", source.address, *name)
                     : fmt::format("{} is {}, and EHLO says {}; set source.hostname or the PTR record", source.address,
                                   *name, source.hostname);
  return finding;
}

}  // namespace

std::vector<PreflightFinding> CheckDkim(const StreamOptions& stream, const SigningKeys& keys, dns::Lookup& lookup) {
  std::vector<PreflightFinding> findings;
  for (const SigningKeys::Entry& entry : keys.entries()) {
    const DkimIdentity& identity = entry.identity;
    if (std::ranges::find(stream.dkim, identity.domain) == stream.dkim.end()) continue;
    const std::string name = DkimRecordName(identity.selector, identity.domain);
    DkimPublication published = AskDkimPublication(lookup, identity.key, name);
    PreflightFinding finding{
        .check = "dkim", .about = name, .state = published.state, .what = std::move(published.why)};
    if (published.state == "dns_failed") {
      finding.severity = Severity::kWarn;
    } else if (published.state != "matches") {
      // A key that stands by may be published later.
      finding.severity = entry.signs ? Severity::kFail : Severity::kWarn;
    }
    if (finding.what.empty()) finding.what = entry.signs ? "signs, and is published" : "stands by, and is published";
    findings.push_back(std::move(finding));
  }
  if (findings.empty()) {
    findings.push_back(
        {.check = "dkim",
         .about = stream.name,
         .severity = Severity::kWarn,
         .state = "unsigned",
         .what = "the stream has no `dkim`: its mail goes out unsigned, and large receivers refuse that"});
  }
  return findings;
}

std::vector<PreflightFinding> CheckSpf(const Options& options, const StreamOptions& stream, dns::Lookup& lookup) {
  const std::string& domain = stream.return_path.empty() ? options.node.hostname : stream.return_path;
  DnsSpfRecords records(lookup);
  std::vector<PreflightFinding> findings;
  for (const SourceOptions* source : SourcesOf(options, stream)) {
    const std::optional<dns::Address> address = dns::Address::Parse(source->address);
    if (!address.has_value()) continue;
    const SpfFinding spf = EvaluateSpf(domain, *address, records);
    PreflightFinding finding{.check = "spf",
                             .about = domain,
                             .severity = SeverityOf(spf.result),
                             .state = std::string(ToString(spf.result))};
    finding.what = spf.result == SpfResult::kPass
                       ? fmt::format("{} ({}) may send for it", source->name, source->address)
                       : fmt::format("for {} ({}): {}", source->name, source->address, spf.why);
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::vector<PreflightFinding> CheckPtr(const Options& options, const StreamOptions& stream, dns::Lookup& lookup) {
  std::vector<PreflightFinding> findings;
  for (const SourceOptions* source : SourcesOf(options, stream)) findings.push_back(CheckPtrOf(*source, lookup));
  return findings;
}

std::vector<PreflightFinding> CheckSources(const Options& options, const StreamOptions& stream) {
  std::vector<PreflightFinding> findings;
  for (const SourceOptions* source : SourcesOf(options, stream)) {
    if (HasAddressOf(*source)) continue;
    findings.push_back({.check = "source",
                        .about = source->name,
                        .severity = Severity::kFail,
                        .state = "unavailable",
                        .what = fmt::format("{} is not an address of this machine: add it to an interface, or take the "
                                            "source out of the pool",
                                            source->address)});
  }
  return findings;
}

}  // namespace sealift::engine
