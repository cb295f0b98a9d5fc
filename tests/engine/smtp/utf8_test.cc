#include "engine/smtp/utf8.h"

#include <gtest/gtest.h>
namespace sealift::engine {
namespace {

TEST(Utf8Test, WellFormedTextIsKnown) {
  for (const std::string_view text : {"", "plain",
                                      "b\xC3\xBC"
                                      "cher",
                                      "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF",
                                      "12345678\xC3\xBC"
                                      "123456789"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
}

TEST(Utf8Test, BrokenTextIsRefused) {
  for (const std::string_view text :
       {"\xFF", "\xC3", "\xC3(", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80",
        "\xE2\x82", "\x80", "12345678\xFC", "caf\xE9"}) {
    EXPECT_FALSE(IsUtf8(text)) << text;
  }
}

TEST(Utf8Test, ControlsAreFound) {
  for (const std::string_view text : {"a\rb", "a\nb", "\t", "\x7F", "\x1B", "a\xC2\x85"}) EXPECT_TRUE(HasControl(text));
  EXPECT_TRUE(HasControl(std::string_view("\0", 1)));
  EXPECT_FALSE(
      HasControl("b\xC3\xBC"
                 "cher \xC2\xA0 \xE2\x80\xA8"));
}

}  // namespace
}  // namespace sealift::engine
