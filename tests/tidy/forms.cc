#include "tests/tidy/forms.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <memory>
#include <string>

namespace sealift::tidy {
namespace {

struct Form {
  std::string_view below;  // the path starts with this
  std::unique_ptr<RE2> pattern;
  std::string_view sentence;
};

std::vector<Form> MakeForms() {
  std::vector<Form> forms;
  const auto add = [&forms](std::string_view below, const std::string& pattern, std::string_view sentence) {
    forms.push_back({below, std::make_unique<RE2>(pattern), sentence});
  };
  // The words are put together here so that this file does not find itself.
  add("", std::string(R"(\b(TO)") + "DO|FIX" + "ME|XX" + R"(X)\b)",
      "a note to oneself: do it now, or file it; it does not land");
  add("", std::string(R"(//.*\bfor )") + R"(now\b)", "what is only meant for the moment does not land");
  add("", R"(^\s*// ?(if \(|for \(|while \(|return\b|auto |const auto|co_await |co_return|std::\w+[<( ]).*[;{]\s*$)",
      "code kept as a comment: delete it, the history has it");
  add("tests/", std::string(R"(\b(sleep)") + R"(_for|sleep_until|usleep|nanosleep|SleepFor)\s*\(|\bsleep\(\d)",
      "a test that sleeps: take time as an argument, or wait for the event itself");
  add("",
      R"(^\s*(?:class|struct|enum class|enum)\s+(?:\[\[\w+\]\]\s+)?\w*(?:Manager|Helper|Util|Utils|Handler|Processor|Data|Info)\b[^;]*$)",
      "the name says nothing: Manager, Helper, Util, Data, Info, Handler and Processor fit any class");
  add("", R"(^\s*using namespace std\b)", "names come from their namespace");
  return forms;
}

bool IsHeader(const SourceFile& file) { return file.path.ends_with(".h"); }

}  // namespace

std::vector<Finding> CheckForms(const SourceFile& file) {
  static const std::vector<Form> kForms = MakeForms();
  std::vector<Finding> findings;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    for (const Form& form : kForms) {
      if (file.path.starts_with(form.below) && RE2::PartialMatch(file.lines[i], *form.pattern)) {
        findings.push_back({fmt::format("{}:{}", file.path, i + 1), std::string(form.sentence)});
      }
    }
  }
  if (IsHeader(file)) {
    bool guarded = false;
    for (const std::string& line : file.lines) guarded = guarded || line == "#pragma once";
    if (!guarded) findings.push_back({file.path + ":1", "a header without #pragma once"});
  }
  return findings;
}

std::vector<Finding> CheckBuildFile(const SourceFile& file) {
  size_t comments = 0;
  while (comments < file.lines.size() && file.lines[comments].starts_with("# ")) ++comments;
  size_t sentences = 0;
  for (size_t i = 0; i < comments; ++i) {
    const std::string& line = file.lines[i];
    for (size_t at = line.find('.'); at != std::string::npos; at = line.find('.', at + 1)) {
      if (at + 1 == line.size() || line[at + 1] == ' ') ++sentences;
    }
  }
  if (sentences >= 2) return {};
  return {{file.path + ":1", "it opens with two comment sentences: what the folder owns, and what it must not know"}};
}

}  // namespace sealift::tidy
