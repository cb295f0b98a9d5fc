// Transactional mail waits behind marketing mail nowhere: not for a connection, not for a look-up, not for a place in
// memory.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "engine/precedence.h"
#include "tests/engine/core/busy_readers.h"
#include "tests/engine/core/shard_world.h"
#include "tests/engine/core/window_in_hours.h"
#include "tls/self_signed.h"

namespace sealift::engine {
namespace {

TEST(PrecedenceTest, OneAnswersACallAndOthersStandBackUntilItHasDiedAway) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  Precedence precedence;
  EXPECT_FALSE(precedence.Called(now));
  EXPECT_FALSE(precedence.Answer(now));
  precedence.Call(now);
  EXPECT_TRUE(precedence.Answer(now));
  EXPECT_FALSE(precedence.Answer(now)) << "a call ends one connection";
  EXPECT_TRUE(precedence.Called(now + Precedence::kHeard - absl::Nanoseconds(1)));
  EXPECT_FALSE(precedence.Called(now + Precedence::kHeard));
  precedence.Call(now);
  EXPECT_FALSE(precedence.Answer(now + Precedence::kHeard)) << "nobody waits any more";
}

TEST(PrecedenceTest, OthersStandBackFromWhatIsClaimedAndNobodyEnds) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  Precedence precedence;
  precedence.Claim(now);
  EXPECT_TRUE(precedence.Called(now));
  EXPECT_FALSE(precedence.Answer(now));
  EXPECT_FALSE(precedence.Called(now + Precedence::kHeard));
}

class OvertakingTest : public ShardWorld {
 protected:
  OvertakingTest() {
    AddStream("codes").kind = StreamKind::kTransactional;
    options_.smtp.messages_per_connection = 1'000'000;
    options_.smtp.idle_timeout = absl::Milliseconds(100);
  }

  // Mail to d1.test that has the only connection for as long as there is any; `mx` takes the code.
  void ExpectToOvertake(MailServer& mx, const std::string& to) {
    MailServer& bulk = *bulk_;
    size_t before = 0;  // the code
    mx.script = [&bulk, &before](const MailServer::Conversation& conversation,
                                 std::string_view command) -> std::optional<MailServer::Answer> {
      if (command == "." && absl::StrContains(conversation.recipient, "a1@code.test")) before = bulk.accepted.size();
      return std::nullopt;
    };
    Start();
    if (before_bulk_) before_bulk_();
    Send("spring", Recipients(kBulk, "d1.test"));
    const auto is_met = [&bulk] { return bulk.connections_max == INT_MAX || bulk.turned_away > 0; };
    ASSERT_TRUE(Eventually([&] { return bulk.accepted.size() > 10 && is_met(); }));
    const queue::CampaignId code = Send("code", {to}, {.stream = "codes"});
    ASSERT_TRUE(EventuallyDelivered(code, 1));
    ASSERT_TRUE(Eventually([&] { return bulk.accepted.size() > before + 100; })) << "marketing mail goes on";
    Stop();
    EXPECT_GT(before, 10u);
    EXPECT_LT(before, static_cast<size_t>(kBulk)) << "it waited for the bulk to be over";
  }

  static constexpr int kBulk = 20'000;
  MailServer* bulk_ = nullptr;
  std::function<void()> before_bulk_;
};

TEST_F(OvertakingTest, AConnectionOfTheSourceIsGivenBackToIt) {
  options_.sources[0].connections = {.count = 1, .origin = "t:1"};
  bulk_ = &AddDomain("d1.test");
  ExpectToOvertake(AddDomain("code.test"), "a1@code.test");
}

// What waits for its window there will not have the next row.
TEST_F(OvertakingTest, AConnectionIsGivenBackThoughOtherTransactionalMailWaitsThere) {
  options_.sources[0].connections = {.count = 1, .origin = "t:1"};
  options_.smtp.idle_timeout = absl::Hours(1);
  StreamOptions& alerts = AddStream("alerts");
  alerts.kind = StreamKind::kTransactional;
  alerts.opens = WindowInHours(6, 12);
  bulk_ = &AddDomain("d1.test");
  MailServer& mx = AddDomain("code.test");
  before_bulk_ = [this] {
    Send("alert", {"a1@d1.test"}, {.stream = "alerts"});
    ASSERT_TRUE(Eventually([&] { return RowsReady("d1.test") == 1; }));
  };
  ExpectToOvertake(mx, "a1@code.test");
}

TEST_F(OvertakingTest, AConnectionOfTheSiteIsGivenBackToIt) {
  // Two sources, which the site counts together.
  options_.sources.push_back({.name = "ip2", .address = "127.0.0.3", .family = AF_INET, .hostname = "b.sender.test"});
  options_.pools.push_back({.name = "other", .sources = {"ip2"}, .source_indexes = {1}});
  options_.streams[1].pool = "other";
  options_.destinations = {{.domains = {"*"}, .connections = {.count = 1, .origin = "t:1"}, .per = Per::kNode}};
  bulk_ = &AddDomain("d1.test");
  internet_->SetMx("code.test", {{10, "mx.d1.test"}});
  ExpectToOvertake(*bulk_, "a1@code.test");
}

// By another policy of TLS, so that no session of the bulk may carry it.
TEST_F(OvertakingTest, AConnectionThatTheReceiverAllowsIsGivenBackToIt) {
  options_.smtp.connections = 5;
  options_.smtp.idle_timeout = absl::Hours(1);
  options_.streams[1].tls = TlsPolicy::kRequire;
  bulk_ = &AddDomain("d1.test");
  bulk_->connections_max = 2;
  const absl::StatusOr<tls::SelfSigned> certificate = tls::SelfSigned::Make({.names = {"mx.d1.test"}});
  ASSERT_TRUE(certificate.ok());
  bulk_->tls = *tls::ServerContext::Create({.certificate = certificate->certificate, .key = certificate->key});
  internet_->SetMx("code.test", {{10, "mx.d1.test"}});
  ExpectToOvertake(*bulk_, "a1@code.test");
}

TEST_F(OvertakingTest, WhatItsOwnRateKeepsWaitingCallsNobodyOff) {
  options_.sources.push_back({.name = "ip2", .address = "127.0.0.3", .family = AF_INET, .hostname = "b.sender.test"});
  options_.sources[1].rate.rate = {.count = 1, .period = absl::Hours(1)};
  options_.pools.push_back({.name = "other", .sources = {"ip2"}, .source_indexes = {1}});
  options_.streams[1].pool = "other";
  options_.destinations = {{.domains = {"*"}, .connections = {.count = 1, .origin = "t:1"}, .per = Per::kNode}};
  AddDomain("d1.test");
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("code", {"a1@d1.test"}, {.stream = "codes"}), 1));
  const queue::CampaignId bulk = Send("spring", Recipients(kBulk, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(bulk, 10));
  Send("code 2", {"a2@d1.test"}, {.stream = "codes"});
  const auto site = [&]() -> Site& { return *scheduler().directory().FindSite("d1.test"); };
  ASSERT_TRUE(Eventually([&] {
    return std::ranges::any_of(site().queues,
                               [](const auto& queue) { return queue->transactional() && queue->HasRows(); });
  }));
  for (int turn = 0; turn < 20; ++turn) {
    OnShard([&](Scheduler& scheduler) {
      scheduler.paths().Pump(site());
      EXPECT_FALSE(site().precedence.Called(scheduler.services().SteadyNow()));
    });
  }
  EXPECT_LT(CountersOf(bulk).delivered, static_cast<uint64_t>(kBulk));
  Stop(absl::ZeroDuration());
}

TEST_F(OvertakingTest, ItDoesNotCallOnItself) {
  options_.smtp.connections = 1;
  AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("code", Recipients(2000, "d1.test"), {.stream = "codes"});
  bool full = false, called = false;
  EXPECT_TRUE(Eventually([&] {
    const Site* const site = scheduler().directory().FindSite("d1.test");
    if (site == nullptr || site->paths.empty()) return false;
    full = full || (site->paths[0]->sessions == 1 && RowsReady("d1.test") > 1);
    called = called || site->precedence.Called(scheduler().services().SteadyNow());
    return CountersOf(id).delivered == 2000;
  }));
  EXPECT_TRUE(full);
  EXPECT_FALSE(called);
}

TEST_F(OvertakingTest, ASessionWithoutWorkGivesItsConnectionBack) {
  options_.sources[0].connections = {.count = 1, .origin = "t:1"};
  options_.smtp.idle_timeout = absl::Hours(1);
  AddDomain("d1.test");
  AddDomain("code.test");
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"a1@d1.test"}), 1));
  EXPECT_TRUE(EventuallyDelivered(Send("code", {"a1@code.test"}, {.stream = "codes"}), 1));
}

TEST_F(OvertakingTest, MarketingMailGetsTheConnectionOfASessionWithoutWorkToo) {
  options_.sources[0].connections = {.count = 1, .origin = "t:1"};
  options_.smtp.idle_timeout = absl::Hours(1);
  AddDomain("d1.test");
  AddDomain("d2.test");
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("spring", {"a1@d1.test"}), 1));
  EXPECT_TRUE(EventuallyDelivered(Send("summer", {"a1@d2.test"}), 1));
}

// Just before MAIL the disk is asked what the recipient has received.
TEST_F(OvertakingTest, WhatItReadsUnderACapGoesBeforeWhatOthersRead) {
  options_.streams[1].recipient_cap = {.rate = {.count = 1, .period = absl::Hours(24)}, .origin = "t:1"};
  Signal hello;
  AddDomain("code.test").script = [&](const MailServer::Conversation&,
                                      std::string_view command) -> std::optional<MailServer::Answer> {
    if (command.starts_with("EHLO")) return MailServer::Answer{.text = "250 mx", .after = &hello};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId code = Send("code", {"a1@code.test"}, {.stream = "codes"});
  ASSERT_TRUE(Eventually([&] { return RowsReady("code.test") == 1 && hello.waiting() == 1; }));
  BusyReaders readers(*store_);
  OnShard([&](Scheduler&) { hello.NotifyAll(); });
  ASSERT_TRUE(Eventually([&] { return RowsReady("code.test") == 0; }));
  readers.GoOn();
  EXPECT_TRUE(EventuallyDelivered(code, 1));
}

TEST_F(OvertakingTest, NeitherAFullTableNorLookUpsThatHangKeepItWaiting) {
  internet_->SetSilent();
  AddDomain("code.test");
  std::vector<std::string> recipients;
  for (size_t i = 0; i < LaneTable::kLanesMax + 2048; ++i) recipients.push_back(fmt::format("a@d{}.test", i));
  Start();
  Send("spring", recipients);
  ASSERT_TRUE(Eventually([&] {
    return scheduler().lanes().size() >= LaneTable::kLanesMax && internet_->lookups.size() == Directory::kLookupsMax;
  }));
  EXPECT_TRUE(EventuallyDelivered(Send("code", {"a1@code.test"}, {.stream = "codes"}), 1));
  Stop(absl::ZeroDuration());
}

}  // namespace
}  // namespace sealift::engine
