// A campaign through an Internet whose providers each have a rule that nobody has told the daemon: they greylist, count
// connections, messages an hour and messages a day, block an address for an hour, or answer 421 for hours. It ends with
// everything delivered once, and no provider has seen its rule broken more than once per back-off.
//
// `tests/internet/run` has two thousand domains and a day of theirs, and measures how long it takes.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <ranges>
#include <set>
#include <sstream>

#include "tests/internet/providers.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using std::chrono::duration;
using std::chrono::steady_clock;

class InternetTest : public World {
 protected:
  std::string Script(const TestInternet& internet) {
    std::string script = fmt::format("time_scale = {}\n", internet.time_scale);
    int address = 10;
    for (const ProviderKind* kind : internet.Kinds()) {
      for (int i = 1; i <= internet.providers; ++i) {
        const std::string name = TestInternet::ProviderName(*kind, i);
        script += fmt::format(
            "[[provider]]\nname = \"{0}\"\ndomains = [\"d{{1..{1}}}.{0}.test\"]\ntls = \"off\"\n"
            "mx = [{{ host = \"mx.{0}.test\", address = \"{2}\" }}]\n{3}\n",
            name, internet.domains, net.Address(address++), kind->lines);
      }
    }
    return script;
  }

  // The built-in rules and the usual retries, as fast as the providers' hours.
  void Compress(const TestInternet& internet) {
    const auto minutes = [&](double count) {
      return fmt::format("{}ms", std::max(1, static_cast<int>(1000 * internet.SecondsOf(count / 60))));
    };
    settings.smtp = "connections = 1";  // so that nothing is under way when a rule turns out to be broken
    settings.streams = {{"news", fmt::format("tls = \"opportunistic\"\nretry = [\"{}\", \"{}\", \"{}\"]", minutes(5),
                                             minutes(15), minutes(30))}};
    const std::string floor = fmt::format("{}/m", 6 * internet.time_scale);
    // any.slow, and any.block_list.
    settings.tables = fmt::format(
        "[[rule]]\nclass = [\"rate\"]\nactions = [\"defer\", \"backoff\"]\nfactor = 0.5\nfloor = \"{0}\"\n"
        "for = \"{1}\"\n"
        "[[rule]]\nclass = [\"reputation\"]\nactions = [\"defer\", \"suspend\"]\nfloor = \"{0}\"\nfor = \"{2}\"\n",
        floor, minutes(15), minutes(60));
    for (const ProviderKind* kind : internet.Kinds()) {
      if (kind->settings.empty()) continue;
      for (int i = 1; i <= internet.providers; ++i) {
        settings.tables += fmt::format("[[destination]]\nmx = [\"mx.{}.test\"]\n{}\n",
                                       TestInternet::ProviderName(*kind, i), kind->settings);
      }
    }
  }

  // Returns how many there are.
  int WriteRecipients(const TestInternet& internet, const std::string& file) {
    std::string csv = "email,name,city\n";
    int rows = 0;
    for (const ProviderKind* kind : internet.Kinds()) {
      for (int i = 1; i <= internet.providers; ++i) {
        const std::vector<std::string> domains = internet.Domains(*kind, i);
        for (int row = 0; row < kind->rows; ++row) {
          csv += fmt::format("row{}@{},Ada,Kiel\n", ++rows, domains[static_cast<size_t>(row) % domains.size()]);
        }
      }
    }
    dir.Write(file, csv);
    return rows;
  }

  // How often the daemon began a back-off, by provider's name.
  std::map<std::string, int> Backoffs() const {
    std::map<std::string, int> backoffs;
    std::istringstream log(daemon->Err());
    for (std::string line; std::getline(log, line);) {
      const bool begins = line.find("replies slow us down") != std::string::npos ||
                          line.find("replies suspend us") != std::string::npos ||
                          line.find("a receiver lets no further connection in") != std::string::npos;
      if (!begins) continue;
      const size_t begin = line.find("mx.");
      const size_t end = line.find(".test", begin);
      if (begin != std::string::npos && end != std::string::npos) ++backoffs[line.substr(begin + 3, end - begin - 3)];
    }
    return backoffs;
  }

  // Loads and sends the campaign, and returns what arrived and when, in seconds from its start.
  struct Sent {
    std::map<std::string, double> took;  // by kind: until the last of its messages
    double all = 0, sink_ahead = 0;      // the whole campaign; the sink's start before its own
  };
  Sent Send(const TestInternet& internet, const Sink& sink, steady_clock::time_point sink_started,
            std::chrono::seconds patience) {
    const int rows = WriteRecipients(internet, "internet.csv");
    Sent sent;
    Load("spring", Template(), dir.path() / "internet.csv");
    const double began = duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    sent.sink_ahead = duration<double>(steady_clock::now() - sink_started).count();
    EXPECT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 0);
    EXPECT_TRUE(ShowsUntil("spring", patience, [&](const Json& now) { return now["delivered"].Number() == rows; }));
    const std::vector<Sink::Arrival> ledger = sink.Ledger();
    EXPECT_EQ(ledger.size(), static_cast<size_t>(rows));
    for (const Sink::Arrival& arrival : ledger) {
      double& took = sent.took[arrival.provider.substr(0, arrival.provider.find('-'))];
      took = std::max(took, arrival.time - began);
      sent.all = std::max(sent.all, arrival.time - began);
    }
    return sent;
  }

  // No provider saw its rule broken more often than the daemon backed off.
  void ExpectOneBreachABackoff(const TestInternet& internet, const Sink& sink) {
    const Json status = sink.Status();
    EXPECT_EQ(status["faults"].Number(), 0);
    std::map<std::string, int> backoffs = Backoffs();
    for (const ProviderKind* kind : internet.Kinds()) {
      for (int i = 1; i <= internet.providers; ++i) {
        const std::string name = TestInternet::ProviderName(*kind, i);
        const Json seen = status["providers"][name];
        if (kind->name == "open") EXPECT_EQ(backoffs[name], 0) << name;
        if (kind->name == "hourly" || kind->name == "blocks" || kind->name == "daily" || kind->name == "crowd") {
          int64_t broken = 0;
          for (const char* const count : {"over_messages", "over_connections", "blocked"}) {
            broken += std::max<int64_t>(seen[count].Number(), 0);  // the sink leaves out what it never saw
          }
          EXPECT_GE(broken, 1) << name << " said nothing: " << seen.Dump();
          EXPECT_LE(broken, backoffs[name]) << name << ": " << seen.Dump();
        }
      }
    }
  }
};

TEST_F(InternetTest, ACampaignEndsAndNoProviderSeesItsRuleBrokenMoreThanOncePerBackoff) {
  const TestInternet internet{.providers = 2, .domains = 3, .time_scale = 1200};
  const auto sink_started = steady_clock::now();
  const Sink sink(dir, Script(internet), net.Address(2, 5353));
  Compress(internet);
  StartDaemon();
  Send(internet, sink, sink_started, kInTime);
  ExpectOneBreachABackoff(internet, sink);
  StopDaemon();
}

TEST_F(InternetTest, TwoThousandDomainsAndADayOfTheirs) {
  const char* const asked = std::getenv("SEALIFT_INTERNET");
  if (asked == nullptr) return;  // tests/internet/run asks for it: it takes minutes, and measures
  const TestInternet internet{
      .providers = 25, .domains = 10, .time_scale = std::max(1, std::atoi(asked)), .days = true};
  const auto sink_started = steady_clock::now();
  const Sink sink(dir, Script(internet), net.Address(2, 5353));
  Compress(internet);
  StartDaemon();
  const Sent sent = Send(internet, sink, sink_started, std::chrono::seconds(static_cast<int>(internet.SecondsOf(48))));
  ExpectOneBreachABackoff(internet, sink);
  const Json providers = sink.Status()["providers"];
  std::map<std::string, int> backoffs = Backoffs();
  fmt::print("{:<9}{:>8}{:>14}{:>12}{:>9}{:>10}{:>10}\n", "kind", "rows", "optimum (s)", "took (s)", "ratio", "refused",
             "backoffs");
  double optimum = 0;
  for (const ProviderKind* kind : internet.Kinds()) {
    const double least = internet.SecondsOf(kind->hours) - (kind->from_sink_start ? sent.sink_ahead : 0);
    optimum = std::max(optimum, least);
    double refused = 0;
    int backed_off = 0;
    for (int i = 1; i <= internet.providers; ++i) {
      const Json seen = providers[TestInternet::ProviderName(*kind, i)];
      for (const char* count : {"over_messages", "over_connections", "blocked", "greylisted", "scripted_replies"}) {
        if (seen[count].present()) refused += static_cast<double>(seen[count].Number());
      }
      backed_off += backoffs[TestInternet::ProviderName(*kind, i)];
    }
    const double took = sent.took.at(kind->name);
    fmt::print("{:<9}{:>8}{:>14.1f}{:>12.1f}{:>9.2f}{:>10}{:>10}\n", kind->name, kind->rows * internet.providers, least,
               took, least > 0 ? took / least : 0, refused, backed_off);
  }
  fmt::print("the campaign: {:.1f} s where its limits allow {:.1f} s: {:.2f}\n", sent.all, optimum, sent.all / optimum);
  EXPECT_LE(sent.all, 1.25 * optimum);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
