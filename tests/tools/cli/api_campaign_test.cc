#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/cli/control_socket.h"

namespace sealift::tools {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(CampaignCommandsTest, ShowSaysEveryCounterOfTheContract) {
  ControlSocket socket;
  const nlohmann::json shown = socket.Run({"campaign", "show", "spring", "-o", "json"}).Json();
  for (const char* member : {"loaded", "delivered", "deferred", "bounced", "expired", "suppressed", "cancelled",
                             "queued", "held", "state"}) {
    EXPECT_TRUE(shown.contains(member)) << member;
  }
  EXPECT_EQ(shown["queued"], 36);
  EXPECT_EQ(shown["held"], 2);
}

TEST(CampaignCommandsTest, ShowAndListSayWhenACampaignStartsByItself) {
  ControlSocket socket;
  EXPECT_FALSE(socket.Run({"campaign", "show", "spring", "-o", "json"}).Json().contains("start_at"));
  socket.node.spring.start_at = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_EQ(socket.Run({"campaign", "show", "spring", "-o", "json"}).Json()["start_at"], "2027-01-15T08:00:00.000Z");
  EXPECT_THAT(socket.Run({"campaign", "show", "spring"}).out, HasSubstr("starts by itself at"));
  EXPECT_EQ(socket.Run({"campaign", "list", "-o", "json"}).Json()["campaigns"][0]["start_at"],
            "2027-01-15T08:00:00.000Z");
}

TEST(CampaignCommandsTest, ACampaignOfSinkModeSaysSoInEverySummary) {
  ControlSocket socket;
  const std::string notice = "SINK: nothing leaves this machine";
  for (const auto& words : std::vector<std::vector<std::string>>{{"campaign", "show", "spring"},
                                                                 {"campaign", "list"},
                                                                 {"campaign", "pause", "spring"},
                                                                 {"campaign", "watch", "spring", "--once"}}) {
    EXPECT_THAT(socket.Run(words).out, HasSubstr(notice)) << words[1];
    std::vector<std::string> json = words;
    json.push_back("--json");
    EXPECT_THAT(socket.Run(json).out, HasSubstr(notice)) << words[1];
  }
}

TEST(CampaignCommandsTest, ACampaignThatIsNotThereIsExit66WithTheDaemonsReason) {
  ControlSocket socket;
  const Ran ran = socket.Run({"campaign", "show", "autumn"});
  EXPECT_EQ(ran.code, 66);
  EXPECT_THAT(ran.err, HasSubstr("There is no campaign autumn"));
  const nlohmann::json error = socket.Run({"campaign", "show", "autumn", "-o", "json"}).Json();
  EXPECT_EQ(error["error"]["exit_code"], 66);
}

TEST(CampaignCommandsTest, ANameWithASlashIsANameThatIsNotThereAndNoOtherRoute) {
  ControlSocket socket;
  for (const std::vector<std::string>& words : {std::vector<std::string>{"campaign", "show", "spring/report"},
                                                {"campaign", "start", "spring/pause?x=1"},
                                                {"campaign", "pause", "../spring"},
                                                {"queue", "job", "j1/cancel"},
                                                {"source", "show", "ip1/warmup"}}) {
    EXPECT_EQ(socket.Run(words).code, 66) << words[2];
  }
  EXPECT_THAT(socket.node.calls(), testing::ElementsAre("start spring%2Fpause?x=1", "pause ..%2Fspring"));
}

TEST(CampaignCommandsTest, StartResumeAndPauseReachTheNode) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"campaign", "start", "spring"}).code, 0);
  EXPECT_EQ(socket.Run({"campaign", "pause", "spring"}).code, 0);
  EXPECT_EQ(socket.Run({"campaign", "resume", "spring"}).code, 0);
  EXPECT_THAT(socket.node.calls(), testing::ElementsAre("start spring", "pause spring", "resume spring"));
}

TEST(CampaignCommandsTest, ShowSaysThatACampaignIsErased) {
  ControlSocket socket;
  EXPECT_THAT(socket.Run({"campaign", "show", "spring"}).out, Not(HasSubstr("erased")));
  socket.node.spring.campaign.erased = true;
  EXPECT_THAT(socket.Run({"campaign", "show", "spring"}).out, HasSubstr("erased"));
}

TEST(CampaignCommandsTest, WhoPausedACampaignAndWhyIsShown) {
  ControlSocket socket;
  EXPECT_FALSE(socket.Run({"campaign", "show", "spring", "-o", "json"}).Json().contains("paused"));
  const nlohmann::json paused =
      socket.Run({"campaign", "pause", "spring", "--reason", "wrong link", "-o", "json"}).Json();
  EXPECT_EQ(paused["paused_why"], "wrong link");
  EXPECT_NE(paused["paused_by"], "");
  EXPECT_TRUE(paused.contains("paused_at"));
  EXPECT_THAT(socket.Run({"campaign", "show", "spring"}).out, HasSubstr(": wrong link"));
  EXPECT_THAT(socket.Run({"campaign", "list"}).out, HasSubstr("spring was paused by "));
  EXPECT_THAT(socket.Run({"campaign", "watch", "spring", "--once"}).out, HasSubstr("paused by "));
  socket.node.spring.pause = engine::PauseCause{.by = std::string(engine::PauseCause::kBreaker), .reason = "6 of 100"};
  EXPECT_THAT(socket.Run({"campaign", "list"}).out, HasSubstr("spring was paused by the circuit breaker: 6 of 100"));
  const nlohmann::json resumed =
      socket.Run({"campaign", "resume", "spring", "--reason", "link corrected", "-o", "json"}).Json();
  ASSERT_EQ(resumed["pauses"].size(), 2u);
  EXPECT_EQ(resumed["pauses"][0]["what"], "paused");
  EXPECT_EQ(resumed["pauses"][1]["what"], "resumed");
  EXPECT_EQ(resumed["pauses"][1]["reason"], "link corrected");
  EXPECT_THAT(socket.Run({"campaign", "show", "spring"}).out, HasSubstr(": link corrected"));
}

TEST(CampaignCommandsTest, CancelWithoutATerminalNeedsYes) {
  ControlSocket socket;
  const Ran ran = socket.Run({"campaign", "cancel", "spring"});
  EXPECT_EQ(ran.code, 64);
  EXPECT_THAT(ran.err, HasSubstr("--yes"));
  EXPECT_THAT(ran.err, HasSubstr("36 queued rows"));
  EXPECT_THAT(socket.node.calls(), IsEmpty());
}

TEST(CampaignCommandsTest, CancelAsksOnATerminalAndTakesNoForAnAnswer) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"campaign", "cancel", "spring"}, "n\n", true).code, 130);
  EXPECT_THAT(socket.node.calls(), IsEmpty());
  EXPECT_EQ(socket.Run({"campaign", "cancel", "spring"}, "y\n", true).code, 0);
  EXPECT_THAT(socket.node.calls(), Contains("cancel spring false"));
}

TEST(CampaignCommandsTest, ADryRunOfCancelCountsAndChangesNothing) {
  ControlSocket socket;
  const Ran ran = socket.Run({"campaign", "cancel", "spring", "--dry-run", "--json"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.Json()["would_cancel"], 36);
  EXPECT_THAT(socket.node.calls(), IsEmpty());
  EXPECT_THAT(socket.AuditEntries(), IsEmpty());
}

TEST(CampaignCommandsTest, CancelEraseIsSaidToTheNode) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"campaign", "cancel", "spring", "--erase", "--yes"}).code, 0);
  EXPECT_THAT(socket.node.calls(), Contains("cancel spring true"));
}

TEST(CampaignCommandsTest, PreviewPrintsTheBytesAndNothingElse) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"campaign", "preview", "spring", "--row", "12"}).out,
            "To: jane.doe@d1.test\r\n\r\nDear Jane\r\n");
  EXPECT_THAT(socket.node.calls(), Contains("preview spring 12"));
}

TEST(CampaignCommandsTest, APreviewOfBytesThatAreNoTextIsExactAndSaysWhatTheyNeed) {
  ControlSocket socket;
  socket.node.preview = std::string("To: j@d1.test\r\n\r\ncaf\xE9 \xFF\0\r\n", 26);
  const Ran latin = socket.Run({"campaign", "preview", "spring"});
  EXPECT_EQ(latin.out, socket.node.preview);
  EXPECT_THAT(latin.err, AllOf(HasSubstr("8BITMIME"), HasSubstr("5.6.3")));
  socket.node.preview = "Subject: J\xC3\xA4ne\r\n\r\nplain\r\n";
  const Ran utf8 = socket.Run({"campaign", "preview", "spring"});
  EXPECT_EQ(utf8.out, socket.node.preview);
  EXPECT_THAT(utf8.err, AllOf(HasSubstr("SMTPUTF8"), HasSubstr("5.6.7")));
  socket.node.preview = "Subject: Jane\r\n\r\nplain\r\n";
  EXPECT_EQ(socket.Run({"campaign", "preview", "spring"}).err, "");
}

TEST(CampaignCommandsTest, WatchEndsWhenTheCampaignIsDone) {
  ControlSocket socket;
  socket.node.spring.state = "done";
  socket.node.spring.campaign.counters.delivered = 96;
  const Ran ran = socket.Run({"campaign", "watch", "spring"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("96 of 100 delivered (96%)"));
  EXPECT_THAT(ran.out, HasSubstr("all settled"));
}

TEST(CampaignCommandsTest, ANameIsOneNameWhateverIsInIt) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"campaign", "pause", "a ?b&c=%41"}).code, 66);
  EXPECT_THAT(socket.node.calls(), Contains("pause a ?b&c=%41"));
}

TEST(NodeCommandsTest, ReloadSaysWhatChanged) {
  ControlSocket socket;
  EXPECT_THAT(socket.Run({"reload"}).out, HasSubstr("source[ip1].rate"));
  EXPECT_THAT(socket.node.calls(), Contains("reload false"));
}

TEST(NodeCommandsTest, AWeakerPolicyNeedsAReason) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"reload", "--allow-weaker"}).code, 64);
  EXPECT_THAT(socket.node.calls(), IsEmpty());
  EXPECT_EQ(socket.Run({"reload", "--allow-weaker", "--reason", "their certificate expired"}).code, 0);
  EXPECT_THAT(socket.node.calls(), Contains("reload true"));
}

TEST(NodeCommandsTest, VersionSaysBothVersionsAndWhyADaemonIsNotReady) {
  ControlSocket socket;
  socket.node.ready = absl::UnavailableError("the disk is full");
  const Ran ran = socket.Run({"version"});
  EXPECT_THAT(ran.out, HasSubstr("sealiftd 1.2.3"));
  EXPECT_THAT(ran.out, HasSubstr("the disk is full"));
}

TEST(NodeCommandsTest, WhatWouldWaitForRoomIsRefusedAndWhoOnlyAsksIsAnswered) {
  ControlSocket socket;
  socket.node.admits_change = absl::ResourceExhaustedError("its file system is full");
  for (const std::vector<std::string>& changes : {std::vector<std::string>{"campaign", "pause", "spring"},
                                                  {"campaign", "cancel", "spring", "--erase", "--yes"},
                                                  {"queue", "hold", "--domain", "d1.test", "--reason", "asked for"},
                                                  {"queue", "retry", "--everything", "--reason", "asked for"},
                                                  {"suppression", "add", "a@d1.test", "--reason", "asked for"}}) {
    const Ran ran = socket.Run(changes);
    EXPECT_EQ(ran.code, 75) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("its file system is full"));
  }
  EXPECT_THAT(socket.node.calls(), IsEmpty());
  EXPECT_EQ(socket.Run({"campaign", "show", "spring"}).code, 0);
  EXPECT_EQ(socket.Run({"suppression", "check", "a@d1.test"}).code, 0);
}

TEST(NodeCommandsTest, TheEffectiveConfigurationComesFromTheDaemon) {
  ControlSocket socket;
  const Ran ran = socket.Run({"config", "show", "--effective"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("data_dir"));
  EXPECT_THAT(ran.out, Not(HasSubstr("\\n")));
}

}  // namespace
}  // namespace sealift::tools
