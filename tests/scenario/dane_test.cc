// DANE (RFC 7672) with a signed zone and a resolver that validates it: who the records name gets mail, and whoever they
// do not name, or who cannot be asked, gets none, least of all in clear.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/scenario/harness/by_domain.h"
#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/name_server.h"
#include "tests/scenario/harness/scripted_server.h"
#include "tests/scenario/harness/signed_zone.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;

// What every attempt at a domain must be.
struct Expected {
  std::string outcome, reason_class, policy, text;
};

class DaneTest : public World {
 protected:
  enum class Tls : uint8_t { kOffered, kNotOffered };

  // A domain with one host, which has this certificate.
  void Publish(const std::string& name, const CertificateAuthority::Pair& certificate, Tls tls,
               const Expected& expected) {
    const std::string address = net.Address(10 + static_cast<int>(hosts_.size()));
    records_.push_back(fmt::format("{0}.test. 60 IN MX 10 mx.{0}.test.", name));
    records_.push_back(fmt::format("mx.{}.test. 60 IN A {}", name, address));
    std::vector<Step> steps = {Step::Say("220 hello\r\n"), Step::Hear()};
    if (tls == Tls::kOffered) {
      steps.insert(steps.end(), {Step::Say("250-mx\r\n250 STARTTLS\r\n"), Step::Hear(), Step::Say("220 go ahead\r\n"),
                                 Step::Tls(), Step::Serve()});
    } else {
      steps.insert(steps.end(), {Step::Say("250 mx\r\n"), Step::Serve()});
    }
    hosts_.push_back({address, steps, certificate});
    expected_[name + ".test"] = expected;
  }
  void PublishTlsa(const std::string& name, const std::string& data) {
    records_.push_back(fmt::format("_2525._tcp.mx.{}.test. 60 IN TLSA {}", name, data));
  }

  std::vector<std::string> records_;
  std::vector<ScriptedServer::Host> hosts_;
  std::map<std::string, Expected> expected_;
};

TEST_F(DaneTest, TheSignedRecordsDecide) {
  const CertificateAuthority authority(dir);
  const auto own = [&](const std::string& name) { return authority.Sign("mx." + name + ".test"); };
  const std::string somebody(64, 'a');

  const CertificateAuthority::Pair matching = own("matching");
  Publish("matching", matching, Tls::kOffered, {"delivered", "none", "dane", ""});
  PublishTlsa("matching", "3 1 1 " + KeyDigest(dir, matching.cert_file));
  // The record names the authority; the server sends it along.
  CertificateAuthority::Pair anchored = own("anchored");
  const std::string anchor = CertificateDigest(dir, authority.ca_file());
  anchored.cert_file = dir.Write("chain.pem", ReadFile(anchored.cert_file) + ReadFile(authority.ca_file()));
  Publish("anchored", anchored, Tls::kOffered, {"delivered", "none", "dane", ""});
  PublishTlsa("anchored", "2 0 1 " + anchor);
  Publish("othername", anchored, Tls::kOffered, {"deferred", "tls", "dane", "handshake"});
  PublishTlsa("othername", "2 0 1 " + anchor);
  Publish("mismatch", own("mismatch"), Tls::kOffered, {"deferred", "tls", "dane", "handshake"});
  PublishTlsa("mismatch", "3 1 1 " + somebody);
  Publish("stripped", own("stripped"), Tls::kNotOffered, {"deferred", "tls", "dane", "which DANE promises"});
  PublishTlsa("stripped", "3 1 1 " + somebody);
  // It says that there is TLS, and nothing that a mail client can use (RFC 7672 3.1.3).
  Publish("unusable", own("unusable"), Tls::kOffered, {"delivered", "none", "dane", ""});
  PublishTlsa("unusable", "1 1 1 " + somebody);
  Publish("without", own("without"), Tls::kOffered, {"delivered", "none", "opportunistic", ""});
  // Bogus: the records that may forbid to deliver, and the ones that say where to.
  const CertificateAuthority::Pair bogus = own("bogus");
  Publish("bogus", bogus, Tls::kNotOffered, {"deferred", "dns", "", "TLSA records failed (servfail)"});
  const std::string signed_data = std::string(63, 'b') + "0", forged_data = std::string(63, 'b') + "1";
  PublishTlsa("bogus", "3 1 1 " + signed_data);
  Publish("bogusmx", own("bogusmx"), Tls::kOffered, {"deferred", "dns", "", "MX lookup failed (servfail)"});

  const SignedZone zone =
      SignedZone::Make(dir, net.Address(3), records_,
                       {{signed_data, forged_data}, {"MX\t10 mx.bogusmx.test.", "MX\t10 mx.without.test."}});
  const std::unique_ptr<NameServer> owner = NameServer::NsdWith(dir, net.Address(3), zone.zone_file);
  const std::unique_ptr<NameServer> resolver =
      NameServer::Validating(dir, net.Address(2), net.Address(3), zone.anchor_file);
  const ScriptedServer servers(dir, hosts_);
  settings.dns = "trust_ad = true\n";
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"1s\"]"}};
  StartDaemon();
  std::vector<std::string> domains;
  domains.reserve(expected_.size());
  for (const auto& [domain, expected] : expected_) domains.push_back(domain);
  Load("spring", Template(), Recipients(static_cast<int>(domains.size()), domains), {"--start"});

  std::map<std::string, std::vector<Json>> attempts;
  EXPECT_TRUE(Eventually(kInTime, [&] {
    attempts = ByDomain(Events("spring"));
    return attempts.size() == domains.size();
  }));
  std::vector<std::string> delivered;
  for (const auto& [domain, expected] : expected_) {
    SCOPED_TRACE(domain);
    for (const Json& event : attempts[domain]) {
      EXPECT_EQ(event["outcome"].Text(), expected.outcome) << event.Dump();
      EXPECT_EQ(event["class"].Text(), expected.reason_class) << event.Dump();
      if (!expected.policy.empty()) EXPECT_EQ(event["policy"].Text(), expected.policy) << event.Dump();
      EXPECT_THAT(event["reply"].Text(), HasSubstr(expected.text)) << event.Dump();
      if (event["outcome"].Text() == "delivered") delivered.push_back(event["recipient"].Text());
    }
  }
  for (const char* domain : {"matching.test", "anchored.test"}) {
    ASSERT_FALSE(attempts[domain].empty());
    EXPECT_EQ(attempts[domain][0]["verified"].Text(), std::string("mx.") + domain);
    EXPECT_EQ(attempts[domain][0]["tls"].Text(), "TLSv1.3");
  }
  EXPECT_EQ(delivered.size(), 4u);
  // "in clear" would stand before a recipient.
  EXPECT_THAT(servers.Taken(), UnorderedElementsAreArray(delivered));
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
