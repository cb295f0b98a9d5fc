#include "tools/sealift/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tools/sealift/failure.h"
#include "tools/sealift/progress_line.h"

namespace sealift::tools {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

struct Screen {
  std::ostringstream out, err;
  std::istringstream in;
  Console console{out, err, in, {}};
};

const json kAnswer = {{"rows", {{{"name", "a"}, {"n", 5}}, {{"name", "=1+2, \"x\""}, {"n", 12345}}}}, {"cursor", "c"}};
const std::vector<Column> kColumns = {{"name", "NAME"}, {"n", "COUNT"}};

TEST(ConsoleTest, ATableLinesUpAndNumbersStandToTheRight) {
  Screen screen;
  screen.console.Rows(json{{"rows", {{{"name", "é"}, {"n", 5}}, {{"name", "bb"}, {"n", 123456}}}}}, "rows", kColumns);
  EXPECT_EQ(screen.out.str(), "NAME   COUNT\né          5\nbb    123456\n");
}

TEST(ConsoleTest, JsonIsTheWholeAnswerAndNdjsonALineARow) {
  Screen whole, lines;
  whole.console.SetFormat(Format::kJson);
  whole.console.Rows(kAnswer, "rows", kColumns);
  EXPECT_EQ(json::parse(whole.out.str()), kAnswer);
  lines.console.SetFormat(Format::kNdjson);
  lines.console.Rows(kAnswer, "rows", kColumns);
  std::istringstream text(lines.out.str());
  std::string line;
  std::getline(text, line);
  EXPECT_EQ(json::parse(line), kAnswer["rows"][0]);
}

TEST(ConsoleTest, CsvIsQuotedAndRunsNoFormula) {
  Screen screen;
  screen.console.SetFormat(Format::kCsv);
  screen.console.Rows(kAnswer, "rows", kColumns);
  EXPECT_EQ(screen.out.str(), "name,n\r\na,5\r\n\"'=1+2, \"\"x\"\"\",12345\r\n");
}

TEST(ConsoleTest, TextFromElsewhereCannotMoveTheCursor) {
  Screen screen;
  screen.console.Record(json{{"reply", "\x1b[2Jno\r\nsuch\xc2\x9buser"}}, {{"reply", "reply"}});
  EXPECT_EQ(screen.out.str(), "  reply   [2Jno  such user\n");
}

TEST(ConsoleTest, BytesThatAreNoUtf8DoNotEndACommand) {
  Screen screen;
  screen.console.SetFormat(Format::kJson);
  screen.console.Record(json{{"reply", "caf\xe9"}}, {});
  EXPECT_THAT(screen.out.str(), HasSubstr("caf"));
}

TEST(ConsoleTest, AFailureSaysItsFourPartsAndKeepsTheLinesOfItsReason) {
  Screen screen;
  screen.console.Report(
      Fail(engine::ExitCode::kConfig, {"two mistakes", "/c.toml", "/c.toml:1:1: a\n/c.toml:2:1: b", "Correct each."}));
  EXPECT_EQ(screen.err.str(),
            "sealift: two mistakes\n  where: /c.toml\n  why:   /c.toml:1:1: a\n         /c.toml:2:1: b\n  next:  "
            "Correct each.\n");
  EXPECT_EQ(screen.out.str(), "");
}

TEST(ConsoleTest, NoColourUnlessTheTerminalHasIt) {
  Screen screen;
  screen.console.Report(absl::InternalError("x"));
  screen.console.Rows(kAnswer, "rows", kColumns);
  EXPECT_THAT(screen.out.str() + screen.err.str(), Not(HasSubstr("\033")));
}

TEST(ProgressLineTest, SaysWhatIsLeftAndLeavesOutWhatIsZero) {
  const json campaign = {{"name", "spring"}, {"state", "running"}, {"loaded", 200}, {"delivered", 150},
                         {"deferred", 3},    {"held", 0},          {"bounced", 2},  {"queued", 48}};
  EXPECT_EQ(ProgressLine::Text(campaign, 81.4),
            "spring running: 150 of 200 delivered (75%), 3 deferred, 2 bounced, 45 to go, 81/s");
}

TEST(ProgressLineTest, ChangesInPlaceAndWipesALongerLine) {
  Screen screen;
  ProgressLine line(screen.console, true);
  json campaign = {{"name", "s"}, {"state", "running"}, {"loaded", 10}, {"delivered", 5}, {"queued", 5}};
  line.Show(campaign, absl::FromUnixSeconds(0));
  campaign["delivered"] = 10;
  campaign["queued"] = 0;
  campaign["state"] = "done";
  line.Show(campaign, absl::FromUnixSeconds(1));
  line.End();
  const std::string shown = screen.out.str();
  EXPECT_EQ(shown,
            "\rs running: 5 of 10 delivered (50%), 5 to go\rs done: 10 of 10 delivered (100%), 5/s, all settled\n");
}

}  // namespace
}  // namespace sealift::tools
