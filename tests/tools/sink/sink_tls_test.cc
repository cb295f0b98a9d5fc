#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/tools/sink/test_client.h"
#include "tools/sink/script_reader.h"
#include "tools/sink/sink.h"

namespace sealift::tools::sink {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class SinkTlsTest : public ::testing::Test {
 protected:
  void Start(std::string_view more) {
    Sink::Options options;
    options.script = *ReadScript(
        "[[provider]]\nname = \"p\"\ndomains = [\"d1.test\"]\nmx = [{ host = \"mx.p.test\", address = \"127.0.3.3\" "
        "}]\n" +
            std::string(more),
        "s");
    sink_ = *Sink::Start(std::move(options));
  }
  // Up to the reply to STARTTLS.
  std::unique_ptr<TestClient> Connect() {
    auto client = std::make_unique<TestClient>("127.0.3.3", sink_->port());
    client->Reply();
    EXPECT_THAT(client->Ask("EHLO c.example.test\r\n"), HasSubstr("STARTTLS"));
    reply_ = client->Ask("STARTTLS\r\n");
    return client;
  }
  uint64_t Total(Count what) const { return sink_->counters().Total(what); }

  const std::shared_ptr<tls::ClientContext> context_ = *tls::ClientContext::Create({});
  tls::SessionCache sessions_{tls::SessionCache::Options{}};
  std::unique_ptr<Sink> sink_;
  std::string reply_;
};

TEST_F(SinkTlsTest, AMessageArrivesUnderTlsAndTheNextConnectionIsResumed) {
  Start("");
  const std::string body = [] {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += "a line of a message that spans many records\r\n";
    return text;
  }();
  for (int i = 0; i < 3; ++i) {
    const auto client = Connect();
    EXPECT_THAT(reply_, StartsWith("220"));
    const absl::Status started = client->StartTls(context_, &sessions_);
    ASSERT_TRUE(started.ok()) << started;
    EXPECT_THAT(client->Ask("EHLO c.example.test\r\n"), Not(HasSubstr("STARTTLS")));
    client->Send("MAIL FROM:<>\r\nRCPT TO:<a@d1.test>\r\nDATA\r\n");
    client->Reply();
    client->Reply();
    EXPECT_THAT(client->Reply(), StartsWith("354"));
    EXPECT_THAT(client->Ask(body + ".\r\n"), StartsWith("250"));
    EXPECT_EQ(client->tls().resumed, i > 0);
    EXPECT_THAT(client->Ask("QUIT\r\n"), StartsWith("221"));
    EXPECT_TRUE(client->Closed());
  }
  EXPECT_EQ(Total(Count::messages), 3u);
  EXPECT_EQ(Total(Count::bytes), 3 * body.size());
  EXPECT_EQ(Total(Count::tls_handshakes), 3u);
  EXPECT_EQ(Total(Count::tls_resumed), 2u);
  EXPECT_EQ(Total(Count::plaintext_mail), 0u);
  EXPECT_EQ(sink_->counters().Faults(), 0u);
}

TEST_F(SinkTlsTest, LatencyWorksUnderTls) {
  Start("latency = \"20ms\"\n");
  const auto client = Connect();
  ASSERT_TRUE(client->StartTls(context_, &sessions_).ok());
  EXPECT_THAT(client->Ask("EHLO c.example.test\r\n"), StartsWith("250-"));
  EXPECT_THAT(client->Ask("QUIT\r\n"), StartsWith("221"));
  EXPECT_TRUE(client->Closed());
}

TEST_F(SinkTlsTest, BrokenTlsFailsTheHandshake) {
  Start("tls = \"broken\"\n");
  const auto client = Connect();
  EXPECT_THAT(reply_, StartsWith("220"));
  EXPECT_FALSE(client->StartTls(context_, &sessions_).ok());
}

TEST_F(SinkTlsTest, TextBehindStartTlsIsCountedAndThrownAway) {
  Start("");
  TestClient client("127.0.3.3", sink_->port());
  client.Reply();
  client.Ask("EHLO c.example.test\r\n");
  EXPECT_THAT(client.Ask("STARTTLS\r\nMAIL FROM:<>\r\n"), StartsWith("220"));
  ASSERT_TRUE(client.StartTls(context_, &sessions_).ok());
  EXPECT_THAT(client.Ask("EHLO c.example.test\r\n"), StartsWith("250-"));  // and not the 503 of a MAIL before EHLO
  EXPECT_EQ(Total(Count::text_after_starttls), 1u);
  EXPECT_EQ(Total(Count::plaintext_mail), 0u);
}

TEST_F(SinkTlsTest, AClientThatLeavesInTheHandshakeIsAFailure) {
  Start("");
  {
    const auto client = Connect();
    client->Send("\x16\x03\x01 the beginning of a hello");
  }
  sink_->Stop();
  EXPECT_EQ(Total(Count::tls_failures), 1u);
  EXPECT_EQ(Total(Count::tls_handshakes), 0u);
}

TEST_F(SinkTlsTest, TheCertificateIsAsScripted) {
  Start("certificate_name = \"other.test\"\ncertificate_expired = true\ntls_max_version = \"1.2\"\n");
  EXPECT_THAT(sink_->certificates(), HasSubstr("BEGIN CERTIFICATE"));
  const auto client = Connect();
  ASSERT_TRUE(client->StartTls(context_, &sessions_).ok());
  EXPECT_EQ(client->tls().version, "TLSv1.2");
}

TEST_F(SinkTlsTest, TheSuitesAreAsScripted) {
  Start("tls_suites = [\"TLS_CHACHA20_POLY1305_SHA256\"]\n");
  const auto client = Connect();
  ASSERT_TRUE(client->StartTls(context_, &sessions_).ok());
  EXPECT_EQ(client->tls().cipher, "TLS_CHACHA20_POLY1305_SHA256");
}

}  // namespace
}  // namespace sealift::tools::sink
