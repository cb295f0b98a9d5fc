#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/tidy/forms.h"
#include "tests/tidy/include_rule.h"
#include "tests/tidy/source_file.h"

namespace sealift::tidy {
namespace {

const std::filesystem::path kRoot = SEALIFT_ROOT;

TEST(RepositoryTest, EveryIncludeFollowsTheDependencyRule) {
  const auto files = ReadSources(kRoot);
  ASSERT_FALSE(files.empty()) << "no sources below " << kRoot;
  std::vector<Finding> findings;
  for (const SourceFile& file : files) {
    for (Finding& finding : CheckIncludes(file, [](std::string_view name) { return is_regular_file(kRoot / name); })) {
      findings.push_back(std::move(finding));
    }
  }
  EXPECT_TRUE(findings.empty()) << Describe(findings);
}

TEST(RepositoryTest, NoForbiddenFormHasLanded) {
  std::vector<Finding> findings;
  for (const SourceFile& file : ReadSources(kRoot)) {
    for (Finding& finding : CheckForms(file)) findings.push_back(std::move(finding));
  }
  EXPECT_TRUE(findings.empty()) << Describe(findings);
}

TEST(RepositoryTest, EveryFolderSaysWhatItOwns) {
  std::vector<Finding> findings;
  for (const SourceFile& file : ReadBuildFiles(kRoot)) {
    for (Finding& finding : CheckBuildFile(file)) findings.push_back(std::move(finding));
  }
  EXPECT_TRUE(findings.empty()) << Describe(findings);
}

}  // namespace
}  // namespace sealift::tidy
