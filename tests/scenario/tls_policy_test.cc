// The stream's TLS policy decides whom mail may go to: `verify` asks for a certificate of the MX host under the roots
// of tls.ca_file, and no byte of a message goes to any other.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>

#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::StartsWith;

class TlsPolicyTest : public World {
 protected:
  std::string Provider(const std::string& name, int last, const std::string& lines) const {
    return fmt::format(
        "[[provider]]\nname = \"{0}\"\ndomains = [\"{0}.test\"]\nmx = [{{ host = \"mx.{0}.test\", address = \"{1}\" "
        "}}]\n"
        "{2}\n",
        name, net.Address(last), lines);
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
                  Provider("right", 10, "") + Provider("wrongname", 11, "certificate_name = \"other.test\"") +
                      Provider("expired", 12, "certificate_expired = true") + Provider("clear", 13, "tls = \"off\"") +
                      Provider("broken", 14, "tls = \"broken\"") + Provider("old", 15, "tls_max_version = \"1.2\""),
                  net.Address(2, 5353));
  settings.tls = fmt::format("ca_file = \"{}\"", sink.certificates_file());
  settings.streams = {{"news", "tls = \"verify\"\nretry = [\"1s\"]\nexpires_in = \"6s\""}};
  StartDaemon();
  Load("spring", Template(),
       Recipients(6, {"right.test", "wrongname.test", "expired.test", "clear.test", "broken.test", "old.test"}),
       {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  std::map<std::string, Json> last = LastEvents("spring");
  EXPECT_EQ(last["right.test"]["outcome"].Text(), "delivered") << last["right.test"].Dump();
  EXPECT_EQ(last["right.test"]["verified"].Text(), "mx.right.test") << last["right.test"].Dump();
  EXPECT_EQ(last["right.test"]["tls"].Text(), "TLSv1.3");
  EXPECT_EQ(last["right.test"]["policy"].Text(), "verify");
  EXPECT_EQ(last["old.test"]["outcome"].Text(), "delivered") << last["old.test"].Dump();
  EXPECT_EQ(last["old.test"]["tls"].Text(), "TLSv1.2");
  for (const char* domain : {"wrongname.test", "expired.test", "clear.test", "broken.test"}) {
    EXPECT_EQ(last[domain]["outcome"].Text(), "expired") << domain << ": " << last[domain].Dump();
  }
  EXPECT_EQ(sink.arrivals(), 2u);
  EXPECT_EQ(sink.Status()["totals"]["plaintext_mail"].Number(), 0);
  StopDaemon();
}

TEST_F(TlsPolicyTest, RequireEncryptsToAnyCertificateAndOpportunisticTakesWhatThereIs) {
  const Sink sink(dir,
                  Provider("any", 10, "certificate_name = \"other.test\"") + Provider("clear", 11, "tls = \"off\""),
                  net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"require\"\nretry = [\"1s\"]\nexpires_in = \"5s\""},
                      {"lax", "tls = \"opportunistic\""}};
  StartDaemon();
  const std::string people = Recipients(2, {"any.test", "clear.test"});
  Load("strict", Template(), people, {"--start"});
  ASSERT_EQ(Sealift({"campaign", "load", "lax", "--stream", "lax", "--template", Template(), "--recipients", people,
                     "--start"})
                .exit_code,
            0);
  ASSERT_TRUE(ShowsUntil("strict", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  ASSERT_TRUE(ShowsUntil("lax", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  EXPECT_EQ(LastEvents("strict")["any.test"]["outcome"].Text(), "delivered");
  EXPECT_THAT(LastEvents("strict")["any.test"]["tls"].Text(), StartsWith("TLSv1."));
  EXPECT_EQ(LastEvents("strict")["clear.test"]["outcome"].Text(), "expired");
  EXPECT_EQ(LastEvents("lax")["any.test"]["outcome"].Text(), "delivered");
  EXPECT_THAT(LastEvents("lax")["any.test"]["tls"].Text(), StartsWith("TLSv1."));
  EXPECT_EQ(LastEvents("lax")["clear.test"]["outcome"].Text(), "delivered");
  EXPECT_EQ(LastEvents("lax")["clear.test"]["tls"].Text(), "none");
  StopDaemon();
}

TEST_F(TlsPolicyTest, ADestinationMayTightenItsStream) {
  const Sink sink(dir, Provider("clear", 11, "tls = \"off\"") + Provider("open", 12, "tls = \"off\""),
                  net.Address(2, 5353));
  settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"1s\"]\nexpires_in = \"5s\""}};
  settings.tables = "[[destination]]\ndomains = [\"clear.test\"]\ntls = \"require\"\n";
  StartDaemon();
  Load("spring", Template(), Recipients(2, {"clear.test", "open.test"}), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  EXPECT_EQ(LastEvents("spring")["clear.test"]["outcome"].Text(), "expired");
  EXPECT_EQ(LastEvents("spring")["open.test"]["outcome"].Text(), "delivered");
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
