// A node is lost and restored from a backup that was taken in the middle of a campaign: it says what it holds, sends
// nothing until it knows what happened since, and then mails nobody twice and nobody who opted out.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

class BackupTest : public World {
 protected:
  BackupTest() {
    settings.tables = fmt::format("[backup]\ndir = \"{}\"\nkey_file = \"{}\"\n", dir.Folder("backups"),
                                  dir.Write("backup.key", "0123456789abcdefghijklmnopqrstuv", 0600));
  }

  std::string Script(const std::string& more = "") {
    return fmt::format(
        "[[provider]]\nname = \"all\"\ndomains = [\"d{{1..20}}.test\"]\nlatency = \"2ms\"\n"
        "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n{}",
        net.Address(10), more);
  }

  std::string Backup() {
    const Answer made = Sealift({"backup", "create"});
    EXPECT_EQ(made.exit_code, 0) << made.Describe();
    return made.json["file"].Text();
  }

  // The old machine is gone; another one with a key of its own takes its place.
  void RestoreElsewhere(const std::string& backup) {
    settings.data_dir = dir.path() / "restored";
    settings.kek_file = dir.Write("another-kek", "another key of thirty-two bytes.", 0600);
    WriteConfig();
    const Answer restored = Sealift({"backup", "restore", backup});
    ASSERT_EQ(restored.exit_code, 0) << restored.Describe();
  }

  std::string Saved(const std::string& name, const std::vector<std::string>& command) {
    const Answer answer = SealiftPlain(command);
    EXPECT_EQ(answer.exit_code, 0) << answer.Describe();
    return dir.Write(name, answer.out);
  }

  std::string Ready() {
    const Ran ran = RunCommand({Program("curl", "curl"), "--silent", "--max-time", "20", "--write-out", "%{http_code}",
                                fmt::format("http://{}/readyz", settings.http_listen)});
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    return ran.out;
  }
};

TEST_F(BackupTest, ARestoredNodeMailsNobodyTwiceAndNobodyWhoOptedOut) {
  constexpr int kRows = 1200;
  const Sink sink(dir, Script(), net.Address(2, 5353));
  settings.source = "rate = \"150/s\"";
  StartDaemon();
  const std::string people = Recipients(kRows, Domains(20));
  for (const char* name : {"dropped", "erased"}) Load(name, Template(), people);
  for (const char* address : {"early1@d1.test", "early2@d1.test"}) {
    EXPECT_EQ(Sealift({"suppression", "add", address, "--kind", "complaint"}).exit_code, 0);
  }
  Load("spring", Template(), people, {"--start"});
  ASSERT_TRUE(Eventually(kInTime, [&] { return sink.arrivals() >= 200; }));
  const std::string backup = Backup();
  // Life goes on: more is sent, people opt out, campaigns are cancelled, another one is loaded and sent whole.
  const size_t known = sink.arrivals();
  ASSERT_TRUE(Eventually(kInTime, [&] { return sink.arrivals() >= known + 200; }));
  EXPECT_EQ(Sealift({"campaign", "pause", "spring"}).exit_code, 0);
  const Answer verified = Sealift({"backup", "verify", backup});
  EXPECT_EQ(verified.exit_code, 0) << verified.Describe();
  EXPECT_EQ(verified.json["campaigns"].Number(), 3);
  dir.Folder("backups/folder.backup");
  EXPECT_EQ(Sealift({"backup", "list"}).json["backups"].size(), 1u);

  EXPECT_EQ(Sealift({"campaign", "cancel", "dropped", "--yes"}).exit_code, 0);
  EXPECT_EQ(Sealift({"campaign", "cancel", "erased", "--erase", "--yes"}).exit_code, 0);
  const std::string others = Recipients(30, {"d7.test"}, "others.csv");
  Load("late", Template(), others, {"--start"});
  ASSERT_TRUE(ShowsUntil("late", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  ASSERT_TRUE(Eventually(kInTime, [&] {
    return static_cast<int64_t>(sink.arrivals()) ==
           Show("spring")["delivered"].Number() + Show("late")["delivered"].Number();
  }));
  const size_t before = sink.arrivals();
  ASSERT_LT(before, static_cast<size_t>(kRows)) << "nothing is left to show anything with";
  const auto sent = sink.ByMailbox();
  std::set<std::string> opted_out;
  for (int row = kRows; row > 0 && opted_out.size() < 10; --row) {
    const std::string address = fmt::format("row{}@d{}.test", row, (row - 1) % 20 + 1);
    if (sent.contains(address)) continue;
    opted_out.insert(address);
    EXPECT_EQ(Sealift({"suppression", "add", address, "--kind", "opt_out"}).exit_code, 0);
  }
  ASSERT_EQ(opted_out.size(), 10u) << "hardly anybody is left to opt out";
  const std::string events = Saved("events.ndjson", {"-o", "ndjson", "events", "--reveal"});
  const std::string some_events = SealiftPlain({"-o", "ndjson", "events", "--campaign", "late"}).out;
  const std::string suppressions = Saved("suppressions.csv", {"suppression", "export", "--reveal"});
  const std::string opt_outs = Saved("opt_outs.csv", {"suppression", "export", "--reveal", "--kind", "opt_out"});
  KillDaemon();

  RestoreElsewhere(backup);
  StartDaemon();
  const Json held = Show("spring");
  EXPECT_EQ(held["loaded"].Number(), kRows);
  EXPECT_GT(held["in_doubt"].Number(), 0);
  EXPECT_EQ(held["in_doubt"].Number(), held["queued"].Number());
  EXPECT_EQ(held["state"].Text(), "running");
  EXPECT_EQ(Metric("sealift_queue_messages{stream=\"news\",state=\"in_doubt\"}"), held["queued"].Number() + 2 * kRows);
  EXPECT_THAT(Ready(), HasSubstr("503"));
  EXPECT_EQ(Sealift({"queue", "list", "--everything", "--limit", "1"}).json["rows"].At(0)["state"].Text(), "in_doubt");
  EXPECT_THAT(Sealift({"domain", "explain", "d1.test"}).out, HasSubstr("backup reconcile"));
  // Nothing starts it, and nothing new is accepted: what was sent since would be taken for new.
  EXPECT_EQ(Sealift({"campaign", "load", "late", "--stream", "news", "--template", Template(), "--recipients", others})
                .exit_code,
            77);
  EXPECT_EQ(Sealift({"campaign", "pause", "spring"}).exit_code, 0);
  EXPECT_EQ(Sealift({"campaign", "resume", "spring"}).exit_code, 77);
  EXPECT_EQ(
      Sealift({"queue", "replay", "--everything", "--outcome", "expired", "--reason", "again", "--yes"}).exit_code, 77);
  StopDaemon();
  StartDaemon();
  EXPECT_EQ(Show("spring")["in_doubt"].Number(), held["queued"].Number()) << "a restart forgot the doubt";

  // A file of another node's, or one that is cut short, releases nothing.
  const std::string cut = dir.Write("cut.ndjson", ReadFile(events).substr(0, 1000));
  EXPECT_EQ(Sealift({"backup", "reconcile", "--events", cut, "--suppressions", suppressions, "--yes"}).exit_code, 65);
  EXPECT_EQ(Sealift({"backup", "reconcile", "--events", events, "--yes"}).exit_code, 64);
  std::string of_another = ReadFile(events);
  of_another.replace(of_another.find("\"id\":\"") + 6, 25, "abcdefghijklmnopqrstuvwxy");
  const Answer other = Sealift({"backup", "reconcile", "--events", dir.Write("other.ndjson", of_another),
                                "--suppressions", suppressions, "--yes"});
  EXPECT_EQ(other.exit_code, 65) << other.Describe();
  EXPECT_THAT(other.out + other.err, HasSubstr("is of another node"));
  // Nor one that a failed export has left, or that ends before the backup was taken.
  const std::string first = ReadFile(events).substr(0, ReadFile(events).find('\n') + 1);
  for (const std::string& text : {std::string(), first}) {
    const Answer early = Sealift(
        {"backup", "reconcile", "--events", dir.Write("early.ndjson", text), "--suppressions", suppressions, "--yes"});
    EXPECT_EQ(early.exit_code, 65) << early.Describe();
    EXPECT_THAT(early.out + early.err, HasSubstr("what was sent since the backup would be sent again"));
  }
  EXPECT_GT(Show("spring")["in_doubt"].Number(), 0);
  // Nor one without what became of the other campaign: it would be sent again.
  const std::string some = dir.Write("some.ndjson", some_events);
  const Answer gap = Sealift({"backup", "reconcile", "--events", some, "--suppressions", suppressions, "--yes"});
  EXPECT_EQ(gap.exit_code, 65) << gap.Describe();
  EXPECT_THAT(gap.out + gap.err, HasSubstr("events are missing between the cursors"));
  EXPECT_GT(Show("spring")["in_doubt"].Number(), 0);
  const Answer dry = Sealift({"backup", "reconcile", "--events", events, "--suppressions", suppressions, "--dry-run"});
  EXPECT_EQ(dry.exit_code, 0) << dry.Describe();
  EXPECT_EQ(dry.json["suppressed"].Number(), 10);
  const std::string doubled = dir.Write("doubled.ndjson", ReadFile(events) + ReadFile(events));
  const Answer twice_said =
      Sealift({"backup", "reconcile", "--events", doubled, "--suppressions", suppressions, "--dry-run"});
  EXPECT_EQ(twice_said.json["settled"].Number(), dry.json["settled"].Number()) << "parts may overlap";
  EXPECT_EQ(twice_said.json["left"].Number(), dry.json["left"].Number());
  EXPECT_EQ(Sealift({"suppression", "list"}).json["suppressions"].size(), 2u) << "a dry run has suppressed somebody";
  EXPECT_EQ(dry.json["campaigns_cancelled"].size(), 2u);
  EXPECT_EQ(Show("dropped")["state"].Text(), "ready") << "a dry run has cancelled a campaign";
  EXPECT_EQ(sink.arrivals(), before) << "something was sent while everything was in doubt";

  // Nor suppressions of which some are not there.
  const Answer lacks = Sealift({"backup", "reconcile", "--events", events, "--suppressions", opt_outs, "--yes"});
  EXPECT_EQ(lacks.exit_code, 65) << lacks.Describe();
  EXPECT_THAT(lacks.out + lacks.err, HasSubstr("2 of the 2 that were in force in the backup"));
  EXPECT_EQ(Sealift({"suppression", "list"}).json["suppressions"].size(), 2u) << "something was added";

  const Answer done = Sealift({"backup", "reconcile", "--events", events, "--suppressions", suppressions, "--yes"});
  ASSERT_EQ(done.exit_code, 0) << done.Describe();
  EXPECT_EQ(dry.json["left"].Number(), done.json["left"].Number());
  EXPECT_EQ(done.json["suppressed"].Number(), 10);
  EXPECT_EQ(done.json["masked"].Number(), 0);
  EXPECT_EQ(done.json["left"].Number(), kRows + 30 - static_cast<int64_t>(before));
  EXPECT_EQ(done.json["campaigns_cancelled"].size(), 2u);
  for (const char* name : {"dropped", "erased"}) {
    EXPECT_EQ(Show(name)["state"].Text(), "cancelled") << "what was cancelled since would run again";
    EXPECT_EQ(Show(name)["cancelled"].Number(), kRows);
  }
  EXPECT_NE(Sealift({"campaign", "preview", "erased", "--row", "1"}).exit_code, 0) << "it can be read";
  EXPECT_EQ(Sealift({"campaign", "preview", "dropped", "--row", "1"}).exit_code, 0) << "it cannot be read";
  ASSERT_EQ(done.json["names_taken"].size(), 1u);
  EXPECT_EQ(done.json["names_taken"].At(0).Text(), "late");
  EXPECT_EQ(Show("spring")["in_doubt"].Number(), 0);
  EXPECT_EQ(Sealift({"campaign", "resume", "spring"}).exit_code, 0);
  // Who got mail of the campaign that was loaded since is known by the events.
  const Answer found = Sealift({"message", "find", "--recipient", "row1@d7.test", "--reason", "a complaint"});
  ASSERT_EQ(found.json["messages"].size(), 1u) << found.Describe();
  EXPECT_THAT(found.out, HasSubstr("\"late\""));
  const Answer again =
      Sealift({"campaign", "load", "late", "--stream", "news", "--template", Template(), "--recipients", others});
  EXPECT_EQ(again.exit_code, 73) << "what was sent since was accepted again";
  EXPECT_THAT(again.out + again.err, HasSubstr("under another name all get it again"));
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  EXPECT_EQ(Show("spring")["suppressed"].Number(), 10);
  EXPECT_THAT(Ready(), HasSubstr("200"));
  const Answer audit = SealiftPlain({"audit", "export"});
  EXPECT_EQ(audit.exit_code, 0) << audit.Describe();
  EXPECT_THAT(audit.out, HasSubstr("\"command\":\"backup reconcile\""));
  // A command is written down once it has ended, so a backup has what was before its own.
  EXPECT_THAT(audit.out, HasSubstr("\"command\":\"campaign load\",\"target\":\"spring\""))
      << "the audit file was not restored";
  EXPECT_EQ(Sealift({"audit", "verify"}).exit_code, 0);
  StopDaemon();

  std::map<std::string, size_t> twice = {};
  const auto arrived = sink.ByMailbox();
  for (const auto& [mailbox, ids] : arrived) {
    const size_t most = mailbox.ends_with("@d7.test") ? 2 : 1;  // of both campaigns
    EXPECT_LE(ids.size(), most) << mailbox;
    EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), ids.size()) << mailbox << " got a message twice";
    EXPECT_FALSE(opted_out.contains(mailbox)) << mailbox << " opted out and was mailed";
  }
  EXPECT_EQ(sink.arrivals(), static_cast<size_t>(kRows + 30 - 10));
}

TEST_F(BackupTest, WhoeverReleasesARestoredNodeGivesAReason) {
  const Sink sink(dir, Script(), net.Address(2, 5353));
  StartDaemon();
  Load("spring", Template(), Recipients(20, Domains(2)));
  const std::string backup = Backup();
  KillDaemon();
  RestoreElsewhere(backup);
  StartDaemon();
  EXPECT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 77);
  const auto release = [&](std::vector<std::string> more) {
    std::vector<std::string> all = {"queue", "release", "--state", "in_doubt"};
    all.insert(all.end(), more.begin(), more.end());
    return Sealift(all);
  };
  EXPECT_EQ(release({"--yes"}).exit_code, 64) << "without a reason";
  EXPECT_EQ(release({"--campaign", "spring", "--reason", "only these", "--yes"}).exit_code, 64);
  EXPECT_EQ(release({"--reason", "nothing was sent since"}).exit_code, 64) << "nobody has said yes";
  EXPECT_EQ(release({"--reason", "how many?", "--dry-run"}).json["rows"].Number(), 20);
  EXPECT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 77);
  EXPECT_EQ(release({"--reason", "nothing was sent since", "--yes"}).json["rows"].Number(), 20);
  EXPECT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 20; }));
  StopDaemon();
}

TEST_F(BackupTest, ABackupWantsAKeyAndAPlaceOfItsOwn) {
  const std::string tables = settings.tables;
  settings.tables = "";
  StartDaemon();
  EXPECT_EQ(Sealift({"backup", "create"}).exit_code, 78);
  StopDaemon();
  settings.tables = fmt::format("[backup]\ndir = \"{}\"\nkey_file = \"{}\"\n", dir.path().string(), settings.kek_file);
  StartDaemon();
  const Answer same = Sealift({"backup", "create"});
  EXPECT_EQ(same.exit_code, 78) << same.Describe();
  EXPECT_THAT(same.out, HasSubstr("whoever takes one would have both"));
  StopDaemon();
  settings.tables = tables;
  StartDaemon();
  const Answer rotation = Sealift({"key", "rotate", dir.path() / "backup.key"});
  EXPECT_EQ(rotation.exit_code, 64) << rotation.Describe();
  EXPECT_THAT(rotation.out, HasSubstr("holds the key that seals backups"));
  const std::string backup = Backup();
  const Answer refused = Sealift({"backup", "restore", backup});
  EXPECT_EQ(refused.exit_code, 75) << "the daemon runs on that directory";
  StopDaemon();
  const Answer full = Sealift({"backup", "restore", backup});
  EXPECT_EQ(full.exit_code, 78) << full.Describe();
  EXPECT_THAT(full.out, HasSubstr("not empty"));
}

// Bits of what a load has just written flip beneath the daemon: first of its rows, then of all of it.
TEST_F(BackupTest, OfDamageEverybodyIsToldAndNothingIsAcceptedAfterIt) {
  const Sink sink(dir, Script(), net.Address(2, 5353));
  StartDaemon();
  const std::string people = Recipients(6000, Domains(20));
  Load("one", Template(), people);
  const std::string waiting = "sealift_queue_messages{stream=\"news\",state=\"queued\"}";
  EXPECT_EQ(Metric(waiting), 6000);
  std::set<std::string> before;
  const auto tables = [&] {
    std::set<std::string> paths;
    for (const auto& entry : std::filesystem::directory_iterator(settings.data_dir + "/queue")) {
      if (entry.path().extension() == ".sst" && !before.contains(entry.path())) paths.insert(entry.path());
    }
    return paths;
  };
  before = tables();
  Load("two", Template(), people);
  const auto damage = [&](const std::string& path) {
    std::string bytes = ReadFile(path);
    for (size_t i = 0; i < bytes.size(); i += 128) bytes[i] = static_cast<char>(bytes[i] ^ 1);
    std::fstream(path, std::ios::binary | std::ios::in | std::ios::out) << bytes;
  };
  for (const std::string& path : tables()) {
    if (ReadFile(path).find("sealift.rows.1") != std::string::npos) damage(path);
  }
  EXPECT_EQ(Sealift({"campaign", "preview", "one", "--row", "7000"}).exit_code, 66);
  const Answer preview = Sealift({"campaign", "preview", "two", "--row", "1"});
  EXPECT_EQ(preview.exit_code, 65) << preview.Describe();
  EXPECT_THAT(preview.out + preview.err, HasSubstr("backup restore"));
  EXPECT_THAT(Ready(), HasSubstr("503"));
  const Answer load =
      Sealift({"campaign", "load", "three", "--stream", "news", "--template", Template(), "--recipients", people});
  EXPECT_EQ(load.exit_code, 65) << load.Describe();
  EXPECT_THAT(load.out + load.err, HasSubstr("backup restore"));
  EXPECT_EQ(Sealift({"backup", "create"}).exit_code, 65);
  for (const std::string& path : tables()) damage(path);
  EXPECT_GE(Metric(waiting), 6000) << "an empty queue";
}

}  // namespace
}  // namespace sealift::scenario
