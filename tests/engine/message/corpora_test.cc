// Public test data: the Mustache specification, csv-spectrum and the Big List of Naughty Strings, from where
// SEALIFT_CORPORA says. Cases of our own cover the same in the other tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "engine/message/csv_reader.h"
#include "engine/message/encoded_word.h"
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

// A row has no objects and no lists: {"a": {"b": 1}} is the column a.b, an empty list or object an empty value. False
// when the data cannot be said so.
bool Flatten(const Json& data, const std::string& prefix, std::map<std::string, std::string>& columns) {
  if (!data.is_object()) return false;
  for (const auto& [key, value] : data.items()) {
    const std::string name = prefix.empty() ? key : prefix + "." + key;
    if (value.is_object() && !value.empty()) {
      if (!Flatten(value, name, columns)) return false;
    } else if (value.is_array() && !value.empty()) {
      return false;
    } else {
      columns[name] = value.is_string() ? value.get<std::string>()
                      : value.is_null() || value == false || value.is_object() || value.is_array() ? ""
                      : value == true                                                              ? "true"
                                                                                                   : value.dump();
    }
  }
  return true;
}

// What of the specification a row of flat text cannot say, and why. All other tests of the modules run.
const std::map<std::string, std::string>& NotSaid() {
  static const std::string context = "a section of an object opens a context; a row holds text only";
  static const std::string list = "a row holds no lists";
  static const std::string root = "a row has columns; it is not itself a value";
  static const std::map<std::string, std::string> reasons = {
      {"interpolation: Dotted Names - Basic Interpolation", context},
      {"interpolation: Dotted Names - Triple Mustache Interpolation", context},
      {"interpolation: Dotted Names - Ampersand Interpolation", context},
      {"interpolation: Dotted Names - Initial Resolution", context},
      {"interpolation: Dotted Names - Context Precedence", context},
      {"interpolation: Dotted Names are never single keys", "{{a.b}} is the column a.b, which has no other name"},
      {"interpolation: Dotted Names - No Masking", "the two values have one column's name, a.b"},
      {"interpolation: Implicit Iterators - Basic Interpolation", root},
      {"interpolation: Implicit Iterators - HTML Escaping", root},
      {"interpolation: Implicit Iterators - Triple Mustache", root},
      {"interpolation: Implicit Iterators - Ampersand", root},
      {"interpolation: Implicit Iterators - Basic Integer Interpolation", root},
      {"sections: Context", context},
      {"sections: Parent contexts", context},
      {"sections: Deeply Nested Contexts", context},
      {"sections: List Contexts", list},
      {"sections: List", list},
      {"sections: Implicit Iterator - String", list},
      {"sections: Implicit Iterator - Integer", list},
      {"sections: Implicit Iterator - Decimal", list},
      {"sections: Implicit Iterator - Array", list},
      {"sections: Implicit Iterator - HTML Escaping", list},
      {"sections: Implicit Iterator - Triple mustache", list},
      {"sections: Implicit Iterator - Ampersand", list},
      {"sections: Implicit Iterator - Root-level", list},
      {"inverted: Context", context},
      {"inverted: List", list},
  };
  return reasons;
}

std::string HtmlTemplate(const Json& test) {
  return "From: a@d1.test\nContent-Type: text/html\n\n" + test["template"].get<std::string>();
}

// What a receiver reads of the message that a test of the specification becomes.
std::string RenderedTest(const Json& test) {
  std::map<std::string, std::string> columns;
  if (!Flatten(test["data"], "", columns)) return "not flat";
  const std::string eml = HtmlTemplate(test);
  // A name that is not in the data is nothing in the specification; here it needs a default.
  const absl::StatusOr<std::vector<std::string>> needed = Template::ColumnsOf(eml);
  if (!needed.ok()) return needed.status().ToString();
  Template::Options options;
  std::vector<std::string> values;
  for (const auto& [column, value] : columns) {
    options.columns.push_back(column);
    values.push_back(value);
  }
  for (const std::string& column : *needed) {
    if (!columns.contains(column)) options.defaults.emplace_back(column, "");
  }
  const absl::StatusOr<Template> compiled = Template::Compile(eml, options);
  if (!compiled.ok()) return compiled.status().ToString();
  const absl::StatusOr<std::string> message =
      Rendered(*compiled, std::vector<std::string_view>(values.begin(), values.end()));
  return message.ok() ? Received(*message).Text() : message.status().ToString();
}

// A message ends its last line.
std::string Ended(std::string text) {
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  return text;
}

TEST_F(CorporaTest, MustacheCoreModulesRenderAsSpecified) {
  std::set<std::string> left_out;
  int run = 0;
  for (const std::string module : {"comments", "delimiters", "interpolation", "inverted", "sections"}) {
    const Json suite = Json::parse(Contents(folder_ / "mustache" / (module + ".json")));
    for (const Json& test : suite["tests"]) {
      const std::string name = module + ": " + test["name"].get<std::string>();
      if (test.contains("partials")) continue;  // below
      if (NotSaid().contains(name)) {
        left_out.insert(name);
        continue;
      }
      EXPECT_EQ(Ended(RenderedTest(test)), Ended(WithoutCr(test["expected"].get<std::string>()))) << name;
      ++run;
    }
  }
  EXPECT_EQ(left_out.size(), NotSaid().size()) << "a name above is no longer the specification's";
  EXPECT_EQ(run, 95);
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
