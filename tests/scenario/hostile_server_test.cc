// Servers that break every rule, all at once, each with the verdict that its mail must get; and another destination
// that gets all its mail meanwhile.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/name_server.h"
#include "tests/scenario/harness/own_network.h"
#include "tests/scenario/harness/scripted_server.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/sink_script.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr int kRows = 20;             // of each hostile server
constexpr int kGoodRows = 2000;       // of the one that is well
constexpr const char* kLife = "15s";  // of mail that nobody takes

// What becomes of all rows of a server, and what each of their attempts says.
struct Verdict {
  std::string outcome;  // of every attempt
  std::string last;     // of every row
  std::string reason_class, text;
};

Verdict Delivered() { return {"delivered", "delivered", "none", ""}; }
Verdict Bounced(const std::string& reason_class) { return {"bounced", "bounced", reason_class, ""}; }
// As often as it is tried, and `text` is a part of what is said of it. In the end its time is over.
Verdict Deferred(const std::string& reason_class, const std::string& text) {
  return {"deferred", "expired", reason_class, text};
}

struct Hostile {
  std::string name;
  Verdict verdict;
  std::string lines;             // of the sink's provider
  std::vector<Step> steps = {};  // or, where there are any, of a scripted server
  std::string tls = "opportunistic";
};

// A scripted server up to the first byte of the handshake, with `trailing` behind its word, and what follows.
std::vector<Step> Started(const std::string& trailing, const std::vector<Step>& then) {
  std::vector<Step> steps = {Step::Say("220 hello\r\n"), Step::Hear(), Step::Say("250-mx\r\n250 STARTTLS\r\n"),
                             Step::Hear(), Step::Say("220 go ahead\r\n" + trailing)};
  steps.insert(steps.end(), then.begin(), then.end());
  return steps;
}

std::vector<Hostile> WhoSpeaksOutOfTurn() {
  return {
      {"endless", Deferred("protocol", "more than 200 lines"), RawRule("greeting", "220-hello\r\n", "times = 1000000")},
      {"longline", Deferred("protocol", "longer than"), RawRule("greeting", std::string(1000, 'x'), "times = 1000")},
      {"drip", Deferred("timeout", "greeting"), RawRule("greeting", "220 hello\r\n", "drip = \"1s\"")},
      {"twodigits", Deferred("protocol", "reply code"), RawRule("greeting", "22 hello\r\n")},
      {"changing", Deferred("protocol", "code changes"), RawRule("greeting", "220-hello\r\n250 hello\r\n")},
      {"early", Deferred("protocol", "before it was asked"),
       RawRule("greeting", "220 hello\r\n250-mx\r\n250 SIZE\r\n")},
      {"earlypart", Deferred("protocol", "before it was asked"), RawRule("greeting", "220 hello\r\n250-mx")},
      {"bye", Deferred("unavailable", "down"),
       RawRule("greeting", "220 hello\r\n421 4.3.2 down\r\n", "then = \"close\"")},
      {"refused", Deferred("connection", "refused"), "connect = \"refuse\""},
      {"closing", Deferred("connection", "closed"), "connect = \"close\""},
      // What cannot be read in two ways does no harm.
      {"short", Delivered(), RawRule("greeting", "220\r\n")},
      {"nul", Delivered(), RawRule("greeting", std::string_view("220 he\0llo\r\n", 12))},
      {"barecr", Delivered(), RawRule("greeting", "220 hello\r250 mx\r\n")},
      {"barelf", Delivered(), RawRule("ehlo", "250-mx\n250-PIPELINING\n250 STARTTLS\n", "tls = false")},
      {"eightbit", Bounced("bad_mailbox"), RawRule("rcpt", "550 5.1.1 pas trouv\u00e9\r\n")},
  };
}

std::vector<Hostile> WhoBreaksTransactions() {
  const std::string with_data = "chunking = false\n";
  return {
      {"mailbye", Deferred("unavailable", "down"), RawRule("mail", "421 4.3.2 down\r\n", "then = \"close\"")},
      {"mailandbye", Deferred("unavailable", "down"),
       RawRule("mail", "250 2.1.0 ok\r\n421 4.3.2 down\r\n", "then = \"close\"")},
      {"norecipient", Bounced("bad_mailbox"),
       with_data + RawRule("rcpt", "550 5.1.1 No such user\r\n") + RawRule("data", "354 go ahead\r\n")},
      {"data250", Deferred("protocol", ""), with_data + RawRule("data", "250 2.0.0 taken\r\n", "then = \"close\"")},
      {"inbody", Deferred("protocol", "before it was asked"),
       with_data + RawRule("data", "354 go ahead\r\n250 2.0.0 taken\r\n") +
           RawRule("body", "550 5.7.1 not at all\r\n")},
      {"bodychanges", Deferred("protocol", "code changes"), RawRule("body", "250-2.0.0 taken\r\n550 5.6.0 or not\r\n")},
      {"body354", Deferred("protocol", ""), RawRule("body", "354 go ahead\r\n")},
      {"bodygoodbye", Deferred("protocol", "221"), RawRule("body", "221 2.0.0 bye\r\n", "then = \"close\"")},
      {"bodyreset", Deferred("connection", ""), RawRule("body", "", "then = \"reset\"")},
      {"bodysilent", Deferred("timeout", "content"), RawRule("body", "", "then = \"hang\"")},
      {"bodytext", Delivered(), "", Started("", {Step::Tls(), Step::Serve("250 2.0.0 taken\r\nand more\r\n")})},
      {"bodyagain", Delivered(), "", Started("", {Step::Tls(), Step::Serve("250 2.0.0 taken\r\n250 2.0.0 again\r\n")})},
      {"bodyandbye", Delivered(), "", Started("", {Step::Tls(), Step::Serve("250 2.0.0 taken\r\n421 4.3.2 down\r\n")})},
  };
}

std::vector<Hostile> WhoPlaysWithTls() {
  std::string long_ehlo;
  for (int i = 0; i < 300; ++i) long_ehlo += fmt::format("250-XKEYWORD{}\r\n", i);
  return {
      {"hidden", Deferred("protocol", "more than 200 lines"),
       RawRule("ehlo", long_ehlo + "250 STARTTLS\r\n", "tls = false")},
      {"ehlolater", Deferred("unavailable", "later"), RawRule("ehlo", "451 4.3.0 later\r\n", "tls = false")},
      {"unready", Deferred("tls", "TLS not available"), "tls = \"refused\""},
      {"broken", Deferred("tls", "handshake"), "tls = \"broken\""},
      {"stall", Deferred("timeout", "handshake"), "tls = \"hang\""},
      {"old", Deferred("tls", "protocol version"), "tls_max_version = \"1.0\""},
      {"shrinks", Delivered(), RawRule("ehlo", "250 mx\r\n", "tls = true")},
      {"expired", Deferred("tls", "certificate has expired"), "certificate_expired = true", {}, "verify"},
      {"wrongname", Deferred("tls", "does not carry the name"), "certificate_name = \"other.test\"", {}, "verify"},
      {"selfsigned", Deferred("tls", "self-signed"), "", Started("", {Step::Tls(), Step::Serve()}), "verify"},
      {"afterhandshake", Deferred("connection", ""), "", Started("", {Step::Tls(), Step::Reset()})},
      {"trailing", Delivered(), "", Started("250-mx\r\n250-SIZE 1\r\n250 DSN\r\n", {Step::Tls(), Step::Serve()})},
      {"fragment", Delivered(), "", Started("250-SIZ", {Step::Tls(), Step::Serve()})},
  };
}

class HostileServerTest : public World {
 protected:
  // Waits as a short test does, and gives up soon.
  void SetUp() override {
    for (const char* what : {"connect", "greeting", "ehlo", "starttls", "handshake", "mail", "rcpt", "data", "block",
                             "final_dot", "reset", "quit"}) {
      settings.smtp += fmt::format("{}_timeout = \"3s\"\n", what);
    }
    settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"1s\"]"}};
  }

  // Mail to all of them and to a good one, with so many transactions in flight on a connection.
  void EachGetsItsVerdict(const std::vector<Hostile>& servers, int depth);
};

void HostileServerTest::EachGetsItsVerdict(const std::vector<Hostile>& servers, int depth) {
  const CertificateAuthority unknown(dir);
  std::string script;
  std::vector<std::string> domains;
  std::vector<std::string> records;
  std::vector<ScriptedServer::Host> hosts;
  const auto publish = [&](const std::string& name, const std::string& address) {
    records.push_back(fmt::format("{0}.test. 60 IN MX 10 mx.{0}.test.", name));
    records.push_back(fmt::format("mx.{}.test. 60 IN A {}", name, address));
  };
  int number = 10;
  for (const Hostile& server : servers) {
    const std::string address = net.Address(number++);
    publish(server.name, address);
    domains.push_back(server.name + ".test");
    if (server.steps.empty()) {
      script += ProviderOf(server.name, address, server.lines);
    } else {
      hosts.push_back({address, server.steps, unknown.self()});
    }
    settings.tables += fmt::format("[[destination]]\ndomains = [\"{}.test\"]\ntls = \"{}\"\n", server.name, server.tls);
  }
  publish("good", net.Address(number));
  script += ProviderOf("good", net.Address(number));

  const Sink sink(dir, script, "");
  const ScriptedServer scripted(dir, hosts);
  const std::unique_ptr<NameServer> names = NameServer::Nsd(dir, net.Address(2), records);
  settings.tls = fmt::format("ca_file = \"{}\"", sink.certificates_file());
  settings.smtp += fmt::format("pipeline_depth = {}\n", depth);
  StartDaemon();
  const int rows = kRows * static_cast<int>(servers.size());
  Load("hostile", Template(), Recipients(rows, domains, "hostile.csv"), {"--start", "--expires-in", kLife});
  Load("good", Template(), Recipients(kGoodRows, {"good.test"}), {"--start"});
  ASSERT_TRUE(ShowsUntil("good", kInTime, [](const Json& now) { return now["delivered"].Number() == kGoodRows; }));
  ASSERT_TRUE(ShowsUntil("hostile", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));

  std::map<std::string, std::vector<Json>> attempts;               // by domain
  std::map<std::string, std::map<std::string, std::string>> last;  // domain -> recipient -> outcome
  std::set<std::string> delivered;
  for (const Json& event : Events("hostile")) {
    const std::string recipient = event["recipient"].Text(), outcome = event["outcome"].Text();
    const std::string domain = recipient.substr(recipient.find('@') + 1);
    last[domain][recipient] = outcome;
    if (outcome != "expired") attempts[domain].push_back(event);
    if (outcome == "delivered") delivered.insert(recipient);
  }
  for (const Hostile& server : servers) {
    SCOPED_TRACE(server.name);
    const std::string domain = server.name + ".test";
    EXPECT_THAT(last[domain], SizeIs(kRows));
    for (const auto& [recipient, outcome] : last[domain]) EXPECT_EQ(outcome, server.verdict.last) << recipient;
    EXPECT_THAT(attempts[domain], Not(IsEmpty())) << "an event says what it did";
    for (const Json& event : attempts[domain]) {
      EXPECT_EQ(event["outcome"].Text(), server.verdict.outcome) << event.Dump();
      EXPECT_EQ(event["class"].Text(), server.verdict.reason_class) << event.Dump();
      EXPECT_THAT(event["reply"].Text(), HasSubstr(server.verdict.text)) << event.Dump();
    }
  }

  // The other one noticed nothing, and what is said to be delivered has arrived, encrypted.
  std::map<std::string, std::vector<std::string>> arrived = sink.ByMailbox();
  for (int row = 1; row <= kGoodRows; ++row) {
    EXPECT_THAT(arrived[fmt::format("row{}@good.test", row)], SizeIs(1)) << row;
  }
  for (const std::string& recipient : scripted.Taken()) {
    EXPECT_THAT(recipient, Not(StartsWith("in clear")));
    arrived[recipient].push_back(recipient);
  }
  for (const std::string& recipient : delivered) EXPECT_THAT(arrived[recipient], SizeIs(1)) << recipient;
  EXPECT_EQ(sink.Status()["totals"]["plaintext_mail"].Number(), 0) << "mail went in clear to who offered STARTTLS";
  StopDaemon();
}

TEST_F(HostileServerTest, BeforeMailEachGetsItsVerdict) {
  std::vector<Hostile> servers = WhoSpeaksOutOfTurn();
  for (Hostile& server : WhoPlaysWithTls()) servers.push_back(std::move(server));
  EachGetsItsVerdict(servers, 1);
}

TEST_F(HostileServerTest, InATransactionEachGetsItsVerdict) { EachGetsItsVerdict(WhoBreaksTransactions(), 1); }

TEST_F(HostileServerTest, InAPipelineEachGetsItsVerdict) { EachGetsItsVerdict(WhoBreaksTransactions(), 16); }

// What is written and not read yet on both sides together is more than their buffers hold (RFC 2920 3.1).
TEST_F(HostileServerTest, AServerThatAnswersAtLengthBeforeItReadsOn) {
  constexpr int kMessages = 50;
  if (const std::string trouble = EnterOwnNetwork(); !trouble.empty()) GTEST_SKIP() << trouble;
  for (const char* which : {"rmem", "wmem"}) {
    std::ofstream(fmt::format("/proc/sys/net/ipv4/tcp_{}", which)) << "4096 16384 16384";
  }
  settings.smtp = "connections = 1\npipeline_depth = 16\n";
  const CertificateAuthority unknown(dir);
  const ScriptedServer scripted(
      dir, {{net.Address(10), {Step::Say("220 hello\r\n"), Step::ServeAtLength()}, unknown.self()}});
  const std::unique_ptr<NameServer> names = NameServer::Nsd(
      dir, net.Address(2),
      {"wordy.test. 60 IN MX 10 mx.wordy.test.", fmt::format("mx.wordy.test. 60 IN A {}", net.Address(10))});
  StartDaemon();
  std::string large = "From: Clinic <news@sender.test>\r\nTo: {{email}}\r\nSubject: Pictures\r\n\r\n";
  while (large.size() < 100u << 10) large += std::string(76, 'x') + "\r\n";
  Load("large", dir.Write("large.eml", large), Recipients(kMessages, {"wordy.test"}), {"--start"});
  ASSERT_TRUE(ShowsUntil("large", kInTime, [](const Json& now) { return now["delivered"].Number() == kMessages; }));
  EXPECT_EQ(Show("large")["deferrals"].Number(), 0);
  EXPECT_THAT(scripted.Taken(), SizeIs(kMessages));
  StopDaemon();
}

// Its window closes while the content is on the way, which is more than the buffers of both sides hold.
TEST_F(HostileServerTest, AWindowThatCloses) {
  const CertificateAuthority unknown(dir);
  const ScriptedServer scripted(
      dir, {{net.Address(10),
             {Step::Say("220 hello\r\n"), Step::Hear(), Step::Say("250 mx\r\n"), Step::Hear(), Step::Say("250 ok\r\n"),
              Step::Hear(), Step::Say("250 ok\r\n"), Step::Hear(), Step::Say("354 go ahead\r\n"), Step::Stall()},
             unknown.self()}});
  const Sink sink(dir, ProviderOf("good", net.Address(11)), "");
  const std::unique_ptr<NameServer> names = NameServer::Nsd(
      dir, net.Address(2),
      {"window.test. 60 IN MX 10 mx.window.test.", fmt::format("mx.window.test. 60 IN A {}", net.Address(10)),
       "good.test. 60 IN MX 10 mx.good.test.", fmt::format("mx.good.test. 60 IN A {}", net.Address(11))});
  StartDaemon();
  std::string large = "From: Clinic <news@sender.test>\r\nTo: {{email}}\r\nSubject: Pictures\r\n\r\n";
  while (large.size() < 8u << 20) large += std::string(76, 'x') + "\r\n";
  Load("large", dir.Write("large.eml", large), Recipients(2, {"window.test"}, "window.csv"),
       {"--start", "--expires-in", kLife});
  Load("good", Template(), Recipients(kGoodRows, {"good.test"}), {"--start"});
  ASSERT_TRUE(ShowsUntil("good", kInTime, [](const Json& now) { return now["delivered"].Number() == kGoodRows; }));
  ASSERT_TRUE(ShowsUntil("large", kInTime, [](const Json& now) { return now["expired"].Number() == 2; }));
  int attempts = 0;
  for (const Json& event : Events("large")) {
    if (event["outcome"].Text() == "expired") continue;
    ++attempts;
    EXPECT_EQ(event["outcome"].Text(), "deferred") << event.Dump();
    EXPECT_EQ(event["class"].Text(), "timeout") << event.Dump();
  }
  EXPECT_GT(attempts, 0);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
