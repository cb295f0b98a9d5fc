// The stream's TLS policy decides whom mail may go to: `verify` asks for a certificate of the MX host under the roots
// of tls.ca_file, and no byte of a message goes to any other.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/sink_script.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class TlsPolicyTest : public World {
 protected:
  // Waits until each of so many domains has an outcome.
  bool Tried(const std::string& campaign, size_t domains) {
    return Eventually(kInTime, [&] { return LastEvents(campaign).size() == domains; });
  }
  // It was kept back for want of TLS, and waits.
  static void ExpectHeld(const Json& event) {
    EXPECT_EQ(event["outcome"].Text(), "deferred") << event.Dump();
    EXPECT_EQ(event["class"].Text(), "tls") << event.Dump();
  }
  // The last outcome by domain, of a campaign of one row a domain.
  std::map<std::string, Json> LastEvents(const std::string& campaign) {
    std::map<std::string, Json> last;
    for (const Json& event : Events(campaign)) {
      const std::string recipient = event["recipient"].Text();
      last[recipient.substr(recipient.find('@') + 1)] = event;
    }
    return last;
  }
};

TEST_F(TlsPolicyTest, VerifyDeliversOnlyToTheHostThatItsCertificateNames) {
  const Sink sink(dir,
                  ProviderOf("right", net.Address(10)) +
                      ProviderOf("wrongname", net.Address(11), "certificate_name = \"other.test\"") +
                      ProviderOf("expired", net.Address(12), "certificate_expired = true") +
                      ProviderOf("clear", net.Address(13), "tls = \"off\"") +
                      ProviderOf("broken", net.Address(14), "tls = \"broken\"") +
                      ProviderOf("old", net.Address(15), "tls_max_version = \"1.2\""),
                  net.Address(2, 5353));
  settings.tls = fmt::format("ca_file = \"{}\"", sink.certificates_file());
  settings.streams = {{"news", "tls = \"verify\"\nretry = [\"1d\"]"}};
  StartDaemon();
  Load("spring", Template(),
       Recipients(6, {"right.test", "wrongname.test", "expired.test", "clear.test", "broken.test", "old.test"}),
       {"--start"});
  ASSERT_TRUE(Tried("spring", 6));
  std::map<std::string, Json> last = LastEvents("spring");
  EXPECT_EQ(last["right.test"]["outcome"].Text(), "delivered") << last["right.test"].Dump();
  EXPECT_EQ(last["right.test"]["verified"].Text(), "mx.right.test") << last["right.test"].Dump();
  EXPECT_EQ(last["right.test"]["tls"].Text(), "TLSv1.3");
  EXPECT_EQ(last["right.test"]["policy"].Text(), "verify");
  EXPECT_EQ(last["right.test"]["cipher"].Text(), "TLS_AES_256_GCM_SHA384");
  EXPECT_EQ(last["old.test"]["outcome"].Text(), "delivered") << last["old.test"].Dump();
  EXPECT_EQ(last["old.test"]["tls"].Text(), "TLSv1.2");
  for (const char* domain : {"wrongname.test", "expired.test", "clear.test", "broken.test"}) ExpectHeld(last[domain]);
  EXPECT_EQ(sink.arrivals(), 2u);
  EXPECT_EQ(sink.Status()["totals"]["plaintext_mail"].Number(), 0);
  StopDaemon();
}

TEST_F(TlsPolicyTest, RequireEncryptsToAnyCertificateAndOpportunisticTakesWhatThereIs) {
  const Sink sink(dir,
                  ProviderOf("any", net.Address(10), "certificate_name = \"other.test\"") +
                      ProviderOf("clear", net.Address(11), "tls = \"off\""),
                  net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"require\"\nretry = [\"1d\"]"}, {"lax", "tls = \"opportunistic\""}};
  StartDaemon();
  const std::string people = Recipients(2, {"any.test", "clear.test"});
  Load("strict", Template(), people, {"--start"});
  ASSERT_EQ(Sealift({"campaign", "load", "lax", "--stream", "lax", "--template", Template(), "--recipients", people,
                     "--start"})
                .exit_code,
            0);
  ASSERT_TRUE(Tried("strict", 2) && Tried("lax", 2));
  EXPECT_EQ(LastEvents("strict")["any.test"]["outcome"].Text(), "delivered");
  EXPECT_THAT(LastEvents("strict")["any.test"]["tls"].Text(), StartsWith("TLSv1."));
  ExpectHeld(LastEvents("strict")["clear.test"]);
  EXPECT_EQ(LastEvents("lax")["any.test"]["outcome"].Text(), "delivered");
  EXPECT_THAT(LastEvents("lax")["any.test"]["tls"].Text(), StartsWith("TLSv1."));
  EXPECT_EQ(LastEvents("lax")["clear.test"]["outcome"].Text(), "delivered");
  EXPECT_EQ(LastEvents("lax")["clear.test"]["tls"].Text(), "none");
  StopDaemon();
}

TEST_F(TlsPolicyTest, ADestinationMayTightenItsStream) {
  const Sink sink(
      dir, ProviderOf("clear", net.Address(11), "tls = \"off\"") + ProviderOf("open", net.Address(12), "tls = \"off\""),
      net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"1d\"]"}};
  settings.tables = "[[destination]]\ndomains = [\"clear.test\"]\ntls = \"require\"\n";
  StartDaemon();
  Load("spring", Template(), Recipients(2, {"clear.test", "open.test"}), {"--start"});
  ASSERT_TRUE(Tried("spring", 2));
  ExpectHeld(LastEvents("spring")["clear.test"]);
  EXPECT_EQ(LastEvents("spring")["open.test"]["outcome"].Text(), "delivered");
  StopDaemon();
}

// Somebody takes the offer out of a host's reply, and has waited for a restart to do it.
TEST_F(TlsPolicyTest, AHostThatSpokeTlsBeforeTheRestartIsHeldToIt) {
  settings.streams = {{"news", "tls = \"require\"\non_no_tls = \"bounce\"\nretry = [\"1d\"]"},
                      {"lax", "tls = \"opportunistic\""}};
  const auto load = [this](const std::string& name, const std::string& stream, const std::string& domain) {
    const Answer loaded = Sealift({"campaign", "load", name, "--stream", stream, "--template", Template(),
                                   "--recipients", Recipients(3, {domain}, name + ".csv"), "--start"});
    ASSERT_EQ(loaded.exit_code, 0) << loaded.Describe();
  };
  {
    const Sink sink(dir, ProviderOf("known", net.Address(10)), net.Address(2, 5353));
    StartDaemon();
    load("before", "news", "known.test");
    ASSERT_TRUE(ShowsUntil("before", kInTime, [](const Json& now) { return now["delivered"].Number() == 3; }));
    StopDaemon();
  }
  const Sink sink(
      dir,
      ProviderOf("known", net.Address(10), "tls = \"off\"") + ProviderOf("never", net.Address(11), "tls = \"off\""),
      net.Address(2, 5353));
  StartDaemon();
  load("after", "news", "known.test");
  load("never", "news", "never.test");
  load("lax", "lax", "known.test");
  ASSERT_TRUE(ShowsUntil("after", kInTime, [](const Json& now) { return now["deferrals"].Number() > 0; }));
  ASSERT_TRUE(ShowsUntil("never", kInTime, [](const Json& now) { return now["bounced"].Number() == 3; }));
  ASSERT_TRUE(ShowsUntil("lax", kInTime, [](const Json& now) { return now["delivered"].Number() == 3; }));
  EXPECT_EQ(Show("after")["bounced"].Number(), 0) << "a host that never spoke TLS is another matter";
  EXPECT_EQ(Show("after")["queued"].Number(), 3);
  EXPECT_THAT(LastEvents("after")["known.test"]["reply"].Text(), HasSubstr("as it did before"));
  EXPECT_GE(Metric("sealift_tls_stripped_total{policy=\"require\"}"), 1);
  EXPECT_GE(Metric("sealift_tls_stripped_total{policy=\"opportunistic\"}"), 1);
  EXPECT_EQ(LastEvents("lax")["known.test"]["tls"].Text(), "none");
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
