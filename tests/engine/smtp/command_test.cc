#include "engine/smtp/command.h"

#include <gtest/gtest.h>

#include <string>

namespace sealift::engine {
namespace {

std::string MailFrom(std::string_view sender, const MailParameters& parameters = {}) {
  std::string group = "RSET\r\n";
  AppendMailFrom(sender, parameters, group);
  return group.substr(std::string_view("RSET\r\n").size());
}

std::string RcptTo(std::string_view recipient, bool original = false) {
  std::string group;
  AppendRcptTo(recipient, original, group);
  return group;
}

std::string BdatLast(size_t bytes) {
  std::string group;
  AppendBdatLast(bytes, group);
  return group;
}

TEST(CommandTest, CommandsAreSpelledAsTheStandardSays) {
  EXPECT_EQ(Ehlo("mta1.example.com", "203.0.113.10"), "EHLO mta1.example.com\r\n");
  EXPECT_EQ(Ehlo("mta1", "203.0.113.10"), "EHLO [203.0.113.10]\r\n");
  EXPECT_EQ(Ehlo("mta1", "2001:db8::1"), "EHLO [IPv6:2001:db8::1]\r\n");
  EXPECT_EQ(Helo("mta1.example.com"), "HELO mta1.example.com\r\n");
  EXPECT_EQ(MailFrom("news@example.com"), "MAIL FROM:<news@example.com>\r\n");
  EXPECT_EQ(MailFrom(""), "MAIL FROM:<>\r\n");
  EXPECT_EQ(MailFrom("news@example.com", {.size = 10240}), "MAIL FROM:<news@example.com> SIZE=10240\r\n");
  EXPECT_EQ(MailFrom("news@example.com", {.size = 7, .require_tls = true}),
            "MAIL FROM:<news@example.com> SIZE=7 REQUIRETLS\r\n");
  EXPECT_EQ(MailFrom("news@example.com", {.size = 7, .eight_bit = true, .smtp_utf8 = true}),
            "MAIL FROM:<news@example.com> SIZE=7 BODY=8BITMIME SMTPUTF8\r\n");
  EXPECT_EQ(RcptTo("\"john doe\"@d1.test"), "RCPT TO:<\"john doe\"@d1.test>\r\n");
  EXPECT_EQ(BdatLast(10240), "BDAT 10240 LAST\r\n");
}

// RFC 3461 4: xtext.
TEST(CommandTest, WhereReportsAreOfferedTheEnvelopeHasAnIdAndTheRecipientItsOwnName) {
  EXPECT_EQ(MailFrom("b+k7@example.com", {.size = 7, .envelope_id = "k7"}),
            "MAIL FROM:<b+k7@example.com> SIZE=7 ENVID=k7\r\n");
  EXPECT_EQ(MailFrom("a@example.com", {.envelope_id = "a+b=c d"}), "MAIL FROM:<a@example.com> ENVID=a+2Bb+3Dc+20d\r\n");
  EXPECT_EQ(RcptTo("jane@d1.test", true), "RCPT TO:<jane@d1.test> ORCPT=rfc822;jane@d1.test\r\n");
  EXPECT_EQ(RcptTo("jane+news=a@d1.test", true),
            "RCPT TO:<jane+news=a@d1.test> ORCPT=rfc822;jane+2Bnews+3Da@d1.test\r\n");
  EXPECT_EQ(RcptTo("\"john doe\"@d1.test", true),
            "RCPT TO:<\"john doe\"@d1.test> ORCPT=rfc822;\"john+20doe\"@d1.test\r\n");
}

TEST(CommandTest, ARecipientThatTheParameterCannotHoldIsSaidOnce) {
  EXPECT_EQ(RcptTo("j\u00e4ne@d1.test", true), "RCPT TO:<j\u00e4ne@d1.test>\r\n");
  const std::string longest = "\"" + std::string(180, ' ') + "\"@d1.test";
  EXPECT_EQ(RcptTo(longest, true), "RCPT TO:<" + longest + ">\r\n");
}

TEST(CommandDeathTest, ArgumentThatWouldBeASecondCommandEndsTheProcess) {
  EXPECT_DEATH(RcptTo("jane@d1.test>\r\nRCPT TO:<joe@d1.test"), "");
  EXPECT_DEATH(MailFrom("jane@d1.test\n"), "");
  EXPECT_DEATH(Ehlo(std::string_view("a\0.b", 4), ""), "");
}

}  // namespace
}  // namespace sealift::engine
