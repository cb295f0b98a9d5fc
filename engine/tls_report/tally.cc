#include "engine/tls_report/tally.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace sealift::engine {
namespace {

using nlohmann::json;

constexpr size_t kEntryBytes = 128;  // what a map takes for one, about

size_t BytesOf(const ReportedPolicy& policy) {
  size_t bytes = kEntryBytes;
  for (const std::string& line : policy.text) bytes += line.size() + sizeof(std::string);
  for (const std::string& pattern : policy.mx) bytes += pattern.size() + sizeof(std::string);
  return bytes;
}

size_t BytesOf(const TlsFailureDetail& detail) {
  return kEntryBytes + detail.sending_ip.size() + detail.receiving_host.size() + detail.receiving_ip.size() +
         detail.reason.size();
}

size_t BytesOf(std::string_view name, const TlsTally::Domain& domain) {
  size_t bytes = kEntryBytes + name.size();
  for (const auto& [policy, counted] : domain.policies) {
    bytes += BytesOf(policy);
    for (const auto& [detail, sessions] : counted.details) bytes += BytesOf(detail);
  }
  return bytes;
}

std::vector<std::string> AsTexts(const json& list) {
  std::vector<std::string> texts;
  for (const json& text : list) texts.push_back(text.get<std::string>());
  return texts;
}

TlsFailureDetail DetailFrom(const json& entry) {
  const std::optional<TlsFailure> failure = ParseTlsFailure(entry.at("result").get<std::string>());
  return {.failure = failure.value_or(TlsFailure::kValidationFailure),
          .sending_ip = entry.at("from").get<std::string>(),
          .receiving_host = entry.at("host").get<std::string>(),
          .receiving_ip = entry.at("to").get<std::string>(),
          .reason = entry.at("reason").get<std::string>()};
}

}  // namespace

ReportedPolicy ReportedPolicy::Sts(std::string_view published, const std::vector<std::string>& patterns) {
  ReportedPolicy policy{.type = Type::kSts, .text = {}, .mx = {}};
  size_t bytes = 0;
  while (!published.empty()) {
    const size_t end = std::min(published.find('\n'), published.size());
    std::string_view line = published.substr(0, end);
    published.remove_prefix(std::min(end + 1, published.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    bytes += line.size();
    if (bytes > kTextBytesMax) break;
    policy.text.emplace_back(line);
  }
  for (const std::string& pattern : patterns) {
    bytes += pattern.size();
    if (bytes > 2 * kTextBytesMax) break;
    policy.mx.push_back(pattern);
  }
  return policy;
}

ReportedPolicy ReportedPolicy::Tlsa(std::vector<std::string> records) {
  ReportedPolicy policy{.type = Type::kTlsa, .text = std::move(records), .mx = {}};
  std::ranges::sort(policy.text);  // the DNS gives them in any order
  size_t bytes = 0;
  const auto end = std::ranges::find_if(policy.text, [&bytes](const std::string& record) {
    bytes += record.size();
    return bytes > kTextBytesMax;
  });
  policy.text.erase(end, policy.text.end());
  return policy;
}

std::string_view ToString(ReportedPolicy::Type type) {
  switch (type) {
    case ReportedPolicy::Type::kTlsa:
      return "tlsa";
    case ReportedPolicy::Type::kSts:
      return "sts";
    case ReportedPolicy::Type::kNone:
      break;
  }
  return "no-policy-found";
}

bool TlsTally::HasRoomFor(size_t bytes) {
  if (bytes_ + bytes > kBytesMax) return false;
  bytes_ += bytes;
  return true;
}

TlsTally::Day* TlsTally::DayOf(absl::CivilDay day) {
  const auto found = days_.find(day);
  if (found != days_.end()) return &found->second;
  // A clock that jumps makes days; the oldest gives way.
  if (days_.size() == kDaysMax) Forget(days_.begin()->first);
  return &days_[day];
}

TlsTally::Domain* TlsTally::DomainOf(absl::CivilDay day, std::string_view domain, uint64_t sessions) {
  Day& counted = *DayOf(day);
  const auto found = counted.domains.find(domain);
  if (found != counted.domains.end()) return &found->second;
  if (counted.domains.size() < kDomainsMax && HasRoomFor(kEntryBytes + domain.size())) {
    return &counted.domains.try_emplace(std::string(domain)).first->second;
  }
  counted.without_domain += sessions;
  return nullptr;
}

TlsTally::Policy* TlsTally::PolicyOf(Domain& domain, const ReportedPolicy& policy, uint64_t sessions) {
  const auto found = domain.policies.find(policy);
  if (found != domain.policies.end()) return &found->second;
  if (domain.policies.size() < kPoliciesMax && HasRoomFor(BytesOf(policy))) return &domain.policies[policy];
  domain.without_policy += sessions;
  return nullptr;
}

void TlsTally::AddDetail(Policy& policy, const TlsFailureDetail& detail, uint64_t sessions) {
  const auto found = policy.details.find(detail);
  if (found != policy.details.end()) {
    found->second += sessions;
  } else if (policy.details.size() < kDetailsMax && HasRoomFor(BytesOf(detail))) {
    policy.details.emplace(detail, sessions);
  } else {
    policy.without_detail += sessions;
  }
}

void TlsTally::Succeeded(absl::CivilDay day, std::string_view domain, const ReportedPolicy& policy) {
  Domain* const counted = DomainOf(day, domain, 1);
  Policy* const under = counted == nullptr ? nullptr : PolicyOf(*counted, policy, 1);
  if (under != nullptr) ++under->succeeded;
}

void TlsTally::Failed(absl::CivilDay day, std::string_view domain, const ReportedPolicy& policy,
                      const TlsFailureDetail& detail) {
  Domain* const counted = DomainOf(day, domain, 1);
  Policy* const under = counted == nullptr ? nullptr : PolicyOf(*counted, policy, 1);
  if (under == nullptr) return;
  ++under->failed;
  AddDetail(*under, detail, 1);
}

void TlsTally::Add(absl::CivilDay day, std::string_view domain, const Domain& counted) {
  uint64_t sessions = counted.without_policy;
  for (const auto& [policy, under] : counted.policies) sessions += under.succeeded + under.failed;
  Domain* const into = DomainOf(day, domain, sessions);
  if (into == nullptr) return;
  into->without_policy += counted.without_policy;
  for (const auto& [policy, under] : counted.policies) {
    Policy* const sum = PolicyOf(*into, policy, under.succeeded + under.failed);
    if (sum == nullptr) continue;
    sum->succeeded += under.succeeded;
    sum->failed += under.failed;
    sum->without_detail += under.without_detail;
    for (const auto& [detail, times] : under.details) AddDetail(*sum, detail, times);
  }
}

void TlsTally::Add(const TlsTally& other) {
  for (const auto& [day, counted] : other.days_) {
    for (const auto& [name, domain] : counted.domains) Add(day, name, domain);
    if (counted.without_domain > 0) DayOf(day)->without_domain += counted.without_domain;
  }
}

void TlsTally::Forget(absl::CivilDay day, std::string_view domain) {
  const auto of_day = days_.find(day);
  if (of_day == days_.end()) return;
  const auto found = of_day->second.domains.find(domain);
  if (found == of_day->second.domains.end()) return;
  bytes_ -= std::min(bytes_, BytesOf(found->first, found->second));
  of_day->second.domains.erase(found);
}

void TlsTally::Forget(absl::CivilDay day) {
  const auto found = days_.find(day);
  if (found == days_.end()) return;
  for (const auto& [name, domain] : found->second.domains) bytes_ -= std::min(bytes_, BytesOf(name, domain));
  days_.erase(found);
}

std::string TlsTally::Domain::Encode() const {
  json list = json::array();
  for (const auto& [policy, counted] : policies) {
    json details = json::array();
    for (const auto& [detail, sessions] : counted.details) {
      details.push_back({{"result", ToString(detail.failure)},
                         {"from", detail.sending_ip},
                         {"host", detail.receiving_host},
                         {"to", detail.receiving_ip},
                         {"reason", detail.reason},
                         {"sessions", sessions}});
    }
    list.push_back({{"type", static_cast<int>(policy.type)},
                    {"text", policy.text},
                    {"mx", policy.mx},
                    {"succeeded", counted.succeeded},
                    {"failed", counted.failed},
                    {"without_detail", counted.without_detail},
                    {"details", std::move(details)}});
  }
  // What a policy quotes need not be UTF-8.
  return json{{"policies", std::move(list)}, {"without_policy", without_policy}}.dump(-1, ' ', false,
                                                                                      json::error_handler_t::replace);
}

absl::StatusOr<TlsTally::Domain> TlsTally::Domain::Decode(std::string_view text) {
  Domain domain;
  // The library throws where something is not what it should be; nothing of ours does.
  try {
    const json read = json::parse(text);
    domain.without_policy = read.at("without_policy").get<uint64_t>();
    for (const json& entry : read.at("policies")) {
      const int type = entry.at("type").get<int>();
      if (type < 0 || type > static_cast<int>(ReportedPolicy::Type::kSts)) {
        return absl::DataLossError("the counts of TLS sessions name a type of policy that there is not");
      }
      Policy& counted = domain.policies[{.type = static_cast<ReportedPolicy::Type>(type),
                                         .text = AsTexts(entry.at("text")),
                                         .mx = AsTexts(entry.at("mx"))}];
      counted.succeeded = entry.at("succeeded").get<uint64_t>();
      counted.failed = entry.at("failed").get<uint64_t>();
      counted.without_detail = entry.at("without_detail").get<uint64_t>();
      for (const json& detail : entry.at("details")) {
        counted.details[DetailFrom(detail)] = detail.at("sessions").get<uint64_t>();
      }
    }
  } catch (const json::exception&) {
    return absl::DataLossError("the counts of TLS sessions are not readable");
  }
  return domain;
}

}  // namespace sealift::engine
