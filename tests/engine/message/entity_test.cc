#include "engine/message/entity.h"

#include <gtest/gtest.h>

#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

std::string ErrorOf(std::string_view source) {
  const absl::StatusOr<Entity> entity = ParseEntity(source);
  return entity.ok() ? "none" : std::string(entity.status().message());
}

TEST(EntityTest, FieldsAreUnfolded) {
  const absl::StatusOr<Entity> entity = ParseEntity("From: a@d1.test\nSubject: one\n two\n\tthree\n\nbody\n");
  ASSERT_TRUE(entity.ok());
  ASSERT_EQ(entity->fields.size(), 2U);
  EXPECT_EQ(entity->Find("SUBJECT")->value, "one two three");
  EXPECT_EQ(entity->Find("Subject")->line, 2);
  EXPECT_EQ(entity->body, "body\n");
  EXPECT_EQ(entity->body_line, 6);
}

TEST(EntityTest, PartsAreFoundWithTheirLines) {
  const absl::StatusOr<Entity> entity = ParseEntity(
      "Content-Type: multipart/mixed; boundary=\"out er\"\n\npreamble\n--out er\nContent-Type: multipart/alternative; "
      "boundary=in\n\n--in\n\nplain\n--in\n"
      "Content-Type: text/html\n\n<b>\n--in--\n--out er \nContent-Type: image/png\nContent-Disposition: "
      "attachment\n\nxx\n--out er--\nepilogue\n");
  ASSERT_TRUE(entity.ok()) << entity.status();
  ASSERT_EQ(entity->children.size(), 2U);
  ASSERT_EQ(entity->children[0].children.size(), 2U);
  EXPECT_EQ(entity->children[0].children[0].body, "plain");
  EXPECT_EQ(entity->children[0].children[0].body_line, 9);
  EXPECT_EQ(entity->children[0].children[1].body, "<b>");
  EXPECT_TRUE(entity->children[0].children[1].IsHtml());
  EXPECT_EQ(entity->children[1].body, "xx");
  EXPECT_TRUE(entity->children[1].attachment);
}

TEST(EntityTest, BrokenMessagesAreRefusedWithTheLine) {
  EXPECT_EQ(ErrorOf("From x\nTo: y\n\n"), "line 1: this is a mailbox's \"From \" line, not a header: remove it");
  EXPECT_EQ(ErrorOf("From: x\nHello\n\n"),
            "line 2: this is not a header (Name: value): if the text begins here, put an empty line before it");
  EXPECT_EQ(ErrorOf("Subject : x\n\n"),
            "line 1: this is not a header (Name: value): if the text begins here, put an empty line before it");
  EXPECT_EQ(ErrorOf(" x\n\n"), "line 1: a folded line stands where a header must begin");
  EXPECT_EQ(ErrorOf("From: x\n"), "line 2: the headers are not followed by an empty line and a body");
  EXPECT_EQ(ErrorOf(""), "line 1: the headers are not followed by an empty line and a body");
  EXPECT_EQ(ErrorOf("A: \x01\n\n"), "line 1: the header has a control character");
  EXPECT_EQ(ErrorOf("Content-Type: multipart/mixed\n\nx\n"),
            "line 3: multipart/mixed has no boundary of 1 to 70 characters");
  EXPECT_EQ(ErrorOf("Content-Type: multipart/mixed; boundary=b\n\nx\n"),
            "line 3: the multipart/mixed has no parts: no line is its boundary");
  EXPECT_EQ(ErrorOf("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n"),
            "line 6: the multipart/mixed that begins on line 3 is not closed by its boundary and two hyphens");
}

TEST(EntityTest, NestingAndPartsAreCapped) {
  std::string nested;
  for (int i = 0; i < 30; ++i)
    nested += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "x\n\n--b" + std::to_string(i) + "x\n";
  nested += "\n";
  for (int i = 29; i >= 0; --i) nested += "\n--b" + std::to_string(i) + "x--\n";
  EXPECT_NE(ErrorOf(nested).find("nested deeper than 16"), std::string::npos) << ErrorOf(nested);
  std::string many = "Content-Type: multipart/mixed; boundary=b\n\n";
  for (int i = 0; i < 1100; ++i) many += "--b\n\nx\n";
  many += "--b--\n";
  EXPECT_NE(ErrorOf(many).find("more than 1000 parts"), std::string::npos) << ErrorOf(many);
}

TEST(ParameterizedValueTest, ParametersAreReadAndWritten) {
  const absl::StatusOr<ParameterizedValue> value =
      ParseParameterizedValue("Text/HTML; Charset=UTF-8; name=\"a \\\"b\\\".txt\" ; x = y");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->value, "text/html");
  EXPECT_EQ(*value->Find("charset"), "UTF-8");
  EXPECT_EQ(*value->Find("name"), "a \"b\".txt");
  EXPECT_EQ(*value->Find("x"), "y");
  EXPECT_EQ(value->ToString(), "text/html;\r\n charset=UTF-8;\r\n name=\"a \\\"b\\\".txt\";\r\n x=y");
}

TEST(ParameterizedValueTest, ParameterBeyondAsciiIsWrittenAsTheStandardSays) {
  ParameterizedValue value{"attachment",
                           {{"filename",
                             "b\xC3\xBC"
                             "cher.pdf"}}};
  EXPECT_EQ(value.ToString(), "attachment;\r\n filename*=utf-8''b%C3%BCcher.pdf");
}

TEST(ParameterizedValueTest, BrokenOnesAreRefused) {
  for (const std::string_view text : {"", ";", "a/b; x", "a/b; =y", "a/b; x=\"y", "a/b; x y=z"}) {
    EXPECT_FALSE(ParseParameterizedValue(text).ok()) << text;
  }
  EXPECT_TRUE(ParseParameterizedValue("a/b;").ok());
}

}  // namespace
}  // namespace sealift::engine
