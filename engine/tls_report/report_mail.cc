#include "engine/tls_report/report_mail.h"

#include <fmt/format.h>

#include "engine/message/base64.h"

namespace sealift::engine {
namespace {

constexpr std::string_view kForPeople =
    R"(This is a report about the TLS of mail that {0} sent to {1}
from {2} to {3},
as the domain's _smtp._tls record asks (RFC 8460).

Successful sessions: {4}
Failed sessions:     {5}

The attachment says which of them failed, and why.
)";

std::string Time(absl::Time time) { return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone()); }

}  // namespace

std::string ReportMail(const TlsReport& report, std::span<const std::string> to) {
  uint64_t succeeded = 0, failed = 0;
  for (const auto& [policy, counted] : report.counts.policies) {
    succeeded += counted.succeeded;
    failed += counted.failed;
  }
  // No line of base64 and none for people begins with it.
  const std::string boundary =
      fmt::format("=_tlsrpt_{}_{}", absl::ToUnixSeconds(report.start), absl::ToUnixSeconds(report.end));
  std::string mail = fmt::format("From: {}\n", report.contact);
  mail += fmt::format("To: {}\n", fmt::join(to, ",\n "));
  mail += fmt::format("Subject: Report Domain: {}\n Submitter: {}\n Report-ID: <{}>\n", report.domain, report.submitter,
                      report.Id());
  mail += fmt::format("TLS-Report-Domain: {}\nTLS-Report-Submitter: {}\n", report.domain, report.submitter);
  // RFC 3834: nobody is to answer it.
  mail += "Auto-Submitted: auto-generated\nMIME-Version: 1.0\n";
  mail += fmt::format("Content-Type: multipart/report; report-type=\"tlsrpt\";\n boundary=\"{}\"\n\n", boundary);
  mail +=
      fmt::format("--{}\nContent-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 7bit\n\n", boundary);
  mail +=
      fmt::format(kForPeople, report.submitter, report.domain, Time(report.start), Time(report.end), succeeded, failed);
  mail += fmt::format("\n--{}\nContent-Type: application/tlsrpt+gzip\nContent-Transfer-Encoding: base64\n", boundary);
  mail += fmt::format("Content-Disposition: attachment;\n filename=\"{}\"\n\n", report.FileName());
  mail += fmt::format("{}\n--{}--\n", Base64Lines(Gzip(report.ToJson())), boundary);
  return mail;
}

}  // namespace sealift::engine
