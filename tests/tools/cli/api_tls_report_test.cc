#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/cli/control_socket.h"

namespace sealift::tools {
namespace {

using testing::HasSubstr;

// Yesterday: it is over, whatever the machine's clock says.
const absl::CivilDay kDay = engine::TlsReports::DayAt(absl::Now()) - 1;
const std::string kDate = absl::FormatCivilTime(kDay);

class TlsReportCommandTest : public ::testing::Test {
 protected:
  TlsReportCommandTest() {
    socket.node.tls_counts.Succeeded(kDay, "d1.test", {});
    socket.node.tls_counts.Failed(kDay, "d1.test", {},
                                  {.failure = engine::TlsFailure::kStartTlsNotSupported,
                                   .sending_ip = "192.0.2.1",
                                   .receiving_host = "mx.d1.test",
                                   .receiving_ip = "198.51.100.1"});
    socket.node.tls_counts.Succeeded(kDay, "d2.test", {});
  }
  ControlSocket socket;
};

TEST_F(TlsReportCommandTest, ShowsWhatWasCounted) {
  const nlohmann::json answer = socket.Run({"tls", "report", "--date", kDate, "-o", "json"}).Json();
  EXPECT_EQ(answer["date"], kDate);
  ASSERT_EQ(answer["counts"].size(), 2u);
  EXPECT_EQ(answer["counts"][0]["policy"], "no-policy-found");
  EXPECT_EQ(answer["counts"][0]["failures"][0]["result"], "starttls-not-supported");
  const Ran ran = socket.Run({"tls", "report", "--date", kDate, "--domain", "d1.test"});
  EXPECT_EQ(ran.code, 0);
  for (const char* part : {"successful", "starttls-not-supported", "mx.d1.test", "198.51.100.1"}) {
    EXPECT_THAT(ran.out, HasSubstr(part));
  }
  EXPECT_THAT(ran.out, testing::Not(HasSubstr("d2.test")));
  EXPECT_EQ(socket.Run({"tls", "report", "--date", "yesterday"}).code, 64);
}

TEST_F(TlsReportCommandTest, SendsListsAndShowsReports) {
  EXPECT_EQ(socket.Run({"tls", "send-report", "--date", kDate}).code, 64) << "it needs a reason";
  const nlohmann::json sent =
      socket.Run({"tls", "send-report", "--date", kDate, "--reason", "a test", "-o", "json"}).Json();
  EXPECT_EQ(sent["reports"], 2);
  EXPECT_EQ(sent["mails"], 0) << "no stream is configured";
  EXPECT_EQ(socket.AuditEntries().back()["command"], "tls send-report");
  EXPECT_EQ(socket.AuditEntries().back()["reason"], "a test");
  EXPECT_EQ(socket.AuditEntries().back()["target"], kDate);

  const nlohmann::json list = socket.Run({"tls", "reports", "--domain", "d1.test", "-o", "json"}).Json();
  ASSERT_EQ(list["reports"].size(), 1u);
  const std::string name = list["reports"][0]["name"];
  EXPECT_THAT(socket.Run({"tls", "reports"}).out, HasSubstr(name));
  const nlohmann::json report = socket.Run({"tls", "reports", name}).Json();
  EXPECT_EQ(report["policies"][0]["summary"]["total-failure-session-count"], 1);
  EXPECT_EQ(socket.Run({"tls", "reports", kDate + "/nobody.test.1.json.gz"}).code, 66);
  EXPECT_EQ(socket.Run({"tls", "send-report", "--date", "2999-01-01", "--reason", "a test"}).code, 64);
}

}  // namespace
}  // namespace sealift::tools
