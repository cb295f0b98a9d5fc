#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "engine/exit_code.h"
#include "tests/tools/cli/control_socket.h"

namespace sealift::tools {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Each command that changes or reveals something, and what the audit file says of it.
struct Audited {
  std::vector<std::string> words;
  std::string command, target;
};
class AuditedCommandTest : public testing::TestWithParam<Audited> {};

INSTANTIATE_TEST_SUITE_P(
    All, AuditedCommandTest,
    testing::Values(
        Audited{{"campaign", "start", "spring"}, "campaign start", "spring"},
        Audited{{"campaign", "pause", "spring"}, "campaign pause", "spring"},
        Audited{{"campaign", "resume", "spring"}, "campaign resume", "spring"},
        Audited{{"campaign", "cancel", "spring", "--yes"}, "campaign cancel", "spring"},
        Audited{{"campaign", "preview", "spring", "--row", "3"}, "campaign preview", "spring row 3"},
        Audited{{"queue", "list", "--domain", "d1.test", "--reveal"}, "queue list --reveal", "domain=d1.test"},
        Audited{{"queue", "retry", "--domain", "d1.test", "--reason", "r"}, "queue retry", "domain=d1.test id=j1"},
        Audited{{"message", "trace", "abc@mta1.example.com", "--reveal"}, "message trace --reveal", "abc"},
        Audited{{"message", "show", "abc@mta1.example.com", "--reveal"}, "message show --reveal", "abc"},
        Audited{{"message", "find", "--recipient", "a@d1.test", "--reason", "r"}, "message find", "recipient"},
        Audited{{"message", "find", "--recipient", "a@d1.test", "--reveal", "--reason", "r"},
                "message find --reveal",
                "recipient"},
        Audited{{"events", "--campaign", "spring", "--reveal"}, "events --reveal", "campaign=spring"},
        Audited{{"backup", "create"}, "backup create", "mta1.backup"}, Audited{{"audit", "export"}, "audit export", ""},
        Audited{{"reload"}, "reload", ""}));

TEST_P(AuditedCommandTest, IsWrittenDownOnceWithItsCaller) {
  ControlSocket socket;
  const Ran ran = socket.Run(GetParam().words);
  EXPECT_EQ(ran.code, 0) << ran.err;
  const std::vector<nlohmann::json> entries = socket.AuditEntries();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0]["command"], GetParam().command);
  EXPECT_EQ(entries[0]["target"], GetParam().target);
  EXPECT_EQ(entries[0]["uid"], getuid());
  EXPECT_EQ(entries[0]["pid"], getpid());
  EXPECT_EQ(entries[0]["result"], "ok");
}

// A crash may come between: who has done it, and why, is known all the same.
TEST(AuditTest, WhatCannotBeUndoneIsWrittenDownBeforeAndAfter) {
  ControlSocket socket;
  std::vector<std::string> before;  // the results that the file had when the node was asked
  socket.node.on_call = [&](const std::string& asked) {
    if (!asked.starts_with("cancel") && !asked.starts_with("rotate")) return;
    before.push_back(socket.AuditEntries().empty() ? "" : socket.AuditEntries().back()["result"]);
  };
  EXPECT_EQ(socket.Run({"campaign", "cancel", "spring", "--yes", "--erase", "--reason", "a court's order"}).code, 0);
  EXPECT_EQ(socket.Run({"key", "rotate", "/etc/next"}).code, 0);
  EXPECT_EQ(before, (std::vector<std::string>{"begun", "begun"}));
  const std::vector<nlohmann::json> entries = socket.AuditEntries();
  ASSERT_EQ(entries.size(), 4u);
  for (const size_t i : {0u, 1u}) {
    EXPECT_EQ(entries[i]["command"], "campaign cancel --erase");
    EXPECT_EQ(entries[i]["target"], "spring");
    EXPECT_EQ(entries[i]["reason"], "a court's order");
  }
  EXPECT_EQ(entries[1]["result"], "ok");
  EXPECT_EQ(entries[2]["command"], "key rotate");
  EXPECT_EQ(entries[2]["target"], "file=/etc/next");
  EXPECT_EQ(entries[3]["target"], "from=00112233aabbccdd to=ffeeddcc00112233");
  EXPECT_EQ(entries[3]["result"], "ok");
}

TEST(AuditTest, NoPartOfAnAddressIsATarget) {
  ControlSocket socket;
  socket.Run({"tls", "probe", "jane.doe@d1.test"});
  const std::vector<nlohmann::json> entries = socket.AuditEntries();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0]["target"], "[redacted]");
}

TEST(AuditTest, ALoadIsWrittenDown) {
  ControlSocket socket;
  const std::string eml = socket.WriteFile("t.eml", "Subject: x\n\nx\n"), csv = socket.WriteFile("r.csv", "email\n");
  EXPECT_EQ(socket.Run({"campaign", "load", "spring", "--stream", "n", "--template", eml, "--recipients", csv}).code,
            0);
  const std::vector<nlohmann::json> entries = socket.AuditEntries();
  ASSERT_EQ(entries.size(), 2u);
  for (const nlohmann::json& entry : entries) EXPECT_EQ(entry["command"], "campaign load");
  EXPECT_EQ(entries[0]["result"], "begun") << "before its first row was accepted";
  EXPECT_EQ(entries[1]["result"], "ok");
}

TEST(AuditTest, WhatFailedIsWrittenDownWithItsReason) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"campaign", "pause", "autumn"}).code, 66);
  ASSERT_EQ(socket.AuditEntries().size(), 1u);
  EXPECT_THAT(socket.AuditEntries()[0]["result"].get<std::string>(), HasSubstr("There is no campaign autumn"));
}

TEST(AuditTest, AnExportIsTheFileAsItIs) {
  ControlSocket socket;
  EXPECT_EQ(socket.Run({"campaign", "pause", "spring"}).code, 0);
  EXPECT_EQ(socket.Run({"campaign", "resume", "spring"}).code, 0);
  const Ran ran = socket.Run({"audit", "export"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::string lines;
  for (const nlohmann::json& entry : socket.AuditEntries()) {
    if (entry["command"] != "audit export") lines += entry["command"].get<std::string>() + "\n";
  }
  EXPECT_EQ(lines, "campaign pause\ncampaign resume\n");
  EXPECT_EQ(std::ranges::count(ran.out, '\n'), 2);
  EXPECT_THAT(ran.out, HasSubstr("\"previous\":\"" + std::string(64, '0')));
  EXPECT_EQ(socket.Run({"audit", "export", "-o", "json"}).Json()["entries"].size(), 3u);
  const Ran again = socket.Run({"audit", "export", "-o", "ndjson"});
  EXPECT_TRUE(again.out.starts_with(ran.out)) << "a line an entry";
  EXPECT_EQ(socket.Run({"audit", "export", "-o", "csv"}).code, 64);
}

TEST(AuditTest, ANodeThatWasNotRestoredHasNothingToReconcile) {
  ControlSocket socket;
  const Ran ran = socket.Run({"backup", "reconcile", "--events", "/dev/null", "--suppressions", "/dev/null", "--yes"});
  EXPECT_EQ(ran.code, 64) << ran.out;
  EXPECT_THAT(ran.err, HasSubstr("not in doubt"));
}

TEST(AuditTest, ReasonsAreWrittenDown) {
  ControlSocket socket;
  socket.Run({"queue", "retry", "--domain", "d1.test", "--reason", "their outage is over"});
  socket.Run({"campaign", "cancel", "spring", "--yes", "--reason", "wrong template"});
  const std::vector<nlohmann::json> entries = socket.AuditEntries();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0]["reason"], "their outage is over");
  EXPECT_EQ(entries[1]["reason"], "wrong template");
}

TEST(AuditTest, LookingWithoutRevealingLeavesNoEntry) {
  ControlSocket socket;
  for (const auto& words : std::vector<std::vector<std::string>>{{"campaign", "list"},
                                                                 {"campaign", "show", "spring"},
                                                                 {"events"},
                                                                 {"queue", "list", "--everything"},
                                                                 {"message", "trace", "abc"},
                                                                 {"domain", "explain", "d1.test"}}) {
    EXPECT_EQ(socket.Run(words).code, 0);
  }
  EXPECT_THAT(socket.AuditEntries(), IsEmpty());
}

// Nothing is done that could not be told of, and whoever only asks is answered.
TEST(AuditTest, WhatNeedsAnEntryIsRefusedBeforeItActsWhileTheFileHasNoRoom) {
  ControlSocket socket;
  std::vector<std::string> asked;
  socket.node.on_call = [&](const std::string& what) { asked.push_back(what); };
  const std::string eml = socket.WriteFile("t.eml", "Subject: x\n\nx\n"), csv = socket.WriteFile("r.csv", "email\n");
  socket.hold_error = ENOSPC;
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"campaign", "load", "spring", "--stream", "n", "--template", eml, "--recipients", csv, "--start"},
           {"campaign", "start", "spring"},
           {"campaign", "preview", "spring", "--row", "3"},
           {"message", "find", "--recipient", "a@d1.test", "--reason", "r"},
           {"events", "--reveal"},
           {"key", "rotate", "/etc/next"},
           {"reload"}}) {
    asked.clear();
    const Ran ran = socket.Run(words);
    EXPECT_EQ(ran.code, 75) << words.back() << ran.err;
    EXPECT_THAT(ran.err, testing::AllOf(HasSubstr(" was refused"), HasSubstr("no room for another entry"),
                                        HasSubstr("Until then no command that needs an entry is done")));
    EXPECT_THAT(asked, IsEmpty()) << words.back();
  }
  const Ran cancel = socket.Run({"campaign", "cancel", "spring", "--yes"});
  EXPECT_EQ(cancel.code, 75) << cancel.err;
  EXPECT_THAT(asked, Not(testing::Contains(testing::StartsWith("cancel"))));
  EXPECT_EQ(socket.Run({"campaign", "cancel", "spring", "--dry-run"}).code, 0);
  EXPECT_EQ(socket.Run({"campaign", "list"}).code, 0);
  EXPECT_EQ(socket.Run({"audit", "tail"}).code, 0);
  EXPECT_THAT(socket.AuditEntries(), IsEmpty());
  const Ran doctor = socket.Run({"doctor", "--json"});
  EXPECT_THAT(doctor.out, testing::AllOf(HasSubstr("\"audit\""), HasSubstr("no room for another entry")));
  socket.hold_error = EOPNOTSUPP;
  EXPECT_EQ(socket.Run({"campaign", "start", "spring"}).code, 0);
  EXPECT_THAT(socket.Run({"doctor", "--json"}).out, Not(HasSubstr("\"audit\"")));
}

// Its room is held, so that this is left to a disk that breaks, and to file systems that can hold none.
TEST(AuditTest, WhatWasDoneAndCouldNotBeWrittenDownIsNotCalledRefused) {
  ControlSocket socket;
  socket.write_error = ENOSPC;
  const Ran full = socket.Run({"campaign", "start", "spring"});
  EXPECT_EQ(full.code, 74);
  EXPECT_THAT(full.err, testing::AllOf(HasSubstr("campaign start spring was done, but is not in the audit file"),
                                       HasSubstr("no room for another entry"), Not(HasSubstr("refused"))));
  EXPECT_THAT(socket.Run({"campaign", "preview", "spring", "--row", "3"}).err, HasSubstr(" was refused"))
      << "nothing was shown";
  socket.write_error = EIO;
  EXPECT_THAT(socket.Run({"campaign", "start", "spring"}).err, HasSubstr("was done"));
  socket.write_error = 0;
  const Ran later = socket.Run({"campaign", "start", "spring"});
  EXPECT_EQ(later.code, 74);
  EXPECT_THAT(later.err, testing::AllOf(HasSubstr("campaign start spring was refused"), HasSubstr("restart sealiftd")));
}

TEST(AuditTest, ARefusalThatCannotBeWrittenDownSaysWhyItWasOne) {
  ControlSocket socket;
  socket.write_error = ENOSPC;
  const Ran ran = socket.Run({"campaign", "pause", "autumn"});
  EXPECT_EQ(ran.code, 66);
  EXPECT_THAT(ran.err, HasSubstr("There is no campaign autumn"));
}

TEST(AuditTest, TailShowsAndVerifyChecks) {
  ControlSocket socket;
  socket.Run({"campaign", "pause", "spring"});
  socket.Run({"campaign", "resume", "spring"});
  EXPECT_THAT(socket.Run({"audit", "tail", "--lines", "1"}).out,
              testing::AllOf(HasSubstr("campaign resume"), Not(HasSubstr("campaign pause"))));
  EXPECT_EQ(socket.Run({"audit", "verify", "--json"}).Json()["intact"], true);
}

}  // namespace
}  // namespace sealift::tools
