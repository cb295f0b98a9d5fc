#include "engine/smtp/command.h"

#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

std::string MailFrom(std::string_view sender, const MailParameters& parameters = {}) {
  std::string group = "RSET\r\n";
  AppendMailFrom(sender, parameters, group);
  return group.substr(std::string_view("RSET\r\n").size());
}

std::string RcptTo(std::string_view recipient) {
  std::string group;
  AppendRcptTo(recipient, group);
  return group;
}

std::string BdatLast(size_t bytes) {
  std::string group;
  AppendBdatLast(bytes, group);
  return group;
}

TEST(CommandTest, CommandsAreSpelledAsTheStandardSays) {
  EXPECT_EQ(Ehlo("mta1.example.com"), "EHLO mta1.example.com\r\n");
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

TEST(CommandDeathTest, ArgumentThatWouldBeASecondCommandEndsTheProcess) {
  EXPECT_DEATH(RcptTo("jane@d1.test>\r\nRCPT TO:<joe@d1.test"), "");
  EXPECT_DEATH(MailFrom("jane@d1.test\n"), "");
  EXPECT_DEATH(Ehlo(std::string_view("a\0b", 3)), "");
}

}  // namespace
}  // namespace sealift::engine
