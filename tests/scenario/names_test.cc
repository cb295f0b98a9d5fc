// Names are resolved by a real unbound: preference, implicit MX, null MX and names that are not there.
#include <gmock/gmock.h>

#include <map>

#include "tests/scenario/harness/name_server.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

using NamesTest = World;

TEST_F(NamesTest, EachKindOfAnswerEndsAsTheStandardsSay) {
  const auto names = NameServer::Unbound(dir, net.Address(3),
                                         {
                                             // 10 refuses connections, 20 serves
                                             "two.test. 60 IN MX 10 down.test.",
                                             "two.test. 60 IN MX 20 up.test.",
                                             "down.test. 60 IN A " + net.Address(9),
                                             "up.test. 60 IN A " + net.Address(10),
                                             // no MX: its own address (RFC 5321 5.1)
                                             "implicit.test. 60 IN A " + net.Address(10),
                                             // takes no mail (RFC 7505)
                                             "null.test. 60 IN MX 0 .",
                                             // a host that has no address
                                             "dangling.test. 60 IN MX 10 nowhere.test.",
                                         });
  const Sink sink(dir,
                  "[[provider]]\nname = \"all\"\ndomains = [\"*\"]\nmx = [{ host = \"up.test\", address = \"" +
                      net.Address(10) + "\" }]\n",
                  "");
  settings.dns_server = net.Address(3, NameServer::kPort);
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"1s\"]\nexpires_in = \"8s\""}};
  StartDaemon();
  Load("spring", Template(), Recipients(5, {"two.test", "implicit.test", "null.test", "gone.test", "dangling.test"}),
       {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));

  const auto arrived = sink.ByMailbox();
  EXPECT_EQ(arrived.size(), 2u);
  EXPECT_TRUE(arrived.contains("row1@two.test"));
  EXPECT_TRUE(arrived.contains("row2@implicit.test"));
  std::map<std::string, Json> last;
  for (const Json& event : Events("spring")) last[event["recipient"].Text()] = event;
  EXPECT_EQ(last["row1@two.test"]["outcome"].Text(), "delivered");
  EXPECT_THAT(last["row1@two.test"]["mx"].Text(), HasSubstr("up.test"));
  EXPECT_EQ(last["row2@implicit.test"]["outcome"].Text(), "delivered");
  EXPECT_EQ(last["row3@null.test"]["outcome"].Text(), "bounced") << last["row3@null.test"].Dump();
  EXPECT_EQ(last["row4@gone.test"]["outcome"].Text(), "bounced") << last["row4@gone.test"].Dump();
  // A host without an address may be a passing mistake of its DNS: it is tried again until the expiry.
  EXPECT_NE(last["row5@dangling.test"]["outcome"].Text(), "delivered") << last["row5@dangling.test"].Dump();
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
