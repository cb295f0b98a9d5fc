// `tls probe` against real servers: it shows what each of them offers, and what it says would become of mail is what
// becomes of mail.
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
#include "tests/scenario/harness/signed_zone.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/sink_script.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> TextsOf(const Json& list) {
  std::vector<std::string> texts;
  for (const Json& item : list.Items()) texts.push_back(item.Text());
  return texts;
}

class TlsProbeTest : public World {
 protected:
  // A domain and its one host.
  std::string Publish(const std::string& name) {
    std::string address = net.Address(10 + static_cast<int>(domains_.size()));
    records_.push_back(fmt::format("{0}.test. 60 IN MX 10 mx.{0}.test.", name));
    records_.push_back(fmt::format("mx.{}.test. 60 IN A {}", name, address));
    domains_.push_back(name + ".test");
    return address;
  }
  void PublishInSink(const std::string& name, const std::string& lines) {
    sink_script_ += ProviderOf(name, Publish(name), lines);
  }
  void PublishHost(const std::string& name, const CertificateAuthority::Pair& certificate) {
    hosts_.push_back({Publish(name),
                      {Step::Say("220 hello\r\n"), Step::Hear(), Step::Say("250-mx\r\n250 STARTTLS\r\n"), Step::Hear(),
                       Step::Say("220 go ahead\r\n"), Step::Tls(), Step::Serve()},
                      certificate});
  }
  void PublishTlsa(const std::string& name, const std::string& data) {
    records_.push_back(fmt::format("_2525._tcp.mx.{}.test. 60 IN TLSA {}", name, data));
  }
  Json Probe(const std::string& domain) {
    const Answer answer = Sealift({"tls", "probe", domain});
    EXPECT_EQ(answer.exit_code, 0) << answer.Describe();
    return answer.json;
  }
  static Json OutcomeOf(const Json& probe, const std::string& policy) {
    for (const Json& outcome : probe["outcomes"].Items()) {
      if (outcome["policy"].Text() == policy) return outcome;
    }
    return {};
  }
  static void ExpectFates(const Json& probe, const std::vector<std::string>& fates) {
    std::vector<std::string> found;
    for (const char* policy : {"opportunistic", "require", "verify", "dane"}) {
      found.push_back(OutcomeOf(probe, policy)["fate"].Text());
    }
    EXPECT_EQ(found, fates) << probe.Dump();
  }
  // Mail of the stream that has this policy, one row a domain: its first attempt ends as it was said.
  void ExpectAsSaid(std::map<std::string, Json>& probes, const std::string& policy) {
    const Answer loaded =
        Sealift({"campaign", "load", policy, "--stream", policy, "--template", Template(), "--recipients",
                 Recipients(static_cast<int>(domains_.size()), domains_, policy + ".csv"), "--start"});
    ASSERT_EQ(loaded.exit_code, 0) << loaded.Describe();
    std::map<std::string, std::vector<Json>> events;
    ASSERT_TRUE(Eventually(kInTime, [&] {
      events = ByDomain(Events(policy));
      return events.size() == domains_.size();
    }));
    for (const std::string& domain : domains_) {
      const Json& event = events[domain].at(0);
      const Json said = OutcomeOf(probes[domain], policy);
      SCOPED_TRACE(fmt::format("{} {}: {}, {}", policy, domain, said.Dump(), event.Dump()));
      EXPECT_THAT(TextsOf(said["streams"]), ElementsAre(policy));
      EXPECT_EQ(event["policy"].Text(), said["applies"].Text());
      if (said["fate"].Text() == "send") {
        EXPECT_EQ(event["outcome"].Text(), "delivered");
        EXPECT_EQ(event["tls"].Text(), said["tls"].Text());
        EXPECT_EQ(event["verified"].Text(), said["verified"].Text());
        EXPECT_EQ(event["cipher"].Text().empty(), said["tls"].Text() == "none");
      } else {
        EXPECT_EQ(event["outcome"].Text(), "deferred");
        EXPECT_EQ(event["class"].Text(), "tls");
        EXPECT_THAT(event["reply"].Text(), HasSubstr(said["why"].Text()));
      }
    }
  }

  std::vector<std::string> domains_, records_;
  std::string sink_script_;
  std::vector<ScriptedServer::Host> hosts_;
};

TEST_F(TlsProbeTest, ShowsWhatIsOfferedAndSaysWhatBecomesOfMail) {
  const CertificateAuthority authority(dir);
  PublishInSink("offers", "requiretls = true");
  PublishInSink("plain", "tls = \"off\"");
  PublishInSink("broken", "tls = \"broken\"");
  const CertificateAuthority::Pair named = authority.Sign("mx.named.test");
  PublishHost("named", named);
  PublishTlsa("named", "3 1 1 " + KeyDigest(dir, named.cert_file));
  PublishHost("mismatch", authority.Sign("mx.mismatch.test"));
  PublishTlsa("mismatch", "3 1 1 " + std::string(64, 'a'));
  PublishHost("enforced", authority.Sign("mx.enforced.test"));
  const std::string web = net.Address(30);
  records_.push_back("_mta-sts.enforced.test. 60 IN TXT \"v=STSv1; id=7;\"");
  records_.push_back(fmt::format("mta-sts.enforced.test. 60 IN A {}", web));

  const SignedZone zone = SignedZone::Make(dir, net.Address(3), records_, {});
  const std::unique_ptr<NameServer> owner = NameServer::NsdWith(dir, net.Address(3), zone.zone_file);
  const std::unique_ptr<NameServer> resolver =
      NameServer::Validating(dir, net.Address(2), net.Address(3), zone.anchor_file);
  const Sink sink(dir, sink_script_, "");
  const ScriptedServer servers(dir, hosts_);
  const PolicyServer policies(dir, "policies",
                              {{web, authority.Sign("mta-sts.enforced.test"),
                                "version: STSv1\r\nmode: enforce\r\nmx: mx.enforced.test\r\nmax_age: 86400\r\n"}});
  settings.dns = "trust_ad = true\n";
  settings.tls = fmt::format("ca_file = \"{}\"\nmta_sts_port = {}\n", authority.ca_file(), PolicyServer::kPort);
  settings.streams = {{"opportunistic", "tls = \"opportunistic\"\nretry = [\"1d\"]"},
                      {"require", "tls = \"require\"\nretry = [\"1d\"]"},
                      {"verify", "tls = \"verify\"\nretry = [\"1d\"]"}};
  StartDaemon();

  std::map<std::string, Json> probes;
  for (const std::string& domain : domains_) probes[domain] = Probe(domain);
  const auto host = [&](const std::string& domain) { return probes[domain]["hosts"].At(0); };
  for (const std::string& domain : domains_) {
    SCOPED_TRACE(probes[domain].Dump());
    EXPECT_EQ(probes[domain]["mx"].Text(), "found");
    EXPECT_EQ(probes[domain]["mx_authenticated"].Text(), "true");
    EXPECT_EQ(probes[domain]["mta_sts"]["mode"].Text(), domain == "enforced.test" ? "enforce" : "no");
    ASSERT_EQ(probes[domain]["hosts"].size(), 1u);
    EXPECT_EQ(host(domain)["host"].Text(), "mx." + domain);
    EXPECT_EQ(host(domain)["starttls"].Text(), domain == "plain.test" ? "false" : "true");
    EXPECT_EQ(host(domain)["requiretls"].Text(), domain == "offers.test" ? "true" : "false");
    EXPECT_EQ(host(domain)["dane"].Text(), domain == "named.test" || domain == "mismatch.test" ? "yes" : "no");
  }
  EXPECT_THAT(TextsOf(host("offers.test")["versions"]), ElementsAre("TLSv1.3", "TLSv1.2"));
  EXPECT_EQ(host("offers.test")["cipher"].Text(), "TLS_AES_256_GCM_SHA384");
  EXPECT_THAT(TextsOf(host("named.test")["certificate_names"]), ElementsAre("mx.named.test"));
  EXPECT_EQ(host("named.test")["certificate_issuer"].Text(), "Scenario CA");
  EXPECT_EQ(host("plain.test")["versions"].size(), 0u);
  EXPECT_THAT(host("broken.test")["trouble"].Text(), HasSubstr("handshake"));
  EXPECT_EQ(probes["enforced.test"]["mta_sts"]["id"].Text(), "7");

  ExpectFates(probes["offers.test"], {"send", "send", "hold", "hold"});
  ExpectFates(probes["plain.test"], {"send", "hold", "hold", "hold"});
  ExpectFates(probes["broken.test"], {"defer", "defer", "defer", "hold"});
  ExpectFates(probes["named.test"], {"send", "send", "send", "send"});
  ExpectFates(probes["mismatch.test"], {"hold", "hold", "hold", "hold"});
  ExpectFates(probes["enforced.test"], {"send", "send", "send", "hold"});
  EXPECT_EQ(OutcomeOf(probes["plain.test"], "opportunistic")["tls"].Text(), "none");
  EXPECT_EQ(OutcomeOf(probes["named.test"], "opportunistic")["applies"].Text(), "dane");
  EXPECT_EQ(OutcomeOf(probes["enforced.test"], "opportunistic")["applies"].Text(), "mta-sts");
  EXPECT_EQ(OutcomeOf(probes["enforced.test"], "require")["verified"].Text(), "mx.enforced.test");
  EXPECT_THAT(OutcomeOf(probes["offers.test"], "verify")["why"].Text(), HasSubstr("certificate"));

  // To ask is not to send.
  EXPECT_EQ(sink.arrivals(), 0u);
  EXPECT_THAT(servers.Taken(), IsEmpty());
  const Answer table = SealiftPlain({"tls", "probe", "enforced.test"});
  EXPECT_EQ(table.exit_code, 0) << table.Describe();
  for (const char* part : {"mx.enforced.test", "enforce", "TLSv1.3", "mta-sts"})
    EXPECT_THAT(table.out, HasSubstr(part));

  for (const char* policy : {"opportunistic", "require", "verify"}) ExpectAsSaid(probes, policy);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
