#include "engine/tls_report/report_mail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/message/base64.h"

namespace sealift::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ReportMailTest, IsAMultipartReportWithTheGzippedJson) {
  TlsTally tally;
  const absl::CivilDay day(2026, 11, 27);
  tally.Succeeded(day, "d1.test", {});
  tally.Failed(day, "d1.test", {}, {.failure = TlsFailure::kStartTlsNotSupported});
  const absl::Time start = absl::FromCivil(day, absl::UTCTimeZone());
  const TlsReport report{.organization = "Mailco",
                         .contact = "tls@sender.test",
                         .submitter = "mta1.sender.test",
                         .domain = "d1.test",
                         .start = start,
                         .end = start + absl::Hours(24) - absl::Seconds(1),
                         .counts = tally.days().at(day).domains.find("d1.test")->second};
  const std::vector<std::string> to = {"a@reports.test", "b@reports.test"};
  const std::string mail = ReportMail(report, to);
  EXPECT_THAT(mail, StartsWith(R"(From: tls@sender.test
To: a@reports.test,
 b@reports.test
Subject: Report Domain: d1.test
 Submitter: mta1.sender.test
 Report-ID: <1795737600.1795823999.d1.test@mta1.sender.test>
TLS-Report-Domain: d1.test
TLS-Report-Submitter: mta1.sender.test
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: multipart/report; report-type="tlsrpt";
 boundary="=_tlsrpt_1795737600_1795823999"

--=_tlsrpt_1795737600_1795823999
Content-Type: text/plain; charset=us-ascii
)"));
  EXPECT_THAT(mail, HasSubstr("Successful sessions: 1\nFailed sessions:     1\n"));
  const std::string head = R"(Content-Type: application/tlsrpt+gzip
Content-Transfer-Encoding: base64
Content-Disposition: attachment;
 filename="mta1.sender.test!d1.test!1795737600!1795823999.json.gz"

)";
  ASSERT_THAT(mail, HasSubstr(head));
  const size_t begin = mail.find(head) + head.size();
  std::string packed;
  ASSERT_TRUE(DecodeBase64(mail.substr(begin, mail.find("\n--", begin) - begin), packed));
  EXPECT_EQ(Gunzip(packed, 1 << 20), report.ToJson());
  EXPECT_TRUE(mail.ends_with("\n--=_tlsrpt_1795737600_1795823999--\n"));
}

}  // namespace
}  // namespace sealift::engine
