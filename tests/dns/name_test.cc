#include "dns/name.h"

#include <gtest/gtest.h>

namespace sealift::dns {
namespace {

using std::string_view_literals::operator""sv;

TEST(HostNameTest, NamesBecomeLowerCaseWithoutTheirDot) {
  EXPECT_EQ(HostName("MX1.Clinic.test."), "mx1.clinic.test");
  EXPECT_EQ(HostName("localhost"), "localhost");
  EXPECT_EQ(HostName("_mail.a-b.xn--bcher-kva.test"), "_mail.a-b.xn--bcher-kva.test");
  EXPECT_EQ(HostName("1.2.3.4.5.test"), "1.2.3.4.5.test");
}

TEST(HostNameTest, WhatIsNoHostsNameIsRefused) {
  for (const std::string_view name :
       {""sv, "."sv, "a..test"sv, ".test"sv, "a.test.."sv, "a b.test"sv, "a\0.test"sv, "a@b.test"sv, "a\\046b.test"sv,
        "b\xc3\xbc"
        "cher.test"sv,
        "a/b.test"sv, "*.test"sv, "127.0.0.1"sv, "12"sv, "[127.0.0.1]"sv, "::1"sv}) {
    EXPECT_EQ(HostName(name), std::nullopt) << name;
  }
}

TEST(HostNameTest, LengthsAreThoseOfTheStandard) {
  const std::string label(63, 'a');
  EXPECT_TRUE(HostName(label + ".test").has_value());
  EXPECT_FALSE(HostName(label + "a.test").has_value());
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  ASSERT_EQ(longest.size(), 253u);
  EXPECT_TRUE(HostName(longest).has_value());
  EXPECT_TRUE(HostName(longest + ".").has_value());
  EXPECT_FALSE(HostName(longest + "b").has_value());
}

}  // namespace
}  // namespace sealift::dns
