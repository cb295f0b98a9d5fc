// The configuration is read again while mail flows: a better one is adopted whole, a bad one changes nothing.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <csignal>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

class ReloadTest : public World {
 protected:
  std::string Script() const {
    return fmt::format(
        "[[provider]]\nname = \"all\"\ndomains = [\"d{{1..10}}.test\"]\n"
        "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
        net.Address(10));
  }
};

TEST_F(ReloadTest, AHigherRateIsAdoptedWhileMailFlows) {
  const Sink sink(dir, Script(), net.Address(2, 5353));
  settings.source = "rate = \"20/s\"";  // a hundred seconds for what follows
  StartDaemon();
  Load("spring", Template(), Recipients(2000, Domains(10)), {"--start"});
  ASSERT_TRUE(Eventually(kInTime, [&] { return sink.arrivals() >= 10; }));
  EXPECT_LT(sink.arrivals(), 1000u);
  settings.source = "rate = \"2000/s\"";
  WriteConfig();
  const Answer reload = Sealift({"reload"});
  ASSERT_EQ(reload.exit_code, 0) << reload.Describe();
  EXPECT_THAT(reload.out, HasSubstr("rate"));
  EXPECT_TRUE(ShowsUntil("spring", kSoon, [](const Json& now) { return now["delivered"].Number() == 2000; }));
  EXPECT_EQ(sink.arrivals(), 2000u);
  StopDaemon();
}

TEST_F(ReloadTest, ABadFileChangesNothingAndSaysWhy) {
  StartDaemon();
  settings.source = "rate = \"fast\"";
  WriteConfig();
  const Answer reload = Sealift({"reload"});
  EXPECT_EQ(reload.exit_code, 78) << reload.Describe();
  EXPECT_THAT(reload.out + reload.err, HasSubstr("sealift.toml:"));
  daemon->Signal(SIGHUP);
  EXPECT_TRUE(Eventually(kSoon, [this] { return daemon->Err().find("fast") != std::string::npos; })) << daemon->Err();
  EXPECT_EQ(SealiftPlain({"--socket", settings.data_dir + "/control.sock", "campaign", "list"}).exit_code, 0);
  settings.source = "";
  WriteConfig();
  StopDaemon();
}

TEST_F(ReloadTest, TheLogsLevelIsAdoptedWhoeverAsks) {
  settings.tables = "[log]\nlevel = \"warning\"\n";
  StartDaemon();
  settings.tables = "[log]\nlevel = \"info\"\n";
  WriteConfig();
  EXPECT_EQ(Sealift({"reload"}).exit_code, 0);
  StopDaemon();
  EXPECT_THAT(daemon->Err(), HasSubstr("finishing what is in flight"));
}

// A stop that has begun has nothing to reload, and goes on.
TEST_F(ReloadTest, AReloadDuringAStopChangesNothing) {
  const Sink sink(dir, Script() + "[[provider.rule]]\nat = \"body\"\npause = \"1h\"\n", net.Address(2, 5353));
  settings.node += "\ndrain = \"5s\"\n";
  StartDaemon();
  Load("spring", Template(), Recipients(1, Domains(1)), {"--start"});
  ASSERT_TRUE(Eventually(kSoon, [&] { return Metric("sealift_smtp_connections{source=\"ip1\"}") == 1; }));
  daemon->Signal(SIGTERM);
  ASSERT_TRUE(Eventually(kSoon, [this] { return daemon->Err().find("finishing what is") != std::string::npos; }));
  daemon->Signal(SIGHUP);
  EXPECT_EQ(daemon->WaitFor(kSoon).value_or(-1), 0) << daemon->Err();
}

TEST_F(ReloadTest, AWeakerTlsPolicyTakesAReason) {
  settings.streams = {{"news", "tls = \"require\""}};
  StartDaemon();
  settings.streams = {{"news", "tls = \"opportunistic\""}};
  WriteConfig();
  const Answer refused = Sealift({"reload"});
  EXPECT_NE(refused.exit_code, 0) << refused.Describe();
  EXPECT_THAT(refused.out + refused.err, HasSubstr("allow-weaker"));
  const Answer reload = Sealift({"reload", "--allow-weaker", "--reason", "a partner without TLS"});
  EXPECT_EQ(reload.exit_code, 0) << reload.Describe();
  const Answer audit = Sealift({"audit", "tail"});
  EXPECT_THAT(audit.out, HasSubstr("a partner without TLS"));
  EXPECT_EQ(Sealift({"audit", "verify"}).exit_code, 0);
  StopDaemon();
}

TEST_F(ReloadTest, WhatTakesARestartSaysSo) {
  StartDaemon();
  settings.delivery = "sink";
  WriteConfig();
  const Answer reload = Sealift({"reload"});
  EXPECT_NE(reload.exit_code, 0) << reload.Describe();
  EXPECT_THAT(reload.out + reload.err, HasSubstr("Restart sealiftd"));
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
