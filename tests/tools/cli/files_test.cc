#include "tools/sealift/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tools/sealift/run.h"

namespace sealift::tools {
namespace {

using testing::HasSubstr;

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path().string() + "/sealift-cli-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  int RunWords(const std::vector<std::string>& words) {
    out_.str("");
    err_.str("");
    std::istringstream in;
    Console console(out_, err_, in, {});
    return RunSealift(words, console);
  }

  std::string directory_;
  std::ostringstream out_, err_;
};

TEST_F(FilesTest, KeyInitWritesAPrivateKeyOnceAndNeverAgain) {
  const std::string path = directory_ + "/kek";
  EXPECT_EQ(RunWords({"key", "init", path}), 0) << err_.str();
  struct stat status{};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 32);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const absl::StatusOr<std::string> before = ReadWholeFile(path, "key");
  EXPECT_EQ(RunWords({"key", "init", path}), 73);
  EXPECT_THAT(err_.str(), HasSubstr("A file of this name is there"));
  EXPECT_EQ(*ReadWholeFile(path, "key"), *before);
}

TEST_F(FilesTest, TwoKeysDiffer) {
  EXPECT_EQ(RunWords({"key", "init", directory_ + "/a"}), 0);
  EXPECT_EQ(RunWords({"key", "init", directory_ + "/b"}), 0);
  EXPECT_NE(*ReadWholeFile(directory_ + "/a", "key"), *ReadWholeFile(directory_ + "/b", "key"));
}

TEST_F(FilesTest, AKeyIntoNoDirectoryIsExit73) { EXPECT_EQ(RunWords({"key", "init", directory_ + "/no/kek"}), 73); }

TEST_F(FilesTest, ConfigCheckListsEveryMistakeAndIsExit78) {
  const std::string path = Write(
      "c.toml", "delivery = \"sink\"\n[node]\nhostname = \"mta1.example.com\"\nmemroy = \"1GiB\"\ndrain = \"soon\"\n");
  EXPECT_EQ(RunWords({"config", "check", "--config", path}), 78);
  EXPECT_THAT(err_.str(), HasSubstr(path + ":4:"));
  EXPECT_THAT(err_.str(), HasSubstr(path + ":5:"));
  EXPECT_EQ(RunWords({"config", "check", "--config", directory_ + "/none.toml"}), 66);
}

TEST_F(FilesTest, PreviewOfFilesNeedsNoDaemon) {
  const std::string eml = Write("t.eml", "From: Clinic <c@clinic.example>\nSubject: Hello {{name}}\n\nDear {{name}}\n");
  const std::string csv = Write("r.csv", "email,name\njane@d1.test,Jane\njohn@d2.test,John\nbroken,Jim\n");
  EXPECT_EQ(RunWords({"campaign", "preview", "--template", eml, "--recipients", csv, "--row", "2", "--date",
                      "2027-01-15T08:00:00Z"}),
            0)
      << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("Subject: Hello John\r\n"));
  EXPECT_THAT(out_.str(), HasSubstr("Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"));
  EXPECT_THAT(out_.str(), HasSubstr("\r\n\r\nDear John\r\n"));
  EXPECT_EQ(RunWords({"campaign", "preview", "--template", eml, "--recipients", csv, "--row", "3"}), 65);
  EXPECT_THAT(err_.str(), HasSubstr(csv + ":4"));
  EXPECT_EQ(RunWords({"campaign", "preview", "--template", eml, "--recipients", csv, "--row", "4"}), 66);
  EXPECT_EQ(RunWords({"campaign", "preview", "--template", eml}), 64);
}

TEST_F(FilesTest, PreviewReadsWhatALoadReads) {
  const std::string eml = Write("t.eml", "From: Clinic <c@clinic.example>\nSubject: Hello {{name}}\n\nDear {{name}}\n");
  const std::string rows =
      "{\"email\":\"jane@d1.test\",\"name\":\"Jane\"}\n{\"name\":\"John\",\"email\":\"john@d2.test\"}\n";
  const std::string named = Write("r.ndjson", rows), unnamed = Write("r", rows);
  EXPECT_EQ(RunWords({"campaign", "preview", "--template", eml, "--recipients", named, "--row", "2"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("Subject: Hello John\r\n"));
  EXPECT_EQ(RunWords({"campaign", "preview", "--template", eml, "--recipients", unnamed, "--format", "ndjson"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("Subject: Hello Jane\r\n"));
  EXPECT_EQ(RunWords({"campaign", "preview", "--template", eml, "--recipients", unnamed}), 65) << "csv unless said";
  EXPECT_EQ(RunWords({"campaign", "preview", "--template", eml, "--recipients", named, "--format", "xlsx"}), 64);
  EXPECT_THAT(err_.str(), HasSubstr("csv, tsv and ndjson"));
}

TEST_F(FilesTest, PreviewNamesAColumnThatTheFileLacks) {
  const std::string eml = Write("t.eml", "From: c@clinic.example\nSubject: x\n\nDear {{nmae}}\n");
  const std::string csv = Write("r.csv", "email,name\njane@d1.test,Jane\n");
  EXPECT_EQ(RunWords({"campaign", "preview", "--template", eml, "--recipients", csv}), 65);
  EXPECT_THAT(err_.str(), HasSubstr("nmae"));
}

}  // namespace
}  // namespace sealift::tools
