#include "engine/sts_policies.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "engine/smtp/utf8.h"
#include "engine/source_address.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kRefetch = absl::Hours(24);  // 3.3 and 10.2: before it expires, so that it is never missed
constexpr size_t kFailuresMax = 65'536;
constexpr std::string_view kPath = "/.well-known/mta-sts.txt";

std::string HostOf(const std::string& domain) { return "mta-sts." + domain; }

// Where the domain's web server is, as far as it may be asked.
Task<std::vector<dns::Address>> WebServerOf(Resolver& resolver, std::shared_ptr<const Options> options,
                                            std::string host) {
  std::vector<dns::Address> usable;
  for (const int family : {AF_INET, AF_INET6}) {
    const dns::AddressAnswer answer = co_await resolver.ResolveAddresses(host, family);
    for (const dns::Address& address : answer.addresses) {
      if (MayBeOfOthers(address, *options)) usable.push_back(address);
    }
  }
  co_return usable;
}

// 3.2 and 3.3: 200, and text, whatever its parameters are.
bool IsPolicyDocument(const WebDocument& document) {
  std::string_view type(document.content_type);
  type = type.substr(0, type.find(';'));
  type = type.substr(0, type.find_last_not_of(" \t") + 1);
  return document.status == 200 && EqualsIgnoreCase(type, "text/plain");
}

StsFinding::Failure FailureOf(const absl::Status& status) {
  return absl::IsUnauthenticated(status) ? StsFinding::Failure::kCertificate : StsFinding::Failure::kFetch;
}

}  // namespace

StsPolicies::RecordPtr StsPolicies::Find(std::string_view domain, absl::Time now) const {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(std::string(domain));
  if (found == records_.end() || found->second->expires <= now) return nullptr;
  return found->second;
}

void StsPolicies::Keep(const std::string& domain, StsRecord record) {
  const std::lock_guard lock(mutex_);
  failures_.erase(domain);
  records_[domain] = std::make_shared<const StsRecord>(std::move(record));
  changed_.push_back(domain);
  MakeRoom();
}

void StsPolicies::MakeRoom() {
  if (records_.size() <= policies_max_) return;
  const auto first = std::ranges::min_element(
      records_, [](const auto& a, const auto& b) { return a.second->expires < b.second->expires; });
  records_.erase(first);
}

bool StsPolicies::MayFetch(const std::string& domain, const std::string& id, absl::Time now) {
  const std::lock_guard lock(mutex_);
  const auto failed = failures_.find(domain);
  return failed == failures_.end() || failed->second.id != id || failed->second.until <= now;
}

void StsPolicies::NoteFailure(const std::string& domain, const std::string& id, absl::Time now) {
  const std::lock_guard lock(mutex_);
  if (failures_.size() >= kFailuresMax) failures_.clear();
  failures_[domain] = {.id = id, .until = now + kAgain};
}

void StsPolicies::ForgetFailures() {
  const std::lock_guard lock(mutex_);
  failures_.clear();
}

// Three numbers and words in a line, then the policy as it was published.
std::vector<StsPolicies::Written> StsPolicies::TakeChanged() {
  const std::lock_guard lock(mutex_);
  std::vector<Written> written;
  for (const std::string& domain : changed_) {
    const auto found = records_.find(domain);
    if (found == records_.end()) continue;
    const StsRecord& record = *found->second;
    written.push_back(
        {domain, fmt::format("{} {}\n{}", absl::ToUnixSeconds(record.fetched), record.id, record.policy.text)});
  }
  changed_.clear();
  return written;
}

void StsPolicies::Restore(const std::string& domain, std::string_view value, absl::Time now) {
  const size_t space = value.find(' ');
  const size_t end = value.find('\n');
  int64_t fetched = 0;
  if (space == std::string_view::npos || end == std::string_view::npos || space > end) return;
  if (std::from_chars(value.data(), value.data() + space, fetched).ec != std::errc()) return;
  absl::StatusOr<dns::StsPolicy> policy = dns::StsPolicy::Parse(value.substr(end + 1));
  if (!policy.ok()) return;
  StsRecord record{.id = std::string(value.substr(space + 1, end - space - 1)),
                   .fetched = absl::FromUnixSeconds(fetched),
                   .expires = absl::FromUnixSeconds(fetched) + policy->max_age};
  record.policy = *std::move(policy);
  if (record.expires <= now) return;
  const std::lock_guard lock(mutex_);
  records_[domain] = std::make_shared<const StsRecord>(std::move(record));
  MakeRoom();
}

void StsSearch::Urge(const std::string& domain) const { web.Urge(HostOf(domain)); }

Task<StsFinding> StsSearch::Find(std::string domain, absl::Time now) const {
  StsFinding finding = co_await Look(domain, now);
  if (finding.id.empty()) co_return finding;
  co_return co_await Fetch(std::move(domain), std::move(finding), now);
}

Task<StsFinding> StsSearch::Look(std::string domain, absl::Time now) const {
  const dns::TxtAnswer txt = co_await resolver.ResolveTxt("_mta-sts." + domain);
  const StsPolicies::RecordPtr known = policies.Find(domain, now);
  const std::optional<std::string> id = dns::StsId(txt.texts);
  if (!id.has_value()) co_return StsFinding{.record = known};
  const bool fresh = known != nullptr && known->id == *id && now - known->fetched < kRefetch;
  if (fresh || !policies.MayFetch(domain, *id, now)) co_return StsFinding{.record = known};
  co_return StsFinding{.record = known, .id = *id};
}

Task<StsFinding> StsSearch::Fetch(std::string domain, StsFinding looked, absl::Time now,
                                  std::function<bool()> urgent) const {
  const std::string host = HostOf(domain);
  std::vector<dns::Address> addresses = co_await WebServerOf(resolver, options, host);
  absl::StatusOr<WebDocument> document = absl::UnavailableError("the web server has no usable address");
  if (!addresses.empty()) {
    document = co_await web.Get({.host = host,
                                 .port = options->tls.mta_sts_port,
                                 .path = std::string(kPath),
                                 .addresses = std::move(addresses),
                                 .urgent = urgent != nullptr && urgent()});
  }
  StsFinding finding{.record = looked.record};
  if (absl::IsCancelled(document.status())) co_return finding;
  if (!document.ok() || !IsPolicyDocument(*document)) {
    finding.failure = document.ok() ? StsFinding::Failure::kFetch : FailureOf(document.status());
  } else if (absl::StatusOr<dns::StsPolicy> policy = dns::StsPolicy::Parse(document->body); !policy.ok()) {
    finding.failure = StsFinding::Failure::kInvalid;
  } else {
    StsRecord record{.id = looked.id, .fetched = now, .expires = now + policy->max_age};
    record.policy = *std::move(policy);
    policies.Keep(domain, std::move(record));
    finding.record = policies.Find(domain, now);
    co_return finding;
  }
  policies.NoteFailure(domain, looked.id, now);
  co_return finding;
}

}  // namespace sealift::engine
