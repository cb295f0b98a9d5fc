#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "engine/tls_report/tls_failure.h"

namespace sealift::engine {

// What a domain had published about how its mail is to be sent, as a report names it (RFC 8460 4.4).
struct ReportedPolicy {
  enum class Type : uint8_t { kNone, kTlsa, kSts };

  // An MTA-STS policy may have 64 KiB; what a report quotes of a longer one ends with a whole line.
  static constexpr size_t kTextBytesMax = 4096;

  Type type = Type::kNone;
  std::vector<std::string> text;  // lines of an MTA-STS policy, or TLSA records: "3 1 1 0a0b..."
  std::vector<std::string> mx;    // host patterns of an MTA-STS policy

  // `published` is the policy's file; null for one that could not be had.
  static ReportedPolicy Sts(std::string_view published, const std::vector<std::string>& patterns);
  static ReportedPolicy Tlsa(std::vector<std::string> records);

  friend auto operator<=>(const ReportedPolicy&, const ReportedPolicy&) = default;
};

std::string_view ToString(ReportedPolicy::Type type);  // "no-policy-found", "tlsa", "sts"

// One way in which sessions fail (RFC 8460 4.4, failure-details). What is empty is left out of a report.
struct TlsFailureDetail {
  TlsFailure failure = TlsFailure::kValidationFailure;
  std::string sending_ip, receiving_host, receiving_ip;
  std::string reason;  // in our words or OpenSSL's, never in the peer's

  friend auto operator<=>(const TlsFailureDetail&, const TlsFailureDetail&) = default;
};

// TlsTally counts TLS sessions by day (UTC), policy domain, policy and the way in which they failed.
//
// A shard counts into one of its own, without a lock; the node takes these and merges them into one that it keeps.
//
// Owned by:  a shard, or the node.
// Threads:   its owner's.
// Time:      the caller passes the day.
// Memory:    bounded by the maxima below, whatever is counted. A session beyond them is counted where there is room:
//            with its policy without its detail, or with its domain without its policy, or with its day alone.
// Errors:    none.
class TlsTally {
 public:
  static constexpr size_t kDomainsMax = 10'000;  // of a day
  static constexpr size_t kPoliciesMax = 8;      // of a domain
  static constexpr size_t kDetailsMax = 64;      // of a policy
  static constexpr size_t kDaysMax = 4;
  static constexpr size_t kBytesMax = size_t{32} << 20;  // of all texts

  struct Policy {
    uint64_t succeeded = 0, failed = 0;
    std::map<TlsFailureDetail, uint64_t> details;  // sessions
    uint64_t without_detail = 0;                   // of `failed`

    friend bool operator==(const Policy&, const Policy&) = default;
  };
  struct Domain {
    std::map<ReportedPolicy, Policy> policies;
    uint64_t without_policy = 0;  // sessions under policies beyond the first ones

    // For a note on disk; Decode takes what Encode made, and nothing else.
    std::string Encode() const;
    static absl::StatusOr<Domain> Decode(std::string_view text);

    friend bool operator==(const Domain&, const Domain&) = default;
  };
  struct Day {
    std::map<std::string, Domain, std::less<>> domains;
    uint64_t without_domain = 0;  // sessions
  };

  void Succeeded(absl::CivilDay day, std::string_view domain, const ReportedPolicy& policy);
  void Failed(absl::CivilDay day, std::string_view domain, const ReportedPolicy& policy,
              const TlsFailureDetail& detail);

  // Adds all that `other` has counted.
  void Add(const TlsTally& other);
  // Adds what was kept of a domain.
  void Add(absl::CivilDay day, std::string_view domain, const Domain& counted);

  void Forget(absl::CivilDay day, std::string_view domain);
  void Forget(absl::CivilDay day);

  const std::map<absl::CivilDay, Day>& days() const { return days_; }
  bool empty() const { return days_.empty(); }

 private:
  Day* DayOf(absl::CivilDay day);
  Domain* DomainOf(absl::CivilDay day, std::string_view domain, uint64_t sessions);
  Policy* PolicyOf(Domain& domain, const ReportedPolicy& policy, uint64_t sessions);
  void AddDetail(Policy& policy, const TlsFailureDetail& detail, uint64_t sessions);
  bool HasRoomFor(size_t bytes);

  std::map<absl::CivilDay, Day> days_;
  size_t bytes_ = 0;
};

}  // namespace sealift::engine
