// Mail that waits for sixteen different things: the command line and the metrics count the same rows, and each
// wait has its limit, its value and who set it. A kill changes none of it, and lets nothing out.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <ctime>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/sink_script.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class WaitsTest : public World {
 protected:
  WaitsTest() {
    // The weekday in three days, wherever midnight falls meanwhile.
    const std::time_t later = std::time(nullptr) + 3L * 24 * 3600;
    std::tm day{};
    gmtime_r(&later, &day);
    const char* const days[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    settings.streams = {
        {"news", "tls = \"opportunistic\"\nretry = [\"6h\"]"},
        {"private", "tls = \"require\"\nretry = [\"6h\"]"},
        {"later",
         fmt::format("tls = \"opportunistic\"\nwindow = {{ days = [\"{}\"], from = \"10:00\", to = \"11:00\" }}",
                     days[day.tm_wday])},
        {"seldom", "tls = \"opportunistic\"\nrecipient_cap = \"1/d\""}};
  }

  virtual std::vector<std::string> Domains() const {
    return {"open.test", "plain.test", "gone.test", "told.test", "held.test"};
  }

  std::string Internet() const {
    const auto provider = [&](const std::string& name, int address, const std::string& lines) {
      return fmt::format(
          "[[provider]]\nname = \"{0}\"\ndomains = [\"{0}.test\"]\n"
          "mx = [{{ host = \"mx.{0}.test\", address = \"{1}\" }}]\n{2}\n",
          name, net.Address(address), lines);
    };
    return provider("open", 10, "") + provider("plain", 11, "tls = \"off\"") +
           provider("gone", 12, "connect = \"refuse\"") +
           provider("told", 13,
                    "[[provider.rule]]\nat = \"mail\"\nreply = \"450 4.7.1 Too many messages, slow down\"") +
           provider("held", 14, "");
  }

  // Ten rows of a campaign of its own, which goes to one domain.
  void LoadTen(const std::string& name, const std::string& stream, const std::string& domain,
               std::vector<std::string> more = {"--start"}) {
    std::vector<std::string> arguments = {"campaign", "load",         name,
                                          "--stream", stream,         "--template",
                                          Template(), "--recipients", Recipients(10, {domain}, name + ".csv")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Answer loaded = Sealift(arguments);
    ASSERT_EQ(loaded.exit_code, 0) << loaded.Describe();
    campaigns_.push_back(name);
  }

  double Queued() {
    double queued = 0;
    for (const std::string& name : campaigns_) queued += static_cast<double>(Show(name)["queued"].Number());
    return queued;
  }

  // Rows by reason, as `domain explain` tells of all domains.
  std::map<std::string, double> Explained() {
    std::map<std::string, double> rows;
    for (const std::string& domain : Domains()) {
      const Answer explained = Sealift({"domain", "explain", domain});
      EXPECT_EQ(explained.exit_code, 0) << explained.Describe();
      const Json& waits = explained.json["waits"];
      for (size_t i = 0; i < waits.size(); ++i) {
        rows[waits.At(i)["reason"].Text()] += static_cast<double>(waits.At(i)["rows"].Number());
      }
    }
    return rows;
  }

  // The same as the metrics have it.
  std::map<std::string, double> Waiting() { return MetricBy("sealift_queue_waiting", "reason"); }

  static double Sum(const std::map<std::string, double>& rows) {
    double sum = 0;
    for (const auto& [reason, count] : rows) sum += count;
    return sum;
  }

  static std::vector<std::string> Reasons(const std::map<std::string, double>& rows) {
    std::vector<std::string> reasons;
    for (const auto& [reason, count] : rows) {
      if (count > 0) reasons.push_back(reason);
    }
    return reasons;
  }

  // Everything stands still, and both say of every row why.
  void ExpectEveryRowExplained(const std::vector<std::string>& reasons) {
    std::map<std::string, double> explained, waiting;
    double queued = 0;
    const bool even = Eventually(kInTime, [&] {
      explained = Explained();
      waiting = Waiting();
      queued = Queued();
      const std::vector<std::string> found = Reasons(explained);
      return Sum(explained) == queued && explained == waiting && ::testing::Value(found, IsSupersetOf(reasons));
    });
    EXPECT_TRUE(even) << "queued: " << queued << ", explained: " << ::testing::PrintToString(explained)
                      << ", metrics: " << ::testing::PrintToString(waiting);
  }

  // The wait of a domain for this reason; null when nobody waits for it.
  Json Wait(const std::string& domain, const std::string& reason) {
    const Json waits = Sealift({"domain", "explain", domain}).json["waits"];
    for (size_t i = 0; i < waits.size(); ++i) {
      if (waits.At(i)["reason"].Text() == reason) return waits.At(i);
    }
    return {};
  }

  std::vector<std::string> campaigns_;
};

TEST_F(WaitsTest, EveryRowThatWaitsIsExplainedAndAKillLetsNothingOut) {
  const Sink sink(dir, Internet(), net.Address(2, 5353));
  StartDaemon();
  ASSERT_EQ(Sealift({"queue", "hold", "--domain", "held.test", "--reason", "they asked for it"}).exit_code, 0);
  LoadTen("slow", "news", "open.test", {"--start", "--rate", "100/s", "--messages-per-day", "2"});
  LoadTen("even", "news", "open.test", {"--start", "--messages-per-day", "100000000"});
  LoadTen("closed", "later", "open.test");
  LoadTen("first", "seldom", "open.test");
  ASSERT_TRUE(ShowsUntil("first", kInTime, [](const Json& now) { return now["delivered"].Number() == 10; }));
  LoadTen("capped", "seldom", "open.test");
  LoadTen("secret", "private", "plain.test");
  LoadTen("dead", "news", "gone.test");
  LoadTen("refused", "news", "told.test");
  LoadTen("kept", "news", "held.test");
  LoadTen("stopped", "news", "open.test", {"--start-at", "2100-01-01T00:00:00Z"});
  LoadTen("unready", "news", "open.test", {});
  ASSERT_EQ(Sealift({"campaign", "pause", "stopped", "--reason", "a mistake in the text"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("slow", kInTime, [](const Json& now) { return now["delivered"].Number() == 1; }));
  ASSERT_TRUE(ShowsUntil("even", kInTime, [](const Json& now) { return now["delivered"].Number() == 10; }));
  ASSERT_TRUE(ShowsUntil("capped", kInTime, [](const Json& now) { return now["deferrals"].Number() == 10; }));
  ASSERT_TRUE(ShowsUntil("refused", kInTime, [](const Json& now) { return now["deferrals"].Number() >= 1; }));

  ExpectEveryRowExplained({"campaign_day", "window", "recipient_cap", "no_tls", "backoff", "hold", "paused"});
  const auto told = [&] {
    const std::string open = SealiftPlain({"domain", "explain", "open.test"}).out;
    EXPECT_THAT(open, HasSubstr("campaign_day rate of slow: 2/d"));
    EXPECT_THAT(open, HasSubstr("campaign load --messages-per-day"));
    EXPECT_THAT(open, HasSubstr("campaign rate of slow"));
    const Answer limited = Sealift({"domain", "explain", "told.test"});
    EXPECT_THAT(limited.out, HasSubstr("backoff rate of ip1 to site mx.told.test"));
    EXPECT_THAT(limited.out, HasSubstr("rule any.slow (built in"));
    EXPECT_THAT(limited.out, HasSubstr("Too many messages, slow down"));
    // Each names the line of the configuration that set it.
    const auto set_by = [&](const std::string& domain, const std::string& reason) {
      const Json waits = Sealift({"domain", "explain", domain}).json["waits"];
      for (size_t i = 0; i < waits.size(); ++i) {
        if (waits.At(i)["reason"].Text() == reason) return waits.At(i)["set_by"].Text();
      }
      return "nobody waits for " + reason;
    };
    EXPECT_THAT(set_by("open.test", "window"), AllOf(HasSubstr("stream later window ("), HasSubstr(".toml:")));
    EXPECT_THAT(set_by("open.test", "recipient_cap"), HasSubstr(".toml:"));
    EXPECT_THAT(set_by("plain.test", "no_tls"), AllOf(HasSubstr("stream private tls ="), HasSubstr(".toml:")));
    EXPECT_THAT(set_by("open.test", "paused"), HasSubstr("a mistake in the text"));
    EXPECT_THAT(set_by("held.test", "hold"), HasSubstr("they asked for it"));
    const Answer limits = SealiftPlain({"throttle", "explain"});
    EXPECT_THAT(limits.out, HasSubstr("campaign_day slow"));
    const Json each = Sealift({"throttle", "list"}).json["limits"];
    std::map<std::string, int64_t> waiting;
    for (size_t i = 0; i < each.size(); ++i) {
      if (each.At(i)["kind"].Text() == "campaign_day")
        waiting[each.At(i)["name"].Text()] = each.At(i)["waiting"].Number();
    }
    EXPECT_THAT(waiting, UnorderedElementsAre(Pair("slow", 9), Pair("even", 0))) << "of each limit, not of its kind";
    EXPECT_THAT(SealiftPlain({"source", "show", "ip1"}).out, HasSubstr("any.slow"));
  };
  told();
  const size_t arrived = sink.arrivals();
  EXPECT_EQ(arrived, 21u);

  for (int round = 0; round < 3; ++round) {
    KillDaemon();
    StartDaemon();
  }
  ExpectEveryRowExplained({"campaign_day", "window", "hold", "paused"});
  EXPECT_EQ(Show("slow")["delivered"].Number(), 1) << "a new day a start";
  EXPECT_EQ(sink.arrivals(), arrived);
  StopDaemon();
}

// While it moves, too.
TEST_F(WaitsTest, WhatIsQueuedAndWhatItWaitsForAreOneCount) {
  const Sink sink(dir, Internet(), net.Address(2, 5353));
  StartDaemon();
  LoadTen("kept", "later", "open.test");
  const Answer loaded =
      Sealift({"campaign", "load", "moving", "--stream", "news", "--template", Template(), "--recipients",
               Recipients(2000, {"open.test"}, "moving.csv"), "--start", "--rate", "500/s"});
  ASSERT_EQ(loaded.exit_code, 0) << loaded.Describe();
  int looks = 0;
  ASSERT_TRUE(Eventually(kInTime, [&] {
    std::map<std::string, double> sums;
    std::istringstream lines(Metrics());
    for (std::string line; std::getline(lines, line);) {
      const std::string name = line.substr(0, line.find('{'));
      if (name.starts_with("sealift_queue_")) sums[name] += std::stod(line.substr(line.rfind(' ') + 1));
    }
    EXPECT_EQ(sums["sealift_queue_messages"], sums["sealift_queue_waiting"]);
    return ++looks >= 10;
  }));
  StopDaemon();
}

// What stands still for want of a connection, of a name, of a warm address, of an outcome on disk or of disk space.
class ResourceWaitsTest : public WaitsTest {
 protected:
  ResourceWaitsTest() {
    // Midnight, when a warm-up has new messages, is half a day away at least.
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    settings.streams = {{"news", "tls = \"opportunistic\""}};
    settings.tables = fmt::format(
        "[[source]]\nname = \"young\"\naddress = \"{}\"\nconnections = 7\n"
        "warmup = {{ start = 2026-01-01, tz = \"{}\", per_day = {{ default = [2, 4] }}, then = \"unlimited\", overflow "
        "= \"wait\" "
        "}}\n"
        "[[pool]]\nname = \"fresh\"\nsources = [\"young\"]\n"
        "[[stream]]\nname = \"begun\"\npool = \"fresh\"\ntls = \"opportunistic\"\n"
        "[[destination]]\ndomains = [\"busy.test\"]\nconnections = 1\n"
        "[[destination]]\ndomains = [\"paced.test\"]\nconnection_rate = \"1/h\"\nmessages_per_connection = 1\n",
        net.Address(8), utc.tm_hour < 12 ? "UTC" : "Etc/GMT+12");
  }

  std::vector<std::string> Domains() const override {
    return {"busy.test", "paced.test", "young.test", "broken.test", "mute.test", "open.test"};
  }

  std::string Internet() const {
    return ProviderOf("busy", net.Address(10), "[[provider.rule]]\nat = \"body\"\npause = \"1h\"\n") +
           ProviderOf("paced", net.Address(11)) + ProviderOf("young", net.Address(12)) +
           ProviderOf("broken", net.Address(13), "dns = \"servfail\"\n") +
           ProviderOf("mute", net.Address(14), "dns = \"silent\"\n") + ProviderOf("open", net.Address(15));
  }
};

TEST_F(ResourceWaitsTest, EveryRowThatWaitsForOneIsExplained) {
  settings.dns += "timeout = \"60s\"\n";
  const Sink sink(dir, Internet(), net.Address(2, 5353));
  StartDaemon();
  LoadTen("occupied", "news", "busy.test");
  LoadTen("slowly", "news", "paced.test");
  LoadTen("carefully", "begun", "young.test");
  LoadTen("lost", "news", "broken.test");
  LoadTen("searching", "news", "mute.test");
  ASSERT_TRUE(ShowsUntil("slowly", kInTime, [](const Json& now) { return now["delivered"].Number() == 1; }));
  ASSERT_TRUE(ShowsUntil("carefully", kInTime, [](const Json& now) { return now["delivered"].Number() == 1; }));
  ExpectEveryRowExplained({"connection_rate", "connections", "dns", "resolving", "sending", "warmup"});

  const auto expect = [&](const std::string& domain, const std::string& reason, int rows, const std::string& detail,
                          const std::string& set_by, bool knows_when) {
    const Json wait = Wait(domain, reason);
    EXPECT_EQ(wait["rows"].Number(), rows) << domain;
    EXPECT_THAT(wait["detail"].Text(), HasSubstr(detail));
    EXPECT_THAT(wait["set_by"].Text(), HasSubstr(set_by));
    EXPECT_EQ(wait["until"].Text().starts_with("20"), knows_when) << domain << ": " << wait["until"].Text();
  };
  expect("busy.test", "connections", 9, "connections from ip1 to 10 mx.busy.test: 1 of 1 open", ".toml:", false);
  expect("busy.test", "sending", 1, "in turn", "nothing refuses it", false);
  expect("paced.test", "connection_rate", 9, "10 mx.paced.test for paced.test from ip1: 1/h", ".toml:", true);
  expect("young.test", "warmup", 9, "young to site mx.young.test: 2 on day 1 of 2", ".toml:", true);
  expect("broken.test", "dns", 10, "servfail", "the domain's DNS", true);
  expect("mute.test", "resolving", 10, "being looked up", "the domain's DNS", false);
  const Json waiting = Sealift({"queue", "list", "--campaign", "slowly", "--state", "fresh"}).json["rows"].At(0);
  EXPECT_THAT(SealiftPlain({"message", "trace", waiting["id"].Text()}).out,
              AllOf(HasSubstr("waits for  connection_rate: "), HasSubstr(".toml:"), HasSubstr("), until 20")));
  const std::string limits = SealiftPlain({"throttle", "explain"}).out;
  EXPECT_THAT(limits, AllOf(HasSubstr("connection_rate 10 mx.paced.test"), HasSubstr("warmup young to site")));
  const std::string young = SealiftPlain({"source", "show", "young"}).out;
  EXPECT_THAT(young, HasSubstr(" of 7 open"));
  EXPECT_THAT(young, HasSubstr(".toml:"));

  // One message may be without an outcome on disk, and one that is being sent is that one.
  KillDaemon();
  settings.node += "shards = 1\nunsettled_max = 1\n";
  StartDaemon();
  ASSERT_TRUE(Eventually(kInTime, [&] { return Wait("busy.test", "sending")["rows"].Number() == 1; }));
  LoadTen("behind", "news", "open.test");
  ExpectEveryRowExplained({"connections", "unsettled"});
  expect("open.test", "unsettled", 10, "wait for their outcome", "node.unsettled_max (", false);

  // More than any disk has.
  KillDaemon();
  settings.tables += "[storage]\nstop_send_below = \"9000TiB\"\n";
  StartDaemon();
  ExpectEveryRowExplained({"storage"});
  expect("busy.test", "storage", 10, "less free space than storage.stop_send_below", "storage.stop_send_below (",
         false);
  StopDaemon();
}

// More domains than a shard has room for in memory, of none of which anybody says where their mail goes.
TEST_F(ResourceWaitsTest, WhatIsNotInMemoryIsUnread) {
  constexpr int kDomains = 33'000;
  settings.dns += "timeout = \"60s\"\n";
  settings.node += "shards = 1\n";
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"mute\"\ndomains = [\"d{{1..{}}}.test\"]\ndns = \"silent\"\n"
                              "mx = [{{ host = \"mx.mute.test\", address = \"{}\" }}]\n",
                              kDomains, net.Address(10)),
                  net.Address(2, 5353));
  StartDaemon();
  Load("spring", Template(), Recipients(kDomains, scenario::Domains(kDomains)), {"--start"});
  std::map<std::string, double> waiting;
  ASSERT_TRUE(Eventually(kInTime, [&] {
    waiting = Waiting();
    return waiting["resolving"] >= 16'000 && waiting["unread"] > 0;
  })) << ::testing::PrintToString(waiting);
  EXPECT_EQ(Sum(waiting), kDomains);
  // Half of them are.
  int asked = 0;
  Json unread;
  ASSERT_TRUE(Eventually(kInTime, [&] {
    unread = Wait(fmt::format("d{}.test", ++asked), "unread");
    return unread["rows"].Number() == 1;
  }));
  EXPECT_THAT(unread["detail"].Text(), HasSubstr("not in memory: other rows go before them"));
  KillDaemon();  // nobody waits for its look-ups
}

}  // namespace
}  // namespace sealift::scenario
