#include "engine/message/ndjson_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/message/nested_value.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;

// Every row as "line@offset:field|field", bad ones as "line@offset:!column reason".
std::vector<std::string> Rows(std::string_view text, size_t chunk_bytes = 1 << 20,
                              const RowReader::Limits& limits = {}) {
  NdjsonReader reader(limits);
  std::vector<std::string> rows;
  // The chunk is replaced, so that a view into an old one, or a look behind it, is found by the address sanitizer.
  std::unique_ptr<char[]> chunk;
  while (true) {
    const absl::StatusOr<RowReader::Step> step = reader.Next();
    EXPECT_TRUE(step.ok()) << step.status();
    if (*step == RowReader::Step::kEnd) return rows;
    if (*step == RowReader::Step::kNeedMore) {
      if (text.empty()) {
        reader.Finish();
        continue;
      }
      const size_t size = std::min(chunk_bytes, text.size());
      chunk = std::make_unique<char[]>(size);
      std::copy_n(text.begin(), size, chunk.get());
      reader.Feed(std::string_view(chunk.get(), size));
      text.remove_prefix(size);
      continue;
    }
    std::string row = std::to_string(reader.line()) + "@" + std::to_string(reader.offset()) + ":";
    if (*step == RowReader::Step::kBadRow) {
      row += "!";
      if (reader.column().has_value()) row += std::to_string(*reader.column()) + " ";
      row += reader.reason();
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

// A row in which @ stands, but for the first one, for the mark of what is no text.
std::string Nested(std::string row) {
  std::replace(row.begin() + static_cast<std::ptrdiff_t>(row.find('@')) + 1, row.end(), '@', NestedValue::kMark);
  return row;
}

constexpr const char* kNoObject = "!it is no JSON object: NDJSON has an object a line";

TEST(NdjsonReaderTest, TheFirstObjectNamesTheColumnsAndIsTheFirstRow) {
  EXPECT_THAT(Rows("{\"email\":\"a\",\"n\":1}\n{\"n\":2,\"email\":\"b\"}\n"),
              ElementsAre("1@0:email|n", "1@20:a|1", "2@40:b|2"));
}

TEST(NdjsonReaderTest, ValuesAreTextNumbersTruthsAndNothing) {
  EXPECT_THAT(Rows("{\"a\":\"\\u00e4\\\"\\n\",\"b\":-1.50e+3,\"c\":true,\"d\":false,\"e\":null,\"f\":\"\"}"),
              ElementsAre("1@0:a|b|c|d|e|f", Nested("1@66:\xC3\xA4\"\n|-1.50e+3|true|@5:false!||")));
  EXPECT_THAT(Rows("{\"a\":123456789012345678901234567890}").back(), "1@36:123456789012345678901234567890");
}

TEST(NdjsonReaderTest, ByteOrderMarkEmptyLinesAndWhiteSpaceAreSkipped) {
  EXPECT_THAT(Rows("\xEF\xBB\xBF\r\n \t\n{ \"a\" : 1 , \"b\" : \"x\" } \r\n\n  {\"a\":2,\"b\":3}"),
              ElementsAre("3@8:a|b", "3@34:1|x", "5@50:2|3"));
}

TEST(NdjsonReaderTest, WhatIsNoObjectMakesItsOwnLineBadOnly) {
  for (const char* line :
       {"[1]",          "1",           "\"a\"",       "{\"a\":1",   "{\"a\":1}}",  "{\"a\":1} {\"a\":2}",
        "{\"a\":1,}",   "{\"a\"}",     "{\"a\":}",    "{a:1}",      "{\"a\":01}",  "{\"a\":1.}",
        "{\"a\":+1}",   "{\"a\":-}",   "{\"a\":1e}",  "{\"a\":.5}", "{\"a\":nul}", "{\"a\":nulll}",
        "{\"a\":True}", "{\"a\":NaN}", "{\"a\":1 2}", "{,}",        "{\"a\":1]",   "email,name",
        "null",         "{\"a\":0x1}", "{\"a\":tru}", "{\"a\":1}x"}) {
    const std::string text = "{\"a\":0}\n" + std::string(line) + "\n{\"a\":9}\n";
    const std::vector<std::string> rows = Rows(text);
    ASSERT_EQ(rows.size(), 4U) << line;
    EXPECT_TRUE(rows[2].ends_with(kNoObject)) << line << ": " << rows[2];
    EXPECT_TRUE(rows[3].ends_with(":9")) << line;
  }
}

TEST(NdjsonReaderTest, BrokenTextIsNamedAsThat) {
  const auto second = [](const std::string& line) { return Rows("{\"a\":0}\n" + line + "\n{\"a\":9}\n")[2].substr(5); };
  EXPECT_EQ(second("{\"a\":\"x}").substr(0), "!a quote is opened in this line and never closed");
  EXPECT_EQ(second("{\"a\":\"\xFF\"}"), "!it is not UTF-8: save the file as UTF-8");
  EXPECT_EQ(second("{\"a\":\"\\x\"}"), "!a text in it has an escape that JSON does not know");
  EXPECT_EQ(second("{\"a\":\"\\ud800\"}"), "!a text in it has an escape that JSON does not know");
  EXPECT_EQ(second("{\"a\":\"\t\"}"), kNoObject);
}

TEST(NdjsonReaderTest, ObjectsMustHaveTheSameMembersOnce) {
  EXPECT_THAT(
      Rows("{\"a\":1,\"b\":2}\n{\"a\":1}\n{\"a\":1,\"a\":2}\n{\"a\":1,\"b\":1,\"c\":1}\n{\"b\":1,\"a\":{}}\n{}\n"),
      ElementsAre("1@0:a|b", "1@14:1|2", "2@22:!1 it is missing: an empty value is \"\" or null",
                  "3@36:!0 it is there twice", "4@56:!it has a member that the first object does not have",
                  Nested("5@71:@0:}|1"), "6@74:!0 it is missing: an empty value is \"\" or null"));
}

TEST(NdjsonReaderTest, ListsAndObjectsAreTaggedNetstrings) {
  EXPECT_THAT(
      Rows("{\"a\":[1, -2.50 ,\"\\u00e4\\n\",true,false,null,[],{}],\"b\":{ \"c\" : {\"d\":[ \"x\" ]} , \"e\" : 1e3}}\n"
           "{\"b\":[[]],\"a\":{\"\":\"\"}}\n"),
      ElementsAre(
          "1@0:a|b",
          Nested("1@90:@42:1:1#5:-2.50^3:\xC3\xA4\n,4:true!5:false!0:~0:]0:}]|@29:1:c,11:1:d,4:1:x,]}1:e,3:1e3^}"),
          Nested("2@113:@6:0:,0:,}|@3:0:]]")));
}

TEST(NdjsonReaderTest, NestedValuesThatAreNoneOrTooMuchAreBadRows) {
  const auto second = [](const std::string& value, const RowReader::Limits& limits = {}) {
    const std::vector<std::string> rows = Rows("{\"a\":0}\n{\"a\":" + value + "}\n{\"a\":9}\n", 1 << 20, limits);
    EXPECT_EQ(rows.size(), 4U);
    EXPECT_TRUE(rows.back().ends_with(":9"));
    return rows[2].substr(rows[2].find(':') + 1);
  };
  for (const char* value :
       {"[1,]", "[01]", "[nul]", "[1 2]", "{\"b\"}", "{\"b\":}", "{b:1}", "[\"a\":1]", "[", "{\"b\":[1}"}) {
    EXPECT_EQ(second(value), kNoObject) << value;
  }
  EXPECT_EQ(second("[\"\\x\"]"), "!a text in it has an escape that JSON does not know");
  EXPECT_EQ(second("{\"b\":[\"x\\u0000\"]}"), "!0 it has a NUL character");
  EXPECT_EQ(second("{\"b\\u0000\":1}"), "!0 it has a NUL character");
  EXPECT_EQ(second("\"\\u00005:false!\""), "!0 it has a NUL character");
  EXPECT_EQ(second("[{\"b\":1,\"c\":2,\"b\":3}]"), "!0 an object in it has a member twice");
  EXPECT_EQ(second("{\"b\":1,\"c\":2,\"d\":3}", {.fields_max = 2}), "!0 an object in it has too many members");
  EXPECT_EQ(second("[1,2,3,4]", {.field_bytes_max = 10}), "!0 a field is too long: 10 bytes are the most");
  EXPECT_EQ(second(std::string(16, '[') + std::string(16, ']')).substr(1, 2), "56");
  EXPECT_EQ(second(std::string(17, '[') + std::string(17, ']')), "!0 it has lists or objects more than 16 deep");
  std::string within = std::string(18, '[');
  within.append("1,\"x\"").append(17, ']').append(",{\"b\":2}]");
  EXPECT_EQ(second(within), "!0 it has lists or objects more than 16 deep");
}

TEST(NdjsonReaderTest, LinesFieldsAndMembersAreCapped) {
  const RowReader::Limits limits{.field_bytes_max = 10, .row_bytes_max = 60, .fields_max = 2};
  const std::string longest = "{\"a\":\"12345678901\"}\n", line(200, 'x');
  for (const size_t chunk : {1, 7, 50, 1000}) {
    EXPECT_THAT(Rows("{\"a\":1}\n" + longest + line + "\n{\"a\":2}\n" + line, chunk, limits),
                ElementsAre("1@0:a", "1@8:1", "2@28:!0 a field is too long: 10 bytes are the most",
                            "3@229:!the row is too long: 60 bytes are the most", "4@237:2",
                            "5@437:!the row is too long: 60 bytes are the most"));
  }
  EXPECT_THAT(Rows("{\"a\":1,\"b\":2,\"c\":3}\n", 100, limits),
              ElementsAre("1@20:!the row has too many fields: 2 are the most"));
  NdjsonReader reader(limits);
  reader.Feed(line);
  EXPECT_EQ(*reader.Next(), RowReader::Step::kNeedMore);
  EXPECT_EQ(reader.offset(), 200U) << "who keeps what is not counted yet keeps nothing of it";
}

TEST(NdjsonReaderTest, NestingAsDeepAsALineIsOnlyABadRow) {
  const std::string deep(100'000, '[');
  const std::vector<std::string> rows =
      Rows("{\"a\":1}\n{\"a\":" + deep + "}\n{\"a\":" + deep + std::string(100'000, ']') + "}\n{\"a\":2}\n");
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_TRUE(rows[4].ends_with(":2"));
}

// Wherever a small input is cut into chunks, and wherever it ends, the rows before are the same.
TEST(NdjsonReaderTest, EverySplitReadsTheSame) {
  const std::string text =
      "\xEF\xBB\xBF{\"email\":\"a@d1.test\",\"n\":1.5}\r\n\n{\"n\":\"\\u00e4\\\\\",\"email\":\"\xC3\xA4\"}\n{\"n\":[1,{"
      "}],"
      "\"email\":null}\n{\"email\":\"x\"\n{\"email\":true,\"n\":false}";
  const std::vector<std::string> whole = Rows(text);
  ASSERT_EQ(whole.size(), 6U);
  for (size_t chunk = 1; chunk <= text.size(); ++chunk) ASSERT_EQ(Rows(text, chunk), whole) << chunk;
  for (size_t end = 0; end < text.size(); ++end) {
    const std::vector<std::string> rows = Rows(std::string_view(text).substr(0, end));
    ASSERT_LE(rows.size(), whole.size());
    for (size_t i = 0; i + 1 < rows.size(); ++i) {
      if (rows[i].starts_with("1@") && i == 1) continue;  // its offset lacks the line end that was cut off
      ASSERT_EQ(rows[i], whole[i]) << end;
    }
  }
}

TEST(NdjsonReaderTest, ChunksMakeNoDifferenceToRubbish) {
  std::mt19937 random(10);
  const std::string_view atoms[] = {"{\"a\":", "\"x\"",   "1",    "}",
                                    "\n",      "\r\n",    "{",    "[",
                                    "]",       ",\"b\":", "null", "\\",
                                    "\"",      "\xFF",    " ",    "-",
                                    "0x",      "e1",      "true", "\xEF\xBB\xBF",
                                    "\\u0000", ":",       ",",    "{\"a\":1,\"b\":2}\n"};
  for (int round = 0; round < 1500; ++round) {
    std::string text = round % 2 == 0 ? "{\"a\":1,\"b\":2}\n" : "";
    for (size_t count = random() % 30; count > 0; --count) text += atoms[random() % std::size(atoms)];
    const std::vector<std::string> whole = Rows(text);
    for (const size_t chunk : {1, 2, 7, 64}) ASSERT_EQ(Rows(text, chunk), whole) << chunk << "\n" << text;
  }
}

}  // namespace
}  // namespace sealift::engine
