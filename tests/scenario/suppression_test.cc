// People who opted out, mailboxes that are gone: nothing is sent to them, whatever the spelling, the state of the
// campaign or the daemon's death.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <chrono>
#include <map>
#include <set>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

double Seconds() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

class SuppressionTest : public World {
 protected:
  SuppressionTest() {
    settings.streams = {{"news", "tls = \"opportunistic\""},
                        {"letters", "tls = \"opportunistic\"\nkind = \"transactional\""}};
  }

  std::string Provider(const std::string& domains, const std::string& rules = "") {
    return fmt::format(
        "[[provider]]\nname = \"all\"\ndomains = [{}]\nmx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n{}",
        domains, net.Address(10), rules);
  }

  Answer LoadInto(const std::string& stream, const std::string& name, const std::string& recipients,
                  std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"campaign",   "load",     name,           "--stream", stream,
                                          "--template", Template(), "--recipients", recipients};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Answer answer = Sealift(arguments);
    EXPECT_EQ(answer.exit_code, 0) << answer.Describe();
    return answer;
  }

  void Suppression(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "suppression");
    const Answer answer = Sealift(arguments);
    EXPECT_EQ(answer.exit_code, 0) << answer.Describe();
  }

  bool Suppressed(const std::string& address, const std::string& stream) {
    const Answer answer = Sealift({"suppression", "check", address, "--stream", stream});
    EXPECT_EQ(answer.exit_code, 0) << answer.Describe();
    return answer.json["suppressed"].Text() == "true";
  }

  static std::set<std::string> Mailboxes(const Sink& sink) {
    std::set<std::string> mailboxes;
    for (const Sink::Arrival& arrival : sink.Ledger()) mailboxes.insert(arrival.mailbox);
    return mailboxes;
  }
};

TEST_F(SuppressionTest, ALoadLeavesOutWhoIsSuppressedInAnySpelling) {
  const Sink sink(dir, Provider("\"d1.test\", \"xn--bcher-kva.test\""), net.Address(2, 5353));
  StartDaemon();
  Suppression({"add", "john@d1.test", "--kind", "opt_out"});
  Suppression({"add", "Jane@BÜCHER.test", "--kind", "complaint"});
  Suppression({"add", "gone@d1.test", "--kind", "hard_bounce"});
  EXPECT_EQ(Sealift({"suppression", "add", "ann@d1.test", "--kind", "opt_out", "--stream", "letters"}).exit_code, 64)
      << "it would bind nothing";
  const std::string people =
      dir.Write("people.csv",
                "email,name,city\nJOHN@d1.test,a,b\njane@xn--bcher-kva.test,a,b\nGone@D1.test,a,b\n"
                "ann@d1.test,a,b\n");
  const Answer news = LoadInto("news", "spring", people, {"--start"});
  EXPECT_EQ(news.json["accepted"].Number(), 1);
  EXPECT_EQ(news.json["suppressed"].Number(), 3);
  const Answer letters = LoadInto("letters", "visit", people, {"--start"});
  EXPECT_EQ(letters.json["suppressed"].Number(), 1) << "an opt-out never binds a transactional stream";
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [](const Json& now) { return now["delivered"].Number() == 1; }));
  ASSERT_TRUE(ShowsUntil("visit", kSoon, [](const Json& now) { return now["delivered"].Number() == 3; }));
  EXPECT_EQ(Show("spring")["suppressed_at_load"].Number(), 3);
  StopDaemon();
}

TEST_F(SuppressionTest, InTheMiddleOfACampaignItHoldsFromTheCommandOnAndThroughAKill) {
  constexpr int kRows = 400;
  const auto address = [](int row) { return fmt::format("row{}@d{}.test", row, (row - 1) % 4 + 1); };
  // Those that the first command names, whose turn comes at once, and those of the second, just before a kill.
  const auto command_of = [](int row) { return row > 40 && row % 2 == 0 ? 1 : row > 200 ? 2 : 0; };
  const Sink sink(dir, Provider("\"d{1..4}.test\""), net.Address(2, 5353));
  settings.source = "rate = \"40/s\"";
  StartDaemon();
  LoadInto("news", "spring", Recipients(kRows, Domains(4)), {"--start"});
  std::map<std::string, double> listed;  // when the command that named the address returned
  const auto suppress = [&](int command) {
    std::string list = "email\n";
    for (int row = 1; row <= kRows; ++row) {
      if (command_of(row) == command) list += "ROW" + address(row).substr(3) + "\n";
    }
    Suppression({"import", dir.Write("list.csv", list), "--kind", "opt_out"});
    for (int row = 1; row <= kRows; ++row) {
      if (command_of(row) == command) listed[address(row)] = Seconds();
    }
  };
  ASSERT_TRUE(Eventually(kSoon, [&] { return sink.arrivals() >= 20; }));
  suppress(1);
  const size_t arrivals = sink.arrivals();
  ASSERT_TRUE(Eventually(kSoon, [&] { return sink.arrivals() >= arrivals + 60; })) << "more than a second of its rate";
  suppress(2);
  KillDaemon();
  StartDaemon();
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  const Json now = Show("spring");
  EXPECT_EQ(now["loaded"].Number(), kRows);
  EXPECT_GT(now["suppressed"].Number(), 0) << "all was sent before the command: nothing is proved";
  const double counted = Metric("sealift_messages_suppressed_total{stream=\"news\"}");
  EXPECT_LE(counted, static_cast<double>(now["suppressed"].Number()))
      << "those before the kill went with their process";

  const std::set<std::string> arrived = Mailboxes(sink);
  for (const Sink::Arrival& arrival : sink.Ledger()) {
    const auto found = listed.find(arrival.mailbox);
    if (found != listed.end()) EXPECT_LT(arrival.time, found->second + 1) << arrival.mailbox;
  }
  for (int row = 1; row <= kRows; ++row) {
    if (command_of(row) == 0) EXPECT_TRUE(arrived.contains(address(row))) << row;
  }
  size_t suppressed = 0;
  for (const Json& event : Events("spring")) {
    if (event["outcome"].Text() != "suppressed") continue;
    ++suppressed;
    EXPECT_TRUE(listed.contains(event["recipient"].Text())) << event.Dump();
    EXPECT_FALSE(arrived.contains(event["recipient"].Text())) << event.Dump();
  }
  EXPECT_EQ(static_cast<int64_t>(suppressed), now["suppressed"].Number());
  StopDaemon();
}

TEST_F(SuppressionTest, DeferredRowsOfAPausedCampaignAreNotTriedAgain) {
  const Sink sink(
      dir,
      Provider("\"d{1..4}.test\"", "[[provider.rule]]\nat = \"rcpt\"\nfirst = 1\nreply = \"450 4.3.2 Maintenance\"\n"),
      net.Address(2, 5353));
  settings.streams[0].lines += "\nretry = [\"4h\"]";
  StartDaemon();
  LoadInto("news", "spring", Recipients(40, Domains(4)), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["deferrals"].Number() == 40; }));
  ASSERT_EQ(Sealift({"campaign", "pause", "spring"}).exit_code, 0);
  Suppression({"add", "row7@d3.test", "--kind", "opt_out"});
  Suppression({"add", "row8@d4.test", "--campaign", "spring"});
  KillDaemon();
  StartDaemon();
  ASSERT_EQ(Sealift({"campaign", "resume", "spring"}).exit_code, 0);
  ASSERT_EQ(Sealift({"queue", "retry", "--everything", "--reason", "all clear"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [](const Json& now) { return now["queued"].Number() == 0; }));
  EXPECT_EQ(Show("spring")["suppressed"].Number(), 2);
  EXPECT_EQ(Show("spring")["delivered"].Number(), 38);
  EXPECT_EQ(Metric("sealift_messages_suppressed_total{stream=\"news\"}"), 2);
  const std::set<std::string> arrived = Mailboxes(sink);
  EXPECT_FALSE(arrived.contains("row7@d3.test"));
  EXPECT_FALSE(arrived.contains("row8@d4.test"));
  StopDaemon();
}

TEST_F(SuppressionTest, ABadMailboxIsRememberedAndTheSourceThatWasToldSoCanTakeItBack) {
  std::string script = Provider(
      "\"d1.test\"", "[[provider.rule]]\nat = \"rcpt\"\nlocal = \"row1\"\nreply = \"550 5.1.1 No such user\"\n");
  script += fmt::format(
      "[[provider]]\nname = \"strict\"\ndomains = [\"d2.test\"]\nmx = [{{ host = \"mx.strict.test\", address = \"{}\" "
      "}}]\n"
      "[[provider.rule]]\nat = \"body\"\nreply = \"554 5.7.1 This looks like spam\"\n",
      net.Address(11));
  const Sink sink(dir, script, net.Address(2, 5353));
  StartDaemon();
  const std::string people = Recipients(4, Domains(2));  // row1 and row3 at d1, row2 and row4 at d2
  LoadInto("news", "spring", people, {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [](const Json& now) { return now["queued"].Number() == 0; }));
  EXPECT_EQ(Show("spring")["bounced"].Number(), 3);
  EXPECT_TRUE(Suppressed("ROW1@d1.test", "letters")) << "a hard bounce binds every stream";
  EXPECT_FALSE(Suppressed("row2@d2.test", "news")) << "it was the content that was refused";
  const Answer history = Sealift({"suppression", "history", "row1@d1.test"});
  EXPECT_THAT(history.out, HasSubstr("No such user"));
  EXPECT_THAT(history.out, Not(HasSubstr("row1")));
  EXPECT_EQ(LoadInto("news", "summer", people).json["suppressed"].Number(), 1);

  const std::string exported = SealiftPlain({"suppression", "export", "--reveal"}).out;
  EXPECT_THAT(exported, HasSubstr("row1@d1.test,hard_bounce,"));
  const Answer again = Sealift({"suppression", "import", "-"}, exported);
  EXPECT_EQ(again.exit_code, 0) << again.Describe();
  EXPECT_EQ(again.json["already_in_force"].Number(), 1);

  const std::vector<std::string> undo = {"suppression", "undo",    "--source", "ip1",      "--since",
                                         "now-1h",      "--until", "now",      "--reason", "they had blocked us"};
  std::vector<std::string> dry_run = undo, yes = undo;
  dry_run.push_back("--dry-run");
  yes.push_back("--yes");
  EXPECT_EQ(Sealift(dry_run).json["removed"].Number(), 1);
  EXPECT_TRUE(Suppressed("row1@d1.test", "news"));
  EXPECT_EQ(Sealift(yes).json["removed"].Number(), 1);
  KillDaemon();
  StartDaemon();
  EXPECT_FALSE(Suppressed("row1@d1.test", "news"));
  EXPECT_EQ(LoadInto("news", "autumn", people).json["suppressed"].Number(), 0);
  const Answer audit = Sealift({"audit", "tail", "--lines", "50"});
  EXPECT_THAT(audit.out, HasSubstr("suppression undo"));
  EXPECT_THAT(audit.out, Not(HasSubstr("row1@")));
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
