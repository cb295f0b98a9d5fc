#include "tools/sink/judge.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tools/sink/script_reader.h"

namespace sealift::tools::sink {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

class JudgeTest : public ::testing::Test {
 protected:
  Judge& Make(std::string_view more) {
    script_ = *ReadScript("[[provider]]\nname = \"p\"\ndomains = [\"d1.test\"]\n" + std::string(more), "s");
    return judge_.emplace(script_.providers[0], script_.seed, kStart);
  }
  Script script_;
  std::optional<Judge> judge_;
};

TEST_F(JudgeTest, ARateHoldsInEveryWindow) {
  Judge& judge = Make("message_rate = \"3/s\"\n");
  const auto mail = [&](int ms) {
    return judge.Mail("127.0.0.1", 0, kStart + absl::Milliseconds(ms)).action == nullptr;
  };
  EXPECT_TRUE(mail(0));
  EXPECT_TRUE(mail(900));
  EXPECT_TRUE(mail(900));
  EXPECT_FALSE(mail(999));
  EXPECT_TRUE(mail(1000));   // the window (0, 1000] has lost the first
  EXPECT_FALSE(mail(1100));  // three since 900: a counter that restarts each second would allow it
  EXPECT_TRUE(mail(1900));
}

TEST_F(JudgeTest, SourcesAreCountedApartUnlessTheScriptSaysOtherwise) {
  Judge& apart = Make("message_rate = \"1/s\"\n");
  EXPECT_EQ(apart.Mail("127.0.0.1", 0, kStart).action, nullptr);
  EXPECT_EQ(apart.Mail("127.0.0.2", 0, kStart).action, nullptr);
  Judge& together = Make("[[provider.limit]]\nwhat = \"messages\"\nrate = \"1/s\"\nper_source = false\n");
  EXPECT_EQ(together.Mail("127.0.0.1", 0, kStart).action, nullptr);
  EXPECT_NE(together.Mail("127.0.0.2", 0, kStart).action, nullptr);
}

TEST_F(JudgeTest, ConnectionsAreCountedWhileTheyLast) {
  Judge& judge = Make("connections = 2\n");
  EXPECT_EQ(judge.Connect("127.0.0.1", kStart).action, nullptr);
  EXPECT_EQ(judge.Connect("127.0.0.1", kStart).action, nullptr);
  const Judge::Verdict third = judge.Connect("127.0.0.1", kStart);
  ASSERT_NE(third.action, nullptr);
  EXPECT_EQ(third.why, Count::over_connections);
  EXPECT_EQ(third.action->code, 421);
  judge.Disconnect("127.0.0.1");
  judge.Disconnect("127.0.0.1");
  EXPECT_EQ(judge.Connect("127.0.0.1", kStart).action, nullptr);
}

TEST_F(JudgeTest, WhoBreaksALimitIsBlockedForAWhile) {
  Judge& judge = Make("[[provider.limit]]\nwhat = \"messages\"\nrate = \"1/s\"\nblock = \"1h\"\n");
  EXPECT_EQ(judge.Mail("127.0.0.1", 0, kStart).action, nullptr);
  EXPECT_EQ(judge.Mail("127.0.0.1", 0, kStart).why, Count::over_messages);
  EXPECT_EQ(judge.Connect("127.0.0.1", kStart + absl::Minutes(59)).why, Count::blocked);
  EXPECT_EQ(judge.Mail("127.0.0.1", 0, kStart + absl::Minutes(59)).why, Count::blocked);
  EXPECT_EQ(judge.Connect("127.0.0.2", kStart + absl::Minutes(59)).action, nullptr);
  EXPECT_EQ(judge.Connect("127.0.0.1", kStart + absl::Minutes(61)).action, nullptr);
}

TEST_F(JudgeTest, MessagesOfAConnectionAreLimited) {
  Judge& judge = Make("messages_per_connection = 2\n");
  EXPECT_EQ(judge.Mail("127.0.0.1", 1, kStart).action, nullptr);
  EXPECT_EQ(judge.Mail("127.0.0.1", 2, kStart).why, Count::over_messages_per_connection);
}

TEST_F(JudgeTest, GreylistingDefersUntilTheTimeIsOver) {
  Judge& judge = Make("greylist = \"5m\"\n");
  EXPECT_TRUE(judge.Greylists("a@d1.test", kStart));
  EXPECT_TRUE(judge.Greylists("a@d1.test", kStart + absl::Minutes(4)));
  EXPECT_FALSE(judge.Greylists("a@d1.test", kStart + absl::Minutes(5)));
  EXPECT_TRUE(judge.Greylists("b@d1.test", kStart + absl::Minutes(5)));
}

TEST_F(JudgeTest, AShareIsOfRecipientsAndStaysTheSame) {
  Judge& judge = Make("[[provider.rule]]\nat = \"rcpt\"\nshare = 0.1\nreply = \"550 no\"\n");
  int hit = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string mailbox = fmt::format("p{}@d1.test", i);
    const bool first = judge.Match(Phase::kRcpt, mailbox, false, kStart) != nullptr;
    EXPECT_EQ(judge.Match(Phase::kRcpt, mailbox, false, kStart) != nullptr, first);
    hit += first ? 1 : 0;
  }
  EXPECT_NEAR(hit, 1000, 120);
}

TEST_F(JudgeTest, ConditionsOfARuleMustAllHold) {
  Judge& judge = Make(
      "[[provider.rule]]\nat = \"rcpt\"\nlocal = \"bounce*\"\ntls = true\nfrom = \"1m\"\nuntil = \"2m\"\nreply = \"550 "
      "no\"\n");
  const absl::Time in = kStart + absl::Seconds(90);
  EXPECT_NE(judge.Match(Phase::kRcpt, "bounce1@d1.test", true, in), nullptr);
  EXPECT_EQ(judge.Match(Phase::kRcpt, "anna@d1.test", true, in), nullptr);
  EXPECT_EQ(judge.Match(Phase::kRcpt, "bounce1@d1.test", false, in), nullptr);
  EXPECT_EQ(judge.Match(Phase::kRcpt, "bounce1@d1.test", true, kStart), nullptr);
  EXPECT_EQ(judge.Match(Phase::kRcpt, "bounce1@d1.test", true, kStart + absl::Minutes(2)), nullptr);
  EXPECT_EQ(judge.Match(Phase::kMail, "bounce1@d1.test", true, in), nullptr);
}

TEST_F(JudgeTest, ARuleCanApplyToTheFirstTimesOnly) {
  Judge& judge = Make("[[provider.rule]]\nat = \"rcpt\"\nfirst = 2\nreply = \"451 later\"\n");
  EXPECT_NE(judge.Match(Phase::kRcpt, "a@d1.test", false, kStart), nullptr);
  EXPECT_NE(judge.Match(Phase::kRcpt, "a@d1.test", false, kStart), nullptr);
  EXPECT_EQ(judge.Match(Phase::kRcpt, "a@d1.test", false, kStart), nullptr);
  EXPECT_NE(judge.Match(Phase::kRcpt, "b@d1.test", false, kStart), nullptr);
}

}  // namespace
}  // namespace sealift::tools::sink
