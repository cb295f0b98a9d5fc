#include "tls/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/tls/pair.h"

namespace sealift::tls {
namespace {

using testing::HasSubstr;

TEST(ChannelTest, AHandshakeByteByByteIsAHandshake) {
  for (const char* version : {"1.2", "1.3"}) {
    Pair pair(MakeClient(), {.sni = kServerName}, MakeServer({.max_version = version}));
    pair.Handshake(1);
    ASSERT_TRUE(pair.done()) << version;
    EXPECT_EQ(Send(*pair.client, *pair.server, "EHLO sender.test\r\n"), "EHLO sender.test\r\n");
    EXPECT_EQ(Send(*pair.server, *pair.client, "250 mx1\r\n"), "250 mx1\r\n");
    EXPECT_EQ(pair.client->details().version, std::string("TLSv") + version);
    EXPECT_FALSE(pair.client->details().cipher.empty());
    EXPECT_EQ(pair.client->details().verified_name, "");
    EXPECT_FALSE(pair.client->details().resumed);
  }
}

TEST(ChannelTest, DetailsAreEmptyBeforeTheHandshake) {
  const auto client = Channel::Client(MakeClient(), {}).value();
  EXPECT_EQ(client->details().version, "");
  EXPECT_EQ(client->details().cipher, "");
}

TEST(ChannelTest, AnAddressIsNotSentAsAServerName) {
  for (const char* address : {"127.0.0.1", "::1"}) {
    Pair pair(MakeClient(), {.sni = address}, MakeServer());
    pair.Handshake();
    EXPECT_TRUE(pair.done());
  }
}

TEST(ChannelTest, AWholeMessageBecomesFewRecords) {
  Pair pair(MakeClient(), {}, MakeServer());
  pair.Handshake();
  ASSERT_TRUE(pair.done());
  while (Move(*pair.client, *pair.server) > 0) {
  }
  const std::string message(64 * 1024, 'm');
  ASSERT_TRUE(pair.client->Write(message).ok());
  // Four records of 16 KB; a header, a tag and a type each.
  EXPECT_EQ(pair.client->Outgoing().size(), message.size() + 4 * (5 + 16 + 1));
}

TEST(ChannelTest, BigWritesArriveWhole) {
  Pair pair(MakeClient(), {}, MakeServer());
  pair.Handshake();
  std::mt19937 random(3);
  for (const size_t size : {0, 1, 16383, 16384, 16385, 100'000, 3'000'000}) {
    std::string message(size, ' ');
    for (char& byte : message) byte = static_cast<char>(random());
    EXPECT_EQ(Send(*pair.client, *pair.server, message), message);
    EXPECT_EQ(Send(*pair.server, *pair.client, message), message);
  }
}

TEST(ChannelTest, AReadReturnsSeveralRecordsAtOnce) {
  Pair pair(MakeClient(), {}, MakeServer());
  pair.Handshake();
  ReadAll(*pair.client);
  for (const char* reply : {"250 a\r\n", "250 b\r\n", "354 c\r\n"})
    ASSERT_TRUE(pair.server->Write(std::string_view(reply)).ok());
  while (Move(*pair.server, *pair.client) > 0) {
  }
  char buffer[100];
  const absl::StatusOr<size_t> size = pair.client->Read(buffer);
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(std::string_view(buffer, *size), "250 a\r\n250 b\r\n354 c\r\n");
}

TEST(ChannelTest, AClosedHalfStillReads) {
  for (const char* version : {"1.2", "1.3"}) {
    Pair pair(MakeClient(), {}, MakeServer({.max_version = version}));
    pair.Handshake();
    pair.client->Shutdown();
    Move(*pair.client, *pair.server);
    EXPECT_EQ(ReadAll(*pair.server), "");
    EXPECT_TRUE(pair.server->closed());
    EXPECT_FALSE(pair.client->closed());
    EXPECT_EQ(Send(*pair.server, *pair.client, "221 bye\r\n"), "221 bye\r\n");
    pair.server->Shutdown();
    Move(*pair.server, *pair.client);
    EXPECT_EQ(ReadAll(*pair.client), "");
    EXPECT_TRUE(pair.client->closed());
  }
}

TEST(ChannelTest, NoBytesIsNotTheEnd) {
  Pair pair(MakeClient(), {}, MakeServer());
  pair.Handshake();
  char buffer[10];
  const absl::StatusOr<size_t> size = pair.client->Read(buffer);
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(*size, 0u);
  EXPECT_FALSE(pair.client->closed());
}

TEST(ChannelTest, AServerOfOldVersionsIsRefused) {
  for (const char* version : {"1.0", "1.1"}) {
    Pair pair(MakeClient(), {}, MakeServer({.min_version = "1.0", .max_version = version}));
    pair.Handshake();
    EXPECT_FALSE(pair.client->handshake_done());
    EXPECT_EQ(pair.client_status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(pair.client_status.message()), HasSubstr("protocol version"));
  }
}

TEST(ChannelTest, AFloorOf13RefusesAServerOf12) {
  Pair pair(MakeClient("", "1.3"), {}, MakeServer({.max_version = "1.2"}));
  pair.Handshake();
  EXPECT_FALSE(pair.done());
  EXPECT_THAT(std::string(pair.client_status.message()), HasSubstr("protocol version"));
}

TEST(ChannelTest, TheFirstFailureStays) {
  const auto client = Channel::Client(MakeClient(), {}).value();
  ASSERT_TRUE(client->Handshake().ok());
  ASSERT_TRUE(client->Feed(std::string_view("454 4.7.0 TLS not available\r\n")).ok());
  const absl::Status failure = client->Handshake().status();
  EXPECT_EQ(failure.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::string(failure.message()), "what the peer sent is not TLS");
  EXPECT_EQ(client->Handshake().status(), failure);
  EXPECT_EQ(client->Feed(std::string_view("x")), failure);
}

}  // namespace
}  // namespace sealift::tls
