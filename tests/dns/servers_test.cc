#include "dns/servers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sealift::dns {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ServersTest, PortsAndBracketsAreFilledIn) {
  const std::vector<std::string> named = {"192.0.2.1", "127.0.0.1:5353", "2001:db8::1", "[::1]:5353"};
  EXPECT_THAT(*Servers(named), ElementsAre("192.0.2.1:53", "127.0.0.1:5353", "[2001:db8::1]:53", "[::1]:5353"));
}

TEST(ServersTest, WhatIsNoAddressIsNamed) {
  for (const char* bad : {"", "resolver.test", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:53x", "[::1]",
                          "[192.0.2.1]:53", "192.0.2.1 ", ":53"}) {
    const absl::StatusOr<std::vector<std::string>> servers = Servers(std::vector<std::string>{bad});
    EXPECT_EQ(servers.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(servers.status().message()),
                HasSubstr("'" + std::string(bad) + "' is no resolver's address"));
  }
}

TEST(ServersTest, TooManyAreRefused) {
  const std::vector<std::string> named(kServersMax + 1, "192.0.2.1");
  EXPECT_EQ(Servers(named).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sealift::dns
