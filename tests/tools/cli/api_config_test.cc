#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/exit_code.h"
#include "tests/tools/cli/control_socket.h"

namespace sealift::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ConfigDiffCommandTest, SaysOfEachSettingWhatAReloadWouldDo) {
  ControlSocket socket;
  socket.node.config_diff = engine::ConfigDiff{
      .changes = {{.key = "source[ip1].rate", .before = "\"20000/h\"", .after = "\"30000/h\""},
                  {.key = "stream[news].tls", .before = "\"verify\"", .after = "\"require\""},
                  {.key = "node.shards", .before = "0", .after = "4", .restart = true}},
      .keys = {"s1._domainkey.example.com: another key than before"},
      .weaker = {{.key = "stream[news].tls", .text = "stream news: tls was \"verify\", would be \"require\""}}};
  const nlohmann::json answer = socket.Run({"config", "diff", "-o", "json"}).Json();
  ASSERT_EQ(answer["changes"].size(), 3u);
  EXPECT_EQ(answer["changes"][0]["key"], "source[ip1].rate");
  EXPECT_EQ(answer["changes"][0]["before"], "\"20000/h\"");
  EXPECT_EQ(answer["changes"][0]["after"], "\"30000/h\"");
  EXPECT_EQ(answer["changes"][0]["effect"], "reload");
  EXPECT_EQ(answer["changes"][0]["weakens_tls"], false);
  EXPECT_EQ(answer["changes"][1]["weakens_tls"], true);
  EXPECT_EQ(answer["changes"][2]["effect"], "restart");
  EXPECT_EQ(answer["needs_restart"], true);
  EXPECT_EQ(answer["needs_allow_weaker"], true);
  EXPECT_EQ(answer["keys"].size(), 1u);
  const Ran ran = socket.Run({"config", "diff"});
  EXPECT_EQ(ran.code, 0);
  for (const char* part : {"node.shards", "restart", "another key than before", "weaker: stream news"}) {
    EXPECT_THAT(ran.out, HasSubstr(part));
  }
  EXPECT_TRUE(socket.AuditEntries().empty()) << "it changes nothing";
}

TEST(ConfigDiffCommandTest, NoDifferenceIsNoFailureAndAMistakeIs) {
  ControlSocket socket;
  const Ran none = socket.Run({"config", "diff"});
  EXPECT_EQ(none.code, 0);
  EXPECT_THAT(none.out, HasSubstr("a reload would change nothing"));
  EXPECT_EQ(socket.Run({"config", "diff", "-o", "json"}).Json()["changes"].size(), 0u);

  socket.node.config_diff =
      engine::WithExit(absl::InvalidArgumentError("sealift.toml:3:1: unknown key `nodee`"), engine::ExitCode::kConfig);
  const Ran bad = socket.Run({"config", "diff", "-o", "json"});
  EXPECT_EQ(bad.code, 78);
  EXPECT_THAT(bad.Json()["error"]["why"].get<std::string>(), HasSubstr("unknown key"));
}

TEST(ConfigShowCommandTest, ScriptsReadASettingARow) {
  ControlSocket socket;
  const nlohmann::json shown = socket.Run({"config", "show", "-o", "json"}).Json();
  const auto memory = std::ranges::find(shown["values"], "node.memory", [](const auto& one) { return one["key"]; });
  ASSERT_NE(memory, shown["values"].end()) << shown;
  EXPECT_EQ((*memory)["value"], "\"512MiB\"");
  EXPECT_EQ((*memory)["set_by"], "default");
  const Ran csv = socket.Run({"config", "show", "-o", "csv"});
  EXPECT_EQ(csv.code, 0);
  EXPECT_THAT(csv.out, HasSubstr("key,value,set_by\r\n"));
  EXPECT_THAT(csv.out, HasSubstr("node.memory,\"\"\"512MiB\"\"\",default\r\n"));
}

TEST(BounceIngestCommandTest, CountsWhatNobodyKnowsAndWritesItToTheAuditFile) {
  ControlSocket socket;
  const std::string mail =
      "To: b+hq3v5k2m7rjd4x6wnb2ztcgy4epo3sluafiq6d5m2w@bounce.example.com\n"
      "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n\n"
      "Final-Recipient: rfc822; jane.doe@d1.test\nAction: failed\nStatus: 5.1.1\n--b--\n";
  const Ran ran = socket.Run({"bounce", "ingest", socket.WriteFile("mail", mail), "--reason", "daily", "-o", "json"});
  ASSERT_EQ(ran.code, 0) << ran.out << ran.err;
  EXPECT_EQ(ran.Json()["mails"], 1);
  EXPECT_EQ(ran.Json()["unknown"], 1);
  EXPECT_EQ(ran.Json()["bounces"], 0);
  const nlohmann::json entry = socket.AuditEntries().back();
  EXPECT_EQ(entry["command"], "bounce ingest");
  EXPECT_EQ(entry["reason"], "daily");
  EXPECT_EQ(entry["target"], "bounces=0 complaints=0 unknown=1");
  EXPECT_THAT(entry.dump(), Not(HasSubstr("jane.doe")));

  const Ran letter = socket.Run({"bounce", "ingest", socket.WriteFile("letter", "Subject: hello\n\nI am away.\n")});
  EXPECT_EQ(letter.code, 0);
  EXPECT_THAT(letter.out, HasSubstr("auto-replies"));
  EXPECT_EQ(socket.Run({"bounce", "ingest", socket.WriteFile("csv", "email,name\nann@d1.test,Ann\n")}).code, 65);
  const std::string box = "From a\nSubject: hello\n\nI am away.\n\nFrom b\n\nno header\n";
  EXPECT_EQ(socket.Run({"bounce", "ingest", socket.WriteFile("box", box), "--json"}).Json()["other"], 1);
  EXPECT_EQ(socket.Run({"bounce", "ingest", socket.WriteFile("none", "")}).code, 0) << "an empty mailbox";
  EXPECT_EQ(socket.Run({"bounce", "ingest", socket.Path("absent")}).code, 66);
  EXPECT_EQ(socket.Run({"bounce", "ingest", "--format", "xml", socket.Path("mail")}).code, 64);
  EXPECT_EQ(socket.Run({"bounce", "ingest", "--reason", std::string(600, 'x'), socket.Path("mail")}).code, 64);
}

}  // namespace
}  // namespace sealift::tools
