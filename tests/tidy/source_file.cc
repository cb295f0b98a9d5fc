#include "tests/tidy/source_file.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <sstream>
#include <utility>

namespace sealift::tidy {
namespace {

constexpr std::array kFolders = {"dns", "engine", "perf", "queue", "tests", "tls", "tools"};

std::vector<SourceFile> Read(const std::filesystem::path& root,
                             const std::function<bool(const std::filesystem::path&)>& wanted) {
  std::vector<SourceFile> files;
  for (const char* folder : kFolders) {
    if (!std::filesystem::exists(root / folder)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file() || !wanted(entry.path())) continue;
      std::ostringstream text;
      text << std::ifstream(entry.path()).rdbuf();
      files.push_back(FromText(entry.path().lexically_relative(root).string(), text.str()));
    }
  }
  std::ranges::sort(files, {}, &SourceFile::path);
  return files;
}

}  // namespace

SourceFile FromText(std::string path, const std::string& text) {
  SourceFile file{std::move(path), {}};
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) file.lines.push_back(line);
  return file;
}

std::vector<SourceFile> ReadSources(const std::filesystem::path& root) {
  return Read(root,
              [](const std::filesystem::path& path) { return path.extension() == ".h" || path.extension() == ".cc"; });
}

std::vector<SourceFile> ReadBuildFiles(const std::filesystem::path& root) {
  return Read(root, [](const std::filesystem::path& path) { return path.filename() == "CMakeLists.txt"; });
}

std::string Describe(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) text += finding.where + ": " + finding.sentence + "\n";
  return text;
}

}  // namespace sealift::tidy
