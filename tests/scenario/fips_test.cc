// With `tls.fips` mail goes to hosts that speak the algorithms of NIST SP 800-52r2, and to no other, in clear least of
// all.
#include <gmock/gmock.h>

#include <map>
#include <string>
#include <vector>

#include "tests/scenario/harness/by_domain.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/sink_script.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

using FipsTest = World;

TEST_F(FipsTest, MailGoesToHostsOfApprovedAlgorithmsOnly) {
  const std::map<std::string, std::string> approved = {{"new", "TLS_AES_128_GCM_SHA256"},
                                                       {"old", "ECDHE-ECDSA-AES256-GCM-SHA384"}};
  const Sink sink(dir,
                  ProviderOf("new", net.Address(10), "tls_suites = [\"TLS_AES_128_GCM_SHA256\"]") +
                      ProviderOf("old", net.Address(11),
                                 "tls_max_version = \"1.2\"\ntls_suites = [\"ECDHE-ECDSA-AES256-GCM-SHA384\", "
                                 "\"ECDHE-ECDSA-CHACHA20-POLY1305\"]") +
                      ProviderOf("chacha", net.Address(12), "tls_suites = [\"TLS_CHACHA20_POLY1305_SHA256\"]") +
                      ProviderOf("oldchacha", net.Address(13),
                                 "tls_max_version = \"1.2\"\ntls_suites = [\"ECDHE-ECDSA-CHACHA20-POLY1305\"]"),
                  net.Address(2, 5353));
  settings.tls = "fips = true";
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"1s\"]"}};
  StartDaemon();
  Load("spring", Template(), Recipients(4, {"new.test", "old.test", "chacha.test", "oldchacha.test"}), {"--start"});
  std::map<std::string, std::vector<Json>> events;
  ASSERT_TRUE(Eventually(kInTime, [&] {
    events = ByDomain(Events("spring"));
    return events.size() == 4;
  }));
  for (const auto& [name, cipher] : approved) {
    const Json& event = events[name + ".test"].at(0);
    EXPECT_EQ(event["outcome"].Text(), "delivered") << event.Dump();
    EXPECT_EQ(event["cipher"].Text(), cipher) << event.Dump();
  }
  for (const char* domain : {"chacha.test", "oldchacha.test"}) {
    for (const Json& event : events[domain]) {
      EXPECT_EQ(event["outcome"].Text(), "deferred") << event.Dump();
      EXPECT_EQ(event["class"].Text(), "tls") << event.Dump();
      EXPECT_THAT(event["reply"].Text(), HasSubstr("SP 800-52r2")) << event.Dump();
    }
  }
  EXPECT_EQ(sink.arrivals(), 2u);
  EXPECT_EQ(sink.Status()["totals"]["plaintext_mail"].Number(), 0);
  EXPECT_THAT(daemon->Err(), HasSubstr("SP 800-52r2"));
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
