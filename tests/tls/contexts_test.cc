#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tls/pair.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

namespace sealift::tls {
namespace {

using testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(ClientContextTest, VersionsBelowTheFloorAreRefused) {
  for (const char* version : {"1.0", "1.1"}) {
    const auto context = ClientContext::Create({.min_version = version});
    EXPECT_EQ(context.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Message(context.status()), HasSubstr("no longer to be spoken"));
  }
  EXPECT_THAT(Message(ClientContext::Create({.min_version = "TLSv1.2"}).status()),
              HasSubstr("'TLSv1.2' is no version"));
}

TEST(ClientContextTest, AMissingFileOfRootsIsNamed) {
  const auto context = ClientContext::Create({.ca_file = "/nonexistent/roots.pem"});
  EXPECT_EQ(context.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(context.status()), HasSubstr("/nonexistent/roots.pem"));
}

TEST(ClientContextTest, AFileWithoutCertificatesIsRefused) {
  const TempFile file("these are not the roots\n");
  const auto context = ClientContext::Create({.ca_file = file.path()});
  EXPECT_EQ(context.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(context.status()), HasSubstr(file.path()));
}

TEST(ClientContextTest, RootsAreNamedByContentAndFloor) {
  const TempFile one(ServerCertificate().certificate);
  const TempFile same(ServerCertificate().certificate);
  const TempFile other(SelfSigned::Make({.names = {"other.test"}})->certificate);
  EXPECT_EQ(MakeClient(one.path())->roots(), MakeClient(same.path())->roots());
  EXPECT_NE(MakeClient(one.path())->roots(), MakeClient(other.path())->roots());
  EXPECT_NE(MakeClient(one.path())->roots(), MakeClient(one.path(), "1.3")->roots());
  EXPECT_NE(MakeClient(one.path())->roots(), MakeClient()->roots());
}

TEST(ServerContextTest, ACertificateAndKeyThatDoNotBelongTogetherAreRefused) {
  const SelfSigned other = *SelfSigned::Make({.names = {"other.test"}});
  const auto context = ServerContext::Create({.certificate = ServerCertificate().certificate, .key = other.key});
  EXPECT_EQ(context.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(context.status()), HasSubstr("key"));
}

TEST(ServerContextTest, TextThatIsNoCertificateIsRefused) {
  const auto context = ServerContext::Create({.certificate = "none", .key = ServerCertificate().key});
  EXPECT_EQ(context.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(context.status()), HasSubstr("certificate"));
}

TEST(SelfSignedTest, NamesThatAreNoneAreRefused) {
  EXPECT_FALSE(SelfSigned::Make({.names = {}}).ok());
  EXPECT_FALSE(SelfSigned::Make({.names = {""}}).ok());
  EXPECT_FALSE(SelfSigned::Make({.names = {"a.test,IP:127.0.0.1"}}).ok());
}

}  // namespace
}  // namespace sealift::tls
