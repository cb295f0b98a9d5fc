#include "dns/address.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace sealift::dns {
namespace {

Address At(std::string_view text) { return Address::Parse(text).value_or(Address{}); }

TEST(AddressTest, TextGoesThereAndBack) {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "::ffff:192.0.2.1"}) {
    EXPECT_EQ(At(text).ToString(), text);
  }
  EXPECT_EQ(At("192.0.2.1").family, AF_INET);
  EXPECT_EQ(At("::1").family, AF_INET6);
}

TEST(AddressTest, OtherTextIsNoAddress) {
  using std::string_view_literals::operator""sv;
  for (const std::string_view text : {""sv, "1.2.3"sv, "1.2.3.4.5"sv, "1.2.3.256"sv, "[::1]"sv, "::1%lo"sv,
                                      "1.2.3.4:25"sv, "a.test"sv, "1.2.3.4\0"sv}) {
    EXPECT_EQ(Address::Parse(text), std::nullopt) << text;
  }
}

TEST(AddressTest, LoopbackInEveryDisguise) {
  for (const char* text : {"127.0.0.1", "127.255.0.9", "0.0.0.0", "0.1.2.3", "::1", "::", "::ffff:127.0.0.1",
                           "::ffff:0.0.0.0", "64:ff9b::7f00:1", "::ffff:127.9.9.9"}) {
    EXPECT_TRUE(At(text).IsLoopback()) << text;
  }
  for (const char* text : {"126.0.0.1", "128.0.0.1", "1.0.0.0", "2600::1", "::ffff:128.0.0.1"}) {
    EXPECT_FALSE(At(text).IsLoopback()) << text;
  }
}

TEST(AddressTest, PrivateInEveryDisguise) {
  for (const char* text :
       {"10.0.0.1", "100.64.0.1", "100.127.255.255", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "198.19.0.1", "224.0.0.1", "255.255.255.255", "fe80::1", "febf::1", "fd00::1", "ff02::1", "2001:db8::1",
        "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::8.8.8.8"}) {
    EXPECT_TRUE(At(text).IsPrivate()) << text;
  }
  for (const char* text : {"9.255.255.255", "11.0.0.0", "100.128.0.0", "172.32.0.0", "172.15.255.255",
                           "223.255.255.255", "2600::1", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808"}) {
    EXPECT_FALSE(At(text).IsPrivate()) << text;
    EXPECT_FALSE(At(text).IsLoopback()) << text;
  }
}

}  // namespace
}  // namespace sealift::dns
