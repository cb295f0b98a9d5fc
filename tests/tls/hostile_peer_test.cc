#include <gtest/gtest.h>

#include <random>

#include "tests/tls/pair.h"

namespace sealift::tls {
namespace {

TEST(HostilePeerTest, GarbageInsteadOfAHandshakeIsRefused) {
  std::mt19937 random(11);
  const auto context = MakeClient();
  for (int i = 0; i < 500; ++i) {
    const auto client = Channel::Client(context, {}).value();
    ASSERT_TRUE(client->Handshake().ok());
    std::string garbage(1 + random() % 2000, ' ');
    for (char& byte : garbage) byte = static_cast<char>(random());
    if (!client->Feed(garbage).ok()) continue;
    const absl::StatusOr<bool> done = client->Handshake();
    EXPECT_FALSE(done.ok() && *done);
  }
}

TEST(HostilePeerTest, ADamagedFlightNeverCompletesOrCrashes) {
  std::mt19937 random(13);
  const auto client_context = MakeClient();
  const auto server_context = MakeServer();
  for (int i = 0; i < 300; ++i) {
    Pair pair(client_context, {}, server_context);
    ASSERT_TRUE(pair.client->Handshake().ok());
    Move(*pair.client, *pair.server);
    ASSERT_TRUE(pair.server->Handshake().ok());
    const std::span<const char> sent = pair.server->Outgoing();
    std::string flight(sent.begin(), sent.end());
    const size_t place = random() % flight.size();
    flight[place] = static_cast<char>(flight[place] ^ static_cast<char>(1 + random() % 255));
    if (random() % 4 == 0) flight.erase(random() % flight.size());
    ASSERT_TRUE(pair.client->Feed(flight).ok());
    const absl::StatusOr<bool> done = pair.client->Handshake();
    // TLS 1.3 authenticates its whole transcript; only the version fields of record headers are not part of it.
    if (done.ok() && *done) EXPECT_EQ(pair.client->details().version, "TLSv1.3");
  }
}

TEST(HostilePeerTest, DamagedRecordsAreNeverReadAsText) {
  std::mt19937 random(17);
  Pair pair(MakeClient(), {}, MakeServer());
  pair.Handshake();
  ReadAll(*pair.client);
  ASSERT_TRUE(pair.server->Write(std::string_view("250 fine\r\n")).ok());
  const std::span<const char> sent = pair.server->Outgoing();
  std::string record(sent.begin(), sent.end());
  record[record.size() - 1 - random() % 10] ^= 1;
  ASSERT_TRUE(pair.client->Feed(record).ok());
  char buffer[100];
  const absl::StatusOr<size_t> size = pair.client->Read(buffer);
  EXPECT_EQ(size.status().code(), absl::StatusCode::kUnavailable) << size.status();
}

TEST(HostilePeerTest, WhatCameBeforeADamagedRecordIsRead) {
  Pair pair(MakeClient(), {}, MakeServer());
  pair.Handshake();
  ReadAll(*pair.client);
  ASSERT_TRUE(pair.server->Write(std::string_view("250 fine\r\n")).ok());
  Move(*pair.server, *pair.client);
  ASSERT_TRUE(pair.client->Feed(std::string_view("\x17\x03\x03\x00\x20 no record of this connection!!!", 37)).ok());
  char buffer[100];
  const absl::StatusOr<size_t> size = pair.client->Read(buffer);
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(std::string_view(buffer, *size), "250 fine\r\n");
  EXPECT_FALSE(pair.client->Read(buffer).ok());
}

TEST(HostilePeerTest, CleartextAfterTheHandshakeIsRefused) {
  Pair pair(MakeClient(), {}, MakeServer());
  pair.Handshake();
  ASSERT_TRUE(pair.client->Feed(std::string_view("250 in the clear\r\n")).ok());
  char buffer[100];
  EXPECT_FALSE(pair.client->Read(buffer).ok());
}

TEST(HostilePeerTest, FeedingWithoutReadingIsBounded) {
  Pair pair(MakeClient(), {}, MakeServer());
  pair.Handshake();
  const std::string chunk(16 * 1024, 'x');
  absl::Status status;
  size_t fed = 0;
  while (status.ok() && fed < 10 * Channel::kIncomingMax) {
    status = pair.client->Feed(chunk);
    fed += chunk.size();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_LE(fed, Channel::kIncomingMax + chunk.size());
}

TEST(HostilePeerTest, AFailedHandshakeLeavesAnAlertToSend) {
  const auto client = Channel::Client(MakeClient(), {}).value();
  ASSERT_TRUE(client->Handshake().ok());
  client->ConsumeOutgoing(client->Outgoing().size());
  ASSERT_TRUE(client->Feed(std::string_view("\x16\x03\x03\x00\x04\x02\x00\x00\x00", 9)).ok());
  EXPECT_FALSE(client->Handshake().ok());
  ASSERT_FALSE(client->Outgoing().empty());
  EXPECT_EQ(client->Outgoing()[0], '\x15');  // an alert record
}

}  // namespace
}  // namespace sealift::tls
