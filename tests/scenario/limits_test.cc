// So many messages a day of a source, of a pool and of a stream, and so many in a minute or an hour of what else can be
// limited, while more mail waits: nothing that ends the daemon or changes its configuration gives any of them a message
// too many. And the connections that carry one stream's mail, or one campaign's.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/sink_script.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

// What is limited, each with a stream, a pool and a domain of its own.
const std::vector<std::string> kLimited = {"source", "pool", "stream"};

double Now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

class DayLimitsTest : public World {
 protected:
  std::string Internet() const {
    std::string script;
    for (size_t i = 0; i < kLimited.size(); ++i) {
      script += fmt::format(
          "[[provider]]\nname = \"{0}\"\ndomains = [\"{0}.test\"]\n"
          "mx = [{{ host = \"mx.{0}.test\", address = \"{1}\" }}]\n",
          kLimited[i], net.Address(10 + static_cast<int>(i)));
    }
    return script;
  }

  void Allow(int a_day) {
    settings.streams.clear();
    settings.tables.clear();
    for (size_t i = 0; i < kLimited.size(); ++i) {
      const std::string& name = kLimited[i];
      const auto limit = [&](std::string_view what) {
        return name == what ? fmt::format("messages_per_day = {}\n", a_day) : std::string();
      };
      settings.tables += fmt::format(
          "[[source]]\nname = \"ip-{0}\"\naddress = \"{1}\"\nhostname = \"mta{2}.sender.test\"\n{3}"
          "[[pool]]\nname = \"{0}\"\nsources = [\"ip-{0}\"]\n{4}"
          "[[stream]]\nname = \"{0}\"\npool = \"{0}\"\ntls = \"opportunistic\"\n{5}",
          name, net.Address(20 + static_cast<int>(i)), i + 2, limit("source"), limit("pool"), limit("stream"));
    }
  }

  void LoadEach(int rows) {
    for (const std::string& name : kLimited) {
      const Answer loaded = Sealift({"campaign", "load", name, "--stream", name, "--template", Template(),
                                     "--recipients", Recipients(rows, {name + ".test"}, name + ".csv"), "--start"});
      ASSERT_EQ(loaded.exit_code, 0) << loaded.Describe();
    }
  }

  static std::map<std::string, std::vector<double>> Times(const Sink& sink) {
    std::map<std::string, std::vector<double>> times;
    for (const Sink::Arrival& arrival : sink.Ledger()) times[arrival.provider].push_back(arrival.time);
    for (auto& [provider, of] : times) std::ranges::sort(of);
    return times;
  }

  static bool EachHas(const Sink& sink, size_t more_than) {
    return Eventually(kInTime, [&] {
      const auto times = Times(sink);
      return std::ranges::all_of(
          kLimited, [&](const std::string& name) { return times.contains(name) && times.at(name).size() > more_than; });
    });
  }

  std::string SetBy(const std::string& name) {
    const Json waits = Sealift({"domain", "explain", name + ".test"}).json["waits"];
    for (size_t i = 0; i < waits.size(); ++i) {
      if (waits.At(i)["reason"].Text() == name + "_day") return waits.At(i)["set_by"].Text();
    }
    return "";
  }
};

// Two a day are one now and one in half a day.
TEST_F(DayLimitsTest, NeitherAKillNorAReloadBeginsANewDay) {
  const Sink sink(dir, Internet(), net.Address(2, 5353));
  Allow(2);
  StartDaemon();
  LoadEach(10);
  ASSERT_TRUE(EachHas(sink, 0));
  for (int round = 0; round < 2; ++round) {
    for (const std::string& name : kLimited) {
      ASSERT_TRUE(Eventually(kInTime, [&] { return !SetBy(name).empty(); })) << name;
      EXPECT_THAT(SetBy(name), HasSubstr(".toml:")) << name;
    }
    KillDaemon();
    StartDaemon();
    // Twice as many: the next is six hours from the first, and the first still counts.
    Allow(4);
    WriteConfig();
    const Answer reload = Sealift({"reload"});
    ASSERT_EQ(reload.exit_code, 0) << reload.Describe();
  }
  for (const std::string& name : kLimited) {
    ASSERT_TRUE(Eventually(kInTime, [&] { return !SetBy(name).empty(); })) << name;
    EXPECT_EQ(Show(name)["delivered"].Number(), 1) << name;
    EXPECT_EQ(Show(name)["queued"].Number(), 9) << name;
  }
  EXPECT_EQ(sink.arrivals(), kLimited.size());
  StopDaemon();
}

// So many a day that it takes seconds to see how much of it is used.
TEST_F(DayLimitsTest, WhatADayAllowsIsUsedAndNeverExceeded) {
  constexpr int kPerSecond = 40;
  constexpr double kUnderWay = 2.0 * kPerSecond;  // permits whose messages arrive late, at most
  const Sink sink(dir, Internet(), net.Address(2, 5353));
  Allow(kPerSecond * 24 * 3600);
  const double began = Now();
  StartDaemon();
  LoadEach(4000);
  ASSERT_TRUE(EachHas(sink, 120));
  const double killed = Now();
  KillDaemon();
  StartDaemon();
  ASSERT_TRUE(EachHas(sink, 300));
  Allow(kPerSecond * 24 * 3600 / 2);
  WriteConfig();
  const Answer reload = Sealift({"reload"});
  ASSERT_EQ(reload.exit_code, 0) << reload.Describe();
  const double reloaded = Now();
  ASSERT_TRUE(EachHas(sink, 360));
  KillDaemon();
  StartDaemon();
  ASSERT_TRUE(EachHas(sink, 420));
  const double ended = Now();
  KillDaemon();
  for (const auto& [name, times] : Times(sink)) {
    double before = 0, after = 0;
    for (const double time : times) (time < reloaded ? before : after) += 1;
    EXPECT_LE(before, kPerSecond * (reloaded - began) + kUnderWay) << name;
    EXPECT_LE(after, kPerSecond / 2.0 * (ended - reloaded) + kUnderWay) << name;
    // For whoever measures: a busy machine may use less.
    const auto first_kill = std::ranges::lower_bound(times, killed);
    const double until = *std::prev(first_kill) - times.front();
    fmt::print("{}: {:.1f}% of what the limit allows, until the first kill\n", name,
               100 * static_cast<double>(first_kill - times.begin() - 1) / (kPerSecond * until));
  }
}

// Limits of a minute and of an hour, of a destination, a stream, a campaign and of connections.
class RateLimitsTest : public World {
 protected:
  struct Limited {
    std::string name;
    int count;
    double window;  // seconds
  };
  const std::vector<Limited> limited_ = {
      {"minute", 3, 60}, {"hour", 2, 3600}, {"campaign", 2, 3600}, {"dial", 2, 3600}};

  RateLimitsTest() {
    settings.streams = {{"news", "tls = \"opportunistic\""}, {"seldom", "tls = \"opportunistic\"\nrate = \"2/h\""}};
    settings.tables =
        "[[destination]]\ndomains = [\"minute.test\"]\nmessage_rate = \"3/m\"\n"
        "[[destination]]\ndomains = [\"dial.test\"]\nconnection_rate = \"2/h\"\nmessages_per_connection = 1\n";
  }

  std::string Internet() const {
    std::string script;
    for (const Limited& limit : limited_) {
      script += ProviderOf(limit.name, net.Address(10 + static_cast<int>(&limit - limited_.data())));
    }
    return script;
  }

  void LoadEach() {
    for (const Limited& limit : limited_) {
      std::vector<std::string> arguments = {
          "campaign",   "load",     limit.name, "--stream",     limit.name == "hour" ? "seldom" : "news",
          "--template", Template(), "--start",  "--recipients", Recipients(10, {limit.name + ".test"}, limit.name)};
      if (limit.name == "campaign") arguments.insert(arguments.end(), {"--rate", "2/h"});
      const Answer loaded = Sealift(arguments);
      ASSERT_EQ(loaded.exit_code, 0) << loaded.Describe();
    }
  }

  // It waits for a limit that says when it allows the next.
  bool Refused(const std::string& domain) {
    const Json waits = Sealift({"domain", "explain", domain}).json["waits"];
    for (size_t i = 0; i < waits.size(); ++i) {
      if (waits.At(i)["reason"].Text() != "due" && waits.At(i)["until"].Text().starts_with("20")) return true;
    }
    return false;
  }
};

// What arrived in a window was allowed before: permits are judged, whatever a slow machine does after them.
TEST_F(RateLimitsTest, NoWindowHasMoreThanItsLimitOverKillsAndReloads) {
  const Sink sink(dir, Internet(), net.Address(2, 5353));
  const double began = Now();
  StartDaemon();
  LoadEach();
  for (const Limited& limit : limited_) {
    ASSERT_TRUE(ShowsUntil(limit.name, kInTime, [](const Json& now) { return now["delivered"].Number() >= 1; }));
  }
  for (int round = 0; round < 5; ++round) {
    for (const Limited& limit : limited_) {
      ASSERT_TRUE(Eventually(kInTime, [&] { return Refused(limit.name + ".test"); })) << limit.name;
    }
    if (round == 2) {
      const Answer reload = Sealift({"reload"});
      ASSERT_EQ(reload.exit_code, 0) << reload.Describe();
    } else {
      KillDaemon();
      StartDaemon();
    }
  }
  for (const Limited& limit : limited_) {
    ASSERT_TRUE(Eventually(kInTime, [&] { return Refused(limit.name + ".test"); })) << limit.name;
  }
  const double took = Now() - began;
  StopDaemon();
  std::map<std::string, int> arrived;
  for (const Sink::Arrival& arrival : sink.Ledger()) ++arrived[arrival.provider];
  for (const Limited& limit : limited_) {
    const int windows = static_cast<int>(took / limit.window) + 1;
    EXPECT_LE(arrived[limit.name], limit.count * windows) << limit.name << " in " << took << " s";
    EXPECT_GE(arrived[limit.name], 1) << limit.name;
  }
}

// Each provider allows as many connections as the mail for it may have, and answers slowly: more would be of use.
TEST_F(World, AStreamAndACampaignHaveNoMoreConnectionsThanTheirLimits) {
  settings.streams = {{"news", "tls = \"opportunistic\""}, {"few", "tls = \"opportunistic\"\nconnections = 2"}};
  const std::string slow = "latency = \"50ms\"\n";
  const Sink sink(dir,
                  ProviderOf("stream", net.Address(10), slow + "connections = 2") +
                      ProviderOf("campaign", net.Address(11), slow + "connections = 1") +
                      ProviderOf("free", net.Address(12), slow),
                  net.Address(2, 5353));
  StartDaemon();
  const auto load = [&](const std::string& name, const std::string& stream, std::vector<std::string> more) {
    std::vector<std::string> arguments = {
        "campaign",   "load",     name,      "--stream",     stream,
        "--template", Template(), "--start", "--recipients", Recipients(60, {name + ".test"}, name + ".csv")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Answer loaded = Sealift(arguments);
    ASSERT_EQ(loaded.exit_code, 0) << loaded.Describe();
  };
  load("stream", "few", {});
  load("campaign", "news", {"--connections", "1"});
  load("free", "news", {});
  const auto waits_for = [&](const std::string& name, const std::string& set_by) {
    const Json waits = Sealift({"domain", "explain", name + ".test"}).json["waits"];
    for (size_t i = 0; i < waits.size(); ++i) {
      const Json& wait = waits.At(i);
      if (wait["reason"].Text() == "connections" && wait["set_by"].Text().find(set_by) != std::string::npos)
        return true;
    }
    return false;
  };
  EXPECT_TRUE(Eventually(kInTime, [&] { return waits_for("stream", ".toml:"); }));
  EXPECT_TRUE(Eventually(kInTime, [&] { return waits_for("campaign", "campaign load --connections"); }));
  for (const std::string name : {"stream", "campaign", "free"}) {
    EXPECT_TRUE(ShowsUntil(name, kInTime, [](const Json& now) { return now["delivered"].Number() == 60; })) << name;
  }
  EXPECT_EQ(sink.Status()["totals"]["over_connections"].Number(), 0);
  EXPECT_EQ(sink.arrivals(), 180);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
