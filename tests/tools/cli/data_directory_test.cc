#include "tools/sealiftd/data_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "engine/exit_code.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using engine::ExitCodeOf;

class DataDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path().string() + "/sealift-data-XXXXXX";
    base_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(base_); }
  std::string base_;
};

TEST_F(DataDirectoryTest, IsMadePrivateWhenItIsMissing) {
  ASSERT_TRUE(DataDirectory::Take(base_ + "/data").ok());
  struct stat status{};
  ASSERT_EQ(stat((base_ + "/data").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(DataDirectoryTest, ASecondHolderIsExit75UntilTheFirstIsGone) {
  std::optional<DataDirectory> first;
  {
    absl::StatusOr<DataDirectory> taken = DataDirectory::Take(base_);
    ASSERT_TRUE(taken.ok()) << taken.status();
    first.emplace(*std::move(taken));
  }
  const absl::StatusOr<DataDirectory> second = DataDirectory::Take(base_);
  EXPECT_EQ(ExitCodeOf(second.status()), ExitCode::kTryLater);
  EXPECT_THAT(std::string(second.status().message()), testing::HasSubstr("in use by another sealiftd"));
  first.reset();
  EXPECT_TRUE(DataDirectory::Take(base_).ok());
}

TEST_F(DataDirectoryTest, OneThatOthersCanReadIsRefusedWithTheRemedy) {
  for (const mode_t mode : {0750, 0701, 0777}) {
    ASSERT_EQ(chmod(base_.c_str(), mode), 0);
    const absl::StatusOr<DataDirectory> taken = DataDirectory::Take(base_);
    EXPECT_EQ(ExitCodeOf(taken.status()), ExitCode::kConfig) << mode;
    EXPECT_THAT(std::string(taken.status().message()), testing::HasSubstr("chmod 0700"));
  }
}

TEST_F(DataDirectoryTest, AFileIsNoDirectory) {
  std::ofstream(base_ + "/file") << "x";
  EXPECT_EQ(ExitCodeOf(DataDirectory::Take(base_ + "/file").status()), ExitCode::kConfig);
}

TEST_F(DataDirectoryTest, OneThatCannotBeMadeIsExit74) {
  EXPECT_EQ(ExitCodeOf(DataDirectory::Take(base_ + "/no/data").status()), ExitCode::kIo);
}

TEST_F(DataDirectoryTest, OneWhoseQueueIsGoneIsNotTakenForANewOne) {
  ASSERT_TRUE(DataDirectory::Take(base_).ok());
  std::ofstream(base_ + "/audit").close();
  EXPECT_TRUE(DataDirectory::Take(base_).ok()) << "its first start was interrupted";
  std::ofstream(base_ + "/audit") << "{}\n";
  const absl::StatusOr<DataDirectory> lost = DataDirectory::Take(base_);
  EXPECT_EQ(ExitCodeOf(lost.status()), ExitCode::kBadData) << lost.status();
  EXPECT_THAT(std::string(lost.status().message()), testing::HasSubstr("sealift backup restore"));
  std::filesystem::create_directory(base_ + "/queue");
  EXPECT_TRUE(DataDirectory::Take(base_).ok());
}

}  // namespace
}  // namespace sealift::tools
