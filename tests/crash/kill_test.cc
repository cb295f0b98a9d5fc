// kill -9, over and over, at random moments of start, load, drain, deferral, `queue retry`, replay, backup and
// compaction: no acknowledged row is lost, what arrives twice was past its final dot and not yet durable at a kill, and
// of a stream that holds what is in doubt nothing arrives twice. See README.md beside this file.
//
// SEALIFT_CRASH_KILLS and SEALIFT_CRASH_SEED say how often and with which draw; the seed of a run is printed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/crash/judge.h"
#include "tests/crash/killer.h"
#include "tests/crash/plan.h"
#include "tests/crash/tail.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::crash {
namespace {

using scenario::Answer;
using scenario::Json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint64_t kUnsettledMax = 300;
constexpr uint64_t kManyKills = 200;
constexpr uint64_t kRowsInFlight = 7'000;  // acknowledged and not arrived: there is always something to send
constexpr uint32_t kFirstSourceAddress = 100, kSourceAddresses = 100;
constexpr uint64_t kCompactionNanoseconds = 200'000;  // more than a look whether there is something to do
constexpr seconds kPatience{3};                       // for a moment that does not come: the kill comes all the same

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class KillTest : public scenario::World {
 protected:
  KillTest()
      : seed_(FromEnvironment("SEALIFT_CRASH_SEED", std::random_device()())),
        kills_(FromEnvironment("SEALIFT_CRASH_KILLS", 30)),
        killer_(seed_),
        judge_(kUnsettledMax),
        told_(dir.path() / "acknowledged"),
        ledger_(dir.path() / "ledger") {
    // A compaction now and then wants small write buffers.
    settings.node = fmt::format("unsettled_max = {}\nmemory = \"64MiB\"", kUnsettledMax);
    settings.source = "rate = \"2000/s\"";
    settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"300ms\", \"500ms\"]"},
                        {"receipts", "tls = \"opportunistic\"\nretry = [\"300ms\", \"500ms\"]\nin_doubt = \"hold\""}};
    settings.tables = fmt::format("[backup]\ndir = \"{}\"\nkey_file = \"{}\"\n", dir.Folder("backups"),
                                  dir.Write("backup.key", "0123456789abcdefghijklmnopqrstuv", 0600));
    dir.Write("letter.eml",
              "From: Clinic <news@sender.test>\r\nTo: {{email}}\r\nSubject: News for {{name}}\r\n\r\n"
              "Dear {{name}}, we are open again.{{#note}}{{/note}}\r\n");
  }

  std::string Provider(const char* name, int address, const char* domains, const std::string& more) const {
    return fmt::format(
        "[[provider]]\nname = \"{0}\"\ndomains = [\"{1}\"]\nmx = [{{ host = \"mx.{0}.test\", address = \"{2}\" "
        "}}]\n{3}\n",
        name, domains, net.Address(address), more);
  }

  std::string Script() const {
    const std::string gone =
        "[[provider.rule]]\nat = \"rcpt\"\nlocal = \"gone*\"\nreply = \"550 5.1.1 No such user\"\n"
        "[[provider.rule]]\nat = \"rcpt\"\nlocal = \"again*\"\nfirst = 1\nreply = \"550 5.7.129 Access denied, the "
        "recipient only takes mail from its list. AS(201806281)\"\n";
    return Provider("steady", 10, "d{1..5}.test", gone) +
           Provider("slow", 11, "d6.test", "latency = \"10ms\"\n" + gone) +
           Provider("patient", 12, "d7.test",
                    gone + "[[provider.rule]]\nat = \"rcpt\"\nfirst = 1\nreply = \"450 4.2.0 Come back later\"\n") +
           Provider("late", 13, "d8.test",
                    gone + "[[provider.rule]]\nat = \"body\"\nfirst = 1\nreply = \"451 4.3.0 Come back later\"\n");
  }

  // The next life. Each sends from an address of its own, so that the sink's ledger says which life a message is of.
  void Begin() {
    ++life_;
    settings.source_address = net.Address(static_cast<int>(kFirstSourceAddress + life_ % kSourceAddresses));
    starts_.push_back(Now());
    LaunchDaemon();
  }

  static std::string Now() {
    timespec now;
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm utc;
    ::gmtime_r(&now.tv_sec, &utc);
    char text[32];
    std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    return fmt::format("{}.{:03}Z", text, now.tv_nsec / 1'000'000);
  }

  // The life in which something was decided at that time, as the daemon writes times.
  uint32_t LifeAt(const std::string& time) const {
    return static_cast<uint32_t>(std::upper_bound(starts_.begin(), starts_.end(), time) - starts_.begin());
  }

  // What the source address of a ledger's line says.
  uint32_t LifeOf(const std::string& address) const {
    const uint32_t last = static_cast<uint32_t>(std::atoi(address.substr(address.rfind('.') + 1).c_str()));
    uint32_t life = life_;
    while (life > 0 && kFirstSourceAddress + life % kSourceAddresses != last) --life;
    return life;
  }

  void ReadTold() {
    for (const std::string& line : told_.Read()) {
      const std::vector<std::string> words = Split(line, ' ');
      const uint32_t number = static_cast<uint32_t>(std::atoi(words.at(1).c_str()));
      loading_ = words[0] == "begin";
      if (words[0] == "ack") {
        judge_.Acknowledged(number, Plan::Of(seed_, number).rows, std::atoll(words.at(2).c_str()));
        acknowledged_.insert_or_assign(number, Settled{});
      }
      if (words[0] == "wrong") judge_.Find("the submitter: " + line);
    }
  }

  void ReadLedger() {
    for (const std::string& line : ledger_.Read()) {
      const std::vector<std::string> fields = Split(line, '\t');
      judge_.Arrived(fields.at(2), fields.at(3), LifeOf(fields.at(6)));
    }
  }

  // Every outcome that became durable since the audit before, by the cursor that this one ended with.
  void ReadEvents() {
    std::vector<std::string> arguments = {"-o", "ndjson", "events", "--reveal"};
    if (!cursor_.empty()) arguments.insert(arguments.end(), {"--after", cursor_});
    const Answer answer = SealiftPlain(arguments);
    if (answer.exit_code != 0) judge_.Find("events: " + answer.Describe());
    for (const std::string& line : Split(answer.out, '\n')) {
      const Json event = Json::Parse(line);
      cursor_ = event["cursor"].Text();
      judge_.Settled(event["recipient"].Text(), event["outcome"].Text(), LifeAt(event["time"].Text()));
    }
  }

  // Every campaign whose load was acknowledged is there, whole, and nothing that was settled came undone.
  void ReadCampaigns() {
    const std::map<uint32_t, Settled> known = acknowledged_;  // what is acknowledged from here on may be missing below
    const Answer answer = Sealift({"campaign", "list"});
    std::map<std::string, Json> listed;
    for (const Json& campaign : answer.json["campaigns"].Items()) listed.emplace(campaign["name"].Text(), campaign);
    retrying_ = false;
    for (const auto& [number, before] : known) {
      const Plan plan = Plan::Of(seed_, number);
      const auto found = listed.find(plan.name());
      if (found == listed.end()) {
        judge_.Find(fmt::format("campaign {} was acknowledged and is gone", number));
        continue;
      }
      const Json& campaign = found->second;
      const int64_t delivered = campaign["delivered"].Number(), bounced = campaign["bounced"].Number();
      const int64_t queued = campaign["queued"].Number();
      retrying_ = retrying_ || campaign["retrying"].Number() > 0;
      if (campaign["loaded"].Number() != plan.rows || queued + delivered + bounced != plan.rows ||
          campaign["state"].Text() == "ready") {
        judge_.Find(fmt::format("campaign {} of {} rows shows {}", number, plan.rows, campaign.Dump()));
      }
      // What is replayed is queued again.
      if (delivered < before.delivered || bounced + plan.replayed() < before.bounced) {
        judge_.Find(fmt::format("campaign {}: {} delivered and {} bounced rows were shown before {}", number,
                                before.delivered, before.bounced, campaign.Dump()));
      }
      acknowledged_[number] = {delivered, bounced};
    }
  }

  bool AllSettled() {
    const Answer answer = Sealift({"campaign", "list"});
    for (const Json& campaign : answer.json["campaigns"].Items()) {
      if (campaign["queued"].Number() != campaign["in_doubt"].Number()) return false;
    }
    return true;
  }

  // At the end: each row that is counted as in doubt is listed.
  void ReadInDoubt() {
    const Answer answer = Sealift({"campaign", "list"});
    for (const Json& campaign : answer.json["campaigns"].Items()) {
      const int64_t counted = campaign["in_doubt"].Number();
      if (counted == 0) continue;
      const std::string name = campaign["name"].Text();
      const Answer rows = Sealift({"queue", "list", "--campaign", name, "--limit", "1000", "--reveal"});
      int64_t listed = 0;
      for (const Json& row : rows.json["rows"].Items()) {
        if (row["state"].Text() != "in_doubt") continue;
        ++listed;
        judge_.InDoubt(row["recipient"].Text());
      }
      if (listed != counted) judge_.Find(fmt::format("{}: {} rows in doubt, {} are listed", name, counted, listed));
    }
  }

  void Audit() {
    ReadTold();
    ReadLedger();
    ReadEvents();
    ReadCampaigns();
  }

  // Begins to send again what was refused for a policy; false: there is nothing of it.
  bool Replay() {
    std::vector<std::string> replay = {"queue",   "replay", "--everything", "--outcome", "bounced",
                                       "--class", "policy", "--reason",     "delisted"};
    std::vector<std::string> dry = replay;
    dry.emplace_back("--dry-run");
    if (Sealift(dry).json["queued"].Number() == 0) return false;
    replay.emplace_back("--yes");
    const Answer answer = Sealift(replay);
    if (answer.exit_code != 0) judge_.Find("queue replay: " + answer.Describe());
    replay_ = answer.json["id"].Text();
    return answer.exit_code == 0;
  }

  void RemoveBackups() const {
    std::filesystem::remove_all(dir.path() / "backups");
    std::filesystem::create_directory(dir.path() / "backups");
    std::filesystem::permissions(dir.path() / "backups", std::filesystem::perms::owner_all);
  }

  // Whatever the kill has left of a backup, what is listed is whole.
  void ReadBackups() {
    const Answer list = Sealift({"backup", "list"});
    if (list.exit_code != 0) judge_.Find("backup list: " + list.Describe());
    for (const Json& backup : list.json["backups"].Items()) {
      const Answer verified = Sealift({"backup", "verify", backup["file"].Text()});
      if (verified.exit_code != 0) judge_.Find("backup verify: " + verified.Describe());
      ++backups_;
    }
  }

  // Waits for the moment, as far as it comes.
  bool Reach(Moment moment) {
    switch (moment) {
      case Moment::kStart:
        return true;
      case Moment::kLoad:
        return Killer::Await(kPatience, [this] {
          ReadTold();
          return loading_;
        });
      case Moment::kDrain: {
        const uint64_t enough = judge_.arrivals() + 200;
        return Killer::Await(kPatience, [this, enough] {
          ReadLedger();
          return judge_.arrivals() >= enough;
        });
      }
      case Moment::kRetry:
        return Killer::Await(kPatience, [this] {
          ReadTold();
          ReadCampaigns();
          return retrying_;
        });
      case Moment::kMove:
        // Not waited for: the kill comes while the command starts, moves rows, or has just ended.
        mover_ = std::make_unique<scenario::Process>(
            std::vector<std::string>{scenario::OurProgram("sealift"), "--config", config_file, "queue", "retry",
                                     "--everything", "--reason", "the harness"},
            dir.path() / "mover.out", dir.path() / "mover.err");
        return true;
      case Moment::kReplay:
        return Replay();
      case Moment::kBackup:
        // Nor here; those that were whole before are in nobody's way.
        RemoveBackups();
        backup_ = std::make_unique<scenario::Process>(
            std::vector<std::string>{scenario::OurProgram("sealift"), "--config", config_file, "backup", "create"},
            dir.path() / "backup.out", dir.path() / "backup.err");
        return true;
      case Moment::kCompaction:
        return Killer::Await(kPatience, [this, before = CompactionNanoseconds(daemon->pid())]() mutable {
          const uint64_t ran = CompactionNanoseconds(daemon->pid()) - before;
          before += ran;
          return ran >= kCompactionNanoseconds;
        });
    }
    return false;
  }

  // One life and its end.
  void LiveAndDie() {
    const Killer::Decision decision = killer_.Next();
    Begin();
    if (decision.moment != Moment::kStart) {
      ASSERT_NO_FATAL_FAILURE(AwaitReady());
      // A start leaves tables to compact, and by the end of an audit they are.
      if (decision.moment != Moment::kCompaction) Audit();
      if (std::exchange(was_backed_up_, false)) ReadBackups();
    }
    bool reached = Reach(decision.moment);
    Killer::Wait(decision.delay);
    if (backup_ != nullptr) reached = backup_->running();  // else it was over before the kill
    if (reached) ++reached_[static_cast<size_t>(decision.moment)];
    ASSERT_TRUE(daemon->running()) << "sealiftd ended by itself in life " << life_ << ": " << daemon->Err();
    KillDaemon();
    if (mover_ != nullptr) mover_->WaitFor(kSoon);
    mover_.reset();
    if (backup_ != nullptr) backup_->WaitFor(kSoon);
    was_backed_up_ = was_backed_up_ || backup_ != nullptr;
    backup_.reset();
  }

  struct Settled {
    int64_t delivered = 0, bounced = 0;
  };

  const uint64_t seed_, kills_;
  Killer killer_;
  Judge judge_;
  Tail told_, ledger_;
  std::string cursor_;
  uint32_t life_ = 0;
  std::vector<std::string> starts_;  // of the lives
  std::map<uint32_t, Settled> acknowledged_;
  bool loading_ = false, retrying_ = false;
  std::unique_ptr<scenario::Process> mover_, backup_;  // `queue retry` and `backup create` under way
  bool was_backed_up_ = false;                         // in a life that has ended, and nobody has looked yet
  uint64_t backups_ = 0;                               // whole ones
  std::string replay_;                                 // the newest job
  std::array<uint64_t, kMoments> reached_{};
};

TEST_F(KillTest, NothingAcknowledgedIsLostAndEveryDuplicateIsExplained) {
  fmt::print("{} kills; repeat with SEALIFT_CRASH_KILLS={} SEALIFT_CRASH_SEED={}\n", kills_, kills_, seed_);
  std::fflush(stdout);
  const scenario::Sink sink(dir, Script(), net.Address(2, 5353));
  scenario::Process submitter(
      {SEALIFT_CRASH_SUBMITTER, config_file, dir.path(), std::to_string(seed_), std::to_string(kRowsInFlight)},
      dir.path() / "submitter.out", dir.path() / "submitter.err");
  for (uint64_t kill = 1; kill <= kills_; ++kill) {
    ASSERT_NO_FATAL_FAILURE(LiveAndDie());
    if (kill % 50 == 0) {
      fmt::print("{} kills, {} rows acknowledged, {} arrivals, {} of them again\n", kill, judge_.acknowledged_rows(),
                 judge_.arrivals(), judge_.duplicates());
      std::fflush(stdout);
    }
  }

  // The last life is left alone: everything that was acknowledged is sent.
  Begin();
  ASSERT_NO_FATAL_FAILURE(AwaitReady());
  dir.Write("stop", "");
  ASSERT_EQ(submitter.WaitFor(kInTime).value_or(-1), 0) << submitter.Err();
  if (!scenario::Eventually(kInTime, [this] { return AllSettled(); })) {
    ADD_FAILURE() << "rows are queued and do not move: " << SealiftPlain({"queue", "shape", "--everything"}).Describe();
    for (const std::string& domain : scenario::Domains(Plan::kDomains)) {
      fmt::print(stderr, "{}", SealiftPlain({"domain", "explain", domain}).Describe());
    }
  }
  // And what is still refused for a policy, too.
  if (Replay()) {
    const bool sent = scenario::Eventually(kInTime, [this] {
      return Sealift({"queue", "job", replay_}).json["state"].Text() != "running" && AllSettled();
    });
    EXPECT_TRUE(sent) << Sealift({"queue", "jobs"}).Describe();
  }
  Audit();
  ReadInDoubt();
  EXPECT_EQ(Sealift({"backup", "create"}).exit_code, 0);
  ReadBackups();
  StopDaemon();

  const std::vector<std::string> findings = judge_.Finish();
  EXPECT_TRUE(findings.empty()) << fmt::format("{}", fmt::join(findings, "\n"));
  std::string moments;
  for (size_t i = 0; i < reached_.size(); ++i) {
    // Compactions and backups here take milliseconds: a few kills can miss them all.
    const auto moment = static_cast<Moment>(i);
    const bool sure = kills_ >= kManyKills || (moment != Moment::kCompaction && moment != Moment::kBackup);
    EXPECT_TRUE(reached_[i] > 0 || !sure) << "no kill came at a moment of " << ToString(moment);
    moments += fmt::format(" {} {}", reached_[i], ToString(moment));
  }
  fmt::print(
      "{} kills (at:{}): {} rows acknowledged in {} campaigns, {} arrivals, {} of them again, at most {} for one "
      "kill; {} held in doubt; {} backups were whole\n",
      kills_, moments, judge_.acknowledged_rows(), acknowledged_.size(), judge_.arrivals(), judge_.duplicates(),
      judge_.duplicates_a_life_max(), judge_.in_doubt(), backups_);
}

}  // namespace
}  // namespace sealift::crash
