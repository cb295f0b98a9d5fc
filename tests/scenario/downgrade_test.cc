// A `require` campaign to every server that would have it in clear, with every packet of its network captured: what
// crosses in clear is EHLO, STARTTLS and QUIT, and nothing of any message.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/scenario/harness/by_domain.h"
#include "tests/scenario/harness/capture.h"
#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/name_server.h"
#include "tests/scenario/harness/scripted_server.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/sink_script.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kMark[] = "The surgery is open again";  // of the content, and no other text

// A server, and what it does to be spoken to in clear.
struct Case {
  std::string name;
  std::string lines;              // of the sink's provider
  std::vector<Step> script = {};  // or of a scripted server
};

std::string Keywords(int count) {
  std::string text = "250-mx\r\n";
  for (int i = 0; i < count; ++i) text += fmt::format("250-XKEYWORD{}\r\n", i);
  return text + "250 SIZE 1000\r\n";
}

std::vector<Case> Cases() {
  const std::string close = "then = \"close\"";
  return {
      {"nooffer", "tls = \"off\""},
      {"bare", RawRule("greeting", "220\r\n") + RawRule("ehlo", "250\r\n")},
      {"later", RawRule("ehlo", "451 4.3.0 later\r\n")},
      {"goodbye", RawRule("ehlo", "421 4.3.0 bye\r\n", close)},
      {"helo", RawRule("ehlo", "502 5.5.1 say HELO\r\n")},
      {"keywords", RawRule("ehlo", Keywords(150))},
      {"thousands", RawRule("ehlo", Keywords(5000))},
      {"nearly", RawRule("ehlo", "250-mx\r\n250-STARTTLSX\r\n250-XSTARTTLS\r\n250 START TLS\r\n")},
      {"greeted", RawRule("ehlo", "250 STARTTLS\r\n")},
      {"early", RawRule("greeting", "220 hello\r\n250-mx\r\n250 SIZE 1000\r\n")},
      {"notnow", "tls = \"refused\""},
      {"unknown", RawRule("starttls", "502 5.5.1 no such command\r\n")},
      {"asif", RawRule("starttls", "250 2.0.0 as if\r\n")},
      {"nonsense", RawRule("starttls", "what?\r\n")},
      {"closed", RawRule("starttls", "", close)},
      {"ready", RawRule("starttls", "220 2.0.0 ready\r\n", close)},
      {"broken", "tls = \"broken\""},
      {"stall", "tls = \"hang\""},
      {"tls10", "tls_max_version = \"1.0\""},
      {"tls11", "tls_max_version = \"1.1\""},
      {"cleartext",
       "",
       {Step::Say("220 hello\r\n"), Step::Hear(), Step::Say("250-mx\r\n250 STARTTLS\r\n"), Step::Hear(),
        Step::Say("220 go ahead\r\n250-mx\r\n250 SIZE 1000\r\n"), Step::Serve()}},
      {"reset",
       "",
       {Step::Say("220 hello\r\n"), Step::Hear(), Step::Say("250-mx\r\n250 STARTTLS\r\n"), Step::Hear(),
        Step::Say("220 go ahead\r\n"), Step::Tls(), Step::Reset()}},
  };
}

// What of a client's bytes stands outside TLS records (RFC 8446 5.1), line by line. A record may be cut off at the end.
std::vector<std::string> LinesInClear(std::string_view bytes) {
  constexpr size_t kHead = 5;
  std::vector<std::string> lines;
  bool in_tls = false;
  while (!bytes.empty()) {
    const auto at = [bytes](size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const bool record = bytes.size() < kHead ? in_tls : at(0) >= 20 && at(0) <= 23 && at(1) == 3;
    if (record) {
      in_tls = true;
      const size_t size = bytes.size() < kHead ? bytes.size() : kHead + (size_t{at(3)} << 8 | at(4));
      bytes.remove_prefix(std::min(size, bytes.size()));
      continue;
    }
    const size_t end = std::min(bytes.find('\n'), bytes.size() - 1) + 1;
    lines.emplace_back(bytes.substr(0, end));
    bytes.remove_prefix(end);
  }
  return lines;
}

class DowngradeTest : public World {
 protected:
  void SetUp() override {
    if (!capture_.trouble().empty()) GTEST_SKIP() << capture_.trouble();
    for (const char* what : {"starttls", "handshake", "ehlo"})
      settings.smtp += fmt::format("{}_timeout = \"5s\"\n", what);
    settings.streams = {{"news", "tls = \"require\"\nretry = [\"1d\"]"}, {"lax", "tls = \"opportunistic\""}};
  }

  Capture capture_;  // before anything that is started
};

TEST_F(DowngradeTest, NoByteOfAMessageCrossesTheWireInClear) {
  const CertificateAuthority authority(dir);
  std::vector<Case> cases = Cases();
  cases.push_back({"good", ""});
  std::string sink_script;
  std::vector<ScriptedServer::Host> hosts;
  std::vector<std::string> domains, records;
  int number = 10;
  for (const Case& one : cases) {
    const std::string address = net.Address(number++);
    domains.push_back(one.name + ".test");
    records.push_back(fmt::format("{0}.test. 60 IN MX 10 mx.{0}.test.", one.name));
    records.push_back(fmt::format("mx.{}.test. 60 IN A {}", one.name, address));
    if (one.script.empty()) {
      sink_script += ProviderOf(one.name, address, one.lines);
    } else {
      hosts.push_back({address, one.script, authority.self()});
    }
  }
  const Sink sink(dir, sink_script, "");
  const ScriptedServer scripted(dir, hosts);
  const std::unique_ptr<NameServer> names = NameServer::Nsd(dir, net.Address(2), records);
  StartDaemon();
  const std::string letter = dir.Write(
      "marked.eml",
      fmt::format("From: Clinic <news@sender.test>\r\nTo: {{{{email}}}}\r\nSubject: News\r\n\r\n{}\r\n", kMark));
  Load("strict", letter, Recipients(static_cast<int>(domains.size()) * 3, domains), {"--start"});
  std::map<std::string, std::vector<Json>> events;
  ASSERT_TRUE(Eventually(kInTime, [&] {
    events = ByDomain(Events("strict"));
    return events.size() == domains.size() && Show("strict")["delivered"].Number() == 3;
  }));
  for (const std::string& domain : domains) {
    for (const Json& event : events[domain]) {
      EXPECT_EQ(event["outcome"].Text(), domain == "good.test" ? "delivered" : "deferred") << event.Dump();
    }
  }
  StopDaemon();
  capture_.Finish();
  EXPECT_EQ(capture_.lost(), 0u);

  const std::vector<Capture::Stream> streams = capture_.SentTo(Sink::kPort);
  std::map<std::string, size_t> met;  // by address
  for (const Capture::Stream& stream : streams) {
    SCOPED_TRACE(stream.to);
    ++met[stream.to];
    for (const std::string& line : LinesInClear(stream.bytes)) {
      EXPECT_THAT(line, AnyOf("EHLO mta1.sender.test\r\n", "STARTTLS\r\n", "QUIT\r\n"));
    }
  }
  EXPECT_THAT(met, SizeIs(cases.size())) << "a server that nobody spoke to";
  EXPECT_FALSE(capture_.Saw(kMark));
  EXPECT_FALSE(capture_.Saw("MAIL FROM"));
  EXPECT_FALSE(capture_.Saw("RCPT TO"));
  for (const std::string& domain : domains) EXPECT_FALSE(capture_.Saw("@" + domain)) << domain;
  EXPECT_THAT(scripted.Taken(), IsEmpty());
  EXPECT_EQ(sink.Status()["totals"]["plaintext_mail"].Number(), 0);
}

// What would be seen if there were something to see.
TEST_F(DowngradeTest, WhatGoesInClearIsSeen) {
  const Sink sink(dir, ProviderOf("nooffer", net.Address(10), "tls = \"off\""), net.Address(2, 5353));
  StartDaemon();
  const std::string letter = dir.Write(
      "marked.eml",
      fmt::format("From: Clinic <news@sender.test>\r\nTo: {{{{email}}}}\r\nSubject: News\r\n\r\n{}\r\n", kMark));
  const Answer loaded = Sealift({"campaign", "load", "lax", "--stream", "lax", "--template", letter, "--recipients",
                                 Recipients(1, {"nooffer.test"}), "--start"});
  ASSERT_EQ(loaded.exit_code, 0) << loaded.Describe();
  ASSERT_TRUE(ShowsUntil("lax", kInTime, [](const Json& now) { return now["delivered"].Number() == 1; }));
  StopDaemon();
  capture_.Finish();
  const std::vector<Capture::Stream> streams = capture_.SentTo(Sink::kPort);
  ASSERT_THAT(streams, Not(IsEmpty()));
  EXPECT_THAT(LinesInClear(streams[0].bytes), testing::Contains(HasSubstr("RCPT TO:<row1@nooffer.test>")));
  EXPECT_THAT(streams[0].bytes, HasSubstr(kMark));
  EXPECT_TRUE(capture_.Saw(kMark) && capture_.Saw("MAIL FROM") && capture_.Saw("@nooffer.test"));
}

}  // namespace
}  // namespace sealift::scenario
