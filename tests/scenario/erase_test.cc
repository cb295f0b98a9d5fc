// A campaign is erased, by hand or when its time has come: its content and its recipients cannot be read by anybody any
// more, while what became of it stays known.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

class EraseTest : public World {
 protected:
  std::string Script() {
    return fmt::format(
        "[[provider]]\nname = \"all\"\ndomains = [\"d{{1..4}}.test\"]\n"
        "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n"
        "[[provider.rule]]\nat = \"rcpt\"\nlocal = \"row3\"\nreply = \"550 5.1.1 No such user\"\n",
        net.Address(10));
  }
  bool Erased(const std::string& name) { return Show(name)["erased"].Text() == "true"; }
};

TEST_F(EraseTest, EraseAfterForgetsWhatIsDoneAndKeepsTheEvidence) {
  const Sink sink(dir, Script(), net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"opportunistic\"\nerase_after = \"1s\""}};
  StartDaemon();
  const std::string people = Recipients(8, Domains(4));
  Load("spring", Template(), people, {"--start"});
  Load("kept", Template(), people, {"--start", "--erase-after", "0s"});
  Load("waiting", Template(), people);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  ASSERT_TRUE(Eventually(kInTime, [this] { return Erased("spring"); }));
  const Json gone = Show("spring");
  EXPECT_EQ(gone["state"].Text(), "done");
  EXPECT_EQ(gone["delivered"].Number(), 7);
  EXPECT_EQ(gone["bounced"].Number(), 1);
  const Answer preview = SealiftPlain({"campaign", "preview", "spring", "--row", "3"});
  EXPECT_NE(preview.exit_code, 0) << "its template and rows are still read: " << preview.Describe();
  EXPECT_EQ(Events("spring").size(), 9u) << "its rows, and that it was erased";
  EXPECT_EQ(
      Sealift({"campaign", "load", "spring", "--stream", "news", "--template", Template(), "--recipients", people})
          .exit_code,
      73)
      << "everybody would be mailed twice";
  EXPECT_FALSE(Erased("kept"));
  EXPECT_EQ(Sealift({"key", "show"}).json["campaign_keys"].Number(), 2) << "those of the other two";
  EXPECT_FALSE(Erased("waiting")) << "it is not done: it was never sent";
  StopDaemon();
  StartDaemon();
  EXPECT_TRUE(Erased("spring"));
  EXPECT_EQ(Events("spring").size(), 9u);
  StopDaemon();
}

TEST_F(EraseTest, ACancelledCampaignIsErasedByHandAndItsAuditStays) {
  StartDaemon();
  Load("spring", Template(), Recipients(8, Domains(4)));
  EXPECT_EQ(Sealift({"campaign", "cancel", "spring", "--erase", "--yes", "--reason", "asked to"}).exit_code, 0);
  EXPECT_TRUE(Erased("spring"));
  EXPECT_EQ(Show("spring")["state"].Text(), "cancelled");
  EXPECT_EQ(Show("spring")["cancelled"].Number(), 8);
  EXPECT_EQ(Sealift({"key", "show"}).json["campaign_keys"].Number(), 0);
  const Answer audit = SealiftPlain({"audit", "export"});
  EXPECT_THAT(audit.out, HasSubstr("campaign cancel --erase"));
  EXPECT_THAT(audit.out, HasSubstr("campaign load"));
  EXPECT_EQ(Sealift({"audit", "verify"}).exit_code, 0);
  StopDaemon();
}

// A node that is restarted every day, or every quarter of an hour, applies it too.
TEST_F(EraseTest, SettledRowsThatAreTooOldGoSoonAfterAStart) {
  settings.tables = "[retention]\nsettled_rows = \"1s\"\n";
  StartDaemon();
  Load("spring", Template(), Recipients(8, Domains(4)));
  EXPECT_EQ(Sealift({"campaign", "cancel", "spring", "--yes"}).exit_code, 0);
  const auto kept = [this] {
    const Answer replay = Sealift(
        {"queue", "replay", "--campaign", "spring", "--outcome", "cancelled", "--reason", "how many?", "--dry-run"});
    EXPECT_EQ(replay.exit_code, 0) << replay.Describe();
    return replay.json["queued"].Number();
  };
  EXPECT_EQ(kept(), 8);
  EXPECT_TRUE(Eventually(std::chrono::minutes(3), [&] { return kept() == 0; }));
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
