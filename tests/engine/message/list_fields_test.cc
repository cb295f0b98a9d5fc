#include "engine/message/list_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/message/wire.h"

namespace sealift::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kToken = "abcdefghijklmnopqrstuvwxyz234567abcdefghij";

std::string Fields(const ListSettings& settings, const OwnListFields& own = {}) {
  std::string out;
  AppendListFields(settings, own, "spring-2026", kToken, out);
  return out;
}

TEST(ListFieldsTest, NothingIsWrittenUnlessItIsConfigured) { EXPECT_EQ(Fields({}), ""); }

TEST(ListFieldsTest, AnHttpsAddressTakesTheTokenInItsQueryAndOffersOneClick) {
  EXPECT_EQ(Fields({.unsubscribe_url = "https://u.example.com/out"}),
            "List-Unsubscribe: <https://u.example.com/out?token=abcdefghijklmnopqrstuvwxyz234567abcdefghij>\r\n"
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
  EXPECT_THAT(Fields({.unsubscribe_url = "https://u.example.com/out?list=news"}), HasSubstr("?list=news&token=abc"));
}

TEST(ListFieldsTest, AMailAddressAloneOffersNoOneClick) {
  EXPECT_EQ(Fields({.unsubscribe_mailto = "out+news@example.com"}),
            "List-Unsubscribe: "
            "<mailto:out%2Bnews@example.com?subject=unsubscribe%20abcdefghijklmnopqrstuvwxyz234567abcdefghij>\r\n");
}

TEST(ListFieldsTest, AllTogetherAreOneFieldEachAndFolded) {
  EXPECT_EQ(Fields({.unsubscribe_url = "https://u.example.com/",
                    .unsubscribe_mailto = "out@example.com",
                    .list_id = "news.example.com",
                    .feedback_id = "{campaign}:news::{campaign}:mailco"}),
            "List-Unsubscribe: <https://u.example.com/?token=abcdefghijklmnopqrstuvwxyz234567abcdefghij>,\r\n"
            " <mailto:out@example.com?subject=unsubscribe%20abcdefghijklmnopqrstuvwxyz234567abcdefghij>\r\n"
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
            "List-Id: <news.example.com>\r\n"
            "Feedback-ID: spring-2026:news::spring-2026:mailco\r\n");
}

TEST(ListFieldsTest, WhatTheTemplateCarriesItselfIsLeftToIt) {
  const ListSettings all = {.unsubscribe_url = "https://u.example.com/",
                            .unsubscribe_mailto = "out@example.com",
                            .list_id = "news.example.com",
                            .feedback_id = "mailco"};
  EXPECT_THAT(Fields(all, {.unsubscribe = true}), Not(HasSubstr("Unsubscribe")));
  EXPECT_THAT(Fields(all, {.list_id = true}), Not(HasSubstr("List-Id")));
  EXPECT_THAT(Fields(all, {.feedback_id = true}), Not(HasSubstr("Feedback")));
  EXPECT_EQ(Fields(all, {.unsubscribe = true, .list_id = true, .feedback_id = true}), "");
}

TEST(ListFieldsTest, NoLineIsOver998BytesWhateverPassesTheChecks) {
  std::string url = "https://u.example.com/";
  while (CheckUnsubscribeUrl(url + "x").empty()) url += 'x';
  EXPECT_GT(url.size(), 500u);
  const std::string mailto =
      std::string(64, '%') + "@" + std::string(60, 'd') + "." + std::string(60, 'e') + ".example";
  ASSERT_EQ(CheckUnsubscribeMailto(mailto), "");
  const std::string feedback = std::string(180, 'a') + ":mailco";
  ASSERT_EQ(CheckFeedbackId(feedback), "");
  std::string_view rest;
  const std::string fields = Fields({.unsubscribe_url = url, .unsubscribe_mailto = mailto, .feedback_id = feedback});
  for (rest = fields; !rest.empty();) {
    const size_t end = rest.find("\r\n");
    ASSERT_NE(end, std::string_view::npos);
    EXPECT_LE(end, 998u);
    rest.remove_prefix(end + 2);
  }
}

TEST(ListFieldsTest, AUrlIsHttpsAndFitsBetweenAngleBrackets) {
  EXPECT_EQ(CheckUnsubscribeUrl(""), "");
  EXPECT_EQ(CheckUnsubscribeUrl("https://u.example.com"), "");
  EXPECT_EQ(CheckUnsubscribeUrl("https://u.example.com:8443/a/b?c=d%20e&f"), "");
  EXPECT_THAT(CheckUnsubscribeUrl("http://u.example.com/"), HasSubstr("https"));
  EXPECT_THAT(CheckUnsubscribeUrl("mailto:a@example.com"), HasSubstr("https"));
  for (const char* bad :
       {"https://u.example.com/<x>", "https://u.example.com/a b", "https://u.example.com/a,b",
        "https://u.example.com/\r\nBcc: a@b", "https://u.example.com/{token}", "https://ü.example/"}) {
    EXPECT_THAT(CheckUnsubscribeUrl(bad), HasSubstr("character")) << bad;
  }
  EXPECT_THAT(CheckUnsubscribeUrl("https://u.example.com/#top"), HasSubstr("fragment"));
  EXPECT_THAT(CheckUnsubscribeUrl("https:///out"), HasSubstr("host"));
  EXPECT_THAT(CheckUnsubscribeUrl("https://me:pw@example.com/"), Not(HasSubstr("pw")));
  EXPECT_NE(CheckUnsubscribeUrl("https://me@example.com/"), "");
}

TEST(ListFieldsTest, AMailtoIsABareAddress) {
  EXPECT_EQ(CheckUnsubscribeMailto(""), "");
  EXPECT_THAT(CheckUnsubscribeMailto("mailto:out@example.com"), HasSubstr("alone"));
  EXPECT_THAT(CheckUnsubscribeMailto("out"), HasSubstr("not a mail address"));
  EXPECT_NE(CheckUnsubscribeMailto("a@example.com>, <b@example.com"), "");
}

TEST(ListFieldsTest, AListIdLiesBeneathADomain) {
  for (const char* good : {"", "news.example", "News.Example.com", "xn--bcher-kva.example.com"})
    EXPECT_EQ(CheckListId(good), "") << good;
  for (const char* bad : {"news", "news.", "news.example.", ".example", "a b.example", "<news.example>",
                          "news@example.com", "n\xC3\xBCws.example", "news.example\r\nBcc: a@b.test"})
    EXPECT_THAT(CheckListId(bad), HasSubstr("names no list")) << bad;
}

TEST(ListFieldsTest, AFeedbackIdEndsInTheSendersWord) {
  for (const char* good :
       {"", "mailco", "{campaign}:mailco", "a:b:c:mailco", ":::mailco", "{campaign}:{campaign}::mailco"})
    EXPECT_EQ(CheckFeedbackId(good), "") << good;
  for (const char* bad : {"x", "a:b:c:d:mailco", "mailco:", "mail co", "{stream}:mailco", "a:{campaign}",
                          "a\r\n:mailco", "sixteencharacter"})
    EXPECT_NE(CheckFeedbackId(bad), "") << bad;
}

// In the message they stand behind what else the engine writes, before the template's own fields.
TEST(ListFieldsTest, StandInTheHeaderOfAMessageOnce) {
  const Template compiled = Compiled("From: a@d1.test\nSubject: x\n\nbody\n");
  std::string message;
  const std::string fields = Fields({.unsubscribe_url = "https://u.example.com/", .list_id = "news.example.com"});
  ASSERT_TRUE(compiled
                  .Render({.email = "jane@d1.test", .fields = {}},
                          {.message_id = kTestMessageId, .date = absl::UnixEpoch(), .fields = fields}, message)
                  .ok());
  EXPECT_THAT(message, HasSubstr("Message-ID: <0123abc@mta1.example.com>\r\n" + fields + "From: "));
}

TEST(TemplateFieldsTest, SayWhichListFieldsATemplateHas) {
  const auto own = [](const std::string& header) {
    const absl::StatusOr<TemplateFields> fields = Template::FieldsOf("From: a@d1.test\n" + header + "\nbody\n");
    EXPECT_TRUE(fields.ok()) << fields.status();
    return fields->own;
  };
  EXPECT_FALSE(own("").unsubscribe || own("").list_id || own("").feedback_id);
  EXPECT_TRUE(own("LIST-UNSUBSCRIBE: <https://x.test/{{id}}>\n").unsubscribe);
  EXPECT_TRUE(own("List-Unsubscribe-Post: List-Unsubscribe=One-Click\n").unsubscribe);
  EXPECT_TRUE(own("list-id: <a.b.test>\n").list_id);
  EXPECT_TRUE(own("feedback-id: mailco\n").feedback_id);
}

TEST(TemplateFieldsTest, SayTheDomainOfTheFromAddressUnlessAFieldDecidesIt) {
  const auto domain = [](const std::string& from) {
    const absl::StatusOr<TemplateFields> fields = Template::FieldsOf("From: " + from + "\n\nbody\n");
    EXPECT_TRUE(fields.ok()) << fields.status();
    return fields->from_domain.value_or("unknown");
  };
  EXPECT_EQ(domain("a@D1.Test"), "d1.test");
  EXPECT_EQ(domain("Clinic <news@d1.test>"), "d1.test");
  EXPECT_EQ(domain("\"x@evil.test\" <news@d1.test>"), "d1.test");
  EXPECT_EQ(domain("{{clinic}} <news@b\xC3\xBC"
                   "cher.test>"),
            "xn--bcher-kva.test");
  EXPECT_EQ(domain("Clinic <{{who}}@d1.test>"), "d1.test");
  EXPECT_EQ(domain("Clinic <news@{{domain}}>"), "unknown");
  EXPECT_EQ(domain("Clinic <news@{{sub}}.d1.test>"), "unknown");
  EXPECT_EQ(domain("Clinic <{{from}}>"), "unknown");
  EXPECT_EQ(domain("Clinic <{{#a}}x@d1.test{{/a}}{{^a}}x@d2.test{{/a}}>"), "unknown");
}

}  // namespace
}  // namespace sealift::engine
