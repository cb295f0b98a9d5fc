#include "engine/message/encoded_word.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

std::string HeaderText(std::string_view text, size_t column = 9) {
  std::string out;
  AppendHeaderText(text, column, out);
  return out;
}

std::string DisplayName(std::string_view text) {
  std::string out;
  size_t column = 4;
  AppendDisplayName(text, column, out);
  return out;
}

std::string Unfolded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c != '\r' && c != '\n') result += c;
  }
  return result;
}

TEST(EncodedWordTest, AsciiStaysAsItIs) {
  EXPECT_EQ(HeaderText("Your appointment on Monday"), "Your appointment on Monday");
  EXPECT_EQ(HeaderText(""), "");
}

TEST(EncodedWordTest, OtherTextIsEncodedAndStaysReadableWhereItCan) {
  EXPECT_EQ(HeaderText("Gr\xC3\xBC\xC3\x9F"
                       "e aus Ulm"),
            "=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_Ulm?=");
  EXPECT_EQ(HeaderText("\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E"), "=?utf-8?B?5pel5pys6Kqe?=");
}

TEST(EncodedWordTest, TextThatLooksEncodedIsEncoded) {
  EXPECT_EQ(HeaderText("=?utf-8?Q?x?="), "=?utf-8?Q?=3D=3Futf-8=3FQ=3Fx=3F=3D?=");
}

TEST(EncodedWordTest, LongAsciiIsFoldedAtSpaces) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += (i == 0 ? "" : " ") + std::string("word");
  const std::string out = HeaderText(text);
  EXPECT_EQ(Unfolded(out), text);
  for (std::string_view rest = out; !rest.empty();) {
    const size_t end = std::min(rest.find("\r\n"), rest.size());
    EXPECT_LE(end, 76U);
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
}

TEST(EncodedWordTest, NoLineIsOnlyWhiteSpace) {
  const std::string out = HeaderText("a" + std::string(300, ' ') + "b");
  EXPECT_EQ(out.find("\r\n \r\n"), std::string::npos);
  EXPECT_EQ(Unfolded(out), "a" + std::string(300, ' ') + "b");
}

TEST(EncodedWordTest, UnbrokenTextIsEncodedSoThatNoLineIsTooLong) {
  const std::string out = HeaderText(std::string(850, 'x'));
  EXPECT_EQ(DecodeEncodedWords(Unfolded(out)), std::string(850, 'x'));
}

TEST(EncodedWordTest, AnyTextComesBackAndLinesAreShort) {
  std::mt19937 random(9);
  const std::string_view atoms[] = {"a",  " ", "\xC3\xBC", "\xE6\x97\xA5", "\xF0\x9F\x98\x80", "=?",
                                    "?=", "_", "=",        "word "};
  for (int round = 0; round < 20000; ++round) {
    std::string text = "\xC3\xA4";  // always encoded
    for (size_t count = random() % 60; count > 0; --count) text += atoms[random() % std::size(atoms)];
    const std::string out = HeaderText(text, 2 + random() % 76);
    // Behind a long name the first word goes to a line of its own; a reader drops that space with the one behind the
    // colon.
    ASSERT_EQ(DecodeEncodedWords(Trimmed(Unfolded(out))), text);
    for (std::string_view rest = out; !rest.empty();) {
      const std::string_view line = rest.substr(0, rest.find("\r\n"));
      ASSERT_LE(line.size(), 76U);
      rest.remove_prefix(std::min(line.size() + 2, rest.size()));
    }
  }
}

TEST(DisplayNameTest, IsWrittenAsItMustBe) {
  EXPECT_EQ(DisplayName("Jane Doe"), "Jane Doe");
  EXPECT_EQ(DisplayName("Doe, Jane"), "\"Doe, Jane\"");
  EXPECT_EQ(DisplayName("J. Doe"), "\"J. Doe\"");
  EXPECT_EQ(DisplayName("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(DisplayName("J\xC3\xA4ne <x@d1.test>"), "=?utf-8?Q?J=C3=A4ne_=3Cx=40d1=2Etest=3E?=");
}

TEST(DecodeTest, EncodedWordsAreRead) {
  EXPECT_EQ(DecodeEncodedWords("=?UTF-8?q?Gr=C3=BC=C3=9Fe_?= =?utf-8?B?w7w=?= x"),
            "Gr\xC3\xBC\xC3\x9F"
            "e \xC3\xBC x");
  EXPECT_EQ(DecodeEncodedWords("a =?utf-8?Q?b?= c"), "a b c");
}

TEST(DecodeTest, OthersStay) {
  for (const std::string_view text : {"=?iso-8859-1?Q?=FC?=", "=?utf-8?X?a?=", "=?utf-8?Q?a", "=?", "=?utf-8",
                                      "=?utf-8?Q?=FF?=", "=?utf-8?B?!!!?=", "a =? b ?= c"}) {
    EXPECT_EQ(DecodeEncodedWords(text), text);
  }
}

}  // namespace
}  // namespace sealift::engine
