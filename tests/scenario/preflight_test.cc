// What `campaign preflight` says beforehand of domains, TLS and the sender's own records, without a byte of mail; and
// what `campaign test` sends, to whom alone.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>

#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/name_server.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/sink_script.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kWebPort = 8443;

class PreflightTest : public World {
 protected:
  // One domain for each way in which a domain can be.
  std::string SinkScript() const {
    return ProviderOf("right", net.Address(10)) +
           ProviderOf("wrongname", net.Address(11), "certificate_name = \"other.test\"") +
           ProviderOf("clear", net.Address(12), "tls = \"off\"");
  }
  std::vector<std::string> Records() const {
    std::vector<std::string> records = {
        "right.test. 60 IN MX 10 mx.right.test.",
        "mx.right.test. 60 IN A " + net.Address(10),
        "wrongname.test. 60 IN MX 10 mx.wrongname.test.",
        "mx.wrongname.test. 60 IN A " + net.Address(11),
        "clear.test. 60 IN MX 10 mx.clear.test.",
        "mx.clear.test. 60 IN A " + net.Address(12),
        "down.test. 60 IN MX 10 mx.down.test.",
        "mx.down.test. 60 IN A " + net.Address(19),
        "implicit.test. 60 IN A " + net.Address(11),
        "null.test. 60 IN MX 0 .",
        "mta1.sender.test. 60 IN A " + settings.source_address,
        "u.sender.test. 60 IN A " + net.Address(20),
        "v.sender.test. 60 IN A " + net.Address(20),
    };
    return records;
  }
  // The name that the source's address has its PTR record under.
  std::string ReverseName() const {
    std::string name = "in-addr.arpa.";
    std::string label;
    for (const char c : settings.source_address + ".") {
      if (c != '.') {
        label += c;
        continue;
      }
      name = label + "." + name;
      label.clear();
    }
    return name;
  }
  static std::vector<std::string> AllDomains() {
    return {"right.test", "wrongname.test", "clear.test", "down.test", "implicit.test", "null.test", "gone.test"};
  }
  // An HTTPS server that notes what it is asked; what is at /broken, /nothing and /moved they say.
  std::unique_ptr<Process> StartWeb(const CertificateAuthority& authority) {
    const CertificateAuthority::Pair pair = authority.Sign("u.sender.test");
    const std::string program = dir.Write("web.py", fmt::format(R"(
import http.server, ssl
class Page(http.server.BaseHTTPRequestHandler):
    def answer(self):
        open("{0}", "a").write(self.command + "\n")
        self.send_response({{"/broken": 503, "/nothing": 404, "/moved": 308}}.get(self.path.split("?")[0], 405))
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_HEAD = do_GET = do_POST = answer
server = http.server.ThreadingHTTPServer(("{1}", {2}), Page)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("{3}", "{4}")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
)",
                                                                (dir.path() / "web.log").string(), net.Address(20),
                                                                kWebPort, pair.cert_file, pair.key_file));
    auto web = std::make_unique<Process>(std::vector<std::string>{Program("python3", "python3"), program},
                                         dir.path() / "web.out", dir.path() / "web.err");
    EXPECT_TRUE(Eventually(kSoon, [&] { return Accepts(net.Address(20), kWebPort) || !web->running(); }));
    EXPECT_TRUE(web->running()) << web->Err();
    return web;
  }
  static std::map<std::string, Json> SitesOf(const Answer& answer) {
    std::map<std::string, Json> sites;
    for (const Json& site : answer.json["sites"].Items()) sites[site["domain"].Text()] = site;
    return sites;
  }
  // The state of the first finding of a check.
  static std::string StateOf(const Answer& answer, const std::string& check) {
    for (const Json& finding : answer.json["findings"].Items()) {
      if (finding["check"].Text() == check) return finding["severity"].Text() + " " + finding["state"].Text();
    }
    return "not there";
  }
  // What the doctor says of the way from our source to the domain's mail servers.
  std::string Reached(const std::string& domain) {
    const Answer answer = Sealift({"doctor", "--reach", domain});
    for (const Json& check : answer.json["checks"].Items()) {
      if (check["check"].Text().starts_with("port_")) return check["state"].Text();
    }
    return "not there: " + answer.Describe();
  }
  // Nothing but EHLO, STARTTLS and QUIT was said.
  static void ExpectNoMail(const Sink& sink) {
    EXPECT_EQ(sink.arrivals(), 0u);
    EXPECT_EQ(sink.Status()["totals"]["transactions"].Number(), 0);
  }
};

TEST_F(PreflightTest, EachKindOfDomainAndTheSendersRecordsAreToldBeforeAnyMail) {
  const Sink sink(dir, SinkScript(), "");
  settings.tls = fmt::format("ca_file = \"{}\"", sink.certificates_file());
  const Answer key =
      Sealift({"dkim", "generate", dir.path() / "s1.pem", "--domain", "sender.test", "--selector", "s1"});
  ASSERT_EQ(key.exit_code, 0) << key.Describe();
  std::vector<std::string> records = Records();
  std::string record = key.json["name"].Text() + ". 60 IN TXT";
  for (const Json& part : key.json["strings"].Items()) record += " \"" + part.Text() + "\"";
  records.push_back(record);
  records.push_back("bounce.sender.test. 60 IN TXT \"v=spf1 ip4:" + settings.source_address + " -all\"");
  records.push_back(ReverseName() + " 60 IN PTR mta1.sender.test.");
  const auto names = NameServer::Unbound(dir, net.Address(3), records);
  settings.dns_server = net.Address(3, NameServer::kPort);
  settings.streams = {
      {"news",
       "tls = \"require\"\nreturn_path = \"bounce.sender.test\"\ndkim = [\"sender.test\"]\nrate = \"20/m\"\n"
       "window = { from = \"00:00\", to = \"24:00\" }"}};
  settings.tables = key.json["config"].Text() + "[[destination]]\ndomains = [\"wrongname.test\"]\ntls = \"verify\"\n";
  StartDaemon();
  Load("spring", Template(), Recipients(14, AllDomains()));

  const Answer answer = Sealift({"campaign", "preflight", "spring"});
  EXPECT_EQ(answer.exit_code, 0) << answer.Describe();
  std::map<std::string, Json> sites = SitesOf(answer);
  EXPECT_EQ(sites["right.test"]["fate"].Text(), "send");
  EXPECT_EQ(sites["right.test"]["tls"].Text(), "TLSv1.3");
  EXPECT_EQ(sites["right.test"]["verified"].Text(), "true");
  EXPECT_EQ(sites["right.test"]["rows"].Number(), 2);
  EXPECT_EQ(sites["wrongname.test"]["fate"].Text(), "hold") << sites["wrongname.test"].Dump();
  EXPECT_EQ(sites["wrongname.test"]["policy"].Text(), "verify");
  EXPECT_EQ(sites["wrongname.test"]["tls"].Text(), "TLSv1.3");
  EXPECT_EQ(sites["wrongname.test"]["verified"].Text(), "false");
  EXPECT_EQ(sites["clear.test"]["fate"].Text(), "hold") << sites["clear.test"].Dump();
  EXPECT_EQ(sites["clear.test"]["tls"].Text(), "none");
  EXPECT_EQ(sites["down.test"]["fate"].Text(), "defer") << sites["down.test"].Dump();
  EXPECT_EQ(sites["implicit.test"]["mx"].Text(), "implicit");
  EXPECT_EQ(sites["implicit.test"]["fate"].Text(), "send") << sites["implicit.test"].Dump();
  EXPECT_EQ(sites["implicit.test"]["verified"].Text(), "false");
  EXPECT_EQ(sites["null.test"]["mx"].Text(), "null_mx");
  EXPECT_EQ(sites["null.test"]["fate"].Text(), "bounce");
  EXPECT_EQ(sites["gone.test"]["mx"].Text(), "nxdomain");
  EXPECT_EQ(sites["gone.test"]["fate"].Text(), "bounce");
  EXPECT_EQ(Reached("right.test"), "ok");
  EXPECT_EQ(Reached("clear.test"), "ok") << "a greeting is all that is asked for";
  EXPECT_EQ(Reached("down.test"), "failed");
  EXPECT_EQ(Reached("null.test"), "skipped");
  EXPECT_EQ(StateOf(answer, "from"), "ok aligned");
  EXPECT_EQ(StateOf(answer, "dkim"), "ok matches") << answer.Describe();
  EXPECT_EQ(StateOf(answer, "spf"), "ok pass");
  EXPECT_EQ(StateOf(answer, "ptr"), "ok confirmed");
  EXPECT_EQ(StateOf(answer, "finish"), "ok in_time");
  EXPECT_THAT(answer.out, HasSubstr("it sends mon-sun 00:00 to 24:00 UTC"));
  EXPECT_EQ(answer.json["finish"]["limit"].Text(), "stream rate of news");
  EXPECT_EQ(answer.json["finish"]["rows"].Number(), 6);  // right, implicit and down: the others would not be sent
  EXPECT_THAT(answer.out, Not(HasSubstr("row1@")));
  ExpectNoMail(sink);
  EXPECT_EQ(Show("spring")["state"].Text(), "ready");

  const Answer table = SealiftPlain({"campaign", "preflight", "spring"});
  EXPECT_THAT(table.out, HasSubstr("wrongname.test"));
  EXPECT_THAT(Sealift({"audit", "tail"}).out, HasSubstr("campaign preflight"));
  StopDaemon();
}

TEST_F(PreflightTest, WhatTheSenderHasToMendFails) {
  const Sink sink(dir, SinkScript(), "");
  settings.tls = fmt::format("ca_file = \"{}\"", sink.certificates_file());
  const Answer key =
      Sealift({"dkim", "generate", dir.path() / "s1.pem", "--domain", "sender.test", "--selector", "s1"});
  std::vector<std::string> records = Records();
  records.push_back("bounce.sender.test. 60 IN TXT \"v=spf1 ip4:192.0.2.1 -all\"");
  const auto names = NameServer::Unbound(dir, net.Address(3), records);
  settings.dns_server = net.Address(3, NameServer::kPort);
  settings.streams = {{"news",
                       "tls = \"require\"\nreturn_path = \"bounce.sender.test\"\ndkim = [\"sender.test\"]\nrate = "
                       "\"1/h\"\nexpires_in = \"2h\""}};
  settings.tables = key.json["config"].Text();
  StartDaemon();
  Load("spring", Template(), Recipients(6, {"right.test"}));

  const Answer answer = Sealift({"campaign", "preflight", "spring"});
  EXPECT_EQ(answer.exit_code, 65) << answer.Describe();
  EXPECT_EQ(StateOf(answer, "dkim"), "fail missing");
  EXPECT_EQ(StateOf(answer, "spf"), "fail fail");
  EXPECT_EQ(StateOf(answer, "ptr"), "fail missing");
  EXPECT_EQ(StateOf(answer, "finish"), "fail expires");
  EXPECT_GE(answer.json["finish"]["rows_late"].Number(), 4);

  settings.streams = {{"news", "tls = \"require\"\nreturn_path = \"bounce.partner.test\""}};
  WriteConfig();
  ASSERT_EQ(Sealift({"reload"}).exit_code, 0);
  EXPECT_EQ(StateOf(Sealift({"campaign", "preflight", "spring"}), "from"), "fail not_aligned")
      << "it was aligned when it was loaded";
  ExpectNoMail(sink);
  StopDaemon();
}

TEST_F(PreflightTest, TheUnsubscribeUrlMustAnswerUnderItsOwnCertificate) {
  const CertificateAuthority authority(dir);
  const auto web = StartWeb(authority);
  const auto names = NameServer::Unbound(dir, net.Address(3), Records());
  settings.dns_server = net.Address(3, NameServer::kPort);
  settings.tls = fmt::format("ca_file = \"{}\"", authority.ca_file());
  const auto stream = [](const std::string& name, const std::string& host, const std::string& path) {
    return Settings::Stream{name, fmt::format("unsubscribe_url = \"https://{}:{}{}\"", host, kWebPort, path)};
  };
  settings.streams = {stream("good", "u.sender.test", "/one-click?list=1"),
                      stream("broken", "u.sender.test", "/broken"), stream("nothing", "u.sender.test", "/nothing"),
                      stream("moved", "u.sender.test", "/moved"),
                      // the same server, whose certificate is not for this name
                      stream("other", "v.sender.test", "/"), stream("gone", "gone.sender.test", "/"),
                      Settings::Stream{"closed", fmt::format("unsubscribe_url = \"https://u.sender.test:1/\"")},
                      Settings::Stream{"plain", "return_path = \"sender.test\""}};
  StartDaemon();
  const std::string people = Recipients(1, {"null.test"});
  const std::map<std::string, std::string> expected = {{"good", "ok answers"},        {"broken", "fail fails"},
                                                       {"nothing", "warn not_found"}, {"moved", "warn redirects"},
                                                       {"other", "fail no_answer"},   {"gone", "fail dns_failed"},
                                                       {"closed", "fail no_answer"}};
  for (const auto& [name, state] : expected) {
    ASSERT_EQ(Sealift({"campaign", "load", name, "--stream", name, "--template", Template(), "--recipients", people})
                  .exit_code,
              0);
    const Answer answer = Sealift({"campaign", "preflight", name});
    EXPECT_EQ(StateOf(answer, "unsubscribe"), state) << answer.Describe();
  }
  // Where the stream writes none, the template's own stands for it.
  ASSERT_EQ(Sealift({"campaign", "load", "own", "--stream", "plain", "--template",
                     dir.Write("own.eml", "From: news@sender.test\nList-Unsubscribe: <https://u.sender.test/>\n\nHi\n"),
                     "--recipients", people})
                .exit_code,
            0);
  EXPECT_EQ(StateOf(Sealift({"campaign", "preflight", "own"}), "unsubscribe"), "skipped own");
  // One-click unsubscribe is a POST (RFC 8058): to ask must not unsubscribe anybody.
  EXPECT_THAT(ReadFile(dir.path() / "web.log"), HasSubstr("HEAD"));
  EXPECT_THAT(ReadFile(dir.path() / "web.log"), Not(HasSubstr("POST")));
  StopDaemon();
}

TEST_F(PreflightTest, InSinkModeNothingButTheSinkIsAsked) {
  const Sink sink(dir, ProviderOf("right", net.Address(10)), "");
  settings.delivery = "sink";
  settings.sink_address = net.Address(10, Sink::kPort);
  settings.dns_server = net.Address(3, NameServer::kPort);  // nobody is there
  settings.streams = {{"news", "tls = \"verify\"\nunsubscribe_url = \"https://u.sender.test/\""}};
  StartDaemon();
  Load("spring", Template(), Recipients(4, {"right.test", "other.test"}));
  const Answer answer = Sealift({"campaign", "preflight", "spring"});
  EXPECT_EQ(answer.exit_code, 0) << answer.Describe();
  EXPECT_EQ(answer.json["notice"].Text(), "SINK: nothing leaves this machine");
  EXPECT_EQ(SitesOf(answer)["other.test"]["mx"].Text(), "sink");
  EXPECT_EQ(SitesOf(answer)["other.test"]["fate"].Text(), "send") << answer.Describe();
  EXPECT_EQ(StateOf(answer, "dkim"), "skipped sink");
  EXPECT_EQ(StateOf(answer, "unsubscribe"), "skipped sink");
  EXPECT_EQ(sink.Status()["totals"]["connections"].Number(), 1);
  ExpectNoMail(sink);
  StopDaemon();
}

TEST_F(PreflightTest, WhatBouncesForWantOfAnExtensionIsToldAndDoes) {
  const Sink sink(dir,
                  ProviderOf("new", net.Address(10), "extensions = [\"SMTPUTF8\"]") +
                      ProviderOf("middle", net.Address(11)) +
                      ProviderOf("old", net.Address(12), "eight_bit = false\nextensions = [\"SMTPUTF8\"]"),
                  net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"require\""}};
  StartDaemon();
  const auto message = [](const std::string& recipients, const std::string& subject, const std::string& body) {
    return "From office Mon Jan  1 00:00:00 2024\nFrom: office@sender.test\nTo: " + recipients +
           "\nSubject: " + subject + "\n\n" + body + "\n\n";
  };
  const std::string mbox =
      dir.Write("box.mbox", message("a@new.test, a@middle.test, a@old.test", "plain", "caf\xC3\xA9") +
                                message("b@new.test, b@middle.test, b@old.test",
                                        "Gr\xC3\xBC\xC3\x9F"
                                        "e",
                                        "plain") +
                                message("c@new.test, c@middle.test, c@old.test", "plain", "plain"));
  ASSERT_EQ(Sealift({"campaign", "load", "box", "--stream", "news", "--messages", mbox}).exit_code, 0);
  const Answer answer = Sealift({"campaign", "preflight", "box"});
  std::map<std::string, Json> sites = SitesOf(answer);
  for (const auto& [domain, utf8, eight_bit] :
       {std::tuple{"new.test", "true", "true"}, {"middle.test", "false", "true"}, {"old.test", "false", "false"}}) {
    EXPECT_EQ(sites[domain]["rows"].Number(), 3) << answer.Describe();
    EXPECT_EQ(sites[domain]["rows_utf8"].Number(), 1) << domain;
    EXPECT_EQ(sites[domain]["rows_8bit"].Number(), 1) << domain;
    EXPECT_EQ(sites[domain]["smtputf8"].Text(), utf8) << domain;
    EXPECT_EQ(sites[domain]["eightbitmime"].Text(), eight_bit) << domain;
    EXPECT_EQ(sites[domain]["fate"].Text(), "send") << domain << ": one of them is ASCII";
  }
  std::map<std::string, std::string> warned;
  for (const Json& finding : answer.json["findings"].Items()) {
    if (finding["state"].Text() == "bounce") warned[finding["about"].Text()] += finding["check"].Text() + " ";
  }
  EXPECT_EQ(warned,
            (std::map<std::string, std::string>{{"middle.test", "smtputf8 "}, {"old.test", "smtputf8 8bitmime "}}));
  EXPECT_EQ(answer.json["finish"]["rows"].Number(), 6) << "what would bounce takes no time";
  for (const Json& provider : answer.json["providers"].Items()) EXPECT_EQ(provider["bounce"].Number(), 3);
  ExpectNoMail(sink);

  ASSERT_EQ(Sealift({"campaign", "start", "box"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("box", kSoon, [](const Json& now) { return now["queued"].Number() == 0; }));
  std::map<std::string, std::string> bounced;
  for (const Json& event : Events("box")) {
    if (event["outcome"].Text() == "bounced") bounced[event["recipient"].Text()] = event["enhanced"].Text();
  }
  EXPECT_EQ(bounced, (std::map<std::string, std::string>{
                         {"b@middle.test", "5.6.7"}, {"a@old.test", "5.6.3"}, {"b@old.test", "5.6.7"}}));
  EXPECT_EQ(sink.arrivals(), 6u);
  EXPECT_EQ(sink.Status()["faults"].Number(), 0) << sink.Status().Dump();
  StopDaemon();
}

TEST_F(PreflightTest, WhatWasStartedByHandWaitsForNoTime) {
  const Sink sink(dir, SinkScript(), net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"opportunistic\""}};
  StartDaemon();
  Load("spring", Template(), Recipients(2, {"right.test"}), {"--start-at", "2099-01-01T00:00:00Z"});
  const auto start = [this] {
    return Sealift({"campaign", "preflight", "spring"}).json["finish"]["start"].Text().substr(0, 4);
  };
  EXPECT_EQ(start(), "2099");
  EXPECT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 0);
  EXPECT_NE(start(), "2099");
  StopDaemon();
}

TEST_F(PreflightTest, ATestGoesToWhoIsAllowedAndMovesNoCounter) {
  const Sink sink(dir, SinkScript(), net.Address(2, 5353));
  settings.node = "test_recipients = [\"qa@right.test\", \"@clear.test\"]";
  settings.streams = {{"news", "tls = \"require\""}};
  StartDaemon();
  Load("spring", Template(), Recipients(2, {"right.test"}));

  const Answer refused = Sealift({"campaign", "test", "spring", "--to", "row1@right.test"});
  EXPECT_EQ(refused.exit_code, 77) << refused.Describe();
  EXPECT_THAT(refused.out, HasSubstr("test_recipients"));
  EXPECT_EQ(sink.arrivals(), 0u);

  const Answer sent = Sealift({"campaign", "test", "spring", "--to", "QA@right.test"});
  EXPECT_EQ(sent.exit_code, 0) << sent.Describe();
  EXPECT_EQ(sent.json["outcome"].Text(), "delivered");
  EXPECT_EQ(sent.json["test"].Text(), "spring.test-1");
  EXPECT_EQ(sent.json["recipient"].Text(), "Q***@right.test");
  EXPECT_THAT(sent.json["mx"].Text(), HasSubstr("mx.right.test"));
  EXPECT_EQ(sent.json["tls"].Text(), "TLSv1.3");
  EXPECT_EQ(sink.arrivals(), 1u);
  EXPECT_EQ(sink.Ledger().at(0).mailbox, "QA@right.test");
  const Json untouched = Show("spring");
  EXPECT_EQ(untouched["loaded"].Number(), 2);
  EXPECT_EQ(untouched["queued"].Number(), 2);
  EXPECT_EQ(untouched["delivered"].Number(), 0);
  EXPECT_EQ(Show("spring.test-1")["delivered"].Number(), 1);
  EXPECT_EQ(Events("spring.test-1").size(), 1u);

  // A row's values are somebody's: they are shown for a reason, which the audit file has.
  EXPECT_EQ(Sealift({"campaign", "test", "spring", "--to", "qa@right.test", "--row", "1"}).exit_code, 64);
  const Answer row =
      Sealift({"campaign", "test", "spring", "--to", "qa@right.test", "--row", "1", "--reason", "asked by support"});
  EXPECT_EQ(row.exit_code, 0) << row.Describe();
  EXPECT_EQ(row.json["test"].Text(), "spring.test-2");
  const std::string audit = Sealift({"audit", "tail"}).out;
  EXPECT_THAT(audit, HasSubstr("asked by support"));
  EXPECT_THAT(audit, HasSubstr("row=1"));
  EXPECT_THAT(audit, Not(HasSubstr("@right.test")));

  // Whoever wants no mail gets no test, and a host without TLS gets nothing in clear.
  EXPECT_EQ(Sealift({"suppression", "add", "qa@right.test"}).exit_code, 0);
  const Answer suppressed = Sealift({"campaign", "test", "spring", "--to", "qa@right.test"});
  EXPECT_EQ(suppressed.exit_code, 65);
  EXPECT_EQ(suppressed.json["outcome"].Text(), "suppressed");
  const Answer held = Sealift({"campaign", "test", "spring", "--to", "anyone@clear.test"});
  EXPECT_EQ(held.exit_code, 75) << held.Describe();
  EXPECT_EQ(held.json["outcome"].Text(), "deferred");
  EXPECT_EQ(held.json["class"].Text(), "tls");
  EXPECT_EQ(sink.arrivals(), 2u);

  // They have what is erased with it.
  Load("spring.test-0", Template(), Recipients(2, {"right.test"}));
  ASSERT_EQ(Sealift({"campaign", "cancel", "spring", "--erase", "--yes", "--reason", "over"}).exit_code, 0);
  for (int test = 1; test <= 4; ++test) {
    EXPECT_EQ(Show(fmt::format("spring.test-{}", test))["erased"].Text(), "true") << test;
  }
  EXPECT_EQ(Show("spring.test-0")["erased"].Text(), "false") << "is called so by somebody";
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
