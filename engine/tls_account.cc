#include "engine/tls_account.h"

#include <utility>

#include "engine/tls_reports.h"

namespace sealift::engine {
namespace {

bool Counts(const Options& options) { return options.tls_report.enabled && options.delivery == Delivery::kLive; }

TlsFailure FailureOf(StsFinding::Failure failure) {
  switch (failure) {
    case StsFinding::Failure::kInvalid:
      return TlsFailure::kStsPolicyInvalid;
    case StsFinding::Failure::kCertificate:
      return TlsFailure::kStsWebPkiInvalid;
    default:
      return TlsFailure::kStsPolicyFetchError;
  }
}

void AddTo(ShardServices& services, std::string_view domain, const ReportedPolicy& policy,
           const std::optional<TlsFailureDetail>& failure) {
  const absl::CivilDay day = TlsReports::DayAt(services.Now());
  std::string_view result = "successful";
  if (failure.has_value()) {
    result = ToString(failure->failure);
    services.tls_tally.Failed(day, domain, policy, *failure);
  } else {
    services.tls_tally.Succeeded(day, domain, policy);
  }
  services.metrics.counter(Metric::kTlsReportSessions, {ToString(policy.type), result})->Add();
}

}  // namespace

TlsAccount::TlsAccount(ShardServices& services, const TlsRequirement& requirement, std::string source)
    : services_(services), counts_(Counts(*services.options) && !requirement.despite_tls), source_(std::move(source)) {}

void TlsAccount::Failed(std::string_view domain, const std::vector<TlsTry>& tries) {
  if (!counts_) return;
  for (const TlsTry& made : tries) Count(domain, made);
}

void TlsAccount::NoneAdmitted(std::string_view domain, const std::string& host) {
  if (!counts_) return;
  Count(domain, TlsTry{.host = host});  // that the policy does not admit it is what Count finds
}

void TlsAccount::Opened(std::string_view domain, const std::vector<TlsTry>& tries) {
  if (!counts_ || tries.empty()) return;
  for (size_t i = 0; i + 1 < tries.size(); ++i) Count(domain, tries[i]);
  connection_ = tries.back();
}

void TlsAccount::Carries(const std::string& domain) {
  if (!connection_.has_value() || domain == last_) return;
  last_ = domain;
  if (carried_.size() >= kDomainsMax || !carried_.insert(domain).second) return;
  Count(domain, *connection_);
}

void TlsAccount::Count(std::string_view domain, const TlsTry& made) {
  ReportedPolicy policy;
  std::optional<TlsTry::Failure> failure = made.failure;
  const StsPolicies::RecordPtr record = services_.sts_policies.Find(domain, services_.Now());
  if (made.dane.has_value()) {
    policy = *made.dane;
  } else if (record != nullptr && record->policy.mode != dns::StsPolicy::Mode::kNone) {
    policy = ReportedPolicy::Sts(record->policy.text, record->policy.mx);
    if (!record->policy.Admits(made.host)) {
      failure = TlsTry::Failure{.reason = "the MTA-STS policy does not name the MX host"};
    } else if (!failure.has_value()) {
      failure = made.fault;
    }
  }
  if (!failure.has_value()) return AddTo(services_, domain, policy, std::nullopt);
  AddTo(services_, domain, policy,
        TlsFailureDetail{.failure = failure->what,
                         .sending_ip = source_,
                         .receiving_host = made.host,
                         .receiving_ip = made.address,
                         .reason = failure->reason});
}

void CountStsFailure(ShardServices& services, const std::string& domain, const StsFinding& finding) {
  if (finding.failure == StsFinding::Failure::kNone || !Counts(*services.options)) return;
  const ReportedPolicy policy = finding.record != nullptr
                                    ? ReportedPolicy::Sts(finding.record->policy.text, finding.record->policy.mx)
                                    : ReportedPolicy::Sts({}, {});
  AddTo(services, domain, policy, TlsFailureDetail{.failure = FailureOf(finding.failure)});
}

}  // namespace sealift::engine
