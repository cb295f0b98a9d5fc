// A host that speaks TLS 1.3 has one full handshake; nearly every connection after that resumes a session, as the sink
// and as the metrics count them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using TlsResumptionTest = World;

// Of each connection a message or two, so that there are many; they overlap, because no answer comes at once.
TEST_F(TlsResumptionTest, NearlyEveryConnectionToAKnownHostIsResumed) {
  constexpr int kRows = 500;
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"d1\"\ndomains = [\"d1.test\"]\nlatency = \"50ms\"\n"
                              "mx = [{{ host = \"mx.d1.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  settings.smtp = "messages_per_connection = 2\n";
  settings.tls = fmt::format("ca_file = \"{}\"", sink.certificates_file());
  settings.streams = {{"news", "tls = \"verify\"\nretry = [\"1s\"]"}};
  StartDaemon();
  Load("first", Template(), Recipients(1, {"d1.test"}, "first.csv"), {"--start"});
  ASSERT_TRUE(ShowsUntil("first", kInTime, [](const Json& now) { return now["delivered"].Number() == 1; }));
  Load("spring", Template(), Recipients(kRows, {"d1.test"}), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == kRows; }));

  const auto handshakes = [this](const char* resumed) {
    return Metric(fmt::format("sealift_tls_handshakes_total{{version=\"TLSv1.3\",resumed=\"{}\"}}", resumed));
  };
  const double resumed = handshakes("yes"), whole = handshakes("no");
  EXPECT_GE(resumed + whole, kRows / 2);
  EXPECT_GE(whole, 1) << "the first time the host is not known";
  EXPECT_GE(resumed, 0.95 * (resumed + whole)) << whole << " in full";
  const Json totals = sink.Status()["totals"];
  EXPECT_GE(totals["tls_resumed"].Number(), 0.95 * static_cast<double>(totals["tls_handshakes"].Number()))
      << totals.Dump();
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
