// Mail that comes back after it was delivered: from the envelope sender that a real Postfix has kept, by `bounce
// ingest`, to the row's last event and to who gets no more mail.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/postfix.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kFrom = "From MAILER-DAEMON Mon Jan  1 00:00:00 2024\n";

class BounceTest : public World {
 protected:
  BounceTest() : authority_(dir) {
    settings.delivery = "sink";
    settings.dns_server = "";
    settings.sink_address = net.Address(10, Postfix::kPort);
    settings.streams = {{"news", "tls = \"opportunistic\"\nreturn_path = \"bounce.sender.test\"\n"},
                        {"letters", "tls = \"opportunistic\"\nkind = \"transactional\"\n"}};
  }

  static std::string Dsn(const std::string& to, const std::string& recipient, const std::string& fields) {
    return fmt::format(
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.test\nTo: {}\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=\"b1\"\n\n--b1\n"
        "Content-Type: text/plain\n\nSorry.\n\n--b1\nContent-Type: message/delivery-status\n\n"
        "Reporting-MTA: dns; mx.test\n\nFinal-Recipient: rfc822; {}\n{}\n--b1--\n",
        to, recipient, fields);
  }
  static std::string Complaint(const std::string& message_id) {
    return fmt::format(
        "From: fbl@mx.test\nTo: abuse@sender.test\nContent-Type: multipart/report; report-type=feedback-report;\n"
        " boundary=\"b1\"\n\n--b1\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n\n--b1\n"
        "Content-Type: text/rfc822-headers\n\nMessage-ID: {}\n\n--b1--\n",
        message_id);
  }
  bool Suppressed(const std::string& address, const std::string& stream) {
    return Sealift({"suppression", "check", address, "--stream", stream}).json["suppressed"].Text() == "true";
  }

  CertificateAuthority authority_;
};

TEST_F(BounceTest, WhatComesBackReachesItsRowAndNobodyElses) {
  WriteConfig();
  const Postfix postfix(dir, {.address = net.Address(10),
                              .hostname = "mx1.test",
                              .domains = Domains(4),
                              .certificate = authority_.Sign("mx1.test"),
                              .extra = ""});
  StartDaemon();
  Load("spring", Template(), Recipients(4, Domains(4)), {"--start"});
  ASSERT_TRUE(Eventually(kInTime, [&] { return postfix.mails() == 4; })) << postfix.Log();
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 4; }));
  const auto mails = postfix.Mailboxes();
  const std::string& sender = mails.at("row1@d1.test").return_path;
  std::string forged = mails.at("row2@d2.test").return_path;
  const size_t last = forged.find('@') - 1;
  forged[last] = forged[last] == 'a' ? 'b' : 'a';
  const std::string& content = mails.at("row4@d4.test").content;
  const size_t id = content.find("Message-ID: ") + 12;

  const std::string unknown_user =
      "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 <row1@d1.test>: User unknown\n";
  const std::string mbox = dir.Write(
      "bounces", kFrom + Dsn(sender, "row1@d1.test", unknown_user) + "\n" + kFrom +
                     Dsn(forged, "row2@d2.test", unknown_user) + "\n" + kFrom +
                     Dsn(mails.at("row3@d3.test").return_path, "row3@d3.test", "Action: delayed\nStatus: 4.4.1\n") +
                     "\n" + kFrom + Complaint(content.substr(id, content.find("\r\n", id) - id)) + "\n" + kFrom +
                     "Subject: Out of office\nAuto-Submitted: auto-replied\nTo: " + sender + "\n\nI am away.\n");
  const Answer first = Sealift({"bounce", "ingest", mbox, "--reason", "daily"});
  ASSERT_EQ(first.exit_code, 0) << first.Describe();
  EXPECT_EQ(first.json["mails"].Number(), 5);
  EXPECT_EQ(first.json["bounces"].Number(), 1);
  EXPECT_EQ(first.json["complaints"].Number(), 1);
  EXPECT_EQ(first.json["delayed"].Number(), 1);
  EXPECT_EQ(first.json["auto_replies"].Number(), 1);
  EXPECT_EQ(first.json["unknown"].Number(), 1);
  EXPECT_EQ(first.json["known"].Number(), 0);

  const Json now = Show("spring");
  EXPECT_EQ(now["delivered"].Number(), 3);
  EXPECT_EQ(now["bounced"].Number(), 1);
  const std::vector<Json> events = Events("spring");
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[4]["outcome"].Text(), "bounced");
  EXPECT_EQ(events[4]["recipient"].Text(), "row1@d1.test");
  EXPECT_EQ(events[4]["class"].Text(), "bad_mailbox");
  EXPECT_EQ(events[4]["key"].Text(), "1");
  EXPECT_THAT(events[4]["reply"].Text(), Not(HasSubstr("row1")));
  EXPECT_EQ(Metric("sealift_messages_bounced_total{stream=\"news\",source=\"ip1\",provider=\"other\","
                   "class=\"bad_mailbox\"}"),
            1);
  EXPECT_TRUE(Suppressed("row1@d1.test", "letters")) << "there is nobody";
  EXPECT_FALSE(Suppressed("row2@d2.test", "news"));
  EXPECT_FALSE(Suppressed("row3@d3.test", "news"));
  EXPECT_TRUE(Suppressed("row4@d4.test", "news"));
  EXPECT_FALSE(Suppressed("row4@d4.test", "letters")) << "a complaint binds marketing";
  const Answer audit = Sealift({"audit", "tail", "--lines", "3"});
  EXPECT_THAT(audit.out, HasSubstr("bounces=1 complaints=1 unknown=1"));

  const Answer again = Sealift({"bounce", "ingest", "--format", "auto", mbox});
  EXPECT_EQ(again.json["bounces"].Number(), 0) << again.Describe();
  EXPECT_EQ(again.json["complaints"].Number(), 0);
  EXPECT_EQ(again.json["known"].Number(), 2);
  EXPECT_EQ(Events("spring").size(), 5u);
  EXPECT_EQ(Show("spring")["bounced"].Number(), 1);

  // From standard input, and only what was asked for.
  const std::string other =
      Dsn(mails.at("row3@d3.test").return_path, "row3@d3.test", "Action: failed\nStatus: 5.7.1\n");
  EXPECT_EQ(Sealift({"bounce", "ingest", "--format", "arf", "-"}, other).json["other"].Number(), 1);
  EXPECT_EQ(Sealift({"bounce", "ingest", "--format", "dsn", "-"}, other).json["bounces"].Number(), 1);
  EXPECT_FALSE(Suppressed("row3@d3.test", "news")) << "a policy says nothing of the mailbox";
  EXPECT_EQ(Sealift({"bounce", "ingest", dir.path() / "nothing"}).exit_code, 66);
  EXPECT_EQ(Sealift({"bounce", "ingest", "--format", "xml", mbox}).exit_code, 64);
  StopDaemon();
  EXPECT_EQ(Sealift({"bounce", "ingest", mbox}).exit_code, 69);
}

}  // namespace
}  // namespace sealift::scenario
