#include "engine/message/letter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/message/base64.h"
#include "tests/engine/message/wire.h"

namespace sealift::engine {
namespace {

using ::testing::HasSubstr;

// The letter as a receiver reads it, with {{v}} = value.
Received Read(const Letter& letter, std::string_view value = "Jane") {
  const absl::StatusOr<std::string> eml = letter.Compose();
  EXPECT_TRUE(eml.ok()) << eml.status();
  const absl::StatusOr<std::string> message = Rendered(Compiled(eml.value_or(""), {"v"}), {value});
  EXPECT_TRUE(message.ok()) << message.status();
  return Received(message.value_or(""));
}

Letter Text(std::string text) {
  Letter letter;
  letter.from = "Clinic <news@example.com>";
  letter.subject = "Hello {{v}}";
  letter.text = std::move(text);
  return letter;
}

std::string Refusal(const Letter& letter) {
  const absl::StatusOr<std::string> eml = letter.Compose();
  return eml.ok() ? "none" : std::string(eml.status().message());
}

TEST(LetterTest, ATextAloneIsAPlainMessage) {
  const Received received = Read(Text("Dear {{v}},\r\n--=_mixed_1\n"));
  EXPECT_EQ(received.entity.type.value, "text/plain");
  EXPECT_EQ(received.Text(), "Dear Jane,\n--=_mixed_1\n");
  EXPECT_EQ(received.Header("From"), "Clinic <news@example.com>");
  EXPECT_EQ(received.Header("Subject"), "Hello Jane");
}

TEST(LetterTest, HtmlAloneIsAnHtmlMessage) {
  Letter letter = Text("");
  letter.text.reset();
  letter.html = "<p>{{v}}</p>\n";
  const Received received = Read(letter, "<");
  EXPECT_EQ(received.entity.type.value, "text/html");
  EXPECT_EQ(received.Text(), "<p>&lt;</p>\n");
}

TEST(LetterTest, TextAndHtmlAreAlternativesTheTextFirst) {
  Letter letter = Text("{{v}}");
  letter.html = "<p>{{v}}</p>";
  const Received received = Read(letter, "&");
  EXPECT_EQ(received.entity.type.value, "multipart/alternative");
  ASSERT_EQ(received.entity.children.size(), 2U);
  EXPECT_EQ(Received::Text(received.entity.children[0]), "&");
  EXPECT_EQ(Received::Text(received.entity.children[1]), "<p>&amp;</p>");
}

TEST(LetterTest, AttachmentsKeepTheirBytesAndNames) {
  Letter letter = Text("{{v}}");
  letter.html = "<p>{{v}}</p>";
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += static_cast<char>(i);
  letter.attachments = {{"price list.PDF", bytes},
                        {"b\xC3\xBC"
                         "cher \"2\".txt",
                         "{{v}} stays\n"},
                        {"empty", ""}};
  const Received received = Read(letter);
  EXPECT_EQ(received.entity.type.value, "multipart/mixed");
  ASSERT_EQ(received.entity.children.size(), 4U);
  EXPECT_EQ(received.entity.children[0].type.value, "multipart/alternative");
  EXPECT_EQ(received.entity.children[0].children.size(), 2U);
  for (size_t i = 0; i < 3; ++i) {
    const Entity& part = received.entity.children[i + 1];
    std::string decoded;
    ASSERT_TRUE(DecodeBase64(part.body, decoded));
    EXPECT_EQ(decoded, letter.attachments[i].bytes);
    EXPECT_EQ(part.encoding, "base64");
    EXPECT_TRUE(part.attachment);
  }
  EXPECT_EQ(received.entity.children[1].type.value, "application/pdf");
  EXPECT_EQ(received.entity.children[1].Find("Content-Disposition")->value, "attachment; filename=\"price list.PDF\"");
  EXPECT_EQ(received.entity.children[2].Find("Content-Disposition")->value,
            "attachment; filename*=utf-8''b%C3%BCcher%20%222%22.txt");
  EXPECT_EQ(received.entity.children[3].type.value, "application/octet-stream");
}

TEST(LetterTest, ATextThatHasTheBoundaryGetsAnother) {
  Letter letter = Text("x\n--=_alternative_1\n--=_alternative_1--\n--=_mixed_1--\n");
  letter.html = "--=_alternative_2";
  letter.attachments = {{"a", "b"}};
  const Received received = Read(letter);
  ASSERT_EQ(received.entity.children.size(), 2U);
  ASSERT_EQ(received.entity.children[0].children.size(), 2U);
  EXPECT_EQ(Received::Text(received.entity.children[0].children[0]), *letter.text);
}

TEST(LetterTest, TheSameLetterGivesTheSameBytes) {
  Letter letter = Text("x");
  letter.attachments = {{"a", "b"}};
  EXPECT_EQ(*letter.Compose(), *letter.Compose());
}

TEST(LetterTest, WhatWouldAddALineToAHeaderIsRefused) {
  Letter letter = Text("x");
  letter.subject = "a\nBcc: evil@d1.test";
  EXPECT_EQ(Refusal(letter), "the subject has a line end or another control character");
  letter.subject = " ";
  EXPECT_EQ(Refusal(letter), "the subject is empty");
  letter = Text("x");
  letter.from = "a\r\nb";
  EXPECT_THAT(Refusal(letter), HasSubstr("the sender has a line end"));
  letter = Text("x");
  letter.attachments = {{"a\nb", ""}};
  EXPECT_THAT(Refusal(letter), HasSubstr("the name of an attachment has a line end"));
  letter.attachments = {{"caf\xE9", ""}};
  EXPECT_EQ(Refusal(letter), "the name of an attachment is not UTF-8");
}

TEST(LetterTest, WhatIsNotUtf8IsRefusedByItsName) {
  EXPECT_EQ(Refusal(Text("caf\xE9")), "the text is not UTF-8: save it as UTF-8");
  Letter letter = Text("x");
  letter.html = "caf\xE9";
  EXPECT_EQ(Refusal(letter), "the HTML is not UTF-8: save it as UTF-8");
  letter = Text("x");
  letter.text.reset();
  EXPECT_EQ(Refusal(letter), "the letter has neither a text nor HTML");
}

}  // namespace
}  // namespace sealift::engine
