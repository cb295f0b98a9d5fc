#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sealift::tidy {

// A file of the repository as the rules read it: its path from the root, and its lines.
struct SourceFile {
  std::string path;  // "engine/runtime/ring.h"
  std::vector<std::string> lines;
};

// A rule that was broken: where, and the sentence that names the rule.
struct Finding {
  std::string where;  // "path:line"
  std::string sentence;
};

// Splits text into lines; for the rules' own tests.
SourceFile FromText(std::string path, const std::string& text);

// Every .h and .cc below the folders that hold our sources. An unreadable file has no lines.
std::vector<SourceFile> ReadSources(const std::filesystem::path& root);

// Every CMakeLists.txt below those folders.
std::vector<SourceFile> ReadBuildFiles(const std::filesystem::path& root);

// One line a finding, for a failure message.
std::string Describe(const std::vector<Finding>& findings);

}  // namespace sealift::tidy
