#include "engine/smtp/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace sealift::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RedactTest, RepliesWithoutAddressesStay) {
  EXPECT_EQ(RedactReply("Ok: queued as 4Zx1"), "Ok: queued as 4Zx1");
  EXPECT_EQ(RedactReply("Ok: queued", "jane@d1.test"), "Ok: queued");
}

TEST(RedactTest, AddressesGoWhateverSurroundsThem) {
  EXPECT_EQ(RedactReply("<jane@d1.test>: Recipient address rejected"), "<redacted>: Recipient address rejected");
  EXPECT_EQ(RedactReply("user jane@d1.test unknown"), "user <redacted> unknown");
  EXPECT_EQ(RedactReply("[jane@d1.test]: no"), "[<redacted>]: no");
  EXPECT_EQ(RedactReply("mailto:jane@d1.test"), "mailto:<redacted>");
  EXPECT_EQ(RedactReply("\"john doe\"@d1.test no"), "<redacted> no");
  EXPECT_EQ(RedactReply("see https://d2.test/?rcpt=jane%40d1.test&x=1 now"), "see https:<redacted> now");
  EXPECT_EQ(RedactReply("<b+jane=d1.test@example.com> and a@b"), "<redacted> and <redacted>");
  EXPECT_EQ(RedactReply("@"), "<redacted>");
  EXPECT_EQ(RedactReply("a@b@c x"), "<redacted> x");
  EXPECT_EQ(RedactReply("<jane@d1.test>...User unknown"), "<redacted>...User unknown");
  EXPECT_EQ(RedactReply("jane@d1.test...User unknown"), "<redacted>...User unknown");
}

TEST(RedactTest, LocalPartAloneGoesToo) {
  EXPECT_EQ(RedactReply("Unknown user JANE.doe (jane.doe)", "jane.doe@d1.test"),
            "Unknown user <redacted> (<redacted>)");
  EXPECT_EQ(RedactReply("no janet, jane", "jane@d1.test"), "no janet, <redacted>");
  EXPECT_EQ(RedactReply("user jane unknown", "jane+tag@d1.test"), "user <redacted> unknown");
  EXPECT_EQ(RedactReply("id-17Jane.doe2 unknown", "jane.doe@d1.test"), "id-17<redacted>2 unknown");
  EXPECT_EQ(RedactReply("user john doe unknown", "\"john doe\"@d1.test"), "user <redacted> unknown");
}

TEST(RedactTest, LocalPartInOtherFormsGoesToo) {
  const std::string recipient = "kan.ari+tag12@d1.test";
  EXPECT_EQ(RedactReply("see https://h.test/?e=a2FuLmFyaSt0YWcxMkBkMS50ZXN0 now", recipient),
            "see https://h.test/?<redacted> now");
  EXPECT_EQ(RedactReply("=?utf-8?B?eGthbi5hcmkrdGFnMTJAZDEudGVzdA==?=", recipient), "=?utf-8?B?<redacted>?=");
  EXPECT_EQ(RedactReply("=?utf-8?B?eHhrYW4uYXJpK3RhZzEyQGQxLnRlc3Q=?=", recipient), "=?utf-8?B?<redacted>?=");
  EXPECT_EQ(RedactReply("id 6b616e2e6172692b7461673132 unknown", recipient), "id <redacted> unknown");
  EXPECT_EQ(RedactReply("id 6B616E2E6172692B7461673132 unknown", recipient), "id <redacted> unknown");
  EXPECT_EQ(RedactReply("user kanari unknown", recipient), "user <redacted> unknown");
  EXPECT_EQ(RedactReply("account kan.ar i+tag12 unknown", recipient), "account <redacted> unknown") << "over two lines";
  EXPECT_EQ(RedactReply("Ok: queued as 4Zx1k", recipient), "Ok: queued as 4Zx1k");
}

TEST(RedactTest, ControlAndEightBitBytesAreCleaned) { EXPECT_EQ(RedactReply("a\r\nb\x1b\xC3\xBC"), "a??b???"); }

TEST(RedactTest, LengthIsCapped) {
  const std::string redacted = RedactReply(std::string(5000, 'x') + " y");
  EXPECT_LE(redacted.size(), kRedactedBytesMax);
  EXPECT_EQ(redacted.substr(redacted.size() - 3), "...");
  std::string words;
  while (words.size() < 5000) words += "word ";
  EXPECT_EQ(RedactReply(words).size(), kRedactedBytesMax);
}

TEST(RedactTest, AddressAcrossTheCutDoesNotEscape) {
  for (size_t lead = 2030; lead < 2060; ++lead) {
    const std::string text = std::string(lead, ' ') + "secret.name@d1.test";
    EXPECT_THAT(RedactReply(text), Not(HasSubstr("secret"))) << lead;
  }
}

TEST(RedactTest, NothingOfAnAddressSurvivesRandomSurroundings) {
  std::mt19937 random(5);
  const std::string_view around[] = {"<",   ">", " ", "\"", "\\", "@",          "(",
                                     "%40", "=", ":", ",",  "x",  "<redacted>", "\r\n"};
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    const auto noise = [&] {
      for (size_t count = random() % 5; count > 0; --count) text += around[random() % std::size(around)];
    };
    noise();
    text += "zq7secret@d1.test";
    noise();
    EXPECT_THAT(RedactReply(text, "zq7secret@d1.test"), Not(HasSubstr("zq7secret"))) << text;
  }
}

}  // namespace
}  // namespace sealift::engine
