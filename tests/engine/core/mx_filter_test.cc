#include "engine/mx_filter.h"

#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

dns::Address At(std::string_view text) { return dns::Address::Parse(text).value(); }

TEST(MxFilterTest, WithoutListsEveryHostIsAllowed) {
  const DnsOptions options;
  const MxFilter filter(options);
  EXPECT_FALSE(filter.active());
  EXPECT_FALSE(filter.Denies("mx.d1.test"));
  EXPECT_TRUE(filter.Allows("mx.d1.test", At("192.0.2.1")));
}

TEST(MxFilterTest, ADeniedNameIsDeniedWhereverItIs) {
  const DnsOptions options{.mx_deny = {"*.parked.test", "mx.d1.test"}};
  const MxFilter filter(options);
  EXPECT_FALSE(filter.asks_addresses());
  EXPECT_TRUE(filter.Denies("mx.parked.test"));
  EXPECT_TRUE(filter.Denies("mx.d1.test"));
  EXPECT_FALSE(filter.Denies("mx.d2.test"));
  EXPECT_FALSE(filter.Allows("mx.d1.test", At("192.0.2.1")));
}

TEST(MxFilterTest, NetworksAreMatchedToTheBit) {
  const DnsOptions options{.mx_deny = {"192.0.2.128/25", "2001:db8::/33", "198.51.100.7"}};
  const MxFilter filter(options);
  EXPECT_TRUE(filter.asks_addresses());
  EXPECT_FALSE(filter.Denies("mx.d1.test")) << "its address decides";
  EXPECT_TRUE(filter.Allows("mx.d1.test", At("192.0.2.127")));
  EXPECT_FALSE(filter.Allows("mx.d1.test", At("192.0.2.128")));
  EXPECT_FALSE(filter.Allows("mx.d1.test", At("2001:db8:7fff::1")));
  EXPECT_TRUE(filter.Allows("mx.d1.test", At("2001:db8:8000::1")));
  EXPECT_FALSE(filter.Allows("mx.d1.test", At("198.51.100.7")));
  EXPECT_TRUE(filter.Allows("mx.d1.test", At("198.51.100.8")));
}

TEST(MxFilterTest, WhereSomeAreAllowedTheOthersAreNot) {
  const DnsOptions options{.mx_allow = {"*.partner.test", "203.0.113.0/24"}, .mx_deny = {"old.partner.test"}};
  const MxFilter filter(options);
  EXPECT_TRUE(filter.Allows("mx.partner.test", At("192.0.2.1")));
  EXPECT_TRUE(filter.Allows("mx.d1.test", At("203.0.113.9")));
  EXPECT_FALSE(filter.Allows("mx.d1.test", At("192.0.2.1")));
  EXPECT_FALSE(filter.Allows("old.partner.test", At("203.0.113.9"))) << "what is denied is never allowed";
  EXPECT_TRUE(filter.Denies("old.partner.test"));
}

}  // namespace
}  // namespace sealift::engine
