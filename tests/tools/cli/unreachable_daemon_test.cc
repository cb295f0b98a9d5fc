#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "tests/tools/cli/control_socket.h"
#include "tools/sealift/run.h"

namespace sealift::tools {
namespace {

using testing::HasSubstr;

TEST(UnreachableDaemonTest, ADaemonThatDoesNotRunIsExit69WithWhatWhereWhyAndNext) {
  ControlSocket socket;
  const std::string config =
      socket.WriteFile("sealift.toml", "[node]\ndata_dir = \"" + socket.Path("elsewhere") + "\"\n");
  setenv("SEALIFT_CONFIG", config.c_str(), 1);
  for (const std::string& option : {"--config=" + config, std::string("--json")}) {
    std::ostringstream out, err;
    std::istringstream in;
    Console console(out, err, in, {});
    EXPECT_EQ(RunSealift({"campaign", "list", option}, console), 69);
    const std::string said = out.str() + err.str();
    EXPECT_THAT(said, HasSubstr("the daemon is not running"));
    EXPECT_THAT(said, HasSubstr(socket.Path("elsewhere/control.sock")));
    EXPECT_THAT(said, HasSubstr("systemctl start sealiftd"));
  }
  unsetenv("SEALIFT_CONFIG");
}

TEST(UnreachableDaemonTest, TheConfigurationLeadsToTheSocketThoughTheRestOfItIsNotOurs) {
  ControlSocket socket;
  const std::string config =
      socket.WriteFile("sealift.toml", "unknown = 1\n[node]\ndata_dir = \"" +
                                           std::filesystem::path(socket.socket()).parent_path().string() + "\"\n");
  std::ostringstream out, err;
  std::istringstream in;
  Console console(out, err, in, {});
  EXPECT_EQ(RunSealift({"--config", config, "campaign", "list"}, console), 0) << err.str();
}

TEST(UnreachableDaemonTest, TheDataDirectoryMayStandInAnIncludedFile) {
  ControlSocket socket;
  const std::string data_dir = std::filesystem::path(socket.socket()).parent_path().string();
  socket.WriteFile("data.toml", "[node]\ndata_dir = \"" + data_dir + "\"\n");
  const auto list = [&](const std::string& text) {
    std::ostringstream out, err;
    std::istringstream in;
    Console console(out, err, in, {});
    return RunSealift({"--config", socket.WriteFile("sealift.toml", text), "campaign", "list"}, console);
  };
  EXPECT_EQ(list("include = [\"data.toml\"]\n"), 0);
  EXPECT_EQ(list("include = [\"data.toml\"]\nunknown = 1\n"), 0);
  EXPECT_EQ(list("include = [\"data.toml\", \"nowhere.toml\"]\n"), 0) << "it is known all the same";
  socket.WriteFile("data.toml", "[node\n");
  EXPECT_EQ(list("include = [\"data.toml\"]\n"), 78);
}

TEST(UnreachableDaemonTest, AConfigurationThatIsNotThereIsExit66) {
  std::ostringstream out, err;
  std::istringstream in;
  Console console(out, err, in, {});
  EXPECT_EQ(RunSealift({"--config", "/nowhere/sealift.toml", "campaign", "list"}, console), 66);
  EXPECT_THAT(err.str(), HasSubstr("/nowhere/sealift.toml"));
}

}  // namespace
}  // namespace sealift::tools
