#include <gtest/gtest.h>

#include "tests/tls/pair.h"

namespace sealift::tls {
namespace {

class ResumptionTest : public testing::TestWithParam<const char*> {
 protected:
  Channel::ClientOptions Options() {
    return {.sni = kServerName, .sessions = &sessions_, .session_key = "mx1.clinic.test:25"};
  }

  // A whole connection as a session of SMTP leaves it: a reply is read, and the peer's close is not waited for.
  Channel::Details Connect(const std::shared_ptr<ClientContext>& client, const Channel::ClientOptions& options) {
    Pair pair(client, options, server_);
    pair.Handshake();
    EXPECT_TRUE(pair.done()) << pair.client_status << pair.server_status;
    if (!pair.done()) return {};
    EXPECT_EQ(Send(*pair.server, *pair.client, "250 mx1\r\n"), "250 mx1\r\n");
    return pair.client->details();
  }
  Channel::Details Connect() { return Connect(client_, Options()); }

  SessionCache sessions_{{}};
  std::shared_ptr<ClientContext> client_ = MakeClient();
  std::shared_ptr<ServerContext> server_ = MakeServer({.max_version = GetParam()});
};

INSTANTIATE_TEST_SUITE_P(Versions, ResumptionTest, testing::Values("1.2", "1.3"),
                         [](const auto& version) { return version.param == std::string("1.2") ? "Tls12" : "Tls13"; });

TEST_P(ResumptionTest, EveryLaterConnectionIsResumed) {
  EXPECT_FALSE(Connect().resumed);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(Connect().resumed) << i;
}

TEST_P(ResumptionTest, WhatIsWrongWithTheCertificateIsKnownOfAResumedSessionToo) {
  const SelfSigned other = *SelfSigned::Make({.names = {"mx1.elsewhere.test"}});
  const TempFile roots(other.certificate);
  const std::shared_ptr<ClientContext> client = MakeClient(roots.path());
  const std::shared_ptr<ServerContext> server =
      MakeServer({.certificate = other.certificate, .key = other.key, .max_version = GetParam()});
  for (const bool resumed : {false, true}) {
    Pair pair(client, Options(), server);
    pair.Handshake();
    ASSERT_TRUE(pair.done());
    EXPECT_EQ(Send(*pair.server, *pair.client, "250 mx1\r\n"), "250 mx1\r\n");
    EXPECT_EQ(pair.client->details().resumed, resumed);
    ASSERT_TRUE(pair.client->certificate_fault().has_value());
    EXPECT_EQ(pair.client->certificate_fault()->kind, CertificateFault::Kind::kName);
  }
}

TEST_P(ResumptionTest, ConnectionsOpenedAtOnceShareWhatOneLeft) {
  Connect();
  Pair first(client_, Options(), server_), second(client_, Options(), server_);
  first.Handshake();
  second.Handshake();
  EXPECT_TRUE(first.client->details().resumed);
  EXPECT_TRUE(second.client->details().resumed);  // TLS 1.3 servers issue two tickets for this
}

TEST_P(ResumptionTest, AFailureOfTheConnectionLaterKeepsTheTicketsThatCame) {
  {
    Pair pair(client_, Options(), server_);
    pair.Handshake();
    ReadAll(*pair.client);
  }
  EXPECT_TRUE(Connect().resumed);
}

TEST_P(ResumptionTest, AnotherServerPolicyOrTrustResumesNothing) {
  const TempFile roots(ServerCertificate().certificate);
  Connect();

  Channel::ClientOptions elsewhere = Options();
  elsewhere.session_key = "mx2.clinic.test:25";
  EXPECT_FALSE(Connect(client_, elsewhere).resumed);

  Channel::ClientOptions stricter = Options();
  stricter.policy = Policy::kRequire;
  EXPECT_FALSE(Connect(client_, stricter).resumed);

  Channel::ClientOptions verified = Options();
  verified.policy = Policy::kVerify;
  verified.verify_name = kServerName;
  const auto trusting = MakeClient(roots.path());
  EXPECT_FALSE(Connect(trusting, verified).resumed);
  const Channel::Details again = Connect(trusting, verified);
  EXPECT_TRUE(again.resumed);
  EXPECT_EQ(again.verified_name, kServerName);  // as the session was made

  const TempFile other_roots(ServerCertificate().certificate + SelfSigned::Make({.names = {"root.test"}})->certificate);
  EXPECT_FALSE(Connect(MakeClient(other_roots.path()), verified).resumed);
}

TEST_P(ResumptionTest, AServerThatForgotItsKeysGetsAFullHandshake) {
  Connect();
  server_ = MakeServer({.max_version = GetParam()});
  EXPECT_FALSE(Connect().resumed);
  EXPECT_TRUE(Connect().resumed);
}

TEST_P(ResumptionTest, AServerWithoutTicketsIsNotRemembered) {
  server_ = MakeServer({.max_version = GetParam(), .tickets = false});
  Connect();
  EXPECT_FALSE(Connect().resumed);
}

TEST_P(ResumptionTest, AHandshakeThatFailsForgetsTheServer) {
  Connect();
  ASSERT_EQ(sessions_.servers(), 1u);
  const auto client = Channel::Client(client_, Options()).value();
  ASSERT_TRUE(client->Handshake().ok());
  ASSERT_TRUE(client->Feed(std::string_view("not a server hello")).ok());
  ASSERT_FALSE(client->Handshake().ok());
  EXPECT_EQ(sessions_.servers(), 0u);
}

TEST(TicketTest, ATicketOfTls13IsUsedOnce) {
  SessionCache sessions{{}};
  const auto client = MakeClient();
  const auto server = MakeServer();
  const Channel::ClientOptions options = {.sessions = &sessions, .session_key = "mx1.clinic.test:25"};
  {
    Pair pair(client, options, server);
    pair.Handshake();
    ReadAll(*pair.client);
  }
  EXPECT_EQ(sessions.stats().stored, 2u);
  // Opened, and ended before their own tickets could come.
  for (const bool resumed : {true, true, false}) {
    Pair pair(client, options, server);
    pair.Handshake();
    EXPECT_EQ(pair.client->details().resumed, resumed);
  }
  EXPECT_EQ(sessions.stats().hits, 2u);
  EXPECT_EQ(sessions.stats().misses, 2u);
}

}  // namespace
}  // namespace sealift::tls
