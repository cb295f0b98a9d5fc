#include "tls/policy.h"

#include <gtest/gtest.h>

namespace sealift::tls {
namespace {

TEST(PolicyTest, NamesAreReadAsTheyAreWritten) {
  for (const Policy policy : {Policy::kOpportunistic, Policy::kRequire, Policy::kVerify, Policy::kDane}) {
    EXPECT_EQ(ParsePolicy(ToString(policy)), policy);
  }
}

TEST(PolicyTest, OtherNamesAreNone) {
  EXPECT_EQ(ParsePolicy(""), std::nullopt);
  EXPECT_EQ(ParsePolicy("Require"), std::nullopt);
  EXPECT_EQ(ParsePolicy("none"), std::nullopt);
}

TEST(PolicyTest, TheStricterOfTwoIsIndependentOfTheirOrder) {
  EXPECT_EQ(Stricter(Policy::kOpportunistic, Policy::kRequire), Policy::kRequire);
  EXPECT_EQ(Stricter(Policy::kRequire, Policy::kOpportunistic), Policy::kRequire);
  EXPECT_EQ(Stricter(Policy::kVerify, Policy::kRequire), Policy::kVerify);
  EXPECT_EQ(Stricter(Policy::kVerify, Policy::kVerify), Policy::kVerify);
  EXPECT_EQ(Stricter(Policy::kVerify, Policy::kDane), Policy::kDane);
}

}  // namespace
}  // namespace sealift::tls
