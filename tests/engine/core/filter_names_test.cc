#include "engine/filter_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

using ::testing::HasSubstr;

TEST(FilterNamesTest, AWordThatIsNoClassIsAnErrorThatNamesThem) {
  const Options options;
  for (const char* known : {"greylisted", "full", "other", "recipient_cap", "in_doubt", "expired", "operator"}) {
    EXPECT_TRUE(CheckNames({.reason_class = known}, options).ok()) << known;
  }
  const absl::Status unknown = CheckNames({.reason_class = "greylisting"}, options);
  EXPECT_THAT(unknown.message(), HasSubstr("there is no class 'greylisting'; there are: authentication, bad_domain,"));
  EXPECT_THAT(unknown.message(), HasSubstr("recipient_cap"));
}

}  // namespace
}  // namespace sealift::engine
