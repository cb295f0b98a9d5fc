#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/exit_code.h"
#include "tests/tools/cli/control_socket.h"

namespace sealift::tools {
namespace {

using engine::Fate;
using engine::Severity;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

TEST(PreflightCommandTest, ExitsByWhetherSomethingFails) {
  ControlSocket socket;
  engine::PreflightReport& report = socket.node.preflight;
  report.campaign = "spring";
  report.findings = {{.check = "ptr", .about = "ip1", .severity = Severity::kWarn, .state = "other_name"}};
  EXPECT_EQ(socket.Run({"campaign", "preflight", "spring"}).code, 0);
  report.findings.insert(report.findings.begin(), {.check = "spf",
                                                   .about = "b.test",
                                                   .severity = Severity::kFail,
                                                   .state = "softfail",
                                                   .what = "for ip1: it is not in it"});
  const Ran ran = socket.Run({"campaign", "preflight", "spring"});
  EXPECT_EQ(ran.code, 65);
  EXPECT_THAT(ran.out, HasSubstr("softfail"));
  const nlohmann::json answer = socket.Run({"campaign", "preflight", "spring", "-o", "json"}).Json();
  EXPECT_EQ(answer["result"], "fail");
  EXPECT_EQ(answer["findings"][0]["severity"], "fail");
  EXPECT_EQ(answer["findings"][0]["what"], "for ip1: it is not in it");
}

TEST(PreflightCommandTest, SaysWhatWouldBecomeOfTheRowsByProviderAndSite) {
  ControlSocket socket;
  engine::PreflightReport& report = socket.node.preflight;
  report.sink = true;
  report.providers = {{.name = "google", .domains = 2, .rows = 30}};
  report.providers[0].rows_of[static_cast<size_t>(Fate::kHold)] = 12;
  report.sites = {
      {.domain = "d1.test", .domains = 1, .rows = 12, .mx = "found", .policy = "verify", .fate = Fate::kHold}};
  report.sites[0].verified = false;
  const nlohmann::json answer = socket.Run({"campaign", "preflight", "spring", "-o", "json"}).Json();
  EXPECT_EQ(answer["providers"][0]["hold"], 12);
  EXPECT_EQ(answer["sites"][0]["fate"], "hold");
  EXPECT_EQ(answer["sites"][0]["verified"], false);
  EXPECT_EQ(answer["notice"], "SINK: nothing leaves this machine");
  EXPECT_THAT(socket.Run({"campaign", "preflight", "spring"}).out, HasSubstr("SINK: nothing leaves this machine"));
}

TEST(CampaignTestCommandTest, ExitsByWhatBecameOfTheMessage) {
  ControlSocket socket;
  for (const auto& [outcome, code] : std::vector<std::pair<std::string, int>>{
           {"delivered", 0}, {"deferred", 75}, {"pending", 75}, {"bounced", 65}, {"suppressed", 65}}) {
    socket.node.test_mail =
        engine::TestMail{.campaign = "spring.test-1", .id = "abc", .recipient = kSecret, .outcome = outcome};
    const Ran ran = socket.Run({"campaign", "test", "spring", "--to", kSecret});
    EXPECT_EQ(ran.code, code) << outcome;
    EXPECT_THAT(ran.out, HasSubstr(outcome));
    EXPECT_THAT(ran.out, Not(HasSubstr(kSecret)));
    EXPECT_THAT(ran.out, HasSubstr(kMasked));
  }
}

TEST(CampaignTestCommandTest, ARowIsShownOnlyForAReason) {
  ControlSocket socket;
  socket.node.test_mail = engine::TestMail{.campaign = "spring.test-1", .recipient = kSecret, .outcome = "delivered"};
  EXPECT_EQ(socket.Run({"campaign", "test", "spring", "--to", kSecret, "--row", "3"}).code, 64);
  EXPECT_THAT(socket.node.calls(), Not(Contains(HasSubstr("test spring"))));
  EXPECT_EQ(socket.Run({"campaign", "test", "spring", "--to", kSecret, "--row", "3", "--reason", "a complaint"}).code,
            0);
  EXPECT_THAT(socket.node.calls(), Contains("test spring row 3"));
  const nlohmann::json entry = socket.AuditEntries().back();
  EXPECT_EQ(entry["command"], "campaign test");
  EXPECT_EQ(entry["reason"], "a complaint");
  EXPECT_THAT(entry["target"].get<std::string>(), HasSubstr("row=3"));
  EXPECT_THAT(entry.dump(), Not(HasSubstr("jane")));
}

TEST(CampaignTestCommandTest, ARefusalIsInTheAuditFileWithoutTheAddress) {
  ControlSocket socket;
  socket.node.test_mail = engine::WithExit(absl::PermissionDeniedError("that address is not in node.test_recipients"),
                                           engine::ExitCode::kDenied);
  EXPECT_EQ(socket.Run({"campaign", "test", "spring", "--to", kSecret}).code, 77);
  const nlohmann::json entry = socket.AuditEntries().back();
  EXPECT_THAT(entry["result"].get<std::string>(), HasSubstr("test_recipients"));
  EXPECT_THAT(entry["target"].get<std::string>(), HasSubstr("key="));
  EXPECT_THAT(entry.dump(), Not(HasSubstr("jane")));
}

}  // namespace
}  // namespace sealift::tools
