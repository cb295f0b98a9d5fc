// Against a real HTTPS server on loopback.
#include "engine/https_fetcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <optional>

#include "engine/runtime/check.h"
#include "engine/runtime/endpoint.h"
#include "tests/engine/core/temporary_folder.h"
#include "tls/self_signed.h"

namespace sealift::engine {
namespace {

class HttpsFetcherTest : public ::testing::Test {
 public:
  ~HttpsFetcherTest() override {
    server_->stop();
    thread_.join();
  }

 protected:
  HttpsFetcherTest() {
    const absl::StatusOr<tls::SelfSigned> made = tls::SelfSigned::Make({.names = {"reports.test"}});
    CHECK(made.ok(), "a certificate can be made");
    std::ofstream(Path("certificate")) << made->certificate;
    std::ofstream(Path("key")) << made->key;
    server_.emplace(Path("certificate").c_str(), Path("key").c_str());
    server_->Get("/policy", [](const httplib::Request&, httplib::Response& response) {
      response.set_content("version: STSv1\n", "text/plain");
    });
    server_->Get("/moved",
                 [](const httplib::Request&, httplib::Response& response) { response.set_redirect("/policy"); });
    server_->Get("/long", [](const httplib::Request&, httplib::Response& response) {
      response.set_content(std::string(100'000, 'x'), "text/plain");
    });
    server_->Post("/tls", [this](const httplib::Request& request, httplib::Response& response) {
      posted_ = request.body;
      posted_type_ = request.get_header_value("Content-Type");
      response.status = 201;
    });
    port_ = server_->bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_->listen_after_bind(); });
  }
  std::string Path(const std::string& name) const { return folder_.path() + "/" + name; }

  absl::StatusOr<WebDocument> Fetch(WebRequest request, const std::string& roots = "certificate") {
    HttpsFetcher::Options options = Patient();
    options.ca_file = Path(roots);
    options.fips = fips_;
    HttpsFetcher fetcher(options);
    return Fetch(fetcher, std::move(request));
  }
  HttpsFetcher::Options Patient() const {
    return {.ca_file = Path("certificate"), .limit = absl::Minutes(2), .connect_limit = absl::Minutes(2)};
  }
  absl::StatusOr<WebDocument> Fetch(HttpsFetcher& fetcher, WebRequest request) const {
    if (request.host.empty()) request.host = "reports.test";
    request.port = port_;
    request.addresses = {*dns::Address::Parse("127.0.0.1")};
    std::promise<absl::StatusOr<WebDocument>> answered;
    fetcher.Fetch(std::move(request),
                  [&answered](absl::StatusOr<WebDocument> answer) { answered.set_value(std::move(answer)); });
    return answered.get_future().get();
  }

  TemporaryFolder folder_;
  std::optional<httplib::SSLServer> server_;
  int port_ = 0;
  std::thread thread_;
  std::string posted_, posted_type_;
  bool fips_ = false;
};

TEST_F(HttpsFetcherTest, FetchesADocumentOfWhoTheCertificateNames) {
  const auto document = Fetch({.path = "/policy"});
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ(document->status, 200);
  EXPECT_EQ(document->content_type, "text/plain");
  EXPECT_EQ(document->body, "version: STSv1\n");
  EXPECT_TRUE(absl::IsUnauthenticated(Fetch({.host = "other.test", .path = "/policy"}).status()));
}

TEST_F(HttpsFetcherTest, ACertificateThatNobodyVouchesForIsNotAccepted) {
  std::ofstream(Path("others")) << tls::SelfSigned::Make({.names = {"reports.test"}})->certificate;
  EXPECT_TRUE(absl::IsUnauthenticated(Fetch({.path = "/policy"}, "others").status()));
}

TEST_F(HttpsFetcherTest, NeitherRedirectsNorLongDocumentsAreFollowed) {
  EXPECT_EQ(Fetch({.path = "/moved"})->status, 302);
  EXPECT_TRUE(absl::IsResourceExhausted(Fetch({.path = "/long"}).status()));
}

TEST_F(HttpsFetcherTest, PostsWhatItIsGivenByteForByte) {
  const std::string body("\x1f\x8b\0binary\0\xff", 11);
  const auto answer = Fetch({.path = "/tls", .post = body, .post_type = "application/tlsrpt+gzip"});
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(posted_, body);
  EXPECT_EQ(posted_type_, "application/tlsrpt+gzip");
}

// A socket that takes connections, and nobody says anything.
class SilentServer {
 public:
  SilentServer() {
    const Endpoint endpoint = *Endpoint::Parse("127.0.0.2:0");
    socklen_t size = sizeof(address_);
    CHECK(bind(fd_, reinterpret_cast<const sockaddr*>(&endpoint.addr), endpoint.size) == 0, "a port is free");
    CHECK(listen(fd_, 64) == 0 && getsockname(fd_, reinterpret_cast<sockaddr*>(&address_), &size) == 0, "it listens");
  }
  ~SilentServer() { close(fd_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;

  void Ask(HttpsFetcher& fetcher, int times) const {
    for (int i = 0; i < times; ++i) {
      fetcher.Fetch({.host = "silent.test",
                     .port = ntohs(address_.sin_port),
                     .path = "/",
                     .addresses = {*dns::Address::Parse("127.0.0.2")}},
                    [](const absl::StatusOr<WebDocument>&) {});
    }
  }

 private:
  const int fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address_ = {};
};

TEST_F(HttpsFetcherTest, AServerThatSaysNothingKeepsNoOthersWaiting) {
  const SilentServer silent;
  HttpsFetcher::Options options = Patient();
  options.at_once = 4;
  options.at_once_an_address = 3;
  HttpsFetcher fetcher(options);
  silent.Ask(fetcher, 8);
  EXPECT_TRUE(Fetch(fetcher, {.path = "/policy"}).ok());
}

TEST_F(HttpsFetcherTest, WhatIsUrgentGoesBeforeWhatWaits) {
  const SilentServer silent;
  HttpsFetcher::Options options = Patient();
  options.at_once = 4;
  options.at_once_an_address = 4;
  HttpsFetcher fetcher(options);
  silent.Ask(fetcher, 8);
  EXPECT_TRUE(Fetch(fetcher, {.path = "/policy", .urgent = true}).ok());
}

TEST_F(HttpsFetcherTest, WhatBecomesUrgentGoesBeforeWhatWaits) {
  const SilentServer silent;
  HttpsFetcher::Options options = Patient();
  options.at_once = 4;
  options.at_once_an_address = 4;
  HttpsFetcher fetcher(options);
  silent.Ask(fetcher, 8);
  std::promise<bool> answered;
  fetcher.Fetch(
      {.host = "reports.test", .port = port_, .path = "/policy", .addresses = {*dns::Address::Parse("127.0.0.1")}},
      [&](const absl::StatusOr<WebDocument>& answer) { answered.set_value(answer.ok()); });
  fetcher.Urge("reports.test");
  EXPECT_TRUE(answered.get_future().get());
}

// RFC 7905's suite is sound, and none of NIST's.
TEST_F(HttpsFetcherTest, WithFipsAServerOfOtherAlgorithmsIsNotAsked) {
  ASSERT_EQ(SSL_CTX_set_ciphersuites(server_->ssl_context(), "TLS_CHACHA20_POLY1305_SHA256"), 1);
  EXPECT_TRUE(Fetch({.path = "/policy"}).ok());
  fips_ = true;
  EXPECT_TRUE(absl::IsUnavailable(Fetch({.path = "/policy"}).status()));
  ASSERT_EQ(SSL_CTX_set_ciphersuites(server_->ssl_context(), "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"), 1);
  EXPECT_TRUE(Fetch({.path = "/policy"}).ok());
}

}  // namespace
}  // namespace sealift::engine
