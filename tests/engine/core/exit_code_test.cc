#include "engine/exit_code.h"

#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

TEST(ExitCodeTest, TheCodeGivenGoesBeforeTheStatusCode) {
  const absl::Status status = WithExit(absl::InvalidArgumentError("a bad row"), ExitCode::kCannotCreate);
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kCannotCreate);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()), "a bad row");
}

TEST(ExitCodeTest, TheCodeNearestToTheOperatorStands) {
  const absl::Status inner = WithExit(absl::UnavailableError("the disk is full"), ExitCode::kTryLater);
  EXPECT_EQ(ExitCodeOf(WithExit(inner, ExitCode::kIo)), ExitCode::kIo);
}

TEST(ExitCodeTest, SuccessIsZeroAndCarriesNoCode) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), ExitCode::kOk);
  EXPECT_EQ(ExitCodeOf(WithExit(absl::OkStatus(), ExitCode::kIo)), ExitCode::kOk);
}

TEST(ExitCodeTest, WithoutACodeTheStatusCodeDecides) {
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), ExitCode::kBadData);
  EXPECT_EQ(ExitCodeOf(absl::DataLossError("")), ExitCode::kBadData);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), ExitCode::kNoInput);
  EXPECT_EQ(ExitCodeOf(absl::AlreadyExistsError("")), ExitCode::kCannotCreate);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), ExitCode::kTryLater);
  EXPECT_EQ(ExitCodeOf(absl::ResourceExhaustedError("")), ExitCode::kTryLater);
  EXPECT_EQ(ExitCodeOf(absl::PermissionDeniedError("")), ExitCode::kDenied);
  EXPECT_EQ(ExitCodeOf(absl::FailedPreconditionError("")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(absl::InternalError("")), ExitCode::kInternal);
  EXPECT_EQ(ExitCodeOf(absl::CancelledError("")), ExitCode::kInternal);
}

TEST(ExitCodeTest, TheNumbersAreThoseOfSysexits) {
  EXPECT_EQ(static_cast<int>(ExitCode::kUsage), 64);
  EXPECT_EQ(static_cast<int>(ExitCode::kBadData), 65);
  EXPECT_EQ(static_cast<int>(ExitCode::kCannotCreate), 73);
  EXPECT_EQ(static_cast<int>(ExitCode::kTryLater), 75);
  EXPECT_EQ(static_cast<int>(ExitCode::kConfig), 78);
}

}  // namespace
}  // namespace sealift::engine
