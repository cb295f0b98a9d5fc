// Rows are bounced, expired and replayed by an operator, in the background: counted, cancelled, killed in the middle,
// and never lost or doubled.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

class QueueJobTest : public World {
 protected:
  // A recipient is refused the first time, for a policy, and taken the second.
  std::string Script(const std::string& reply) {
    return fmt::format(
        "[[provider]]\nname = \"all\"\ndomains = [\"d{{1..4}}.test\"]\n"
        "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n"
        "[[provider.rule]]\nat = \"rcpt\"\nfirst = 1\nreply = \"{}\"\n",
        net.Address(10), reply);
  }
  Json Job(const std::string& id) { return Sealift({"queue", "job", id}).json; }
  bool Ends(const std::string& id) {
    return Eventually(kInTime, [&] { return Job(id)["state"].Text() != "running"; });
  }
};

TEST_F(QueueJobTest, RowsAreBouncedAndExpiredByFilterAndTheAccountIsEven) {
  const Sink sink(dir, Script("250 2.1.5 Ok"), net.Address(2, 5353));
  StartDaemon();
  Load("spring", Template(), Recipients(400, Domains(4)));
  const Answer dry = Sealift({"queue", "bounce", "--domain", "d1.test", "--reason", "gone", "--dry-run"});
  ASSERT_EQ(dry.exit_code, 0) << dry.Describe();
  EXPECT_EQ(dry.json["queued"].Number(), 100);
  EXPECT_EQ(Sealift({"queue", "bounce", "--domain", "d1.test", "--reason", "gone"}).exit_code, 64) << "needs --yes";
  for (const auto& [term, name] : {std::pair{"--provider", "gogle"}, {"--stream", "nws"}, {"--source", "ip11"}}) {
    const Answer mistyped = Sealift({"queue", "bounce", term, name, "--reason", "gone", "--yes"});
    EXPECT_EQ(mistyped.exit_code, 64) << mistyped.Describe();
    EXPECT_THAT(mistyped.out, HasSubstr(name));
  }
  const Answer bounce = Sealift({"queue", "bounce", "--domain", "d1.test", "--reason", "gone", "--yes"});
  ASSERT_EQ(bounce.exit_code, 0) << bounce.Describe();
  ASSERT_TRUE(Ends(bounce.json["id"].Text()));
  EXPECT_EQ(Job(bounce.json["id"].Text())["moved"].Number(), 100);
  const Answer expire = Sealift({"queue", "expire", "--recipient", "row2@d2.test", "--reason", "too late", "--yes"});
  ASSERT_EQ(expire.exit_code, 0) << expire.Describe();
  ASSERT_TRUE(Ends(expire.json["id"].Text()));
  const Json now = Show("spring");
  EXPECT_EQ(now["bounced"].Number(), 100);
  EXPECT_EQ(now["expired"].Number(), 1);
  ASSERT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& shown) { return shown["delivered"].Number() == 299; }));
  EXPECT_EQ(sink.arrivals(), 299u);
  EXPECT_EQ(sink.ByMailbox().count("row2@d2.test"), 0u);
  StopDaemon();
}

TEST_F(QueueJobTest, WhatNothingWasSentToIsOfTheProviderThatItsHostsAreOf) {
  const Sink sink(dir, Script("250 2.1.5 Ok"), net.Address(2, 5353));
  settings.tables += "[[provider]]\nname = \"group\"\nmx = [\"mx.all.test\"]\n";
  StartDaemon();
  std::vector<std::string> domains = Domains(4);
  domains.emplace_back("nowhere.example");  // the sink's DNS knows nothing of it
  Load("spring", Template(), Recipients(50, domains));
  const auto dry = [&](const char* verb, const char* provider) {
    return Sealift({"queue", verb, "--provider", provider, "--reason", "gone", "--dry-run"}).json;
  };
  for (const char* verb : {"bounce", "expire", "hold"}) {
    EXPECT_EQ(dry(verb, "group")["queued"].Number(), 40) << verb;
    EXPECT_EQ(dry(verb, "group")["unplaced"].Number(), 10) << verb;
    EXPECT_EQ(dry(verb, "other")["queued"].Number(), 0) << verb;
    EXPECT_EQ(dry(verb, "other")["unplaced"].Number(), 10) << verb;
  }
  EXPECT_EQ(Sealift({"queue", "list", "--provider", "group"}).json["rows"].Items().size(), 40u);
  EXPECT_EQ(Sealift({"queue", "shape", "--provider", "group"}).json["unplaced"].Number(), 10);
  // Of filters that ask about each row as well.
  const Json shape = Sealift({"queue", "shape", "--state", "fresh", "--campaign", "spring", "--limit", "2"}).json;
  EXPECT_EQ(shape["destinations"].At(0)["queued"].Number(), 10);
  EXPECT_EQ(shape["others"]["queued"].Number(), 30) << shape.Dump();
  EXPECT_EQ(shape["total"].Number(), 5);
  EXPECT_EQ(Sealift({"queue", "shape", "--state", "retrying"}).json["total"].Number(), 0);
  EXPECT_EQ(Sealift({"domain", "explain", "d1.test"}).json["provider"].Text(), "group");
  EXPECT_EQ(Sealift({"domain", "explain", "d1.test"}).json["hosts"].Items().size(), 1u);
  EXPECT_NE(Sealift({"domain", "explain", "nowhere.example"}).json["provider"].Text(), "other");
  const Answer none = Sealift({"queue", "bounce", "--provider", "other", "--reason", "gone", "--yes"});
  ASSERT_TRUE(Ends(none.json["id"].Text())) << none.Describe();
  EXPECT_EQ(Job(none.json["id"].Text())["moved"].Number(), 0);
  EXPECT_THAT(Job(none.json["id"].Text())["why"].Text(), HasSubstr("10 rows are left whose provider is not known"));
  const Answer all = Sealift({"queue", "bounce", "--provider", "group", "--reason", "gone", "--yes"});
  ASSERT_TRUE(Ends(all.json["id"].Text())) << all.Describe();
  EXPECT_EQ(Show("spring")["bounced"].Number(), 40);
  EXPECT_EQ(Show("spring")["queued"].Number(), 10);
  StopDaemon();
}

TEST_F(QueueJobTest, APageOfRowsGoesOnWhenItsCampaignHasNoMore) {
  const Sink sink(dir, Script("250 2.1.5 Ok"), net.Address(2, 5353));
  StartDaemon();
  for (const char* campaign : {"spring", "summer"}) Load(campaign, Template(), Recipients(12, Domains(4)));
  const Json first = Sealift({"queue", "list", "--everything", "--limit", "6"}).json;
  const std::string cursor = first["cursor"].Text();
  const std::string campaign = first["rows"].Items().at(0)["campaign"].Text();
  ASSERT_EQ(Sealift({"queue", "bounce", "--campaign", campaign, "--reason", "gone", "--yes"}).json["moved"].Number(),
            12);
  EXPECT_EQ(Sealift({"queue", "list", "--everything", "--after", cursor}).json["rows"].Items().size(), 12u)
      << "those of the other campaign";
  for (const std::string& none : {std::string("zzz"), "7" + cursor, cursor.substr(0, 7), "1:" + std::string(64, 'a')}) {
    EXPECT_EQ(Sealift({"queue", "list", "--everything", "--after", none}).exit_code, 65) << none;
  }
  StopDaemon();
}

TEST_F(QueueJobTest, ARunningCampaignsRowsAreBouncedWhileOthersGoOn) {
  const Sink sink(dir, Script("250 2.1.5 Ok"), net.Address(2, 5353));
  settings.source = "rate = \"200/s\"";
  StartDaemon();
  Load("spring", Template(), Recipients(4000, Domains(4)), {"--start"});
  ASSERT_TRUE(Eventually(kInTime, [&] { return sink.arrivals() > 100; }));
  const Answer bounce = Sealift({"queue", "bounce", "--domain", "d3.test", "--reason", "gone", "--yes"});
  ASSERT_TRUE(Ends(bounce.json["id"].Text()));
  ASSERT_EQ(Sealift({"queue", "bounce", "--campaign", "spring", "--reason", "enough", "--yes"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  const Json now = Show("spring");
  EXPECT_EQ(now["delivered"].Number(), static_cast<int64_t>(sink.arrivals()));
  EXPECT_EQ(now["delivered"].Number() + now["bounced"].Number(), 4000);
  StopDaemon();
}

TEST_F(QueueJobTest, AReplaySendsWhatWasRefusedForOneReasonAgainAndOnlyOnce) {
  const Sink sink(dir, Script("550 5.7.129 Access denied, the recipient only takes mail from its list. AS(201806281)"),
                  net.Address(2, 5353));
  StartDaemon();
  Load("spring", Template(), Recipients(40, Domains(4)), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  ASSERT_EQ(Show("spring")["bounced"].Number(), 40);
  const std::string reason_class = Events("spring")[0]["class"].Text();
  ASSERT_EQ(reason_class, "policy");
  const std::vector<std::string> replay = {"queue",   "replay",     "--everything", "--outcome", "bounced",
                                           "--class", reason_class, "--reason",     "delisted"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = replay;
    all.insert(all.end(), more.begin(), more.end());
    return Sealift(all);
  };
  EXPECT_EQ(with({"--dry-run"}).json["queued"].Number(), 40);
  EXPECT_EQ(with({"--dry-run", "--matching", "no such words"}).json["queued"].Number(), 0);
  EXPECT_EQ(with({"--dry-run", "--matching", "^550 5\\.7\\.129 access DENIED"}).json["queued"].Number(), 40);
  // Whoever looks for that is shown it so.
  const std::string as_it_came = "550 5.7.129 Access denied, the recipient only takes mail from its list.";
  EXPECT_THAT(Sealift({"domain", "explain", "d1.test"}).json["replies"].At(0)["reply"].Text(), HasSubstr(as_it_came));
  EXPECT_THAT(SealiftPlain({"message", "trace", Events("spring")[0]["id"].Text()}).out, HasSubstr(as_it_came));
  ASSERT_EQ(Sealift({"suppression", "add", "row1@d1.test", "--reason", "asked"}).exit_code, 0);
  EXPECT_EQ(with({"--dry-run"}).json["queued"].Number(), 39);

  const Answer job = with({"--yes", "--matching", "AS\\(", "--rate", "1000/s"});
  ASSERT_EQ(job.exit_code, 0) << job.Describe();
  const Answer twice = with({"--yes", "--rate", "1000/s"});
  ASSERT_TRUE(Ends(job.json["id"].Text()));
  ASSERT_TRUE(Ends(twice.json["id"].Text()));
  EXPECT_EQ(Job(job.json["id"].Text())["moved"].Number() + Job(twice.json["id"].Text())["moved"].Number(), 39);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 39; }));
  EXPECT_EQ(Show("spring")["bounced"].Number(), 1) << "who is suppressed by now stays as it was";
  EXPECT_EQ(sink.arrivals(), 39u);
  EXPECT_EQ(sink.ByMailbox().count("row1@d1.test"), 0u);
  EXPECT_THAT(Sealift({"queue", "jobs"}).out, HasSubstr("delisted"));
  const Answer mistyped =
      Sealift({"queue", "replay", "--provider", "gogle", "--outcome", "expired", "--reason", "no", "--yes"});
  EXPECT_EQ(mistyped.exit_code, 64) << mistyped.Describe();
  EXPECT_THAT(mistyped.out, HasSubstr("there is no provider 'gogle'"));
  for (const std::vector<std::string>& order :
       std::vector<std::vector<std::string>>{{"queue", "replay", "--outcome", "bounced", "--reason", "no", "--yes"},
                                             {"queue", "retry", "--reason", "no"},
                                             {"queue", "hold", "--reason", "no"},
                                             {"queue", "list"}}) {
    std::vector<std::string> with_class = order;
    with_class.insert(with_class.end(), {"--class", "greylisting"});
    const Answer no_class = Sealift(with_class);
    EXPECT_EQ(no_class.exit_code, 64) << no_class.Describe();
    EXPECT_THAT(no_class.out, HasSubstr("there is no class 'greylisting'; there are: authentication, bad_domain"));
  }
  EXPECT_EQ(Sealift({"queue", "replay", "--everything", "--outcome", "bounced", "--class", "bad_mailbox", "--reason",
                     "no", "--yes"})
                .exit_code,
            64);
  StopDaemon();
}

TEST_F(QueueJobTest, WhatAReplayMovesIsCaughtByTheHoldsThatAreInForce) {
  const Sink sink(dir, Script("550 5.7.129 Access denied, the recipient only takes mail from its list"),
                  net.Address(2, 5353));
  StartDaemon();
  Load("spring", Template(), Recipients(40, Domains(4)), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["bounced"].Number() == 40; }));
  const Answer row = Sealift({"queue", "hold", "--recipient", "row1@d1.test", "--reason", "a call is awaited"});
  const Answer domain = Sealift({"queue", "hold", "--domain", "d2.test", "--reason", "it is being moved"});
  const Answer job = Sealift({"queue", "replay", "--everything", "--outcome", "bounced", "--class", "policy", "--rate",
                              "1000/s", "--reason", "delisted", "--yes"});
  ASSERT_EQ(job.exit_code, 0) << job.Describe();
  const std::string id = job.json["id"].Text();
  // One on a domain leaves its rows settled until it ends; one on a row keeps it in the queue.
  ASSERT_TRUE(Eventually(kInTime, [&] {
    return Show("spring")["delivered"].Number() == 29 && Job(id)["why"].Text().contains("keeps some of its rows");
  }));
  EXPECT_EQ(Job(id)["moved"].Number(), 30);
  const Json kept = Sealift({"queue", "list", "--state", "held"}).json["rows"];
  ASSERT_EQ(kept.Items().size(), 1u);
  EXPECT_THAT(Sealift({"message", "trace", kept.At(0)["id"].Text()}).json["waits_for"].Text(),
              HasSubstr(row.json["id"].Text()));
  EXPECT_EQ(sink.ByMailbox().count("row1@d1.test"), 0u);
  for (const Answer& hold : {row, domain}) {
    ASSERT_EQ(Sealift({"queue", "release", "--hold", hold.json["id"].Text(), "--reason", "over"}).exit_code, 0);
  }
  ASSERT_TRUE(Ends(id));
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 40; }));
  StopDaemon();
}

// As many rows as tests/scenario/replay asks for; a few thousand otherwise.
int RowsOfAReplay() {
  const char* const rows = std::getenv("SEALIFT_REPLAY_ROWS");
  return rows == nullptr ? 6000 : std::max(std::atoi(rows), 1000);
}

TEST_F(QueueJobTest, AReplayThatIsKilledInTheMiddleGoesOnAndLosesAndDoublesNothing) {
  const int rows = RowsOfAReplay();
  const int rate = std::min(rows / 3, 5000);
  const std::chrono::seconds deadline = kInTime + std::chrono::seconds(rows / 1000);
  const Sink sink(dir, Script("250 2.1.5 Ok"), net.Address(2, 5353));
  StartDaemon();
  Load("spring", Template(), Recipients(rows, Domains(4)));
  const Answer expire = Sealift({"queue", "expire", "--everything", "--reason", "by mistake", "--yes"});
  const auto ends = [&](const std::string& id) {
    return Eventually(deadline, [&] { return Job(id)["state"].Text() != "running"; });
  };
  ASSERT_TRUE(ends(expire.json["id"].Text()));
  ASSERT_EQ(Show("spring")["expired"].Number(), rows);
  ASSERT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 0);
  ASSERT_EQ(Sealift({"suppression", "add", "row1@d1.test", "--reason", "she asked for it"}).exit_code, 0);
  const int wanted = rows - 1;

  const std::vector<std::string> command = {
      "queue",    "replay",           "--everything", "--outcome", "expired", "--rate", fmt::format("{}/s", rate),
      "--reason", "it was a mistake", "--yes"};
  const auto began = std::chrono::system_clock::now();
  const Answer replay = Sealift(command);
  ASSERT_EQ(replay.exit_code, 0) << replay.Describe();
  const std::string id = replay.json["id"].Text();
  int64_t moved = 0;
  for (int kill = 0; kill < 2; ++kill) {
    ASSERT_TRUE(Eventually(deadline, [&] {
      const int64_t now = Job(id)["moved"].Number();
      return now > moved || now == wanted;
    }));
    KillDaemon();
    StartDaemon();
    moved = Job(id)["moved"].Number();
    const Json after = Show("spring");  // the account is even
    EXPECT_EQ(after["loaded"].Number(), rows);
  }
  ASSERT_TRUE(ends(id));
  EXPECT_EQ(Job(id)["state"].Text(), "done");
  EXPECT_EQ(Job(id)["moved"].Number(), wanted) << "each row once, over the kills";
  EXPECT_EQ(Job(id)["suppressed"].Number(), 1) << "counted once, however often it is looked at";
  ASSERT_TRUE(ShowsUntil("spring", deadline, [&](const Json& now) { return now["delivered"].Number() == wanted; }));
  EXPECT_EQ(sink.ByMailbox().size(), static_cast<size_t>(wanted));
  // It was paced: the last row was due no earlier than the rate says.
  const std::vector<Sink::Arrival> ledger = sink.Ledger();
  const double from = std::chrono::duration<double>(began.time_since_epoch()).count();
  EXPECT_GE(ledger.back().time - from, 0.9 * rows / rate);
  // Who asks again finds nothing that is not delivered.
  const Answer again = Sealift(command);
  if (again.exit_code == 0) {
    ASSERT_TRUE(ends(again.json["id"].Text()));
    EXPECT_EQ(Job(again.json["id"].Text())["moved"].Number(), 0);
  }
  EXPECT_EQ(Show("spring")["delivered"].Number(), wanted);
  StopDaemon();
}

TEST_F(QueueJobTest, AJobThatIsCancelledLeavesTheRest) {
  const Sink sink(dir, Script("250 2.1.5 Ok"), net.Address(2, 5353));
  StartDaemon();
  Load("spring", Template(), Recipients(20'000, Domains(4)));
  const Answer expire = Sealift({"queue", "expire", "--everything", "--reason", "by mistake", "--yes"});
  const std::string id = expire.json["id"].Text();
  const Answer cancel = Sealift({"queue", "job", id, "--cancel", "--reason", "stop"});
  const Json job = Job(id);
  EXPECT_EQ(Show("spring")["expired"].Number(), job["moved"].Number());
  if (cancel.exit_code == 0) {
    EXPECT_EQ(job["state"].Text(), "cancelled");
    EXPECT_GT(Show("spring")["queued"].Number(), 0);
  } else {
    EXPECT_EQ(cancel.exit_code, 64) << "it was done already";
  }
  EXPECT_EQ(Sealift({"queue", "job", "j99"}).exit_code, 66);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
