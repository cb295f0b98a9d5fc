#include "tools/sink/smtp_command.h"

#include <gtest/gtest.h>

#include <string>

namespace sealift::tools::sink {
namespace {

TEST(SmtpCommandTest, VerbsAreReadInAnyCase) {
  EXPECT_EQ(ReadCommand("ehlo a.test").verb, Verb::kEhlo);
  EXPECT_EQ(ReadCommand("MaIl FROM:<>").argument, "FROM:<>");
  EXPECT_EQ(ReadCommand("DATA").verb, Verb::kData);
  EXPECT_EQ(ReadCommand("DATAX").verb, Verb::kUnknown);
  EXPECT_EQ(ReadCommand("").verb, Verb::kUnknown);
}

TEST(SmtpCommandTest, PathsAreReadWithTheirParameters) {
  const auto path = ReadPath("TO:<Anna@D1.Test> NOTIFY=NEVER", "TO:");
  ASSERT_TRUE(path);
  EXPECT_EQ(path->mailbox, "Anna@d1.test");  // the case of a local part is kept
  EXPECT_EQ(path->domain, "d1.test");
  EXPECT_EQ(path->parameters, " NOTIFY=NEVER");
  EXPECT_TRUE(ReadPath("from:<>", "FROM:")->mailbox.empty());
  EXPECT_EQ(ReadPath("TO:<\"a>b\\\" c\"@d.test>", "TO:")->domain, "d.test");
}

TEST(SmtpCommandTest, BrokenPathsAreRefused) {
  const std::string long_local = std::string(65, 'a') + "@d.test";
  for (const std::string& path :
       {std::string("a@d.test"), std::string("<a@d.test"), std::string("<a>"), std::string("<@d.test>"),
        std::string("<a@>"), std::string("<a b@d.test>"), std::string("<a..b@d.test>"), std::string("<.a@d.test>"),
        std::string("<a@d..test>"), std::string("<a@d.test>x"), std::string("< a@d.test>"),
        std::string("<a\x01@d.test>"), "<" + long_local + ">", std::string(" <a@d.test>"), std::string("<\"a@d.test>"),
        "<a@" + std::string(250, 'x') + ".test>"}) {
    EXPECT_FALSE(ReadPath("TO:" + path, "TO:")) << path;
  }
}

TEST(SmtpCommandTest, ParametersComeOneByOne) {
  std::string_view parameters = " SIZE=10  BODY=8BITMIME SMTPUTF8";
  std::string_view keyword, value;
  ASSERT_TRUE(NextParameter(&parameters, &keyword, &value));
  EXPECT_EQ(keyword, "SIZE");
  EXPECT_EQ(value, "10");
  ASSERT_TRUE(NextParameter(&parameters, &keyword, &value));
  EXPECT_EQ(value, "8BITMIME");
  ASSERT_TRUE(NextParameter(&parameters, &keyword, &value));
  EXPECT_EQ(keyword, "SMTPUTF8");
  EXPECT_EQ(value, "");
  EXPECT_FALSE(NextParameter(&parameters, &keyword, &value));
}

TEST(SmtpCommandTest, AnEhloNameIsQualifiedOrALiteral) {
  EXPECT_TRUE(IsEhloName("mta1.example.test"));
  EXPECT_TRUE(IsEhloName("[127.0.0.1]"));
  for (const char* name : {"localhost", "", "a b.test", "a..test", ".test", "a.test."})
    EXPECT_FALSE(IsEhloName(name)) << name;
}

}  // namespace
}  // namespace sealift::tools::sink
