// MTA-STS (RFC 8461) with real web servers: an enforced policy asks for its hosts and their own certificates, and one
// that is kept binds whatever becomes of the web server that published it.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/scenario/harness/by_domain.h"
#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/name_server.h"
#include "tests/scenario/harness/policy_server.h"
#include "tests/scenario/harness/scripted_server.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class MtaStsTest : public World {
 protected:
  // A domain: its one mail host has `mail`, its web server `web`, and that publishes this policy.
  struct Domain {
    std::string name;  // without ".test"
    std::string id;    // of the policy, in its TXT record
    std::string mode, mx;
    CertificateAuthority::Pair mail, web;
  };
  // All of them for as long as it lives.
  struct Internet {
    std::unique_ptr<NameServer> names;
    std::unique_ptr<ScriptedServer> mail;
    std::unique_ptr<PolicyServer> web;
  };

  Internet Start(const std::string& name, const std::vector<Domain>& domains) {
    std::vector<std::string> records;
    std::vector<ScriptedServer::Host> mail;
    std::vector<PolicyServer::Host> web;
    int last = 10;
    for (const Domain& domain : domains) {
      const std::string mail_address = net.Address(last++), web_address = net.Address(last++);
      records.push_back(fmt::format("{0}.test. 60 IN MX 10 mx.{0}.test.", domain.name));
      records.push_back(fmt::format("mx.{}.test. 60 IN A {}", domain.name, mail_address));
      records.push_back(fmt::format("_mta-sts.{}.test. 60 IN TXT \"v=STSv1; id={};\"", domain.name, domain.id));
      records.push_back(fmt::format("mta-sts.{}.test. 60 IN A {}", domain.name, web_address));
      mail.push_back({mail_address,
                      {Step::Say("220 hello\r\n"), Step::Hear(), Step::Say("250-mx\r\n250 STARTTLS\r\n"), Step::Hear(),
                       Step::Say("220 go ahead\r\n"), Step::Tls(), Step::Serve()},
                      domain.mail});
      web.push_back(
          {web_address, domain.web,
           fmt::format("version: STSv1\r\nmode: {}\r\nmx: {}\r\nmax_age: 86400\r\n", domain.mode, domain.mx)});
      web_of_[domain.name] = web_address;
    }
    Internet internet;
    internet.names = NameServer::Nsd(dir, net.Address(2), records);
    internet.mail = std::make_unique<ScriptedServer>(dir, mail);
    internet.web = std::make_unique<PolicyServer>(dir, name, web);
    return internet;
  }

  // One row to each of these; returns what was attempted, when each has an attempt.
  std::map<std::string, std::vector<Json>> Attempts(const std::string& campaign,
                                                    const std::vector<std::string>& domains) {
    Load(campaign, Template(), Recipients(static_cast<int>(domains.size()), domains, campaign + ".csv"), {"--start"});
    std::map<std::string, std::vector<Json>> attempts;
    EXPECT_TRUE(Eventually(kInTime, [&] {
      attempts = ByDomain(Events(campaign));
      return attempts.size() == domains.size();
    }));
    return attempts;
  }

  static void ExpectDelivered(const std::vector<Json>& attempts, const std::string& policy,
                              const std::string& verified) {
    ASSERT_EQ(attempts.size(), 1u);
    EXPECT_EQ(attempts[0]["outcome"].Text(), "delivered") << attempts[0].Dump();
    EXPECT_EQ(attempts[0]["policy"].Text(), policy) << attempts[0].Dump();
    EXPECT_EQ(attempts[0]["verified"].Text(), verified) << attempts[0].Dump();
  }
  static void ExpectHeld(const std::vector<Json>& attempts, const std::string& text) {
    for (const Json& event : attempts) {
      EXPECT_EQ(event["outcome"].Text(), "deferred") << event.Dump();
      EXPECT_EQ(event["class"].Text(), "tls") << event.Dump();
      EXPECT_EQ(event["policy"].Text(), "mta-sts") << event.Dump();
      EXPECT_EQ(event["source"].Text(), "ip1") << event.Dump();
      EXPECT_THAT(event["reply"].Text(), HasSubstr(text)) << event.Dump();
    }
  }

  std::map<std::string, std::string> web_of_;  // name -> address of its web server
};

TEST_F(MtaStsTest, APolicyBindsAndOneThatIsKeptGoesOnBinding) {
  const CertificateAuthority authority(dir);
  const auto sign = [&](const std::string& host) { return authority.Sign(host + ".test"); };
  const CertificateAuthority::Pair wrong = sign("other");
  settings.tls = fmt::format("ca_file = \"{}\"\nmta_sts_port = {}\n", authority.ca_file(), PolicyServer::kPort);
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"1s\"]"}};
  {
    const Internet internet =
        Start("before",
              {{"enforced", "1", "enforce", "mx.enforced.test", sign("mx.enforced"), sign("mta-sts.enforced")},
               {"elsewhere", "1", "enforce", "mx.other.test", sign("mx.elsewhere"), sign("mta-sts.elsewhere")},
               {"wrongcert", "1", "enforce", "*.wrongcert.test", wrong, sign("mta-sts.wrongcert")},
               {"testing", "1", "testing", "mx.other.test", wrong, sign("mta-sts.testing")},
               // Nothing can be made of a policy that anybody may have written, and nothing was known before.
               {"unproved", "1", "enforce", "mx.other.test", wrong, authority.Sign("mta-sts.unproved.test", -1)},
               {"cached", "1", "enforce", "mx.cached.test", sign("mx.cached"), authority.Sign("mta-sts.cached.test")}});
    StartDaemon();
    std::map<std::string, std::vector<Json>> attempts =
        Attempts("spring",
                 {"enforced.test", "elsewhere.test", "wrongcert.test", "testing.test", "unproved.test", "cached.test"});
    ExpectDelivered(attempts["enforced.test"], "mta-sts", "mx.enforced.test");
    ExpectDelivered(attempts["cached.test"], "mta-sts", "mx.cached.test");
    ExpectDelivered(attempts["testing.test"], "opportunistic", "");
    ExpectDelivered(attempts["unproved.test"], "opportunistic", "");
    ExpectHeld(attempts["elsewhere.test"], "MTA-STS");
    ExpectHeld(attempts["wrongcert.test"], "does not carry the name");
    EXPECT_GE(internet.web->Refused(web_of_["unproved"]), 1u) << "its certificate has expired";
    EXPECT_EQ(internet.web->Fetched(web_of_["unproved"]), 0u);
    EXPECT_THAT(internet.mail->Taken(), UnorderedElementsAre(HasSubstr("@enforced.test"), HasSubstr("@cached.test"),
                                                             HasSubstr("@testing.test"), HasSubstr("@unproved.test")));
    StopDaemon();
  }

  // The policy is said to have changed, by a web server that cannot prove who it is, and the mail host is another's.
  const Internet internet =
      Start("after", {{"cached", "2", "none", "mx.other.test", wrong, authority.Sign("mta-sts.cached.test", -1)}});
  StartDaemon();
  const std::map<std::string, std::vector<Json>> attempts = Attempts("summer", {"cached.test"});
  ExpectHeld(attempts.at("cached.test"), "does not carry the name");
  EXPECT_GE(internet.web->Refused(web_of_["cached"]), 1u);
  EXPECT_EQ(internet.web->Fetched(web_of_["cached"]), 0u);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
