// A campaign whose list is bad is paused by the node itself: who did it and why is told wherever somebody asks.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::HasSubstr;

using CircuitBreakerTest = World;

TEST_F(CircuitBreakerTest, SaysThatItPausedACampaignAndWhyWhereverSomebodyAsks) {
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..2}}.test\"]\n"
                              "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n"
                              "[[provider.rule]]\nat = \"rcpt\"\nreply = \"550 5.1.1 No such user\"\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  settings.source = "rate = \"10/s\"";  // so that most rows wait when it is paused
  settings.streams = {{"news", "tls = \"opportunistic\"\nmax_hard_bounces = { rate = \"5%\", min = 10 }"}};
  StartDaemon();
  Load("spring", Template(), Recipients(4000, Domains(2)), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["state"].Text() == "paused"; }));

  const auto told = [&] {
    const Json shown = Show("spring");
    EXPECT_EQ(shown["paused_by"].Text(), "circuit breaker");
    EXPECT_THAT(shown["paused_why"].Text(), HasSubstr("bounced hard (100.0%), and stream news allows 5%"));
    EXPECT_THAT(SealiftPlain({"campaign", "list"}).out, HasSubstr("spring was paused by the circuit breaker: "));
    EXPECT_THAT(SealiftPlain({"campaign", "watch", "spring", "--once"}).out,
                HasSubstr("paused by the circuit breaker: "));
    const Answer explained = Sealift({"domain", "explain", "d1.test"});
    EXPECT_EQ(explained.json["waits"].At(0)["reason"].Text(), "paused");
    EXPECT_THAT(explained.json["waits"].At(0)["detail"].Text(), HasSubstr("bounced hard"));
    EXPECT_THAT(explained.json["waits"].At(0)["set_by"].Text(),
                HasSubstr("the circuit breaker: stream news max_hard_bounces ("));
    const Answer rows = Sealift({"queue", "list", "--campaign", "spring", "--limit", "1"});
    const Answer trace = Sealift({"message", "trace", rows.json["rows"].At(0)["id"].Text()});
    EXPECT_THAT(trace.json["waits_for"].Text(), HasSubstr("set by the circuit breaker"));
  };
  told();
  const Answer audit = Sealift({"audit", "tail"});
  EXPECT_THAT(audit.out, HasSubstr("circuit breaker: "));
  EXPECT_THAT(audit.out, HasSubstr("sealiftd"));
  EXPECT_EQ(Sealift({"audit", "verify"}).exit_code, 0);
  KillDaemon();
  StartDaemon();
  told();

  ASSERT_EQ(Sealift({"campaign", "resume", "spring"}).exit_code, 0);
  const Json resumed = Show("spring");  // and it may have been paused again
  EXPECT_EQ(resumed["paused_by"].Text().empty(), resumed["state"].Text() == "running") << resumed.Dump();
  ASSERT_EQ(Sealift({"campaign", "pause", "spring", "--reason", "the list is being cleaned"}).exit_code, 0);
  const Json shown = Show("spring");
  if (shown["paused_by"].Text() != "circuit breaker") {  // which may have been first again
    EXPECT_EQ(shown["paused_why"].Text(), "the list is being cleaned");
  }
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
