#include "engine/message/quoted_printable.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::engine {
namespace {

// Writes pieces in turn, literals (LF line ends) at even places and values at odd ones.
std::string Written(const std::vector<std::string>& pieces, Escaping escaping = Escaping::kNone) {
  std::string out;
  QuotedPrintableWriter writer(out);
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i % 2 == 1) {
      writer.Value(pieces[i], escaping);
      continue;
    }
    const QuotedPrintableLiteral literal = QuotedPrintableWriter::Encode(pieces[i]);
    writer.Literal(literal.head, literal.rest, literal.column);
  }
  writer.End(true);
  return out;
}

std::string Decoded(std::string_view written) {
  std::string text;
  for (const char c : written) {
    if (c != '\r') text += c;
  }
  return DecodeQuotedPrintable(text);
}

TEST(QuotedPrintableTest, PlainTextStaysReadable) {
  EXPECT_EQ(Written({"Dear ", "Jane", ",\nyour plan.\n"}), "Dear Jane,\r\nyour plan.\r\n");
}

TEST(QuotedPrintableTest, EqualsAndEightBitAreEscaped) { EXPECT_EQ(Written({"a=b \xC3\xBC\n"}), "a=3Db =C3=BC\r\n"); }

TEST(QuotedPrintableTest, LinesAreBrokenAtSeventySix) {
  EXPECT_EQ(Written({std::string(75, 'x')}), std::string(75, 'x') + "\r\n");
  EXPECT_EQ(Written({std::string(77, 'x')}), std::string(75, 'x') + "=\r\nxx\r\n");
  EXPECT_EQ(Written({std::string(73, 'x'), "\xC3\xBC"}), std::string(73, 'x') + "=\r\n=C3=BC\r\n");
}

TEST(QuotedPrintableTest, LiteralBehindAValueIsBrokenWhereItComesToStand) {
  const std::string literal(70, 'y');
  EXPECT_EQ(Written({"", "123", literal}), "123" + literal + "\r\n");
  EXPECT_EQ(Written({"", "1234567890", literal}), "1234567890" + std::string(65, 'y') + "=\r\nyyyyy\r\n");
}

TEST(QuotedPrintableTest, SoftBreakNeverPartsAnEscape) {
  for (size_t lead = 60; lead < 80; ++lead) {
    const std::string literal = "\xC3\xBC\xC3\xBC\xC3\xBC";
    EXPECT_EQ(Decoded(Written({"", std::string(lead, 'x'), literal + "\n"})), std::string(lead, 'x') + literal + "\n")
        << lead;
  }
}

TEST(QuotedPrintableTest, WhiteSpaceAtALineEndIsEscapedWhoeverWroteIt) {
  EXPECT_EQ(Written({"a \nb\t\n"}), "a=20\r\nb=09\r\n");
  EXPECT_EQ(Written({"a", " ", "\nb"}), "a=20\r\nb\r\n");
  EXPECT_EQ(Written({"a ", "", "\nb"}), "a=20\r\nb\r\n");
  EXPECT_EQ(Written({"a", "x \r\ny"}), "ax=20\r\ny\r\n");
  EXPECT_EQ(Written({"a "}), "a=20\r\n");
}

TEST(QuotedPrintableTest, NoLineBeginsAsABoundaryOrADot) {
  EXPECT_EQ(Written({"--b\n.\nFrom me\nFor\n"}), "=2D-b\r\n=2E\r\n=46rom me\r\nFor\r\n");
  EXPECT_EQ(Written({"", "--b--\r\n.\r\nFrom x"}), "=2D-b--\r\n=2E\r\n=46rom x\r\n");
  EXPECT_EQ(Written({"", "F", "rom x"}), "=46rom x\r\n");
  EXPECT_EQ(Written({"", "", "-x"}), "=2Dx\r\n");
  EXPECT_EQ(Written({std::string(75, 'x') + "--b"}), std::string(75, 'x') + "=\r\n=2D-b\r\n");
  EXPECT_EQ(Written({"", std::string(75, 'x'), "--b"}), std::string(75, 'x') + "=\r\n=2D-b\r\n");
}

TEST(QuotedPrintableTest, EveryLineEndOfAValueIsOne) {
  EXPECT_EQ(Written({"", "a\r\nb\nc\rd"}), "a\r\nb\r\nc\r\nd\r\n");
}

TEST(QuotedPrintableTest, HtmlIsEscapedInValuesOnly) {
  EXPECT_EQ(Written({"<b>", "<i>&\"'", "</b>"}, Escaping::kHtml), "<b>&lt;i&gt;&amp;&quot;&#39;</b>\r\n");
}

TEST(QuotedPrintableTest, AnyPiecesComeBackAsTheyWere) {
  std::mt19937 random(8);
  const std::string_view atoms[] = {"a",
                                    " ",
                                    "=",
                                    "-",
                                    ".",
                                    "F",
                                    "From ",
                                    "\xC3\xBC",
                                    "\t",
                                    "word word ",
                                    std::string_view("\0", 1),
                                    "\n",
                                    "--b\n",
                                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> pieces(1 + random() % 7);
    std::string whole;
    for (std::string& piece : pieces) {
      for (size_t count = random() % 8; count > 0; --count) piece += atoms[random() % std::size(atoms)];
      whole += piece;
    }
    if (!whole.empty() && !whole.ends_with('\n')) whole += '\n';
    const std::string written = Written(pieces);
    ASSERT_EQ(Decoded(written), whole) << written;
    for (std::string_view rest = written; !rest.empty();) {
      const size_t end = rest.find("\r\n");
      ASSERT_NE(end, std::string_view::npos);
      const std::string_view line = rest.substr(0, end);
      ASSERT_LE(line.size(), 76U);
      ASSERT_FALSE(line.ends_with(' ') || line.ends_with('\t')) << written;
      ASSERT_FALSE(line.starts_with('-') || line.starts_with('.') || line.starts_with("From ")) << written;
      rest.remove_prefix(end + 2);
    }
  }
}

TEST(QuotedPrintableTest, DecodingIsLenient) {
  EXPECT_EQ(DecodeQuotedPrintable("a=3Db=\nc =\nd=zz=\n=C3=bc  \ne"), "a=bc d=zz\xC3\xBC\ne");
  EXPECT_EQ(DecodeQuotedPrintable("a="), "a");
}

TEST(QuotedPrintableTest, DecodingKnowsTheSourceLines) {
  std::vector<int> lines;
  EXPECT_EQ(DecodeQuotedPrintable("a=\nb\nc=\n=\nd\ne", &lines), "ab\ncd\ne");
  EXPECT_EQ(lines, (std::vector<int>{0, 2, 5}));
}

}  // namespace
}  // namespace sealift::engine
