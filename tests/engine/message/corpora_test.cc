// Public test data: the Mustache specification, csv-spectrum and the Big List of Naughty Strings, from where
// SEALIFT_CORPORA says. Cases of our own cover the same in the other tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <sstream>

#include "engine/message/csv_reader.h"
#include "engine/message/encoded_word.h"
#include "engine/message/recipient_reader.h"
#include "engine/message/template.h"
#include "tests/engine/message/wire.h"

namespace sealift::engine {
namespace {

using Json = nlohmann::json;

std::string Contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class CorporaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("SEALIFT_CORPORA");
    if (folder == nullptr) GTEST_SKIP() << "SEALIFT_CORPORA is not set";
    folder_ = folder;
  }
  std::filesystem::path folder_;
};

std::string HtmlTemplate(const Json& test) {
  return "From: a@d1.test\nContent-Type: text/html\n\n" + test["template"].get<std::string>();
}

// What a receiver reads of the message that a test of the specification becomes: its data is a row of an NDJSON file.
std::string RenderedTest(const Json& test) {
  // A row has columns and is not itself a value: one that the specification gives alone is the column ".".
  Json row = test["data"].is_object() ? test["data"] : Json{{".", test["data"]}};
  row["email"] = "jane@d1.test";
  for (const char* name : {" comment ", "! comment", "! comment "}) row.erase(name);  // a column's name is trimmed
  RecipientReader reader(RecipientFormat::kNdjson);
  const std::string line = row.dump();
  reader.Feed(line);
  absl::StatusOr<RecipientReader::Step> step = reader.Next();
  if (step.ok() && *step == RecipientReader::Step::kNeedMore) {
    reader.Finish();
    step = reader.Next();
  }
  if (!step.ok()) return step.status().ToString();
  if (*step != RecipientReader::Step::kRecipient) return "rejected: " + reader.rejection().reason;
  const std::string eml = HtmlTemplate(test);
  // A name that is not in the data is nothing in the specification; here it needs a default.
  const absl::StatusOr<std::vector<std::string>> names = Template::ColumnsOf(eml);
  if (!names.ok()) return names.status().ToString();
  Template::Options options{.columns = reader.columns(), .defaults = {}, .names = Template::Names::kPaths};
  for (const std::string& name : *names) options.defaults.emplace_back(name, "");
  const absl::StatusOr<Template> compiled = Template::Compile(eml, options);
  if (!compiled.ok()) return compiled.status().ToString();
  const std::span<const std::string_view> fields = reader.recipient().fields;
  const absl::Status checked = compiled->Check({.email = "jane@d1.test", .fields = fields});
  if (!checked.ok()) return checked.ToString();
  const absl::StatusOr<std::string> message = Rendered(*compiled, {fields.begin(), fields.end()});
  return message.ok() ? Received(*message).Text() : message.status().ToString();
}

// A message ends its last line.
std::string Ended(std::string text) {
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  return text;
}

TEST_F(CorporaTest, MustacheCoreModulesRenderAsSpecified) {
  int run = 0;
  for (const std::string module : {"comments", "delimiters", "interpolation", "inverted", "sections"}) {
    const Json suite = Json::parse(Contents(folder_ / "mustache" / (module + ".json")));
    for (const Json& test : suite["tests"]) {
      if (test.contains("partials")) continue;  // below
      EXPECT_EQ(Ended(RenderedTest(test)), Ended(WithoutCr(test["expected"].get<std::string>())))
          << module << ": " << test["name"];
      ++run;
    }
  }
  EXPECT_EQ(run, 122);
}

TEST_F(CorporaTest, EveryPartialOfTheSpecificationIsRefused) {
  int refused = 0;
  for (const std::string module : {"delimiters", "partials"}) {
    const Json suite = Json::parse(Contents(folder_ / "mustache" / (module + ".json")));
    for (const Json& test : suite["tests"]) {
      if (!test.contains("partials")) continue;
      EXPECT_THAT(CompileError(HtmlTemplate(test)), ::testing::HasSubstr("partials ({{>name}}) are not supported"))
          << test["name"];
      ++refused;
    }
  }
  EXPECT_EQ(refused, 14);
}

TEST_F(CorporaTest, CsvSpectrumReadsAsItsJsonSays) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "csv" / "csvs")) {
    const std::string text = Contents(entry.path());
    const std::string stem = entry.path().stem().string();
    Json expected = Json::parse(Contents(folder_ / "csv" / "json" / (stem + ".json")), nullptr, false);
    // Its JSON has another telephone number than its CSV.
    if (stem == "location_coordinates") expected["Contact Phone Number"] = "2095257564";
    if (expected.is_object()) expected = Json::array({expected});
    for (const size_t chunk : {size_t{1}, size_t{7}, text.size()}) {
      CsvReader reader;
      std::vector<std::string> names;
      Json rows = Json::array();
      size_t at = 0;
      while (true) {
        const CsvReader::Step step = *reader.Next();
        if (step == CsvReader::Step::kEnd) break;
        if (step == CsvReader::Step::kNeedMore) {
          if (at == text.size()) {
            reader.Finish();
          } else {
            reader.Feed(std::string_view(text).substr(at, chunk));
          }
          at = std::min(at + chunk, text.size());
          continue;
        }
        ASSERT_EQ(step, CsvReader::Step::kRow) << stem;
        if (names.empty()) {
          names.assign(reader.fields().begin(), reader.fields().end());
          continue;
        }
        Json row = Json::object();
        for (size_t i = 0; i < names.size(); ++i) row[names[i]] = std::string(reader.fields()[i]);
        rows.push_back(row);
      }
      EXPECT_EQ(rows, expected) << stem;
    }
    ++files;
  }
  EXPECT_GE(files, 12);
}

TEST_F(CorporaTest, NoNaughtyStringChangesTheShapeOfAMessage) {
  size_t rendered = 0;
  for (const Json& entry : Json::parse(Contents(folder_ / "naughty_strings.json"))) {
    rendered += ExpectShapeKept(entry.get<std::string>()) ? 1 : 0;
  }
  EXPECT_GT(rendered, 500U);
}

}  // namespace
}  // namespace sealift::engine
