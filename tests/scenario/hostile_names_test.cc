// Name servers that answer what they should not, each with the verdict that its domain's mail must get.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/scenario/harness/by_domain.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/scripted_names.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using Names = ScriptedNames;

constexpr int kNoSuchName = 3, kServerFailure = 2, kRefused = 5;  // RFC 1035 4.1.1

// An attempt as its event tells it; `text` is a part of what is said of it.
struct Attempt {
  std::string outcome, reason_class, text;
};
const Attempt kDelivered = {"delivered", "none", ""};

struct Domain {
  std::string name;
  std::vector<Attempt> attempts;  // each once or several times, one after another
  std::vector<Names::Reply> replies;
};

class HostileNamesTest : public World {
 protected:
  Names::Record Mx(const std::string& owner, const std::string& value, uint32_t ttl = 60) const {
    return {owner, "MX", value, ttl};
  }
  Names::Record A(const std::string& owner, int last, uint32_t ttl = 60) const {
    return {owner, "A", net.Address(last), ttl};
  }
  // The host that takes the mail, of a domain.
  Names::Reply Host(const std::string& host) const { return {host, "A", {{0, {A(host, kGood)}}}}; }

  std::vector<Domain> Circles() const;
  std::vector<Domain> Sizes() const;
  std::vector<Domain> Lies() const;
  std::vector<Domain> Failures() const;

  static constexpr int kGood = 10, kEvil = 11;
};

std::vector<Domain> HostileNamesTest::Circles() const {
  const Attempt circle = {"deferred", "dns", "bad_answer"};
  return {
      {"circle.test",
       {circle},
       {{"circle.test",
         "MX",
         {{0, {{"circle.test", "CNAME", "b.circle.test"}, {"b.circle.test", "CNAME", "circle.test"}}}}}}},
      {"itself.test", {circle}, {{"itself.test", "MX", {{0, {{"itself.test", "CNAME", "itself.test"}}}}}}},
      {"hostcircle.test",
       {circle},
       {{"hostcircle.test", "MX", {{0, {Mx("hostcircle.test", "10 mx.hostcircle.test")}}}},
        {"mx.hostcircle.test",
         "A",
         {{0,
           {{"mx.hostcircle.test", "CNAME", "b.hostcircle.test"},
            {"b.hostcircle.test", "CNAME", "mx.hostcircle.test"}}}}}}},
      // RFC 5321 5.1 forbids it and everybody does it.
      {"alias.test",
       {kDelivered},
       {{"alias.test", "MX", {{0, {Mx("alias.test", "10 mx.alias.test")}}}},
        {"mx.alias.test", "A", {{0, {{"mx.alias.test", "CNAME", "b.alias.test"}, A("b.alias.test", kGood)}}}}}},
  };
}

std::vector<Domain> HostileNamesTest::Sizes() const {
  std::vector<Names::Record> many;
  for (int host = 500; host > 0; --host) many.push_back(Mx("many.test", fmt::format("{0} mx{0}.many.test", host)));
  return {
      // Over TCP, and the best of them is the one that is there.
      {"many.test", {kDelivered}, {{"many.test", "MX", {{0, many}}}, Host("mx1.many.test")}},
      {"cut.test", {{"deferred", "dns", "bad_answer"}}, {{"cut.test", "MX", {{.truncated = true}}}}},
      {"brief.test",
       {kDelivered},
       {{"brief.test", "MX", {{0, {Mx("brief.test", "10 mx.brief.test", 0)}}}},
        {"mx.brief.test", "A", {{0, {A("mx.brief.test", kGood, 0)}}}}}},
      {"forever.test",
       {kDelivered},
       {{"forever.test", "MX", {{0, {Mx("forever.test", "10 mx.forever.test", 0x7fffffff)}}}},
        {"mx.forever.test", "A", {{0, {A("mx.forever.test", kGood, 0xffffffff)}}}}}},
  };
}

std::vector<Domain> HostileNamesTest::Lies() const {
  using std::string_literals::operator""s;
  const auto lie = [this](const std::string& domain) {
    return Names::Packet{.records = {Mx(domain, "1 mx.evil.test")}, .wrong_id = true};
  };
  return {
      {"otherid.test", {{"deferred", "dns", "timeout"}}, {{"otherid.test", "MX", {lie("otherid.test")}}}},
      {"lieandtruth.test",
       {kDelivered},
       {{"lieandtruth.test", "MX", {lie("lieandtruth.test"), {0, {Mx("lieandtruth.test", "10 mx.lieandtruth.test")}}}},
        Host("mx.lieandtruth.test")}},
      {"foreign.test",  // records of somebody else's
       {{"bounced", "no_mx", "no usable host"}},
       {{"foreign.test", "MX", {{0, {Mx("foreign.test", "10 mx.foreign.test"), A("mx.foreign.test", kEvil)}}}},
        {"mx.foreign.test", "A", {{0, {A("mx.evil.test", kEvil)}}}}}},
      {"nul.test",
       {{"bounced", "no_mx", "no usable host"}},
       {{"nul.test", "MX", {{0, {Mx("nul.test", "10 mx\0.nul.test"s)}}}}}},
      {"nulandhost.test",
       {kDelivered},
       {{"nulandhost.test",
         "MX",
         {{0, {Mx("nulandhost.test", "1 mx\0.evil.test"s), Mx("nulandhost.test", "10 mx.nulandhost.test")}}}},
        Host("mx.nulandhost.test")}},
  };
}

std::vector<Domain> HostileNamesTest::Failures() const {
  const auto mx = [this](const std::string& domain) {
    return Names::Reply{domain, "MX", {{0, {Mx(domain, "10 mx." + domain)}}}};
  };
  return {
      {"recovers.test",
       {{"deferred", "dns", "servfail"}, kDelivered},
       {{"recovers.test", "MX", {{.code = kServerFailure}}}, mx("recovers.test"), Host("mx.recovers.test")}},
      {"hostrecovers.test",
       {{"deferred", "dns", "servfail"}, kDelivered},
       {mx("hostrecovers.test"),
        {"mx.hostrecovers.test", "A", {{.code = kServerFailure}}},
        Host("mx.hostrecovers.test")}},
      {"refused.test", {{"deferred", "dns", "refused"}}, {{"refused.test", "MX", {{.code = kRefused}}}}},
      {"gone.test", {{"bounced", "bad_domain", "does not exist"}}, {{"gone.test", "MX", {{.code = kNoSuchName}}}}},
  };
}

TEST_F(HostileNamesTest, EachDomainGetsItsVerdict) {
  std::vector<Domain> domains;
  for (const std::vector<Domain>& some : {Circles(), Sizes(), Lies(), Failures()}) {
    domains.insert(domains.end(), some.begin(), some.end());
  }
  std::vector<std::string> names;
  std::vector<Names::Reply> replies;
  int settled = 0;
  for (const Domain& domain : domains) {
    names.push_back(domain.name);
    replies.insert(replies.end(), domain.replies.begin(), domain.replies.end());
    settled += domain.attempts.back().outcome == "deferred" ? 0 : 1;
  }
  replies.push_back({"mx.evil.test", "A", {{0, {A("mx.evil.test", kEvil)}}}});
  const Names name_server(dir, net.Address(2), replies);
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"good\"\ndomains = [\"{}\"]\nmx = [{{ host = "
                              "\"mx.good.test\", address = \"{}\" }}]\n"
                              "[[provider]]\nname = \"evil\"\ndomains = [\"evil.test\"]\nmx = [{{ host = "
                              "\"mx.evil.test\", address = \"{}\" }}]\n",
                              fmt::join(names, "\", \""), net.Address(kGood), net.Address(kEvil)),
                  "");
  settings.dns = "tries = 2\n";
  settings.streams = {{"news", "tls = \"require\"\nretry = [\"1s\"]"}};
  StartDaemon();
  Load("spring", Template(), Recipients(static_cast<int>(names.size()), names), {"--start"});

  std::map<std::string, std::vector<Json>> attempts;  // by domain
  EXPECT_TRUE(Eventually(kInTime, [&] {
    attempts = ByDomain(Events("spring"));
    return std::ranges::all_of(domains, [&](const Domain& domain) {
      const std::vector<Json>& of_domain = attempts[domain.name];
      return !of_domain.empty() && of_domain.back()["outcome"].Text() == domain.attempts.back().outcome;
    });
  }));
  for (const Domain& domain : domains) {
    SCOPED_TRACE(domain.name);
    size_t next = 0;
    for (const Json& event : attempts[domain.name]) {
      if (next + 1 < domain.attempts.size() && event["outcome"].Text() == domain.attempts[next + 1].outcome) ++next;
      const Attempt& expected = domain.attempts[next];
      EXPECT_EQ(event["outcome"].Text(), expected.outcome) << event.Dump();
      EXPECT_EQ(event["class"].Text(), expected.reason_class) << event.Dump();
      EXPECT_THAT(event["reply"].Text(), HasSubstr(expected.text)) << event.Dump();
    }
    EXPECT_EQ(next + 1, domain.attempts.size());
  }
  const Json now = Show("spring");
  EXPECT_EQ(now["delivered"].Number() + now["bounced"].Number(), settled) << now.Dump();
  EXPECT_GE(name_server.Asked("tcp", "many.test", "MX"), 1u) << "what was truncated is fetched over TCP";
  EXPECT_EQ(name_server.Asked("udp", "mx.evil.test", "A"), 0u) << "a lie was believed";
  for (const Sink::Arrival& arrival : sink.Ledger()) EXPECT_EQ(arrival.provider, "good") << arrival.mailbox;
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
