// A campaign goes into a real Postfix over STARTTLS, its names come from a real nsd, and what lies in the mailboxes is
// what `campaign preview` printed, byte for byte.
#include "tests/scenario/harness/postfix.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <array>
#include <cstdlib>

#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/name_server.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The field `name` with its line end, "" when there is none.
std::string Field(const std::string& message, const std::string& name) {
  const size_t header_end = message.find("\r\n\r\n");
  const size_t at = ("\r\n" + message.substr(0, header_end + 2)).find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  return message.substr(at, message.find("\r\n", at) + 2 - at);
}

std::string WithField(std::string message, const std::string& name, const std::string& field) {
  const std::string old = Field(message, name);
  EXPECT_NE(old, "") << "no " << name << " in\n" << message;
  return message.replace(message.find(old), old.size(), field);
}

// "Date: Sat, 21 Nov 2026 21:57:37 +0000\r\n" as "2026-11-21T21:57:37+00:00".
std::string Rfc3339(const std::string& date_field) {
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  int day = 0, year = 0, hour = 0, minute = 0, second = 0;
  char weekday[4] = {}, month[4] = {}, zone[6] = {};
  const int fields = std::sscanf(date_field.c_str(), "Date: %3s, %d %3s %d %d:%d:%d %5s", weekday, &day, month, &year,
                                 &hour, &minute, &second, zone);
  EXPECT_EQ(fields, 8) << date_field;
  int number = 1;
  while (number < 12 && std::string(kMonths[number - 1]) != month) ++number;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{:.3}:{:.2}", year, number, day, hour, minute, second, zone,
                     zone + 3);
}

using PostfixTest = World;

TEST_F(PostfixTest, MailboxesHoldExactlyWhatPreviewPrinted) {
  constexpr int kRows = 60;
  const std::vector<std::string> domains = Domains(4);
  std::vector<std::string> records = {"mx1.test. 60 IN A " + net.Address(10)};
  for (const std::string& domain : domains) records.push_back(domain + ". 60 IN MX 10 mx1.test.");
  const auto names = NameServer::Nsd(dir, net.Address(2), records);
  const CertificateAuthority authority(dir);
  const Postfix postfix(dir, {.address = net.Address(10),
                              .hostname = "mx1.test",
                              .domains = domains,
                              .certificate = authority.Sign("mx1.test"),
                              .extra = "smtpd_tls_auth_only = yes"});
  settings.streams = {{"news", "tls = \"verify\"\nreturn_path = \"bounce.sender.test\""}};
  settings.tls = fmt::format("ca_file = \"{}\"", authority.ca_file());
  StartDaemon();

  const std::string letter = Template();
  const std::string people = Recipients(kRows, domains);
  const Answer load = Load("spring", letter, people);
  EXPECT_EQ(load.json["accepted"].Number(), kRows) << load.Describe();
  std::vector<std::string> previews;
  for (int row = 1; row <= kRows; ++row) {
    const Answer preview =
        SealiftPlain({"campaign", "preview", "spring", "--row", std::to_string(row), "--date", "2026-12-01T09:00:00Z"});
    ASSERT_EQ(preview.exit_code, 0) << preview.Describe();
    EXPECT_EQ(Field(preview.out, "Date"), "Date: Tue, 01 Dec 2026 09:00:00 +0000\r\n");
    previews.push_back(preview.out);
  }

  ASSERT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == kRows; }))
      << postfix.Log();
  ASSERT_TRUE(Eventually(kSoon, [&] { return postfix.mails() == kRows; })) << postfix.Log();

  const auto mails = postfix.Mailboxes();
  for (int row = 1; row <= kRows; ++row) {
    const std::string recipient = fmt::format("row{}@{}", row, domains[(row - 1) % domains.size()]);
    ASSERT_TRUE(mails.contains(recipient)) << recipient << "\n" << postfix.Log();
    const Postfix::Mail& mail = mails.at(recipient);
    const std::string date = Field(mail.content, "Date");
    EXPECT_EQ(mail.content, WithField(previews[row - 1], "Date", date));
    EXPECT_THAT(mail.received, HasSubstr("with ESMTPS")) << "it came in clear";
    EXPECT_THAT(mail.return_path, HasSubstr("@bounce.sender.test>"));
    if (row > 5) continue;
    // Offline, from the files alone, with the Date that was sent; only the Message-ID is made up.
    const Answer offline = SealiftPlain({"campaign", "preview", "--template", letter, "--recipients", people, "--row",
                                         std::to_string(row), "--date", Rfc3339(date)});
    ASSERT_EQ(offline.exit_code, 0) << offline.Describe();
    EXPECT_EQ(mail.content, WithField(offline.out, "Message-ID", Field(mail.content, "Message-ID")));
  }

  // The evidence says how each one went.
  const std::vector<Json> events = Events("spring");
  ASSERT_EQ(events.size(), kRows);
  for (const Json& event : events) {
    EXPECT_EQ(event["outcome"].Text(), "delivered") << event.Dump();
    EXPECT_THAT(event["tls"].Text(), StartsWith("TLSv1.")) << event.Dump();
    EXPECT_EQ(event["verified"].Text(), "mx1.test") << event.Dump();
    EXPECT_EQ(event["source"].Text(), "ip1") << event.Dump();
    EXPECT_THAT(event["mx"].Text(), HasSubstr(net.Address(10))) << event.Dump();
    EXPECT_THAT(event["reply"].Text(), HasSubstr("queued as")) << event.Dump();
  }
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
