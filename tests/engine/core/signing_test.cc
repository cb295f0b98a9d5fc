// Rows of a stream that signs: signed before their turn, sent as they were signed, and still their lane's until then.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <future>
#include <mutex>
#include <set>

#include "engine/explain.h"
#include "engine/smtp/dot_stuffing.h"
#include "tests/engine/core/row_taker.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Gathers what the signers hand over, from `open` on; until then they wait.
class Gatherer final : public Signers::Client {
 public:
  explicit Gatherer(std::shared_future<void> open) : open_(std::move(open)) {}
  void OnSigned(std::vector<std::shared_ptr<SignedMessage>> messages) override {
    open_.wait();
    const std::lock_guard lock(mutex_);
    largest_ = std::max(largest_, messages.size());
    for (const std::shared_ptr<SignedMessage>& message : messages) taken_.push_back(message.get());
    arrived_.notify_all();
  }
  bool WaitFor(size_t messages) {
    std::unique_lock lock(mutex_);
    return arrived_.wait_for(lock, std::chrono::seconds(30), [&] { return taken_.size() >= messages; });
  }
  const std::vector<const SignedMessage*>& taken() const { return taken_; }
  size_t largest() const { return largest_; }

 private:
  const std::shared_future<void> open_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<const SignedMessage*> taken_;
  size_t largest_ = 0;
};

TEST(SignersTest, MessagesAreHandedOverInTheirOrderTogetherAndTheLastDoesNotWait) {
  constexpr size_t kMessages = 1001;
  Metrics metrics;
  std::promise<void> all_asked;
  const std::shared_future<void> open = all_asked.get_future().share();
  Gatherer one(open), two(open);
  std::vector<std::shared_ptr<SignedMessage>> messages(kMessages);
  for (std::shared_ptr<SignedMessage>& message : messages) message = std::make_shared<SignedMessage>();
  std::vector<const SignedMessage*> of_one, of_two;
  {
    Signers signers(1, metrics);
    for (size_t i = 0; i < kMessages; ++i) {
      const SignedMessage* const message = messages[i].get();
      (i % 3 == 0 ? of_one : of_two).push_back(message);
      // Nobody else wants it: there is nothing to sign.
      signers.Sign({.message = std::move(messages[i]), .client = i % 3 == 0 ? &one : &two});
    }
    all_asked.set_value();
    EXPECT_TRUE(one.WaitFor(of_one.size()));
    EXPECT_TRUE(two.WaitFor(of_two.size()));
  }
  EXPECT_EQ(one.taken(), of_one);
  EXPECT_EQ(two.taken(), of_two);
  EXPECT_LT(one.largest(), two.largest()) << "of those signed together more are the second's";
  EXPECT_LE(two.largest(), Signers::kTogetherMax);
}

// Keeps its signer in the first hand-over until it is let go on.
class Detainer final : public Signers::Client {
 public:
  void OnSigned(std::vector<std::shared_ptr<SignedMessage>> messages) override {
    std::vector<const SignedMessage*>& together = handed_over_.emplace_back();
    for (const std::shared_ptr<SignedMessage>& message : messages) together.push_back(message.get());
    if (handed_over_.size() > 1) return;
    detained_.set_value();
    let_go_.get_future().wait();
  }
  void WaitUntilDetained() { detained_.get_future().wait(); }
  void LetGo() { let_go_.set_value(); }
  // Once its signers are gone.
  const std::vector<std::vector<const SignedMessage*>>& handed_over() const { return handed_over_; }

 private:
  std::promise<void> detained_, let_go_;
  std::vector<std::vector<const SignedMessage*>> handed_over_;
};

std::shared_future<void> Open() {
  std::promise<void> open;
  open.set_value();
  return open.get_future().share();
}

TEST(SignersTest, TransactionalMessagesWaitForNoOthers) {
  Metrics metrics;
  Detainer busy;
  Gatherer codes(Open());
  Signers signers(1, metrics);
  signers.Sign({.message = std::make_shared<SignedMessage>(), .client = &busy});
  busy.WaitUntilDetained();
  for (int i = 0; i < 20; ++i) signers.Sign({.message = std::make_shared<SignedMessage>(), .client = &busy});
  for (int i = 0; i < 2; ++i)
    signers.Sign({.message = std::make_shared<SignedMessage>(), .client = &codes, .urgent = true});
  EXPECT_TRUE(codes.WaitFor(2)) << "while the one thread for all mail is busy";
  busy.LetGo();
}

TEST(SignersTest, ManyTransactionalMessagesHaveAllThreadsBeforeAllOthers) {
  Metrics metrics;
  Detainer first_codes, client;
  std::vector<const SignedMessage*> bulk, codes;
  {
    Signers signers(1, metrics);
    const auto sign = [&](std::vector<const SignedMessage*>& as, bool urgent) {
      auto message = std::make_shared<SignedMessage>();
      as.push_back(message.get());
      signers.Sign({.message = std::move(message), .client = &client, .urgent = urgent});
    };
    sign(bulk, false);
    client.WaitUntilDetained();
    signers.Sign({.message = std::make_shared<SignedMessage>(), .client = &first_codes, .urgent = true});
    first_codes.WaitUntilDetained();
    for (int i = 0; i < 20; ++i) sign(bulk, false);
    sign(codes, true);
    sign(codes, true);
    client.LetGo();
    Gatherer last(Open());
    signers.Sign({.message = std::make_shared<SignedMessage>(), .client = &last});
    ASSERT_TRUE(last.WaitFor(1));
    first_codes.LetGo();
  }
  ASSERT_THAT(client.handed_over().size(), testing::Ge(4u));
  EXPECT_THAT(client.handed_over()[1], ElementsAre(codes[0]));
  EXPECT_THAT(client.handed_over()[2], ElementsAre(codes[1]));
  std::vector<const SignedMessage*> others = client.handed_over()[0];
  for (size_t i = 3; i < client.handed_over().size(); ++i) {
    const std::vector<const SignedMessage*>& together = client.handed_over()[i];
    others.insert(others.end(), together.begin(), together.end());
  }
  EXPECT_EQ(others, bulk);
}

class SigningTest : public ShardWorld {
 protected:
  SigningTest() {
    AddKey("s1");
    options_.streams[0].dkim = {"sender.test"};
  }

  void AddKey(const std::string& selector, DkimAlgorithm algorithm = DkimAlgorithm::kEd25519Sha256) {
    const std::string path = folder_.path() + "/" + selector + ".pem";
    std::ofstream(path) << *DkimKey::Generate(algorithm)->ToPem();
    ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
    options_.dkim.push_back({.domain = "sender.test", .selector = selector, .key_file = path});
  }
  std::shared_ptr<const SigningKeys> Keys() {
    absl::StatusOr<std::shared_ptr<const SigningKeys>> keys = SigningKeys::Load(options_);
    EXPECT_TRUE(keys.ok()) << keys.status();
    return *std::move(keys);
  }
  uint64_t Signatures(std::string_view algorithm) {
    return metrics_.counter(Metric::kDkimSignatures, {algorithm})->value();
  }

  // Whether what a server got is what signing its unsigned part gives, as often as there are keys.
  void ExpectSigned(const std::string& content, size_t signatures) {
    size_t at = 0;
    for (size_t i = 0; i < signatures; ++i) {
      ASSERT_THAT(content.substr(at), StartsWith("DKIM-Signature: v=1; "));
      at = std::min(content.find("\r\nDKIM-Signature: ", at), content.find("\r\nDate: ", at)) + 2;
    }
    ASSERT_THAT(content.substr(at), StartsWith("Date: "));
    std::string fields;
    ASSERT_TRUE(Keys()->SignerOf("news")->Sign(content.substr(at), std::nullopt, fields).ok());
    EXPECT_EQ(content.substr(0, at), fields);
  }
};

TEST_F(SigningTest, EveryMessageCarriesTheSignaturesOfItsStreamsKeys) {
  AddKey("s2", DkimAlgorithm::kRsaSha256);
  AddKey("later");  // of the same algorithm as s1: it stands by
  MailServer& mx = AddDomain("d1.test");
  Start();
  const queue::CampaignId id = Send("spring", Recipients(40, "d1.test"));
  ASSERT_TRUE(EventuallyDelivered(id, 40));
  Stop();
  ASSERT_THAT(mx.contents, SizeIs(40));
  for (const std::string& content : mx.contents) {
    ExpectSigned(content, 2);
    EXPECT_THAT(content, Not(HasSubstr("s=later")));
  }
  EXPECT_EQ(std::set<std::string>(mx.contents.begin(), mx.contents.end()).size(), 40U);
  EXPECT_GE(Signatures("ed25519-sha256"), 40U);
  EXPECT_EQ(Signatures("rsa-sha256"), Signatures("ed25519-sha256"));
}

TEST_F(SigningTest, SignedAndUnsignedStreamsShareASite) {
  AddStream("plain");
  MailServer& mx = AddDomain("d1.test");
  Start();
  const queue::CampaignId spring = Send("spring", Recipients(20, "d1.test"));
  const queue::CampaignId notes = Send("notes", Recipients(20, "d1.test"), {.stream = "plain"});
  ASSERT_TRUE(EventuallyDelivered(spring, 20));
  ASSERT_TRUE(EventuallyDelivered(notes, 20));
  Stop();
  const auto is_signed = [](const std::string& content) { return content.starts_with("DKIM-Signature: "); };
  EXPECT_EQ(std::ranges::count_if(mx.contents, is_signed), 20);
  EXPECT_THAT(mx.contents, SizeIs(40));
}

TEST_F(SigningTest, ManySitesAndCampaignsAreAllSentOnce) {
  std::vector<MailServer*> servers;
  std::vector<std::string> recipients;
  for (int i = 1; i <= 30; ++i) {
    servers.push_back(&AddDomain(fmt::format("d{}.test", i)));
    const std::vector<std::string> here = Recipients(7, fmt::format("d{}.test", i));
    recipients.insert(recipients.end(), here.begin(), here.end());
  }
  Start();
  const queue::CampaignId one = Send("one", recipients);
  const queue::CampaignId two = Send("two", recipients);
  ASSERT_TRUE(EventuallyDelivered(one, recipients.size()));
  ASSERT_TRUE(EventuallyDelivered(two, recipients.size()));
  Stop();
  for (const MailServer* server : servers) EXPECT_THAT(server->contents, SizeIs(14));
}

TEST_F(SigningTest, ALineThatBeginsWithADotIsStuffedAfterSigning) {
  MailServer& mx = AddDomain("d1.test");
  Start();
  const queue::CampaignId id =
      Send("spring", {"jane@d1.test"}, {.text = "From: news@sender.test\r\n\r\n.hidden\r\n..\r\n"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  ASSERT_THAT(mx.contents, SizeIs(1));
  std::string content = mx.contents[0];
  EXPECT_THAT(content, HasSubstr("\r\n..hidden\r\n...\r\n"));
  for (size_t at = content.find("\r\n."); at != std::string::npos; at = content.find("\r\n.", at + 3))
    content.erase(at + 2, 1);
  ExpectSigned(content, 1);
}

TEST_F(SigningTest, ARetryHasTheBytesOfTheFirstAttempt) {
  options_.streams[0].retry = {absl::Milliseconds(1200)};
  MailServer& mx = AddDomain("d1.test");
  mx.script = [&mx](const MailServer::Conversation&, std::string_view command) -> std::optional<MailServer::Answer> {
    if (command == "." && mx.contents.size() == 1) return MailServer::Answer{"451 4.7.1 greylisted"};
    return std::nullopt;
  };
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyDelivered(id, 1));
  Stop();
  ASSERT_THAT(mx.contents, SizeIs(2));
  EXPECT_EQ(mx.contents[0], mx.contents[1]);
}

class ReadyListTest : public RowTaker<SigningTest> {
 protected:
  void Expect(const Assignment& assignment) override {
    EXPECT_NE(assignment.message, nullptr);
    EXPECT_THAT(assignment.message->wire, StartsWith("DKIM-Signature: "));
  }
  SendQueue& Queue() { return *scheduler().directory().FindSite("d1.test")->queues.front(); }
  bool FrontIsReady() { return !Queue().ahead.empty() && Queue().ahead.front().message->ready; }

  // Loads and runs a campaign, asks for a row as a session would, and waits until it is signed.
  queue::CampaignId Prepared(int rows, const Content& content = Content()) {
    const queue::CampaignId id = Send("spring", Recipients(rows, "d1.test"), content);
    EXPECT_TRUE(Eventually([this, rows] { return RowsReady("d1.test") >= static_cast<size_t>(std::min(rows, 10)); }));
    OnShard([&](Scheduler&) {
      Refusal refusal;
      EXPECT_FALSE(Take(&refusal).has_value()) << "it is not signed";
      EXPECT_EQ(refusal.kind, Refusal::Kind::kSigning);
    });
    EXPECT_TRUE(Eventually([this] { return FrontIsReady(); }));
    return id;
  }
};

TEST_F(ReadyListTest, RowsGoInTheirOrderEachOnce) {
  Start();
  Prepared(100);
  EXPECT_EQ(TakeAll(100), Numbers(1, 100));
  EXPECT_TRUE(Eventually([this] { return scheduler().lanes().size() == 0; })) << "nothing is left of the lane";
}

TEST_F(ReadyListTest, WhatTheSignersHaveYetToSignIsSaidToWaitForThem) {
  Start();
  Send("spring", Recipients(3, "d1.test"));
  ASSERT_TRUE(Eventually([this] { return RowsReady("d1.test") == 3; }));
  OnShard([&](Scheduler& scheduler) {
    EXPECT_FALSE(Take().has_value()) << "it is not signed";
    DomainExplanation explanation;
    ExplainDomain(scheduler, "d1.test", explanation);
    ASSERT_THAT(explanation.waits, SizeIs(1));
    EXPECT_EQ(explanation.waits[0].reason, "signing");
    EXPECT_EQ(explanation.waits[0].rows, 3U);
    EXPECT_THAT(explanation.waits[0].set_by, StartsWith("stream news dkim"));
    const std::vector<WaitingRows> waiting = CountWaiting(scheduler);
    ASSERT_THAT(waiting, SizeIs(1));
    EXPECT_EQ(waiting[0].reason, "signing");
    EXPECT_EQ(waiting[0].rows, 3U);
  });
}

TEST_F(ReadyListTest, ItHoldsNoMoreThanSessionsCanUse) {
  Start();
  Prepared(10);
  OnShard([&](Scheduler&) {
    EXPECT_EQ(Queue().ahead.size(), 2U) << "without sessions";
    EXPECT_EQ(Queue().rows_ready, 10U) << "those in the list count";
  });
}

TEST_F(ReadyListTest, ItIsShortWhileTheShardsListsHaveTheirBytes) {
  Start();
  Prepared(100);
  const auto length_after_one = [this] {
    size_t length = 0;
    EXPECT_TRUE(Eventually([&] {
      const std::optional<Assignment> next = Take();
      if (next.has_value()) Deliver(*next);
      length = Queue().ahead.size();
      return next.has_value();
    }));
    return length;
  };
  OnShard([&](Scheduler&) { Queue().message_bytes = SignAhead::kShardBytes; });
  EXPECT_EQ(length_after_one(), 2U);
  EXPECT_EQ(length_after_one(), 2U) << "each of all the bytes";
  constexpr size_t kBytes = 64 << 10;
  OnShard([&](Scheduler& scheduler) {
    PathTo(scheduler, "d1.test").sessions = 4;
    Queue().message_bytes = kBytes;
  });
  EXPECT_EQ(length_after_one(), 2U) << "one of them is left";
  EXPECT_EQ(length_after_one(), 4 * SignAhead::kSessionBytes / kBytes);
  OnShard([&](Scheduler& scheduler) { PathTo(scheduler, "d1.test").sessions = 0; });
}

TEST_F(ReadyListTest, ItIsLongWhereMessagesAreShort) {
  Start();
  Prepared(400);
  OnShard([&](Scheduler& scheduler) { PathTo(scheduler, "d1.test").sessions = 1; });
  size_t length = 0;
  EXPECT_TRUE(Eventually([&] {
    const std::optional<Assignment> next = Take();
    if (next.has_value()) Deliver(*next);
    length = std::max(length, Queue().ahead.size());
    return length > 32;
  })) << length;
  OnShard([&](Scheduler& scheduler) { PathTo(scheduler, "d1.test").sessions = 0; });
}

TEST_F(ReadyListTest, APausedCampaignsRowsAreReadAgainAndSentOnce) {
  Start();
  const queue::CampaignId id = Prepared(40);
  const auto stopped = Pause(id);
  ASSERT_TRUE(Eventually([stopped] { return stopped->load(); }));
  OnShard([&](Scheduler& scheduler) { EXPECT_EQ(scheduler.lanes().size(), 0U); });
  EXPECT_THAT(RowsOf(id), SizeIs(40));
  Run(id);
  ASSERT_TRUE(Eventually([this] { return RowsReady("d1.test") >= 10; }));
  EXPECT_EQ(TakeAll(40), Numbers(1, 40));
}

TEST_F(ReadyListTest, ARowThatExpiresWhileItIsReadyIsNotSent) {
  Start();
  const absl::Time expires = absl::Now() + absl::Seconds(2);
  const queue::CampaignId id = Prepared(3, {.accepted = expires - absl::Hours(72)});
  for (absl::Time now; now < expires;) OnShard([&](Scheduler& scheduler) { now = scheduler.services().Now(); });
  OnShard([&](Scheduler&) { EXPECT_FALSE(Take().has_value()); });
  EXPECT_TRUE(Eventually([this, id] { return CountersOf(id).expired == 3; }));
}

TEST_F(ReadyListTest, AReturnedRowGoesNextAsItWasSigned) {
  Start();
  Prepared(5);
  OnShard([&](Scheduler& scheduler) {
    const std::optional<Assignment> first = Take();
    ASSERT_TRUE(first.has_value());
    scheduler.Return(*first);
    const std::optional<Assignment> again = Take();
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->claim.row().id, first->claim.row().id);
    EXPECT_EQ(again->message, first->message);
    Deliver(*again);
  });
  EXPECT_EQ(TakeAll(4), Numbers(2, 5));
}

TEST_F(ReadyListTest, AReloadWithOtherKeysSignsAgain) {
  Start();
  Prepared(10);
  options_.dkim.clear();
  AddKey("next");
  const auto options = std::make_shared<const Options>(options_);
  const std::shared_ptr<const SigningKeys> keys = Keys();
  OnShard([&](Scheduler& scheduler) {
    scheduler.Adopt(options, keys);
    EXPECT_FALSE(Take().has_value()) << "what the old key signed is not sent";
  });
  ASSERT_TRUE(Eventually([this] { return FrontIsReady(); }));
  OnShard([&](Scheduler&) {
    const std::optional<Assignment> next = Take();
    ASSERT_TRUE(next.has_value());
    EXPECT_THAT(next->message->wire, HasSubstr("s=next;"));
    EXPECT_EQ(static_cast<uint32_t>(next->claim.row().id), 1U);
    Deliver(*next);
  });
  EXPECT_EQ(TakeAll(9), Numbers(2, 10));
}

TEST_F(ReadyListTest, AReloadWithTheSameKeysKeepsWhatIsSigned) {
  Start();
  Prepared(10);
  const auto options = std::make_shared<const Options>(options_);
  const std::shared_ptr<const SigningKeys> keys = Keys();
  OnShard([&](Scheduler& scheduler) {
    scheduler.Adopt(options, keys);
    EXPECT_TRUE(Take().has_value());
  });
}

TEST_F(ReadyListTest, AReloadThatEndsSigningSendsUnsigned) {
  Start();
  Prepared(10);
  options_.streams[0].dkim.clear();
  const auto options = std::make_shared<const Options>(options_);
  const std::shared_ptr<const SigningKeys> keys = Keys();
  OnShard([&](Scheduler& scheduler) {
    scheduler.Adopt(options, keys);
    std::multiset<uint32_t> taken;
    while (const std::optional<Assignment> next = Take()) {
      EXPECT_EQ(next->message, nullptr);
      taken.insert(static_cast<uint32_t>(next->claim.row().id));
      Deliver(*next);
    }
    EXPECT_EQ(taken, Numbers(1, 10));
  });
}

TEST_F(ReadyListTest, ADateThatHasGrownOldIsSetAnewBeforeTheFirstAttempt) {
  Start();
  Prepared(3);
  absl::Time old;
  OnShard([&](Scheduler&) {
    old = Queue().ahead.front().message->date -= SignAhead::kDateAgeMax + absl::Seconds(1);
    EXPECT_FALSE(Take().has_value());
  });
  ASSERT_TRUE(Eventually([this] { return FrontIsReady(); }));
  OnShard([&](Scheduler&) {
    const std::optional<Assignment> next = Take();
    ASSERT_TRUE(next.has_value());
    EXPECT_GT(next->message->date, old);
    EXPECT_EQ(static_cast<uint32_t>(next->claim.row().id), 1U);
    Deliver(*next);
  });
  EXPECT_EQ(TakeAll(2), Numbers(2, 3));
}

TEST_F(ReadyListTest, WhenTheLastSessionHasEndedRowsAreTheirLanesAgain) {
  Start();
  Prepared(10);
  OnShard([&](Scheduler& scheduler) {
    Site& site = *scheduler.directory().FindSite("d1.test");
    scheduler.Unprepare(site);
    EXPECT_TRUE(Queue().ahead.empty());
    EXPECT_EQ(Queue().rows_ready, 10U);
  });
  EXPECT_EQ(TakeAll(10), Numbers(1, 10));
}

}  // namespace
}  // namespace sealift::engine
