#include "engine/returned/report_reader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>

#include "engine/message/base64.h"

namespace sealift::engine {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = ReturnedReport::Kind;

constexpr std::string_view kSender = "b+hq3v5k2m7rjd4x6wnb2ztcgy4epo3sluafiq6d5m2w@bounce.example.com";

// As Postfix writes one.
std::string PostfixBounce(std::string_view recipients) {
  return fmt::format(
      "Return-Path: <>\n"
      "Date: Mon,  1 Jan 2024 00:00:00 +0000 (UTC)\n"
      "From: MAILER-DAEMON@mx.d1.test (Mail Delivery System)\n"
      "Subject: Undelivered Mail Returned to Sender\n"
      "To: {0}\n"
      "Auto-Submitted: auto-replied\n"
      "MIME-Version: 1.0\n"
      "Content-Type: multipart/report; report-type=delivery-status;\n"
      "\tboundary=\"4T3.1704067200/mx.d1.test\"\n"
      "Message-Id: <20240101000000.4T3@mx.d1.test>\n\n"
      "This is a MIME-encapsulated message.\n\n"
      "--4T3.1704067200/mx.d1.test\nContent-Description: Notification\n"
      "Content-Type: text/plain; charset=us-ascii\n\nI'm sorry to have to inform you...\n\n"
      "--4T3.1704067200/mx.d1.test\nContent-Description: Delivery report\n"
      "Content-Type: message/delivery-status\n\n"
      "Reporting-MTA: dns; mx.d1.test\nX-Postfix-Queue-ID: 4T3\nArrival-Date: Mon,  1 Jan 2024 00:00:00 +0000\n\n"
      "{1}\n"
      "--4T3.1704067200/mx.d1.test\nContent-Description: Undelivered Message Headers\n"
      "Content-Type: text/rfc822-headers\n\nReturn-Path: <{0}>\nReceived: from mta1.example.com\n"
      "Message-ID:\n <aaaaaaaaaaaaaaaaaaaaaaaaaa@mta1.example.com>\nSubject: Hello\n\n"
      "--4T3.1704067200/mx.d1.test--\n",
      kSender, recipients);
}

constexpr std::string_view kUnknownUser =
    "Final-Recipient: rfc822; jane@d2.test\nOriginal-Recipient: rfc822;jane@d1.test\nAction: failed\nStatus: 5.1.1\n"
    "Remote-MTA: dns; mx.d2.test\nDiagnostic-Code: smtp; 550 5.1.1 <jane@d2.test>: Recipient address\n"
    "    rejected: User unknown\n";

TEST(ReportReaderTest, ABounceSaysOfWhomAndWhy) {
  const ReturnedReport report = ReadReturnedReport(PostfixBounce(kUnknownUser));
  EXPECT_EQ(report.kind, Kind::kDelivery);
  EXPECT_THAT(report.senders, ElementsAre(kSender)) << "To and Return-Path say the same";
  EXPECT_EQ(report.message_id, "aaaaaaaaaaaaaaaaaaaaaaaaaa@mta1.example.com");
  ASSERT_THAT(report.recipients, SizeIs(1));
  EXPECT_EQ(report.recipients[0].final, "jane@d2.test");
  EXPECT_EQ(report.recipients[0].original, "jane@d1.test");
  EXPECT_EQ(report.recipients[0].action, "failed");
  EXPECT_EQ(report.recipients[0].status, "5.1.1");
  EXPECT_EQ(report.recipients[0].diagnostic, "550 5.1.1 <jane@d2.test>: Recipient address rejected: User unknown");
}

TEST(ReportReaderTest, LineEndsAndLettersMakeNoDifference) {
  const std::string lf = PostfixBounce(kUnknownUser);
  std::string crlf;
  for (const char c : lf) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const ReturnedReport report = ReadReturnedReport(crlf);
  EXPECT_EQ(report.recipients.at(0).diagnostic, ReadReturnedReport(lf).recipients.at(0).diagnostic);

  const ReturnedReport other = ReadReturnedReport(
      "CONTENT-TYPE: Multipart/Report; Boundary=b\n\n--b\ncontent-type: Message/Global-Delivery-Status\n\n\n"
      "ACTION: Delayed (still trying)\nstatus: 4.4.1 (no answer)\nfinal-recipient: utf-8; "
      "<j\xC3\xB6rg@d1.test>\n--b--\n");
  EXPECT_EQ(other.kind, Kind::kDelivery);
  ASSERT_THAT(other.recipients, SizeIs(1));
  EXPECT_EQ(other.recipients[0].action, "delayed");
  EXPECT_EQ(other.recipients[0].status, "4.4.1");
  EXPECT_EQ(other.recipients[0].final, "j\xC3\xB6rg@d1.test");
}

TEST(ReportReaderTest, SeveralRecipientsAreSeveral) {
  const ReturnedReport report = ReadReturnedReport(
      PostfixBounce(std::string(kUnknownUser) + "\nFinal-Recipient: rfc822; b@d1.test\nAction: relayed\n"));
  ASSERT_THAT(report.recipients, SizeIs(2));
  EXPECT_EQ(report.recipients[1].final, "b@d1.test");
  EXPECT_EQ(report.recipients[1].action, "relayed");
}

TEST(ReportReaderTest, EncodedPartsAreDecoded) {
  const std::string status =
      "Reporting-MTA: dns; mx.d1.test\n\nFinal-Recipient: rfc822; jane@d1.test\nAction: failed\n";
  for (const std::string& part :
       {"Content-Transfer-Encoding: base64\n\n" + Base64Lines(status),
        std::string("Content-Transfer-Encoding: Quoted-Printable\n\nReporting-MTA: dns; mx.d1.test\n\n"
                    "Final-Recipient: rfc822; jane=40d1.test\nAction: fai=\nled\n")}) {
    const ReturnedReport report = ReadReturnedReport(
        "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n" + part +
        "\n--b--\n");
    ASSERT_THAT(report.recipients, SizeIs(1)) << part;
    EXPECT_EQ(report.recipients[0].final, "jane@d1.test");
    EXPECT_EQ(report.recipients[0].action, "failed");
  }
}

TEST(ReportReaderTest, AComplaintLeadsBackByItsFieldsAndByTheMailThatItReturns) {
  const ReturnedReport report = ReadReturnedReport(fmt::format(
      "From: <abusedesk@d1.test>\nTo: <abuse@example.com>\nMIME-Version: 1.0\n"
      "Content-Type: multipart/report; report-type=feedback-report;\n     boundary=\"part1\"\n\n"
      "--part1\nContent-Type: text/plain\n\nThis is an email abuse report.\n\n"
      "--part1\nContent-Type: message/feedback-report\n\nFeedback-Type: Abuse\nUser-Agent: SomeGenerator/1.0\n"
      "Version: 1\nOriginal-Mail-From: <{}>\nOriginal-Rcpt-To: <jane@d1.test>\n\n"
      "--part1\nContent-Type: message/rfc822\nContent-Disposition: inline\n\nReturn-Path: <x@y.test>\n"
      "Message-ID: <aaaaaaaaaaaaaaaaaaaaaaaaaa@mta1.example.com>\nSubject: Hello\n\nText\n--part1--\n",
      kSender));
  EXPECT_EQ(report.kind, Kind::kFeedback);
  EXPECT_EQ(report.feedback_type, "abuse");
  EXPECT_THAT(report.senders, ElementsAre("abuse@example.com", kSender, "x@y.test"));
  EXPECT_EQ(report.message_id, "aaaaaaaaaaaaaaaaaaaaaaaaaa@mta1.example.com");
}

TEST(ReportReaderTest, WhatIsNoReportClaimsNothing) {
  for (const char* mail :
       {"", "\n", "garbage without a header", "Subject: Out of office\nAuto-Submitted: auto-replied\n\nI am away.\n",
        "Content-Type: text/plain\n\nAction: failed\nStatus: 5.1.1\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n\nAction: failed\n",
        "Content-Type: multipart/report\n\n--b\n", "Content-Type: multipart/report; boundary=\"\"\n\n--\n"}) {
    const ReturnedReport report = ReadReturnedReport(mail);
    EXPECT_EQ(report.kind, Kind::kNone) << mail;
    EXPECT_THAT(report.recipients, IsEmpty());
  }
  EXPECT_EQ(ReadReturnedReport("Content-Type: multipart/report; boundary=b\n\n--b\n"
                               "Content-Type: message/disposition-notification\n\nDisposition: displayed\n--b--\n")
                .kind,
            Kind::kOther)
      << "a receipt";
}

TEST(ReportReaderTest, AReportWithinAPartIsNotLookedFor) {
  const std::string inner = PostfixBounce(kUnknownUser);
  const ReturnedReport forwarded =
      ReadReturnedReport("Content-Type: multipart/report; boundary=out\n\n--out\nContent-Type: message/rfc822\n\n" +
                         inner + "\n--out--\n");
  EXPECT_EQ(forwarded.kind, Kind::kOther);
  EXPECT_THAT(forwarded.recipients, IsEmpty());
}

TEST(ReportReaderTest, WhatIsCutOffIsReadAsFarAsItGoes) {
  const std::string whole = PostfixBounce(kUnknownUser);
  const ReturnedReport report = ReadReturnedReport(whole.substr(0, whole.find("Remote-MTA")));
  ASSERT_THAT(report.recipients, SizeIs(1));
  EXPECT_EQ(report.recipients[0].status, "5.1.1");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_LE(ReadReturnedReport(std::string_view(whole).substr(0, size)).recipients.size(), 1u);
  }
}

TEST(ReportReaderTest, HostileSizesAreBounded) {
  std::string many = "Content-Type: multipart/report; boundary=b\n";
  for (int i = 0; i < 2000; ++i) many += fmt::format("To: a{}@d1.test, <b{}@d1.test>\n", i, i);
  many += "\n--b\nContent-Type: message/delivery-status\n\n";
  for (int i = 0; i < 500; ++i) {
    many += fmt::format("\nFinal-Recipient: rfc822; r{}@d1.test\nAction: failed\nDiagnostic-Code: smtp; 550 {}\n", i,
                        std::string(5000, 'x'));
  }
  for (int i = 0; i < 5000; ++i) many += "--b\n\n";
  const ReturnedReport report = ReadReturnedReport(many);
  EXPECT_THAT(report.senders, SizeIs(kReturnedSendersMax));
  EXPECT_THAT(report.recipients, SizeIs(kReturnedRecipientsMax));
  for (const auto& recipient : report.recipients) EXPECT_LE(recipient.diagnostic.size(), kReturnedTextBytesMax);

  std::string folded = "Content-Type: multipart/report; boundary=b\nTo: a@d1.test\n";
  for (int i = 0; i < 20'000; ++i) folded += " " + std::string(40, 'y') + "\n";
  EXPECT_THAT(ReadReturnedReport(folded + "\n--b\n").senders, Contains("a@d1.test"));
}

}  // namespace
}  // namespace sealift::engine
