#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/tools/cli/control_socket.h"

namespace sealift::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(TopCommandTest, PrintsOneSnapshotWhereNobodyWatches) {
  ControlSocket socket;
  socket.node.metrics =
      "sealift_messages_delivered_total{stream=\"news\",source=\"ip1\",provider=\"google\"} 120\n"
      "sealift_queue_messages{stream=\"news\",state=\"queued\"} 7\n";
  const Ran ran = socket.Run({"top", "--interval", "100ms", "-o", "json"});
  ASSERT_EQ(ran.code, 0) << ran.out << ran.err;
  EXPECT_EQ(ran.Json()["rates"]["delivered"], 0);
  EXPECT_EQ(ran.Json()["queue"]["queued"], 7);
  EXPECT_EQ(ran.Json()["providers"][0]["name"], "google");
  const Ran table = socket.Run({"top", "--once", "--interval", "100ms"});
  EXPECT_EQ(table.code, 0);
  EXPECT_THAT(table.out, HasSubstr("queued 7"));
  EXPECT_THAT(table.out, Not(HasSubstr("\033"))) << "no screen, no colour";
  EXPECT_EQ(socket.Run({"top", "--interval", "1ms"}).code, 64);
  const Ran csv = socket.Run({"top", "--interval", "100ms", "-o", "csv"});
  EXPECT_THAT(csv.out, HasSubstr(",rates.delivered,"));
  EXPECT_THAT(csv.out, Not(HasSubstr("{"))) << "no JSON in a cell";
}

TEST(DoctorCommandTest, LooksAtTheDaemonAlsoWithoutAConfiguration) {
  ControlSocket socket;
  const Ran ran = socket.Run({"--config", socket.Path("absent.toml"), "doctor", "-o", "json"});
  EXPECT_EQ(ran.code, 78);
  const nlohmann::json checks = ran.Json()["checks"];
  const auto state = [&](const std::string& check) {
    const auto found = std::ranges::find_if(checks, [&](const nlohmann::json& each) { return each["check"] == check; });
    return found == checks.end() ? "absent" : (*found)["state"].get<std::string>();
  };
  EXPECT_EQ(state("config"), "failed");
  EXPECT_EQ(state("daemon"), "ok");
  EXPECT_EQ(state("key"), "absent") << "which one it is, nobody says";
  EXPECT_GE(ran.Json()["failed"].get<int>(), 1);
  socket.node.ready = absl::ResourceExhaustedError("the disk is full");
  EXPECT_THAT(socket.Run({"--config", socket.Path("absent.toml"), "doctor"}).out, HasSubstr("the disk is full"));
}

}  // namespace
}  // namespace sealift::tools
