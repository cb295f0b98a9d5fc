// A destination whose TLS fails is told so (RFC 8460): what was counted, the report as a file, and the mail that brings
// it, which the failure does not keep.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

class TlsReportScenario : public World {
 protected:
  // What one day is asked of must not be two: close to midnight (UTC) it waits for the next.
  static bool DayIsLong() {
    return Eventually(kInTime, [] {
      const auto since = std::chrono::system_clock::now().time_since_epoch() % std::chrono::hours(24);
      return std::chrono::hours(24) - since > kInTime - std::chrono::seconds(20);
    });
  }
};

std::string Base64(const std::string& bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
  }
  return text;
}

std::string Without(std::string text, const std::string& part) {
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part)) text.erase(at, part.size());
  return text;
}

TEST_F(TlsReportScenario, AFailingDestinationGetsItsReportByTheVeryWayThatFails) {
  const std::string store = dir.Folder("mails");
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"broken\"\ndomains = [\"broken.test\"]\n"
                              "mx = [{{ host = \"mx.broken.test\", address = \"{}\" }}]\n"
                              "certificate_name = \"other.test\"\n"
                              "txt = [\"_smtp._tls v=TLSRPTv1; rua=mailto:tls@broken.test\", "
                              "\"_mta-sts v=STSv1; id=1;\"]\n",
                              net.Address(10)),
                  net.Address(2, 5353), {"--store", store});
  settings.tls = fmt::format("ca_file = \"{}\"", sink.certificates_file());
  settings.streams = {{"news", "tls = \"verify\"\non_no_tls = \"bounce\""},
                      {"reports", "kind = \"transactional\"\ntls = \"verify\"\ndkim = [\"sender.test\"]"}};
  const std::string key = dir.path() / "s1.pem";
  settings.tables = fmt::format(
      "[[dkim]]\ndomain = \"sender.test\"\nselector = \"s1\"\nkey_file = \"{}\"\n"
      "[tls_report]\norganization = \"Mailco\"\ncontact = \"tls@sender.test\"\nstream = \"reports\"\n",
      key);
  WriteConfig();
  ASSERT_EQ(SealiftPlain({"dkim", "generate", key, "--domain", "sender.test", "--selector", "s1"}).exit_code, 0);
  StartDaemon();
  ASSERT_TRUE(DayIsLong());
  Load("spring", Template(), Recipients(1, {"broken.test"}), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  EXPECT_EQ(Show("spring")["bounced"].Number(), 1);
  EXPECT_EQ(Sealift({"tls", "report"}).json["counts"].size(), 2u);

  // What is counted outlives the daemon.
  StopDaemon();
  StartDaemon();
  const Answer sent = Sealift({"tls", "send-report", "--reason", "the story"});
  ASSERT_EQ(sent.exit_code, 0) << sent.Describe();
  EXPECT_EQ(sent.json["reports"].Number(), 1) << sent.Describe();
  EXPECT_EQ(sent.json["mails"].Number(), 1);

  const Answer list = Sealift({"tls", "reports"});
  ASSERT_EQ(list.json["reports"].size(), 1u) << list.Describe();
  const std::string name = list.json["reports"].At(0)["name"].Text();
  const Answer shown = SealiftPlain({"tls", "reports", name});
  ASSERT_EQ(shown.exit_code, 0) << shown.Describe();
  const Json report = Json::Parse(shown.out);
  EXPECT_EQ(report["organization-name"].Text(), "Mailco");
  EXPECT_EQ(report["contact-info"].Text(), "tls@sender.test");
  EXPECT_THAT(report["report-id"].Text(), HasSubstr(".broken.test@mta1.sender.test"));
  EXPECT_THAT(report["date-range"]["start-datetime"].Text(), HasSubstr("T00:00:00Z"));
  EXPECT_EQ(report["policies"].Dump(), Json::Parse(fmt::format(R"([
    {{"policy": {{"policy-type": "no-policy-found", "policy-domain": "broken.test"}},
      "summary": {{"total-successful-session-count": 0, "total-failure-session-count": 1}},
      "failure-details": [{{"result-type": "certificate-host-mismatch", "sending-mta-ip": "{}",
        "receiving-mx-hostname": "mx.broken.test", "receiving-ip": "{}", "failed-session-count": 1,
        "failure-reason-code": "hostname mismatch"}}]}},
    {{"policy": {{"policy-type": "sts", "policy-domain": "broken.test"}},
      "summary": {{"total-successful-session-count": 0, "total-failure-session-count": 1}},
      "failure-details": [{{"result-type": "sts-policy-fetch-error", "failed-session-count": 1}}]}}])",
                                                               settings.source_address, net.Address(10)))
                                           .Dump());

  const std::string campaign = sent.json["campaign"].Text();
  ASSERT_TRUE(ShowsUntil(campaign, kInTime, [](const Json& now) { return now["delivered"].Number() == 1; }));
  ASSERT_EQ(sink.arrivals(), 1u);
  const Sink::Arrival arrival = sink.Ledger().at(0);
  EXPECT_EQ(arrival.mailbox, "tls@broken.test");
  EXPECT_TRUE(arrival.tls) << "the certificate is not the host's, and there is TLS all the same";
  const std::string mail = ReadFile(std::filesystem::path(store) / arrival.file);
  for (const char* part : {"DKIM-Signature:", "From: tls@sender.test\r\n", "To: tls@broken.test\r\n",
                           "Subject: Report Domain: broken.test\r\n Submitter: mta1.sender.test\r\n Report-ID: <",
                           "TLS-Report-Domain: broken.test\r\n", "TLS-Report-Submitter: mta1.sender.test\r\n",
                           "Content-Type: multipart/report; report-type=\"tlsrpt\";",
                           "Content-Type: application/tlsrpt+gzip\r\n", "filename=\"mta1.sender.test!broken.test!"}) {
    EXPECT_THAT(mail, HasSubstr(part));
  }
  EXPECT_THAT(Without(mail, "\r\n"),
              HasSubstr(Base64(ReadFile(std::filesystem::path(settings.data_dir) / "tls-reports" / name))));
  // What was reported is over, and the report's own session is none that the next one tells of. That the policy is
  // still not to be had is.
  for (const Json& counted : Sealift({"tls", "report"}).json["counts"].Items()) {
    EXPECT_EQ(counted["policy"].Text(), "sts") << counted.Dump();
  }
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
