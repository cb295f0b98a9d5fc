#include "engine/message/suggestion.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sealift::engine {
namespace {

TEST(SuggestionTest, NearNamesAreSuggestedAndFarOnesAreNot) {
  const std::vector<std::string> known = {"email", "first_name", "plan"};
  EXPECT_EQ(Suggestion("fist_name", known), "first_name");
  EXPECT_EQ(Suggestion("First Name", known), "first_name");
  EXPECT_EQ(Suggestion("PLAN", known), "plan");
  EXPECT_EQ(Suggestion("e-mail", known), "email");
  EXPECT_EQ(Suggestion("voucher", known), "");
  EXPECT_EQ(Suggestion("", known), "");
  EXPECT_EQ(Suggestion(std::string(10000, 'x'), known), "");
}

}  // namespace
}  // namespace sealift::engine
