#include "engine/runtime/endpoint.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace sealift::engine {
namespace {

TEST(EndpointTest, ParsesWhatItPrints) {
  for (const char* text : {"127.0.0.1:25", "[::1]:465", "0.0.0.0:0", "[2001:db8::7]:65535"}) {
    const absl::StatusOr<Endpoint> endpoint = Endpoint::Parse(text);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    EXPECT_EQ(endpoint->ToString(), text);
  }
}

TEST(EndpointTest, RefusesWhatIsNotAnAddressWithAPort) {
  for (const char* text :
       {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:25x", "localhost:25",
        "::1:25", "[::1]", "[::1:25", "[127.0.0.1]:25", "127.1:25", "[]:25", "[:25"}) {
    EXPECT_FALSE(Endpoint::Parse(text).ok()) << text;
  }
  const absl::Status status = Endpoint::Parse(std::string(10'000, 'x')).status();
  EXPECT_LT(status.message().size(), 300u);
}

TEST(EndpointTest, TakesBytesInNetworkOrder) {
  constexpr std::array<uint8_t, 16> kBytes = {192, 0, 2, 7};
  const Endpoint endpoint = Endpoint::Ip(AF_INET, kBytes, 2525);
  EXPECT_EQ(endpoint.ToString(), "192.0.2.7:2525");
  EXPECT_EQ(endpoint, *Endpoint::Parse("192.0.2.7:2525"));
  EXPECT_FALSE(endpoint == *Endpoint::Parse("192.0.2.7:2526"));
  EXPECT_EQ(endpoint.port(), 2525);
}

}  // namespace
}  // namespace sealift::engine
