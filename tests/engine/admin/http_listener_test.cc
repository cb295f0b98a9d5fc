#include "engine/admin/http_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/engine/admin/raw_client.h"

namespace sealift::engine {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class HttpListenerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto listener = HttpListener::Listen("127.0.0.1:0", "MTA1.sender.test");
    ASSERT_TRUE(listener.ok()) << std::string(listener.status().message());
    listener_ = std::move(*listener);
    listener_->Serve({.metrics = [] { return "sealift_x 1\n"; }, .ready = [this] { return ready_; }});
  }

  std::string Ask(const std::string& request) {
    RawClient client = RawClient::ToPort(listener_->port());
    client.Send(request);
    return client.ReadAll();
  }
  std::string Get(const std::string& path, const std::string& host = "localhost") {
    return Ask("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n");
  }

  absl::Status ready_;
  std::unique_ptr<HttpListener> listener_;
};

TEST_F(HttpListenerTest, ServesItsThreePages) {
  EXPECT_THAT(Get("/metrics"),
              testing::AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("version=0.0.4"), HasSubstr("sealift_x 1\n")));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpListenerTest, NotReadySaysWhy) {
  ready_ = absl::UnavailableError("the disk is full: free some space");
  EXPECT_THAT(Get("/readyz"), testing::AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("the disk is full")));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpListenerTest, NothingElseIsThere) {
  for (const char* path : {"/", "/api/v1/campaigns", "/metrics/", "/metrics2", "/../etc/passwd", "//metrics"}) {
    EXPECT_THAT(Get(path), StartsWith("HTTP/1.1 404")) << path;
  }
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"}) {
    EXPECT_THAT(Ask(std::string(method) + " /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"),
                StartsWith("HTTP/1.1 405"))
        << method;
  }
}

TEST_F(HttpListenerTest, ForeignHostsAreRefused) {
  const std::string port = std::to_string(listener_->port());
  for (const std::string& host :
       std::vector<std::string>{"localhost", "127.0.0.1", "127.0.0.1:" + port, "[::1]:" + port, "LOCALHOST:" + port,
                                "127.1.2.3", "mta1.sender.test:" + port, "Mta1.Sender.test"}) {
    EXPECT_THAT(Get("/metrics", host), StartsWith("HTTP/1.1 200")) << host;
  }
  for (const std::string& host :
       std::vector<std::string>{"evil.example", "localhost.evil.example", "sender.test", "127.0.0.1.evil.example",
                                "192.0.2.1", "", "localhost:1", "[::1", "evil.example:" + port}) {
    EXPECT_THAT(Get("/metrics", host), StartsWith("HTTP/1.1 421")) << host;
  }
  EXPECT_THAT(Ask("GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n"), StartsWith("HTTP/1.1 421"));
  EXPECT_THAT(Ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"),
              StartsWith("HTTP/1.1 421"));
}

TEST_F(HttpListenerTest, ABodyIsNotReadAndClosesTheConnection) {
  const std::string answer =
      Ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60\r\n\r\nGET /metrics HTTP/1.1\r\nHost: "
          "localhost\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(answer.find("HTTP/1.1", 5), std::string::npos) << "the body was taken for a request";
}

// Each would be a copy of the page.
TEST_F(HttpListenerTest, RangesAreNotAnswered) {
  std::string many = "bytes=0-";
  while (many.size() < 8000) many += ",0-";
  for (const std::string& header : std::vector<std::string>{"Range: bytes=0-1", "rAngE:" + many}) {
    const std::string answer =
        Ask("GET /metrics HTTP/1.1\r\n" + header + "\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(answer, testing::AllOf(StartsWith("HTTP/1.1 200"), testing::EndsWith("\r\n\r\nsealift_x 1\n")));
  }
}

TEST_F(HttpListenerTest, AHeadWithoutEndIsCut) {
  RawClient client = RawClient::ToPort(listener_->port());
  client.Send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n");
  bool taken = true;
  for (int i = 0; taken && i < 100'000; ++i) taken = client.Send("X-Filler: " + std::string(1000, 'x') + "\r\n");
  EXPECT_FALSE(taken) << "a hundred megabytes of headers were read";
}

TEST_F(HttpListenerTest, OneConnectionCarriesManyRequests) {
  RawClient client = RawClient::ToPort(listener_->port());
  for (int i = 0; i < 3; ++i) client.Send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client.Send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::string all = client.ReadAll();
  EXPECT_THAT(all, HasSubstr("sealift_x 1\n"));
  size_t answers = 0;
  for (size_t at = all.find("HTTP/1.1 200"); at != std::string::npos; at = all.find("HTTP/1.1 200", at + 1)) ++answers;
  EXPECT_EQ(answers, 4u);
}

TEST_F(HttpListenerTest, SilentConnectionsDoNotKeepOthersOut) {
  std::vector<RawClient> silent;
  for (int i = 0; i < 15; ++i) silent.push_back(RawClient::ToPort(listener_->port()));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpListenerTest, HoweverManyAreSilentOthersAreAnswered) {
  std::vector<RawClient> silent;
  for (int i = 0; i < 100; ++i) {
    silent.push_back(RawClient::ToPort(listener_->port()));
    if (i % 2 == 0) silent.back().Send("GET /met");
  }
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_TRUE(silent.front().WaitClosed()) << "who was silent longest gives way";
}

TEST_F(HttpListenerTest, StoppingEndsIdleConnections) {
  RawClient client = RawClient::ToPort(listener_->port());
  client.Send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  client.ReadUntil("ok\n");
  listener_.reset();
  EXPECT_TRUE(client.WaitClosed());
}

TEST_F(HttpListenerTest, APortInUseSaysWhatToDo) {
  const auto second = HttpListener::Listen("127.0.0.1:" + std::to_string(listener_->port()), "");
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another program has that port; choose another"));
  EXPECT_FALSE(HttpListener::Listen("localhost", "").ok());
  EXPECT_THAT(std::string(HttpListener::Listen("192.0.2.1:0", "").status().message()),
              HasSubstr("does not have that address"));
}

}  // namespace
}  // namespace sealift::engine
