#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/cli/control_socket.h"

namespace sealift::tools {
namespace {

using testing::Contains;
using testing::HasSubstr;

TEST(TlsProbeCommandTest, SaysWhatIsOfferedAndWhatWouldApply) {
  ControlSocket socket;
  engine::TlsProbeReport& report = socket.node.tls_probe;
  report.domain = "d1.test";
  report.mx = "found";
  report.mx_authenticated = true;
  report.sts = "enforce";
  report.sts_mx = {"*.d1.test"};
  report.hosts = {{.name = "mx.d1.test",
                   .preference = 10,
                   .dane = "yes",
                   .starttls = true,
                   .requiretls = true,
                   .versions = {"TLSv1.3", "TLSv1.2"},
                   .certificate_names = {"mx.d1.test"},
                   .certificate_expires = absl::FromUnixSeconds(1'800'000'000)}};
  report.outcomes = {{.policy = "require", .streams = {"news"}, .applies = "dane", .fate = "send"},
                     {.policy = "verify", .applies = "dane", .fate = "hold", .why = "no matching DANE TLSA records"}};
  const nlohmann::json answer = socket.Run({"tls", "probe", "d1.test", "-o", "json"}).Json();
  EXPECT_THAT(socket.node.calls(), Contains("tls probe d1.test"));
  EXPECT_EQ(answer["mx_authenticated"], true);
  EXPECT_EQ(answer["mta_sts"]["mode"], "enforce");
  EXPECT_EQ(answer["hosts"][0]["versions"][1], "TLSv1.2");
  EXPECT_EQ(answer["hosts"][0]["requiretls"], true);
  EXPECT_EQ(answer["hosts"][0]["certificate_expires"], "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(answer["outcomes"][0]["applies"], "dane");
  EXPECT_EQ(answer["outcomes"][1]["why"], "no matching DANE TLSA records");
  const Ran ran = socket.Run({"tls", "probe", "d1.test"});
  EXPECT_EQ(ran.code, 0);
  for (const char* part : {"mx.d1.test", "enforce", "TLSv1.3", "no matching DANE TLSA records"}) {
    EXPECT_THAT(ran.out, HasSubstr(part));
  }
  EXPECT_EQ(socket.AuditEntries().back()["command"], "tls probe");
}

}  // namespace
}  // namespace sealift::tools
