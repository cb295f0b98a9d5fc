#include "engine/tls_report/report.h"

#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

const absl::CivilDay kDay(2026, 11, 27);

TlsReport Report() {
  TlsTally tally;
  const ReportedPolicy sts =
      ReportedPolicy::Sts("version: STSv1\nmode: testing\nmx: *.d1.test\nmax_age: 86400\n", {"*.d1.test"});
  tally.Succeeded(kDay, "d1.test", sts);
  tally.Failed(kDay, "d1.test", sts,
               {.failure = TlsFailure::kCertificateExpired,
                .sending_ip = "2001:db8::1",
                .receiving_host = "mx1.d1.test",
                .receiving_ip = "2001:db8::2",
                .reason = "certificate has expired"});
  tally.Failed(kDay, "d1.test", sts, {.failure = TlsFailure::kStsPolicyFetchError});
  tally.Succeeded(kDay, "d1.test", {});
  const absl::Time start = absl::FromCivil(kDay, absl::UTCTimeZone());
  return {.organization = "Mailco \"Ltd\"",
          .contact = "tls@sender.test",
          .submitter = "mta1.sender.test",
          .domain = "d1.test",
          .start = start,
          .end = start + absl::Hours(24) - absl::Seconds(1),
          .counts = tally.days().at(kDay).domains.find("d1.test")->second};
}

TEST(TlsReportTest, IsTheJsonOfTheStandard) {
  EXPECT_EQ(Report().ToJson(), R"({
  "organization-name": "Mailco \"Ltd\"",
  "date-range": {
    "start-datetime": "2026-11-27T00:00:00Z",
    "end-datetime": "2026-11-27T23:59:59Z"
  },
  "contact-info": "tls@sender.test",
  "report-id": "1795737600.1795823999.d1.test@mta1.sender.test",
  "policies": [
    {
      "policy": {
        "policy-type": "no-policy-found",
        "policy-domain": "d1.test"
      },
      "summary": {
        "total-successful-session-count": 1,
        "total-failure-session-count": 0
      }
    },
    {
      "policy": {
        "policy-type": "sts",
        "policy-string": [
          "version: STSv1",
          "mode: testing",
          "mx: *.d1.test",
          "max_age: 86400"
        ],
        "policy-domain": "d1.test",
        "mx-host": [
          "*.d1.test"
        ]
      },
      "summary": {
        "total-successful-session-count": 1,
        "total-failure-session-count": 2
      },
      "failure-details": [
        {
          "result-type": "certificate-expired",
          "sending-mta-ip": "2001:db8::1",
          "receiving-mx-hostname": "mx1.d1.test",
          "receiving-ip": "2001:db8::2",
          "failed-session-count": 1,
          "failure-reason-code": "certificate has expired"
        },
        {
          "result-type": "sts-policy-fetch-error",
          "failed-session-count": 1
        }
      ]
    }
  ]
}
)");
}

TEST(TlsReportTest, IsNamedAsTheStandardSays) {
  EXPECT_EQ(Report().FileName(), "mta1.sender.test!d1.test!1795737600!1795823999.json.gz");
  EXPECT_EQ(Report().Id(), "1795737600.1795823999.d1.test@mta1.sender.test");
}

TEST(TlsReportTest, TheSameCountsMakeTheSameBytes) { EXPECT_EQ(Gzip(Report().ToJson()), Gzip(Report().ToJson())); }

TEST(TlsReportTest, WhatIsPackedIsUnpackedUpToABound) {
  const std::string text(200'000, 'x');
  EXPECT_EQ(Gunzip(Gzip(text), text.size()), text);
  EXPECT_EQ(Gunzip(Gzip(text), text.size() - 1), "");
  EXPECT_EQ(Gunzip(Gzip(""), 10), "");
  EXPECT_EQ(Gunzip("this is no gzip", 1000), "");
  EXPECT_EQ(Gunzip(Gzip(text).substr(0, 100), text.size()), "");
}

TEST(TlsReportTest, WhatIsNoUtf8DoesNotBreakTheJson) {
  TlsReport report = Report();
  TlsTally tally;
  tally.Succeeded(kDay, "d1.test", ReportedPolicy::Sts("mode: \xff\xfe\n", {}));
  report.counts = tally.days().at(kDay).domains.find("d1.test")->second;
  EXPECT_NE(report.ToJson().find("mode: \xEF\xBF\xBD\xEF\xBF\xBD"), std::string::npos);
}

}  // namespace
}  // namespace sealift::engine
