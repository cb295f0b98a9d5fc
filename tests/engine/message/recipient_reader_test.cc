#include "engine/message/recipient_reader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sealift::engine {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// "row@line email field|field" for a recipient, "row@line !column: reason" for a rejection.
std::vector<std::string> Read(std::string_view text, RecipientFormat format = RecipientFormat::kCsv) {
  RecipientReader reader(format, {.field_bytes_max = 1000});
  reader.Feed(text);
  reader.Finish();
  std::vector<std::string> rows;
  while (true) {
    const absl::StatusOr<RecipientReader::Step> step = reader.Next();
    if (!step.ok()) {
      rows.push_back("error: " + std::string(step.status().message()));
      return rows;
    }
    if (*step == RecipientReader::Step::kEnd) return rows;
    if (*step == RecipientReader::Step::kRecipient) {
      const RecipientReader::Recipient& recipient = reader.recipient();
      std::string row = fmt::format("{}@{} {} ", recipient.row, recipient.line, recipient.email);
      row += fmt::format("{}", fmt::join(recipient.fields, "|"));
      EXPECT_EQ(recipient.email, recipient.mailbox->ToString());
      rows.push_back(row);
    } else {
      const RecipientReader::Rejection& rejection = reader.rejection();
      rows.push_back(fmt::format("{}@{} !{}: {}", rejection.row, rejection.line, rejection.column, rejection.reason));
    }
  }
}

TEST(RecipientReaderTest, EmailIsFoundAnywhereInAnyCase) {
  EXPECT_THAT(Read("name, EMail ,plan\nJane,Jane@D1.Test,gold\n"), ElementsAre("1@2 Jane@d1.test Jane|gold"));
}

TEST(RecipientReaderTest, ColumnsAreAllButEmail) {
  RecipientReader reader;
  reader.Feed("name,email, plan \n");
  reader.Finish();
  EXPECT_FALSE(reader.has_columns());
  ASSERT_EQ(*reader.Next(), RecipientReader::Step::kEnd);
  EXPECT_THAT(reader.columns(), ElementsAre("name", "plan"));
}

TEST(RecipientReaderTest, BadRowsAreRejectedAndTheRestGoesOn) {
  EXPECT_THAT(Read("email,name\njane@d1.test,Jane\nnobody,Joe\nx@d1.test\n\"x@d1.test\"y,z\nj\xC3\xA4ne@d1.test,J\nz@"
                   "d1.test,\xFF\nlast@d1.test,L\n"),
              ElementsAre("1@2 jane@d1.test Jane", "2@3 !email: it has no @",
                          "3@4 !: it has 1 fields where the first line names 2 columns",
                          "4@5 !: text stands behind a closing quote", "5@6 j\xC3\xA4ne@d1.test J",
                          "6@7 !name: it is not UTF-8: save the file as UTF-8", "7@8 last@d1.test L"));
}

TEST(RecipientReaderTest, NulIsRejected) {
  EXPECT_THAT(Read(std::string_view("email,name\njane@d1.test,a\0b\n", 28)),
              ElementsAre("1@2 !name: it has a NUL character"));
}

TEST(RecipientReaderTest, QuotedNewlinesKeepTheLineNumbersRight) {
  EXPECT_THAT(Read("email,note\na@d1.test,\"x\ny\"\nb@d1.test,z\n"),
              ElementsAre("1@2 a@d1.test x\ny", "2@4 b@d1.test z"));
}

TEST(RecipientReaderTest, WhiteSpaceAroundAnAddressIsDropped) {
  EXPECT_THAT(Read("email\n jane@d1.test \n"), ElementsAre("1@2 jane@d1.test "));
}

TEST(RecipientReaderTest, UselessFilesAreErrors) {
  EXPECT_THAT(
      Read(""),
      ElementsAre("error: the recipient file is empty: its first line must name the columns, email among them"));
  EXPECT_THAT(Read("name,e-mail\n"), ElementsAre("error: line 1: no column is named email (rename e-mail?). The first "
                                                 "line must name the columns; these are: name, e-mail"));
  EXPECT_THAT(Read("email,name,Email\n"), ElementsAre("error: line 1: column 3 is a second column email"));
  EXPECT_THAT(Read("email,name, name\n"), ElementsAre("error: line 1: column 3 has the same name as column 2"));
  EXPECT_THAT(Read("email,,x\n"), ElementsAre("error: line 1: column 2 has no name"));
  EXPECT_THAT(Read("email,\xFF\n"),
              ElementsAre("error: line 1: column 2 has a name that is not UTF-8: save the file as UTF-8"));
  EXPECT_THAT(Read("email,\"a\nb\"\n"), ElementsAre("error: line 1: column 2 has a name with a control character"));
  EXPECT_THAT(Read("email\na@d1.test\n\"b"),
              ElementsAre("1@2 a@d1.test ", "error: line 3: a quote is opened in this row and never closed"));
}

TEST(RecipientReaderTest, AFieldThatIsTooLongIsNamed) {
  EXPECT_THAT(Read("name,email,note\nJane,jane@d1.test," + std::string(1001, 'x') + "\n"),
              ElementsAre("1@2 !note: a field is too long: 1000 bytes are the most"));
}

TEST(RecipientReaderTest, TabsAreForTsv) {
  EXPECT_THAT(Read("email\tname\njane@d1.test\tDoe, Jane\n", RecipientFormat::kTsv),
              ElementsAre("1@2 jane@d1.test Doe, Jane"));
  EXPECT_THAT(
      Read("email\tname\njane@d1.test\tJane\n"),
      ElementsAre("error: line 1: column 1 has a tab in its name: a file whose columns are separated by tabs is "
                  "loaded with --format tsv"));
}

TEST(RecipientReaderTest, AFileOfAnotherFormatIsToldWhatBecomesOfIt) {
  const std::string object = R"({"email":"jane@d1.test","name":"Jane"})",
                    pretty = "{\n \"email\": \"jane@d1.test\"\n}\n";
  const auto json = HasSubstr("JSON: an object a line is loaded with --format ndjson");
  const auto list = HasSubstr("jq -c '.[]'");
  for (const RecipientFormat format : {RecipientFormat::kCsv, RecipientFormat::kTsv}) {
    EXPECT_THAT(Read(object, format), ElementsAre(json));
    EXPECT_THAT(Read(pretty, format), ElementsAre(json));
    EXPECT_THAT(Read("[" + object + "]", format), ElementsAre(AllOf(json, list)));
    EXPECT_THAT(Read("\xEF\xBB\xBF\n [\n" + object + "\n]\n", format), ElementsAre(AllOf(json, list)));
    EXPECT_THAT(Read("PK\x03\x04\x14\n", format), ElementsAre(HasSubstr("export it as CSV")));
  }
  EXPECT_THAT(Read("[" + object + "]", RecipientFormat::kNdjson), ElementsAre(list));
  EXPECT_THAT(Read("\xEF\xBB\xBF[\n" + object + "\n]\n", RecipientFormat::kNdjson), ElementsAre(list));
  EXPECT_THAT(Read("{\"name\": \"Jane\", \"plan\": \"gold\"}"), ElementsAre(AllOf(json, Not(HasSubstr("Jane")))));
  EXPECT_THAT(Read("email;name\njane@d1.test;Jane\n"), ElementsAre(HasSubstr("separated by semicolons")));
  EXPECT_THAT(Read("\"email\";\"name\"\n"), ElementsAre(HasSubstr("separated by semicolons")));
  EXPECT_THAT(Read("name;mail,x\n"), ElementsAre(Not(HasSubstr("semicolons"))));
  EXPECT_THAT(Read("PKey,mail\n"), ElementsAre(Not(HasSubstr("export"))));
  EXPECT_THAT(Read("[x],email\n1,jane@d1.test\n"), ElementsAre("1@2 jane@d1.test 1"));
}

TEST(RecipientReaderTest, NdjsonHasTheMembersOfItsFirstObjectAsColumns) {
  EXPECT_THAT(Read("{\"name\":\"Jane\",\"Email\":\"jane@d1.test\",\"n\":1.50}\n{\"n\":null,\"Email\":\"joe@d1.test\","
                   "\"name\":true}\n",
                   RecipientFormat::kNdjson),
              ElementsAre("1@1 jane@d1.test Jane|1.50", "2@2 joe@d1.test true|"));
}

TEST(RecipientReaderTest, AnObjectOfNdjsonMayLackWhatIsNotRequired) {
  RecipientReader reader(RecipientFormat::kNdjson);
  const std::string text =
      "{\"a\":1,\"email\":\"a@d1.test\",\"b\":2}\n"
      "{\"b\":3,\"email\":\"b@d1.test\"}\n"
      "{\"a\":4,\"email\":\"c@d1.test\"}\n"
      "{\"a\":5,\"b\":6}\n";
  reader.Feed(text);
  reader.Finish();
  ASSERT_EQ(reader.Next().value(), RecipientReader::Step::kRecipient);
  reader.Require(std::vector<std::string>{"b"});
  ASSERT_EQ(reader.Next().value(), RecipientReader::Step::kRecipient);
  EXPECT_THAT(reader.recipient().fields, ElementsAre("", "3"));
  for (const std::string column : {"b", "email"}) {
    ASSERT_EQ(reader.Next().value(), RecipientReader::Step::kRejected);
    EXPECT_EQ(reader.rejection().column, column);
  }
}

TEST(RecipientReaderTest, NdjsonRowsAreRejectedWithLineAndColumn) {
  EXPECT_THAT(
      Read("{\"a\":[1,1,1],\"email\":[\"a@d1.test\"],\"b\":2}\n"
           "\n"
           "{\"a\":1,\"email\":\"b@d1.test\",\"b\":{\"c\":1,\"c\":2}}\n"
           "{\"a\":1,\"b\":1}\n"
           "{\"a\":\"x\\u0000\",\"email\":\"c@d1.test\",\"b\":1}\n"
           "{\"a\":1,\"email\":\"nobody\",\"b\":1}\n"
           "{\"a\":1,\"email\":\"d@d1.test\",\"b\":\"" +
               std::string(1001, 'x') + "\"}\n{\"a\":1,\"email\":\"e@d1.test\",\"b\":1}",
           RecipientFormat::kNdjson),
      ElementsAre("1@1 !email: it is no text, and must be an address", "2@3 !b: an object in it has a member twice",
                  "3@4 !email: it is missing: an empty value is \"\" or null", "4@5 !a: it has a NUL character",
                  "5@6 !email: it has no @", "6@7 !b: a field is too long: 1000 bytes are the most",
                  "7@8 e@d1.test 1|1"));
}

TEST(RecipientReaderTest, UselessNdjsonIsAnError) {
  EXPECT_THAT(Read("{\"name\":\"Jane\"}\n", RecipientFormat::kNdjson),
              ElementsAre("error: line 1: no column is named email. The first object must name the columns; these are: "
                          "name"));
  EXPECT_THAT(Read("x[{\"email\":\"a@d1.test\"}]\n", RecipientFormat::kNdjson),
              ElementsAre("error: line 1: the row that names the columns cannot be read: it is no JSON object: NDJSON "
                          "has an object a line"));
  EXPECT_THAT(Read("{\"email\":\"a@d1.test\",\"x\":1,\"x\":2}\n", RecipientFormat::kNdjson),
              ElementsAre("error: line 1: column 3 has the same name as column 2"));
  EXPECT_THAT(Read("", RecipientFormat::kNdjson),
              ElementsAre("error: the recipient file is empty: its first object must name the columns, email among "
                          "them"));
}

TEST(RecipientReaderTest, AFileWithoutAHeaderRowIsRefusedWithoutItsFirstRecipient) {
  const std::vector<std::string> rows = Read("jane@d1.test,secret\njoe@d1.test,secret\n");
  EXPECT_THAT(rows, ElementsAre("error: line 1: no column is named email, and an address stands where a name should: "
                                "the first line must name the columns"));
}

TEST(RecipientReaderTest, ReasonsNeverQuoteTheRow) {
  for (const std::string& row : Read("{\"email\":\"a@d1.test\"}\n{\"email\":\"secret\"}\n{\"secret\":1}\n{\"email\":"
                                     "\"a@d1.test\",\"secret\":1}\n{\"email\":\"a@d1.test\"} secret\n{secret}\n",
                                     RecipientFormat::kNdjson)) {
    EXPECT_THAT(row, Not(HasSubstr("secret")));
  }
  for (const std::string& row :
       Read("email,name\nsecret "
            "secret@d1.test,x\nsecret,secret,secret\n\"secret\"secret,secret\nx@d1.test,secret\xFF\n")) {
    EXPECT_THAT(row, Not(HasSubstr("secret")));
  }
}

TEST(RecipientReaderTest, RowAndOffsetAreTheSameWhenReadAgain) {
  const std::string text = "email\na@d1.test\nbad\nb@d1.test\n";
  std::vector<std::pair<uint64_t, uint64_t>> first, second;
  for (auto* seen : {&first, &second}) {
    RecipientReader reader;
    size_t at = 0;
    while (true) {
      const RecipientReader::Step step = *reader.Next();
      if (step == RecipientReader::Step::kEnd) break;
      if (step == RecipientReader::Step::kNeedMore) {
        const size_t size = std::min<size_t>(seen == &first ? 3 : 1000, text.size() - at);
        if (size == 0) {
          reader.Finish();
        } else {
          reader.Feed(std::string_view(text).substr(at, size));
        }
        at += size;
      } else if (step == RecipientReader::Step::kRecipient) {
        seen->emplace_back(reader.recipient().row, reader.recipient().offset);
      }
    }
  }
  EXPECT_THAT(first, ElementsAre(std::pair(1U, 16U), std::pair(3U, 30U)));
  EXPECT_EQ(first, second);
}

}  // namespace
}  // namespace sealift::engine
