#include "tools/sealift/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>
#include <sstream>

#include "tools/sealift/command_line.h"
#include "tools/sealift/run.h"

namespace sealift::tools {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Said {
  int code;
  std::string out, err;
};

Said RunWords(const std::vector<std::string>& words) {
  std::ostringstream out, err;
  std::istringstream in;
  Console console(out, err, in, {});
  const int code = RunSealift(words, console);
  return {code, out.str(), err.str()};
}

std::vector<std::string> WordsOf(const Command& command) {
  return command.verb.empty() ? std::vector<std::string>{command.noun}
                              : std::vector<std::string>{command.noun, command.verb};
}

TEST(HelpTest, EveryCommandSaysWhatItDoesAndGivesAnExampleThatParses) {
  for (const Command& command : CommandTree()) {
    SCOPED_TRACE(command.Name());
    EXPECT_GT(command.summary.size(), 15u);
    EXPECT_FALSE(command.summary.ends_with("."));
    EXPECT_NE(command.run, nullptr);
    std::vector<std::string> words = WordsOf(command);
    words.push_back("--help");
    const Said said = RunWords(words);
    EXPECT_EQ(said.code, 0);
    EXPECT_THAT(said.out, HasSubstr("example:\n  "));
    EXPECT_THAT(said.out, HasSubstr(command.summary));
    for (const Flag& flag : command.flags) {
      EXPECT_THAT(said.out, HasSubstr("--" + flag.name));
      EXPECT_GT(flag.help.size(), 5u) << flag.name;
    }

    // The example is a command line of this very command. Shell quoting in it is plain.
    ASSERT_THAT(command.example, HasSubstr("sealift " + command.Name()));
    std::string line = command.example.substr(command.example.find("sealift ") + 8);
    if (const size_t end = line.find_first_of(")>"); end != std::string::npos && line.find('\'') == std::string::npos)
      line.erase(end);
    std::vector<std::string> example;
    bool quoted = false, open = false;
    for (const char c : line) {
      if (c == '\'') {
        quoted = !quoted;
      } else if (c == ' ' && !quoted) {
        open = false;
      } else {
        if (!open) example.emplace_back();
        open = true;
        example.back() += c;
      }
    }
    const absl::StatusOr<Invocation> parsed = ParseCommandLine(example);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->command, &command);
  }
}

TEST(HelpTest, EveryCommandOfTheFirstReleaseIsThere) {
  std::set<std::string> names;
  for (const Command& command : CommandTree())
    EXPECT_TRUE(names.insert(command.Name()).second) << command.Name() << " twice";
  for (const char* name :
       {"demo",           "campaign load",   "campaign start",  "campaign list",    "campaign show", "campaign watch",
        "campaign pause", "campaign resume", "campaign cancel", "campaign preview", "queue list",    "queue shape",
        "queue retry",    "domain explain",  "message find",    "message show",     "message trace", "events",
        "config check",   "config show",     "reload",          "version",          "completion",    "key init"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(HelpTest, TheOverviewAndEachNounListTheirCommands) {
  const std::string overview = RunWords({"--help"}).out;
  for (const Command& command : CommandTree()) {
    EXPECT_THAT(overview, HasSubstr(command.Name()));
    if (!command.verb.empty()) EXPECT_THAT(RunWords({command.noun, "--help"}).out, HasSubstr(command.Name()));
  }
  EXPECT_EQ(RunWords({}).out, overview);
}

TEST(HelpTest, TheReferencePageHasASectionACommand) {
  const std::string page = RunWords({"reference"}).out;
  for (const Command& command : CommandTree()) EXPECT_THAT(page, HasSubstr("\n## " + command.Name() + "\n"));
}

TEST(HelpTest, TheReferencePageInTheDocumentationIsTheOneThatIsMade) {
  std::ifstream file(SEALIFT_SOURCE_DIR "/docs/commands.md");
  ASSERT_TRUE(file) << "docs/commands.md is missing; make it with: sealift reference > docs/commands.md";
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), ReferencePage()) << "make it anew: sealift reference > docs/commands.md";
}

TEST(CompletionTest, EveryCommandAndFlagIsOffered) {
  for (const char* shell : {"bash", "zsh"}) {
    const Said said = RunWords({"completion", shell});
    EXPECT_EQ(said.code, 0);
    for (const Command& command : CommandTree()) {
      EXPECT_THAT(said.out, HasSubstr(command.verb.empty() ? command.noun : command.verb));
      for (const Flag& flag : command.flags) EXPECT_THAT(said.out, HasSubstr("--" + flag.name));
    }
  }
  EXPECT_EQ(RunWords({"completion", "fish"}).code, 64);
}

TEST(ErrorTest, WithJsonAnErrorIsJsonOnStandardOutputAndNothingElse) {
  const Said said = RunWords({"campain", "--json"});
  EXPECT_EQ(said.code, 64);
  EXPECT_THAT(said.out, StartsWith("{\n  \"error\""));
  EXPECT_THAT(said.out, HasSubstr("\"exit_code\": 64"));
  EXPECT_EQ(said.err, "");
}

TEST(ErrorTest, WithoutItAnErrorIsSentencesOnStandardError) {
  const Said said = RunWords({"campain"});
  EXPECT_EQ(said.out, "");
  EXPECT_THAT(said.err, StartsWith("sealift: there is no command `campain`"));
  EXPECT_THAT(said.err, HasSubstr("next:"));
}

}  // namespace
}  // namespace sealift::tools
