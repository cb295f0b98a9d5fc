// A stream that asks for REQUIRETLS (RFC 8689) among servers that do not all keep to it: what may not go to a server
// does not reach it in any part.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>
#include <map>

#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/sink_script.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

class RequireTlsScenario : public World {
 protected:
  std::string Signed(const std::string& name, int last, const std::string& lines) const {
    return ProviderOf(name, net.Address(last), "dns_signed = true\n" + lines);
  }
};

TEST_F(RequireTlsScenario, MailGoesToNoHostThatIsNotProvenOrDoesNotAskItOfTheNext) {
  const Sink sink(dir,
                  Signed("good", 10, "requiretls = true") + Signed("mute", 11, "") +
                      Signed("wrongname", 12, "requiretls = true\ncertificate_name = \"other.test\"") +
                      Signed("clear", 13, "requiretls = true\ntls = \"off\""),
                  net.Address(2, 5353));
  settings.dns = "trust_ad = true";
  settings.tls = fmt::format("ca_file = \"{}\"", sink.certificates_file());
  settings.streams = {{"news", "tls = \"require\"\nrequiretls = true"}};
  StartDaemon();
  Load("spring", Template(), Recipients(4, {"good.test", "mute.test", "wrongname.test", "clear.test"}), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));

  std::map<std::string, Json> last;
  for (const Json& event : Events("spring")) {
    const std::string recipient = event["recipient"].Text();
    last[recipient.substr(recipient.find('@') + 1)] = event;
  }
  EXPECT_EQ(last["good.test"]["outcome"].Text(), "delivered") << last["good.test"].Dump();
  EXPECT_EQ(last["good.test"]["policy"].Text(), "requiretls");
  EXPECT_EQ(last["mute.test"]["outcome"].Text(), "bounced") << last["mute.test"].Dump();
  EXPECT_EQ(last["mute.test"]["class"].Text(), "requiretls");
  EXPECT_EQ(last["mute.test"]["enhanced"].Text(), "5.7.30");
  for (const char* domain : {"wrongname.test", "clear.test"}) {
    EXPECT_EQ(last[domain]["outcome"].Text(), "bounced") << last[domain].Dump();
    EXPECT_EQ(last[domain]["class"].Text(), "tls");
    EXPECT_EQ(last[domain]["enhanced"].Text(), "5.7.10");
  }
  const Json status = sink.Status();
  EXPECT_EQ(status["totals"]["require_tls"].Number(), 1);
  EXPECT_EQ(status["faults"].Number(), 0);
  for (const char* provider : {"mute", "wrongname", "clear"}) {
    const Json counts = status["providers"][provider];
    EXPECT_GT(counts["connections"].Number(), 0) << provider;
    for (const char* count : {"transactions", "plaintext_mail", "recipients", "messages", "bytes"}) {
      EXPECT_FALSE(counts[count].present()) << provider << ": " << counts.Dump();
    }
  }
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
