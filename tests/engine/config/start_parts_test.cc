#include "engine/start_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "engine/exit_code.h"

namespace sealift::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class StartPartsTest : public testing::Test {
 protected:
  StartPartsTest() {
    options_.delivery = Delivery::kLive;
    options_.sources = {SourceOptions{.name = "ip1", .address = "127.0.0.1", .family = AF_INET},
                        SourceOptions{.name = "ip2", .address = "203.0.113.10", .family = AF_INET}};
    options_.pools = {PoolOptions{.name = "main", .sources = {"ip1", "ip2"}, .source_indexes = {0, 1}}};
  }
  std::string Refusal() const {
    const absl::Status status = StartParts::Of(options_).status();
    EXPECT_EQ(ExitCodeOf(status), ExitCode::kConfig) << status;
    return std::string(status.message());
  }

  Options options_;
};

TEST_F(StartPartsTest, APoolIsThoseOfItsSourcesThatThisMachineHas) {
  const absl::StatusOr<StartParts> parts = StartParts::Of(options_);
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_THAT(parts->unavailable, ElementsAre("ip2"));
  EXPECT_THAT(parts->options->pools[0].source_indexes, ElementsAre(0));
  options_.pools[0].source_indexes = {1};
  EXPECT_THAT(Refusal(), HasSubstr("pool 'main' has no source whose address this machine has"));
  options_.delivery = Delivery::kSink;
  const absl::StatusOr<StartParts> of_sink = StartParts::Of(options_);
  ASSERT_TRUE(of_sink.ok()) << of_sink.status();
  EXPECT_THAT(of_sink->unavailable, IsEmpty());
  EXPECT_THAT(of_sink->options->pools[0].source_indexes, ElementsAre(1));
}

TEST_F(StartPartsTest, FilesThatAreNamedAreThere) {
  options_.tls.ca_file = "/nonexistent/roots.pem";
  EXPECT_THAT(Refusal(), HasSubstr("/nonexistent/roots.pem"));
  options_.tls.ca_file = "";
  options_.dkim = {DkimOptions{.domain = "sender.test", .selector = "s1", .key_file = "/nonexistent/key"}};
  EXPECT_THAT(Refusal(), HasSubstr("/nonexistent/key"));
}

}  // namespace
}  // namespace sealift::engine
