// Some destinations refuse, tempfail, hang or have no TLS; each ends as it should, and the others flow meanwhile.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

using TroubledDestinationsTest = World;

// A provider that serves DOMAIN from one address.
std::string Provider(const std::string& name, const std::string& address, const std::string& lines) {
  return fmt::format(
      "[[provider]]\nname = \"{0}\"\ndomains = [\"{0}.test\"]\nmx = [{{ host = \"mx.{0}.test\", address = \"{1}\" "
      "}}]\n{2}\n",
      name, address, lines);
}

std::string Rule(const std::string& at, const std::string& reply) {
  return fmt::format("[[provider.rule]]\nat = \"{}\"\nreply = \"{}\"\n", at, reply);
}

TEST_F(TroubledDestinationsTest, EachEndsAsItShouldWhileTheOthersFlow) {
  const std::vector<std::string> domains = {"good.test",  "refuses.test", "tempfails.test", "hangs.test",  "notls.test",
                                            "drops.test", "gone.test",    "blocks.test",    "content.test"};
  constexpr int kEach = 20;
  std::string script = Provider("good", net.Address(10), "");
  script += Provider("refuses", net.Address(11), "connect = \"refuse\"");
  script += Provider("tempfails", net.Address(12), Rule("rcpt", "450 4.2.1 Try again later"));
  script += Provider("hangs", net.Address(13), "connect = \"hang\"");
  script += Provider("notls", net.Address(14), "tls = \"off\"");
  script +=
      Provider("drops", net.Address(15), "[[provider.rule]]\nat = \"body\"\nraw = \"\"\nthen = \"reset\"\nfirst = 1\n");
  script += Provider("gone", net.Address(16), Rule("rcpt", "550 5.1.1 No such user"));
  script += Provider("blocks", net.Address(17), Rule("mail", "550 5.7.1 Your address has a poor reputation"));
  script += Provider("content", net.Address(18), Rule("body", "554 5.6.0 Message content rejected"));
  const Sink sink(dir, script, net.Address(2, 5353));
  settings.smtp = "greeting_timeout = \"3s\"\nconnect_timeout = \"3s\"";
  settings.streams = {{"news", "tls = \"require\"\nretry = [\"1s\"]\nexpires_in = \"45s\""}};
  StartDaemon();
  Load("spring", Template(), Recipients(kEach * static_cast<int>(domains.size()), domains), {"--start"});

  // The good one is through before anything of the others has had time to expire.
  ASSERT_TRUE(ShowsUntil("spring", std::chrono::seconds(25),
                         [](const Json& now) {
                           return now["delivered"].Number() >= 2.0 * kEach && now["bounced"].Number() >= 2.0 * kEach;
                         }))
      << Show("spring").Dump() << Sealift({"domain", "explain", "drops.test"}).out;
  const Json midway = Show("spring");
  EXPECT_EQ(midway["expired"].Number(), 0) << midway.Dump();
  EXPECT_GT(midway["deferred"].Number(), 0) << midway.Dump();
  EXPECT_GE(midway["held"].Number(), 1) << "rows that wait for TLS are shown: " << midway.Dump();

  // An operator asks why.
  const Answer held = Sealift({"domain", "explain", "notls.test"});
  EXPECT_EQ(held.exit_code, 0) << held.Describe();
  EXPECT_THAT(held.out, HasSubstr("no_tls")) << held.out;
  const Answer tempfails = Sealift({"domain", "explain", "tempfails.test"});
  EXPECT_THAT(tempfails.out, HasSubstr("450")) << tempfails.out;

  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }))
      << Show("spring").Dump() << Sealift({"queue", "shape", "--campaign", "spring"}).out;
  std::map<std::string, std::map<std::string, int>> last;  // domain -> outcome of the last attempt -> rows
  std::map<std::string, std::string> of_row;
  for (const Json& event : Events("spring")) of_row[event["recipient"].Text()] = event["outcome"].Text();
  for (const auto& [recipient, outcome] : of_row) ++last[recipient.substr(recipient.find('@') + 1)][outcome];
  const auto all = [kEach](const std::string& outcome) { return std::map<std::string, int>{{outcome, kEach}}; };
  EXPECT_EQ(last["good.test"], all("delivered"));
  EXPECT_EQ(last["refuses.test"], all("expired"));
  EXPECT_EQ(last["tempfails.test"], all("expired"));
  EXPECT_EQ(last["hangs.test"], all("expired"));
  EXPECT_EQ(last["notls.test"], all("expired"));
  EXPECT_EQ(last["drops.test"], all("delivered")) << "a lost connection defers";
  EXPECT_EQ(last["gone.test"], all("bounced"));
  EXPECT_EQ(last["blocks.test"], all("expired")) << "a refusal of the sender defers";
  EXPECT_EQ(last["content.test"], all("bounced"));

  const Json status = sink.Status();
  EXPECT_EQ(status["totals"]["plaintext_mail"].Number(), 0) << "mail went in clear under `require`";
  EXPECT_EQ(status["faults"].Number(), 0) << status.Dump();
  StopDaemon();
}

TEST_F(TroubledDestinationsTest, WithoutTlsAStreamThatSaysBounceBounces) {
  const Sink sink(dir, Provider("notls", net.Address(14), "tls = \"off\""), net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"require\"\non_no_tls = \"bounce\""}};
  StartDaemon();
  Load("spring", Template(), Recipients(10, {"notls.test"}), {"--start"});
  EXPECT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["bounced"].Number() == 10; }));
  EXPECT_EQ(sink.arrivals(), 0u);
  StopDaemon();
}

// It is the other source's mail then: none is tried from it and put off.
TEST_F(TroubledDestinationsTest, ASourceWhoseAddressThisMachineHasNotSendsNothing) {
  const Sink sink(dir, Provider("good", net.Address(10), ""), net.Address(2, 5353));
  settings.tables =
      "[[source]]\nname = \"gone\"\naddress = \"203.0.113.77\"\n"
      "[[pool]]\nname = \"both\"\nsources = [\"gone\", \"ip1\"]\n"
      "[[stream]]\nname = \"letters\"\npool = \"both\"\ntls = \"opportunistic\"\nretry = [\"2h\"]\n";
  StartDaemon();
  const Answer load = Sealift({"campaign", "load", "spring", "--stream", "letters", "--template", Template(),
                               "--recipients", Recipients(40, {"good.test"}), "--start"});
  ASSERT_EQ(load.exit_code, 0) << load.Describe();
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 40; }));
  EXPECT_EQ(Show("spring")["deferrals"].Number(), 0);
  EXPECT_EQ(Sealift({"source", "show", "gone"}).json["state"].Text(), "unavailable");
  EXPECT_THAT(SealiftPlain({"source", "show", "gone"}).out, HasSubstr("sealift reload"));
  EXPECT_EQ(Sealift({"source", "show", "ip1"}).json["state"].Text(), "sends");
  StopDaemon();
}

TEST_F(TroubledDestinationsTest, AGreylistedRecipientIsDeliveredOnceWithOneMessageId) {
  const Sink sink(dir, Provider("grey", net.Address(10), "greylist = \"2s\""), net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"3s\"]"}};
  StartDaemon();
  Load("spring", Template(), Recipients(30, {"grey.test"}), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 30; }));
  std::map<std::string, std::set<std::string>> ids;
  int deferred = 0;
  for (const Json& event : Events("spring")) {
    ids[event["recipient"].Text()].insert(event["id"].Text());
    deferred += event["outcome"].Text() == "deferred" ? 1 : 0;
  }
  EXPECT_GE(deferred, 30);
  for (const auto& [recipient, of_recipient] : ids) EXPECT_EQ(of_recipient.size(), 1u) << recipient;
  EXPECT_EQ(sink.arrivals(), 30u);
  StopDaemon();
}

// A slow site has every connection of the source, and mail for minutes.
TEST_F(TroubledDestinationsTest, WhatASlowSiteSharesIsKeptFromNoOther) {
  const Sink sink(dir,
                  Provider("slow", net.Address(10), "latency = \"100ms\"\ntls = \"off\"") +
                      Provider("fast", net.Address(11), "tls = \"off\""),
                  net.Address(2, 5353));
  settings.source = "connections = 4";
  StartDaemon();
  Load("spring", Template(), Recipients(4000, {"slow.test"}), {"--start"});
  ASSERT_TRUE(Eventually(kInTime, [&] {
    return Sealift({"source", "list"}).out.contains("4 of 4") || Metric("sealift_smtp_connections") >= 4;
  }));
  Load("summer", Template(), Recipients(1, {"fast.test"}), {"--start"});
  ASSERT_TRUE(ShowsUntil("summer", kInTime, [](const Json& now) { return now["delivered"].Number() == 1; }))
      << Sealift({"domain", "explain", "fast.test"}).out;
  EXPECT_GT(Show("spring")["queued"].Number(), 0);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
