#include "engine/message/csv_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;

// Every row as "line:field|field", bad ones as "line:!reason", then "error: ..." when the reading ends so.
// `chunk_size` says how large the next chunk is.
std::vector<std::string> RowsOfChunks(std::string_view text, const std::function<size_t()>& chunk_size,
                                      const RowReader::Limits& limits = {}, char separator = ',',
                                      std::vector<uint64_t>* offsets = nullptr) {
  CsvReader reader(separator, limits);
  std::vector<std::string> rows;
  // A chunk is its caller's again once more is wanted. It is overwritten, and given back for the address sanitizer.
  std::string chunk;
  const auto take_back = [&] {
    std::ranges::fill(chunk, '?');
    std::string().swap(chunk);
  };
  uint64_t offset = 0;
  while (true) {
    const absl::StatusOr<CsvReader::Step> step = reader.Next();
    if (!step.ok()) {
      rows.push_back("error: " + std::string(step.status().message()));
      return rows;
    }
    if (*step == CsvReader::Step::kEnd) return rows;
    if (*step == CsvReader::Step::kNeedMore) {
      take_back();
      if (text.empty()) {
        reader.Finish();
        continue;
      }
      chunk = text.substr(0, chunk_size());
      text.remove_prefix(chunk.size());
      reader.Feed(chunk);
      continue;
    }
    EXPECT_GT(reader.offset(), offset);
    offset = reader.offset();
    if (offsets != nullptr) offsets->push_back(offset);
    std::string row = std::to_string(reader.line()) + ":";
    if (*step == CsvReader::Step::kBadRow) {
      row += "!" + std::string(reader.reason());
    } else {
      bool first = true;
      for (const std::string_view field : reader.fields()) {
        if (!first) row += '|';
        row += field;
        first = false;
      }
    }
    rows.push_back(row);
  }
}

std::vector<std::string> Rows(std::string_view text, size_t chunk_bytes = 1 << 20, const RowReader::Limits& limits = {},
                              char separator = ',') {
  return RowsOfChunks(text, [chunk_bytes] { return chunk_bytes; }, limits, separator);
}

TEST(CsvReaderTest, FieldsAndLines) {
  EXPECT_THAT(Rows("a,b,c\r\n1,,3\n4,5,6"), ElementsAre("1:a|b|c", "2:1||3", "3:4|5|6"));
  EXPECT_THAT(Rows("a,b\r1,2\r"), ElementsAre("1:a|b", "2:1|2"));
}

TEST(CsvReaderTest, QuotedFieldsHoldAnything) {
  EXPECT_THAT(Rows("\"a,\"\"b\"\"\",\"x\r\ny\",\"\"\nnext\n"), ElementsAre("1:a,\"b\"|x\r\ny|", "3:next"));
}

TEST(CsvReaderTest, QuoteWithinAFieldIsACharacter) {
  EXPECT_THAT(Rows("5\" pipe,a \"b\" c\n"), ElementsAre("1:5\" pipe|a \"b\" c"));
}

TEST(CsvReaderTest, ByteOrderMarkIsDropped) {
  EXPECT_THAT(Rows("\xEF\xBB\xBF"
                   "a,b\n"),
              ElementsAre("1:a|b"));
  EXPECT_THAT(Rows("\xEF\xBB\xBF"
                   "a,b\n",
                   1),
              ElementsAre("1:a|b"));
  EXPECT_THAT(Rows("\xEF\xBB\xBF"), ElementsAre());
  EXPECT_THAT(Rows("\xEF\xBB", 1), ElementsAre("1:\xEF\xBB"));
}

TEST(CsvReaderTest, EmptyLinesAreSkippedAndCounted) {
  EXPECT_THAT(Rows("\na\n\r\n\nb\n\n"), ElementsAre("2:a", "5:b"));
  EXPECT_THAT(Rows("\"\"\n"), ElementsAre("1:"));
}

TEST(CsvReaderTest, EmptyInputHasNoRows) { EXPECT_THAT(Rows(""), ElementsAre()); }

TEST(CsvReaderTest, TextBehindAClosingQuoteMakesTheRowBadAndDoesNotEndIt) {
  EXPECT_THAT(Rows("\"a\"x,\"b\nevil@d1.test,c\"\nnext\n"),
              ElementsAre("1:!text stands behind a closing quote", "3:next"));
}

TEST(CsvReaderTest, UnclosedQuoteEndsTheReading) {
  EXPECT_THAT(Rows("a\n\"b,c\nd,e\n"),
              ElementsAre("1:a", "error: line 2: a quote is opened in this row and never closed"));
  EXPECT_THAT(Rows("a\n\"b,c\nd,e\n", 3),
              ElementsAre("1:a", "error: line 2: a quote is opened in this row and never closed"));
}

TEST(CsvReaderTest, RowsFieldsAndFieldBytesAreCapped) {
  const RowReader::Limits options{.field_bytes_max = 10, .row_bytes_max = 50, .fields_max = 4};
  EXPECT_THAT(Rows("12345678901,x\nok\n", 100, options),
              ElementsAre("1:!a field is too long: 10 bytes are the most", "2:ok"));
  EXPECT_THAT(Rows("1,2,3,4,5\nok\n", 100, options),
              ElementsAre("1:!the row has too many fields: 4 are the most", "2:ok"));
  EXPECT_THAT(Rows(std::string(40, ',') + "\nok\n", 1000, options),
              ElementsAre("1:!the row has too many fields: 4 are the most", "2:ok"));
}

TEST(CsvReaderTest, ARowOverItsCapIsPassedOverByTheSameRules) {
  const RowReader::Limits options{.field_bytes_max = 10, .row_bytes_max = 50, .fields_max = 4};
  const std::string x(200, 'x'), too_long = "!the row is too long: 50 bytes are the most";
  for (const size_t chunk : {1, 7, 49, 50, 51, 52, 53, 100, 1000}) {
    EXPECT_THAT(Rows(x + "\nok\n" + std::string(60, ',') + "\r\nok\r\n" + x + "\rok\r" + x, chunk, options),
                ElementsAre("1:" + too_long, "2:ok", "3:" + too_long, "4:ok", "5:" + too_long, "6:ok", "7:" + too_long))
        << chunk;
    EXPECT_THAT(Rows("a,\"" + x + "\nb,\"\"\r\n\r\rc\"\"\"z\"\n\",y\"\nok\n", chunk, options),
                ElementsAre("1:" + too_long, "6:,y", "7:ok"))
        << chunk;
    EXPECT_THAT(Rows("a\n" + x + ",\"b\nok\n", chunk, options),
                ElementsAre("1:a", "error: line 2: a quote is opened in this row and never closed"))
        << chunk;
  }
  CsvReader reader(',', options);
  reader.Feed(x);
  EXPECT_EQ(*reader.Next(), RowReader::Step::kNeedMore);
  EXPECT_EQ(reader.offset(), 200U) << "who keeps what is not counted yet keeps nothing of it";
}

TEST(CsvReaderTest, TabsSeparateByTheSameRules) {
  EXPECT_THAT(Rows("a\tb,c\r\n\"x\ty\"\t\"say \"\"hi\"\"\"\n", 3, {}, '\t'),
              ElementsAre("1:a|b,c", "2:x\ty|say \"hi\""));
}

TEST(CsvReaderTest, OffsetIsTheEndOfTheRow) {
  CsvReader reader;
  const std::string_view text =
      "\xEF\xBB\xBF"
      "a,b\r\n\r\n\"c\nd\",e\n";
  reader.Feed(text);
  reader.Finish();
  ASSERT_EQ(*reader.Next(), CsvReader::Step::kRow);
  EXPECT_EQ(reader.offset(), 8U);
  ASSERT_EQ(*reader.Next(), CsvReader::Step::kRow);
  EXPECT_EQ(reader.offset(), text.size());
}

TEST(CsvReaderTest, RowWithinAChunkIsNotCopied) {
  CsvReader reader;
  const std::string text = "abc,\"def\"\n";
  reader.Feed(text);
  ASSERT_EQ(*reader.Next(), CsvReader::Step::kRow);
  EXPECT_EQ(reader.fields()[0].data(), text.data());
  EXPECT_EQ(reader.fields()[1].data(), text.data() + 5);
}

TEST(CsvReaderTest, ChunksMakeNoDifference) {
  std::mt19937 random(10);
  const std::string_view atoms[] = {"a", ",", "\"", "\"\"", "\n", "\r\n", "\r", "bcd", ",\"x", "\",", "\xEF\xBB\xBF"};
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    for (size_t count = random() % 40; count > 0; --count) text += atoms[random() % std::size(atoms)];
    const std::vector<std::string> whole = Rows(text);
    for (const size_t chunk : {1, 2, 3, 7, 64}) ASSERT_EQ(Rows(text, chunk), whole) << chunk << "\n" << text;
  }
}

// Rows of every length beside their cap, in chunks that are cut anywhere.
TEST(CsvReaderTest, WhereChunksAreCutMakesNoDifference) {
  const RowReader::Limits limits{.field_bytes_max = 40, .row_bytes_max = 50, .fields_max = 4};
  std::mt19937 random(12);
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t count = random() % 12; count > 0; --count) {
      const std::string field(random() % 2 == 0 ? random() % 5 : random() % 70, 'x');
      text += random() % 3 == 0 ? "\"" + field + "\"" : field;
      text += std::vector<std::string>{",", "\n", "\r\n", "\r"}[random() % 4];
    }
    std::vector<uint64_t> whole_offsets, offsets;
    const auto whole = RowsOfChunks(text, [] { return size_t{1} << 20; }, limits, ',', &whole_offsets);
    const size_t longest = 1 + random() % 120;
    const auto cut = RowsOfChunks(text, [&] { return 1 + random() % longest; }, limits, ',', &offsets);
    ASSERT_EQ(cut, whole) << text;
    ASSERT_EQ(offsets, whole_offsets) << text;
  }
}

// The last chunk may be shorter than what is kept of the row before it, whose chunk is its caller's again.
TEST(CsvReaderTest, AShortLastChunkIsReadFromWhatIsKept) {
  int chunks = 0;
  EXPECT_THAT(RowsOfChunks("email,name\nalice@d1.test,Alice in Wonderland\nbob@d1.test,Bob\n",
                           [&] { return chunks++ == 0 ? 44 : 100; }),
              ElementsAre("1:email|name", "2:alice@d1.test|Alice in Wonderland", "3:bob@d1.test|Bob"));
}

TEST(CsvReaderTest, WhatIsQuotedComesBack) {
  std::mt19937 random(11);
  const std::string_view atoms[] = {"a", ",", "\"", "\n", "\r\n", "\r", " ", "\xC3\xBC"};
  for (int round = 0; round < 4000; ++round) {
    std::vector<std::vector<std::string>> table(1 + random() % 5);
    std::string text;
    std::vector<std::string> expected;
    size_t line = 1;
    for (auto& row : table) {
      std::string joined, raw;
      row.resize(2 + random() % 3);
      for (std::string& field : row) {
        for (size_t count = random() % 6; count > 0; --count) field += atoms[random() % std::size(atoms)];
        if (!raw.empty()) {
          raw += ',';
          joined += '|';
        }
        raw += '"';
        for (const char c : field) raw += c == '"' ? "\"\"" : std::string(1, c);
        raw += '"';
        joined += field;
      }
      expected.push_back(std::to_string(line) + ":" + joined);
      for (size_t i = 0; i < raw.size(); ++i) line += raw[i] == '\n' || (raw[i] == '\r' && raw[i + 1] != '\n') ? 1 : 0;
      ++line;
      text += raw + "\n";
    }
    ASSERT_EQ(Rows(text, 5), expected) << text;
  }
}

// Ten million looks at a byte would take minutes; the test's own time limit is the check.
TEST(CsvReaderTest, TinyChunksOfOneLongRowAreNotQuadratic) {
  EXPECT_EQ(Rows("\"" + std::string(900000, '\n') + "\"\n", 2, {.field_bytes_max = 1 << 20}).size(), 1U);
}

}  // namespace
}  // namespace sealift::engine
