#include "tools/sink/sink.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "tests/tools/sink/test_client.h"
#include "tools/sink/script_reader.h"

namespace sealift::tools::sink {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::unique_ptr<Sink> StartSink(std::string_view script, int threads = 1, Ledger::Options ledger = {}) {
  Sink::Options options;
  options.script = *ReadScript(script, "s");
  options.threads = threads;
  options.ledger = std::move(ledger);
  absl::StatusOr<std::unique_ptr<Sink>> sink = Sink::Start(std::move(options));
  EXPECT_TRUE(sink.ok()) << sink.status();
  return *std::move(sink);
}

// A provider at an address of its own, so that tests may run beside each other.
std::string Provider(std::string_view more) {
  return "[[provider]]\nname = \"p\"\ndomains = [\"d1.test\"]\nmx = [{ host = \"mx.p.test\", address = \"127.0.3.1\" "
         "}]\n" +
         std::string(more);
}

// Delivers one message and leaves the connection open; the last reply.
std::string Deliver(TestClient& client,
                    std::string_view body = "Subject: x\r\nMessage-ID: <1@s.test>\r\n\r\nhello\r\n") {
  client.Send("MAIL FROM:<b@s.example>\r\nRCPT TO:<a@d1.test>\r\nDATA\r\n");
  client.Reply();
  client.Reply();
  if (const std::string go = client.Reply(); !go.starts_with("354")) return go;
  return client.Ask(std::string(body) + ".\r\n");
}

TEST(SinkTest, AMessageArrivesByteForByte) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / fmt::format("sink_{}", getpid());
  std::filesystem::create_directory(folder);
  {
    const auto sink = StartSink(Provider(""), 1, {.file = folder / "ledger", .folder = folder / "store"});
    TestClient client("127.0.3.1", sink->port());
    EXPECT_THAT(client.Reply(), StartsWith("220 mx.p.test "));
    EXPECT_THAT(client.Ask("EHLO c.example.test\r\n"), HasSubstr("PIPELINING"));
    EXPECT_THAT(Deliver(client, "Message-ID: <1@s.test>\r\n\r\n..dot\r\n"), StartsWith("250 "));
    // The line is there before the 250 was.
    std::ostringstream ledger, stored;
    ledger << std::ifstream(folder / "ledger").rdbuf();
    stored << std::ifstream(folder / "store" / "00000001.eml").rdbuf();
    EXPECT_THAT(ledger.str(), HasSubstr("\tp\ta@d1.test\t<1@s.test>\t32\t0\t127.0.0.1\t00000001.eml\n"));
    EXPECT_EQ(stored.str(), "Message-ID: <1@s.test>\r\n\r\n.dot\r\n");
    EXPECT_THAT(client.Ask("QUIT\r\n"), StartsWith("221 "));
    EXPECT_TRUE(client.Closed());
    EXPECT_EQ(sink->counters().Faults(), 0u);
    EXPECT_THAT(sink->StatusJson(), HasSubstr("\"messages\": 1"));
  }
  std::filesystem::remove_all(folder);
}

TEST(SinkTest, ThreadsShareTheWorkAndTheCounts) {
  std::atomic<int> reported = 0;
  const auto sink = StartSink(Provider(""), 3, {.count = 60, .on_count = [&] { ++reported; }});
  for (int i = 0; i < 20; ++i) {
    TestClient client("127.0.3.1", sink->port());
    client.Reply();
    client.Ask("EHLO c.example.test\r\n");
    for (int j = 0; j < 3; ++j) EXPECT_THAT(Deliver(client), StartsWith("250 "));
  }
  EXPECT_EQ(sink->counters().Total(Count::messages), 60u);
  EXPECT_EQ(sink->counters().Total(Count::connections), 20u);
  EXPECT_EQ(reported, 1);
}

TEST(SinkTest, LatencyDelaysRepliesAndNotTheClient) {
  const auto sink = StartSink(Provider("latency = \"500ms\"\n"));
  const absl::Time start = absl::Now();
  TestClient client("127.0.3.1", sink->port());
  client.Reply();
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(499));
  client.Ask("EHLO c.example.test\r\n");
  // Twenty transactions one behind the other, without waiting: one way long, not twenty.
  const absl::Time begun = absl::Now();
  for (int i = 0; i < 20; ++i) client.Send("MAIL FROM:<>\r\nRCPT TO:<a@d1.test>\r\nBDAT 3 LAST\r\nx\r\n");
  for (int i = 0; i < 60; ++i) EXPECT_THAT(client.Reply(), StartsWith("250"));
  EXPECT_GE(absl::Now() - begun, absl::Milliseconds(499));
  EXPECT_LT(absl::Now() - begun, absl::Seconds(10)) << "sixty replies one after the other take thirty seconds";
  EXPECT_THAT(client.Ask("QUIT\r\n"), StartsWith("221 "));
  EXPECT_TRUE(client.Closed());
}

TEST(SinkTest, ARefusingHostRefusesAndItsPortIsTaken) {
  const auto sink = StartSink(
      "[[provider]]\nname = \"p\"\ndomains = [\"d1.test\"]\nmx = [{ host = \"a.p.test\", address = \"127.0.3.1\", "
      "connect = \"refuse\" }, { host = \"b.p.test\", address = \"127.0.3.2\" }]\n");
  EXPECT_FALSE(TestClient("127.0.3.1", sink->port()).connected());
  EXPECT_TRUE(TestClient("127.0.3.2", sink->port()).connected());
}

TEST(SinkTest, ClosingAndResettingAreAsScripted) {
  const auto closing = StartSink(Provider("connect = \"close\"\n"));
  EXPECT_TRUE(TestClient("127.0.3.1", closing->port()).Closed());
  const auto dropping = StartSink(Provider("[[provider.rule]]\nat = \"rcpt\"\nthen = \"reset\"\n"));
  TestClient client("127.0.3.1", dropping->port());
  client.Reply();
  client.Ask("EHLO c.example.test\r\n");
  EXPECT_THAT(client.Ask("MAIL FROM:<>\r\n"), StartsWith("250"));
  EXPECT_EQ(client.Ask("RCPT TO:<a@d1.test>\r\n"), "");
}

TEST(SinkTest, DripsAndRepetitionsComeWhole) {
  const auto sink =
      StartSink(Provider("[[provider.rule]]\nat = \"greeting\"\nraw = \"220-wait\\r\\n220 go\\r\\n\"\ndrip = "
                         "\"2ms\"\n[[provider.rule]]\nat = \"ehlo\"\n"
                         "raw = \"250-again\\r\\n\"\ntimes = 1000\nthen = \"close\"\n"));
  TestClient client("127.0.3.1", sink->port());
  EXPECT_EQ(client.Reply(), "220-wait\r\n220 go\r\n");
  client.Send("EHLO c.example.test\r\n");
  EXPECT_EQ(client.Reply(), "");  // the reply never ends; the connection does
}

TEST(SinkTest, StoppingEndsWhatHangsAndAnswersWhatWasSent) {
  const auto sink = StartSink(Provider("[[provider.rule]]\nat = \"rcpt\"\nlocal = \"stuck\"\nthen = \"hang\"\n"));
  TestClient stuck("127.0.3.1", sink->port()), idle("127.0.3.1", sink->port());
  for (TestClient* client : {&stuck, &idle}) {
    client->Reply();
    client->Ask("EHLO c.example.test\r\n");
    client->Ask("MAIL FROM:<>\r\n");
  }
  stuck.Send("RCPT TO:<stuck@d1.test>\r\n");
  idle.Send("NOOP\r\n");
  sink->Stop();
  EXPECT_TRUE(stuck.Closed());
  EXPECT_THAT(idle.Reply(), StartsWith("250"));
  EXPECT_TRUE(idle.Closed());
}

TEST(SinkTest, ConnectionsAreCapped) {
  Sink::Options options;
  options.script = *ReadScript(Provider(""), "s");
  options.connections_max = 1;
  const auto sink = *Sink::Start(std::move(options));
  TestClient first("127.0.3.1", sink->port());
  EXPECT_THAT(first.Reply(), StartsWith("220"));
  EXPECT_TRUE(TestClient("127.0.3.1", sink->port()).Closed());
}

TEST(SinkTest, ATakenPortIsAnError) {
  const auto sink = StartSink(Provider(""));
  for (const int threads : {1, 2}) {
    Sink::Options options;
    options.script = *ReadScript(fmt::format("port = {}\n{}", sink->port(), Provider("")), "s");
    options.threads = threads;
    const absl::StatusOr<std::unique_ptr<Sink>> second = Sink::Start(std::move(options));
    ASSERT_FALSE(second.ok());
    EXPECT_THAT(std::string(second.status().message()), HasSubstr("is taken by another program"));
  }
}

TEST(SinkTest, ProvidersCannotShareAnAddress) {
  Sink::Options options;
  options.script = *ReadScript(Provider("") +
                                   "[[provider]]\nname = \"q\"\ndomains = [\"d2.test\"]\nmx = [{ host = \"mx.q.test\", "
                                   "address = \"127.0.3.1\" }]\n",
                               "s");
  const absl::StatusOr<std::unique_ptr<Sink>> sink = Sink::Start(std::move(options));
  ASSERT_FALSE(sink.ok());
  EXPECT_THAT(std::string(sink.status().message()), HasSubstr("is an address of providers \"p\" and \"q\""));
}

TEST(SinkTest, IPv6IsServed) {
  const auto sink = StartSink(
      "[[provider]]\nname = \"p\"\ndomains = [\"d1.test\"]\nmx = [{ host = \"mx.p.test\", address = \"::1\" }]\n");
  TestClient client("[::1]", sink->port());
  EXPECT_THAT(client.Reply(), StartsWith("220 "));
}

}  // namespace
}  // namespace sealift::tools::sink
