#include "engine/smtp/mailbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace sealift::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Parsed(std::string_view text) {
  const absl::StatusOr<Mailbox> mailbox = ParseMailbox(text);
  return mailbox.ok() ? mailbox->ToString() : "refused: " + std::string(mailbox.status().message());
}

TEST(MailboxTest, LocalPartKeepsItsCaseAndDomainLosesIt) { EXPECT_EQ(Parsed("Jane.DOE@D1.Test"), "Jane.DOE@d1.test"); }

TEST(MailboxTest, AtomTextIsAcceptedUnquoted) {
  EXPECT_EQ(Parsed("a!#$%&'*+-/=?^_`{|}~b@d1.test"), "a!#$%&'*+-/=?^_`{|}~b@d1.test");
}

TEST(MailboxTest, QuotedLocalPartHasOneSpelling) {
  EXPECT_EQ(Parsed(R"("john doe"@d1.test)"), R"("john doe"@d1.test)");
  EXPECT_EQ(Parsed(R"("john"@d1.test)"), "john@d1.test");
  EXPECT_EQ(Parsed(R"("jo\hn"@d1.test)"), "john@d1.test");
  EXPECT_EQ(Parsed(R"("a\"b\\c"@d1.test)"), R"("a\"b\\c"@d1.test)");
  EXPECT_EQ(Parsed(R"("a@b"@d1.test)"), R"("a@b"@d1.test)");
}

TEST(MailboxTest, InternationalDomainBecomesAnALabel) {
  EXPECT_EQ(Parsed("x@b\xC3\xBC"
                   "cher.example"),
            "x@xn--bcher-kva.example");
  EXPECT_EQ(Parsed("x@B\xC3\x9C"
                   "CHER.example"),
            "x@xn--bcher-kva.example");
  EXPECT_EQ(Parsed("x@stra\xC3\x9F"
                   "e.example"),
            "x@xn--strae-oqa.example");                    // nontransitional: not strasse
  EXPECT_EQ(Parsed("x@d1\xE3\x80\x82test"), "x@d1.test");  // the ideographic full stop is a dot
  EXPECT_EQ(Parsed("x@XN--BCHER-KVA.example"), "x@xn--bcher-kva.example");
}

TEST(MailboxTest, TrailingDotOfADomainIsDropped) { EXPECT_EQ(Parsed("x@d1.test."), "x@d1.test"); }

TEST(MailboxTest, LimitsAreThoseOfTheStandard) {
  const std::string label(63, 'a');
  EXPECT_EQ(Parsed(std::string(64, 'x') + "@d1.test"), std::string(64, 'x') + "@d1.test");
  EXPECT_EQ(Parsed(std::string(65, 'x') + "@d1.test"), "refused: the local part is longer than 64 bytes");
  EXPECT_EQ(Parsed("x@" + label + ".test"), "x@" + label + ".test");
  EXPECT_EQ(Parsed("x@a" + label + ".test"), "refused: the domain has a label longer than 63 bytes");
  const std::string long_domain = label + "." + label + "." + label + "." + std::string(56, 'a') + ".ex";  // 251
  EXPECT_EQ(Parsed("xy@" + long_domain), "xy@" + long_domain);
  EXPECT_EQ(Parsed("xyz@" + long_domain), "refused: it is longer than 254 bytes");
  EXPECT_EQ(Parsed("x@" + label + "." + long_domain), "refused: the domain is longer than 253 bytes");
  EXPECT_EQ(Parsed(std::string(100000, 'x')), "refused: it is longer than 254 bytes");
}

TEST(MailboxTest, WhatIsNoMailboxIsRefusedWithAReason) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "it is empty"},
      {"jane", "it has no @"},
      {"@d1.test", "the local part is empty"},
      {"jane@", "the domain is empty"},
      {"jane@.", "the domain is empty"},
      {"jane@localhost", "the domain has only one label"},
      {"jane@192.0.2.1", "the domain is a number, not a name"},
      {"jane@[192.0.2.1]", "an address literal is not accepted as a domain"},
      {"jane@[IPv6:2001:db8::1]", "an address literal is not accepted as a domain"},
      {"jane@d1..test", "the domain has an empty label"},
      {"jane@.d1.test", "the domain has an empty label"},
      {"jane@-d1.test", "the domain has a label that begins or ends with a hyphen"},
      {"jane@d1-.test", "the domain has a label that begins or ends with a hyphen"},
      {"jane@d_1.test", "the domain has a character that no domain may have"},
      {"jane@d1.test>", "the domain has a character that no domain may have"},
      {"jane@d1.test SIZE=1", "it has a space"},
      {"ja ne@d1.test", "it has a space"},
      {" jane@d1.test", "it has a space"},
      {"jane@d1@d2.test", "it has more than one @"},
      {".jane@d1.test", "the local part begins or ends with a dot"},
      {"jane.@d1.test", "the local part begins or ends with a dot"},
      {"ja..ne@d1.test", "the local part has two dots in a row"},
      {"ja<ne@d1.test", "the local part has a character that must be quoted"},
      {"Jane <jane@d1.test>", "it has a space"},
      {"<jane@d1.test>", "the local part has a character that must be quoted"},
      {"jane,joe@d1.test", "the local part has a character that must be quoted"},
      {"\"jane@d1.test", "the local part has a quote that is not closed"},
      {"\"ja\"ne\"@d1.test", "the local part has a quote inside quotes"},
      {"\"jane\\\"@d1.test", "the local part ends in a backslash"},
      {"\"\"@d1.test", "the local part is empty"},
      {"j\xE4ne@d1.test", "it is not UTF-8"},
      {"\"j\xE4 ne\"@d1.test", "it is not UTF-8"},
      {"j\xC2\x85ne@d1.test", "it has a control character"},
      {"jane\r\nRCPT TO:<joe@d1.test>", "it has a control character"},
      {"jane@d1.test\n", "it has a control character"},
      {"\"ja\rne\"@d1.test", "it has a control character"},
      {std::string_view("ja\0ne@d1.test", 13), "it has a control character"},
      {std::string_view("jane@d1.test\0", 13), "it has a control character"},
  };
  for (const auto& [text, reason] : cases) EXPECT_EQ(Parsed(text), "refused: " + std::string(reason)) << text;
}

TEST(MailboxTest, LocalPartsBeyondAsciiAreTakenAsTheyAre) {
  EXPECT_EQ(Parsed("J\xC3\xA4ne@d1.test"), "J\xC3\xA4ne@d1.test");
  EXPECT_EQ(Parsed("\xE5\xB1\xB1.\xE7\x94\xB0@B\xC3\xBC"
                   "cher.test"),
            "\xE5\xB1\xB1.\xE7\x94\xB0@xn--bcher-kva.test");
  EXPECT_EQ(Parsed("\"J\xC3\xA4ne D\"@d1.test"), "\"J\xC3\xA4ne D\"@d1.test");
  EXPECT_EQ(Parsed("\"j\xC3\xA4ne\"@d1.test"), "j\xC3\xA4ne@d1.test");
  std::string long_one;
  for (int i = 0; i < 33; ++i) long_one += "\xC3\xA4";
  EXPECT_EQ(Parsed(long_one + "@d1.test"), "refused: the local part is longer than 64 bytes");
  EXPECT_TRUE(NeedsSmtpUtf8("j\xC3\xA4ne@d1.test"));
  EXPECT_FALSE(NeedsSmtpUtf8("jane@xn--bcher-kva.test"));
}

TEST(MailboxTest, BrokenInternationalNamesAreRefused) {
  for (const std::string_view domain : {"\xFF\xFE.test", "xn--\xC3\xBC.test", "xn--a-\xC2.test", "\xE2\x80\x8B.test",
                                        "a\xEF\xBC\xA0"
                                        "b.test"}) {
    EXPECT_THAT(Parsed("x@" + std::string(domain)), HasSubstr("refused: ")) << domain;
  }
}

TEST(MailboxTest, ReasonsNeverQuoteTheAddress) {
  for (const std::string_view text :
       {"secret@", "secret secret@d1.test", "secret@secret..test", "secret@secret_.test", "secret"}) {
    EXPECT_THAT(Parsed(text).substr(9), Not(HasSubstr("secret"))) << text;
  }
}

TEST(MailboxTest, WhateverIsAcceptedParsesToItselfAndIsSafeInACommand) {
  std::mt19937 random(1);
  const std::string_view alphabet =
      "ab.@\"\\ <>\r\n-_\xC3\xBC"
      "1[]:,;()";
  int accepted = 0;
  for (int i = 0; i < 200000; ++i) {
    std::string text;
    for (size_t size = random() % 12; size > 0; --size) text += alphabet[random() % alphabet.size()];
    if (random() % 2 == 0) text += "@d1.test";
    const absl::StatusOr<Mailbox> mailbox = ParseMailbox(text);
    if (!mailbox.ok()) continue;
    ++accepted;
    const std::string written = mailbox->ToString();
    EXPECT_EQ(written.find_first_of("\r\n"), std::string::npos);
    EXPECT_EQ(Parsed(written), written);
  }
  EXPECT_GT(accepted, 1000);
}

TEST(MailboxTest, ReusedMailboxHoldsOnlyTheLastOne) {
  Mailbox mailbox;
  ASSERT_TRUE(ParseMailbox("a.much.longer.local.part@a-much-longer-domain.test", mailbox).ok());
  ASSERT_TRUE(ParseMailbox("\"b c\"@d1.test", mailbox).ok());
  EXPECT_EQ(mailbox.ToString(), "\"b c\"@d1.test");
}

TEST(MailboxTest, DomainAloneIsParsedAlike) {
  EXPECT_EQ(*ParseDomain("D1.Test."), "d1.test");
  EXPECT_FALSE(ParseDomain("d1 .test").ok());
  EXPECT_FALSE(ParseDomain("").ok());
}

}  // namespace
}  // namespace sealift::engine
