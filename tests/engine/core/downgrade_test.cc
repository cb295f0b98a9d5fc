// A campaign under `require` meets every way to talk it out of TLS, and every byte that the servers got in clear is
// looked at: EHLO, STARTTLS and QUIT, and nothing of a message.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <functional>

#include "engine/runtime/check.h"
#include "tests/engine/core/shard_world.h"
#include "tls/self_signed.h"

namespace sealift::engine {
namespace {

using Answer = MailServer::Answer;
using Conversation = MailServer::Conversation;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::shared_ptr<tls::ServerContext> Server(const std::string& name, const std::string& max_version = "1.3") {
  const absl::StatusOr<tls::SelfSigned> made = tls::SelfSigned::Make({.names = {name}});
  CHECK(made.ok(), "a certificate can be made");
  absl::StatusOr<std::shared_ptr<tls::ServerContext>> context = tls::ServerContext::Create(
      {.certificate = made->certificate, .key = made->key, .min_version = "1.0", .max_version = max_version});
  CHECK(context.ok(), "a server can be made");
  return *std::move(context);
}

// To EHLO, and to no other command.
MailServer::Script ToEhlo(const std::string& text, bool hang_up = false) {
  return [=](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command.starts_with("EHLO")) return Answer{text, hang_up};
    return std::nullopt;
  };
}

MailServer::Script ToStartTls(const std::string& text, bool hang_up = false) {
  return [=](const Conversation&, std::string_view command) -> std::optional<Answer> {
    if (command == "STARTTLS") return Answer{text, hang_up};
    return std::nullopt;
  };
}

std::string Keywords(int count, const std::string& last) {
  std::string text = "250-mx\r\n";
  for (int i = 0; i < count; ++i) text += fmt::format("250-X{}\r\n", i);
  return text + "250 " + last + "\r\n";
}

class DowngradeTest : public ShardWorld {
 protected:
  DowngradeTest() { options_.smtp.handshake_timeout = absl::Seconds(5); }

  // What was said in clear, line by line; what follows a hello of TLS is not text.
  static std::vector<std::string> LinesInClear(const Conversation& conversation) {
    std::vector<std::string> lines;
    std::string_view clear = conversation.clear;
    while (!clear.empty() && clear.front() != '\x16') {
      const size_t end = std::min(clear.find("\r\n"), clear.size() - 2) + 2;
      lines.emplace_back(clear.substr(0, end));
      clear.remove_prefix(end);
    }
    return lines;
  }

  static void ExpectNothingOfAMessageInClear(const MailServer& mx, const std::string& what) {
    for (const Conversation& conversation : mx.conversations) {
      for (const std::string& line : LinesInClear(conversation)) {
        EXPECT_THAT(line, AnyOf("EHLO mail.sender.test\r\n", "STARTTLS\r\n", "QUIT\r\n")) << what;
      }
      for (const char* part : {"MAIL", "RCPT", "DATA", "Subject", "Hello", "jane@", "row"}) {
        EXPECT_THAT(conversation.clear, Not(HasSubstr(part))) << what;
      }
    }
  }

  struct Case {
    std::string what;
    std::function<void(MailServer&)> set_up;
  };
  static std::vector<Case> Cases() {
    const auto with_tls = [](std::function<void(MailServer&)> more) {
      return [more = std::move(more)](MailServer& mx) {
        mx.tls = Server("mx");
        more(mx);
      };
    };
    return {
        {"no offer", [](MailServer&) {}},
        {"a bare greeting and a bare reply",
         [](MailServer& mx) {
           mx.greeting = "220";
           mx.script = ToEhlo("250");
         }},
        {"451 to EHLO", with_tls([](MailServer& mx) { mx.script = ToEhlo("451 4.3.0 later"); })},
        {"421 to EHLO", with_tls([](MailServer& mx) { mx.script = ToEhlo("421 4.3.0 bye", true); })},
        {"502 to EHLO", with_tls([](MailServer& mx) { mx.script = ToEhlo("502 5.5.1 say HELO"); })},
        {"thousands of keywords without it",
         with_tls([](MailServer& mx) { mx.script = ToEhlo(Keywords(5000, "SIZE 1000")); })},
        {"a word that is nearly it", [](MailServer& mx) { mx.offers = {"STARTTLSX", "XSTARTTLS", "START TLS"}; }},
        {"the word in the greeting of the reply", [](MailServer& mx) { mx.script = ToEhlo("250 STARTTLS"); }},
        {"454 to STARTTLS", with_tls([](MailServer& mx) { mx.script = ToStartTls("454 4.7.0 not now"); })},
        {"502 to STARTTLS", with_tls([](MailServer& mx) { mx.script = ToStartTls("502 5.5.1 no such command"); })},
        {"250 to STARTTLS", with_tls([](MailServer& mx) { mx.script = ToStartTls("250 2.0.0 as if"); })},
        {"nonsense to STARTTLS", with_tls([](MailServer& mx) { mx.script = ToStartTls("what?"); })},
        {"the connection closed at STARTTLS", with_tls([](MailServer& mx) { mx.script = ToStartTls("", true); })},
        {"the connection closed after the reply to STARTTLS",
         with_tls([](MailServer& mx) { mx.script = ToStartTls("220 2.0.0 ready", true); })},
        {"no TLS after STARTTLS", [](MailServer& mx) { mx.instead_of_handshake = "250-mx\r\n250 SIZE 1\r\n"; }},
        {"an alert instead of a handshake",
         [](MailServer& mx) { mx.instead_of_handshake = std::string("\x15\x03\x03\x00\x02\x02\x28", 7); }},
        {"TLS 1.0 only", [](MailServer& mx) { mx.tls = Server("mx", "1.0"); }},
        {"TLS 1.1 only", [](MailServer& mx) { mx.tls = Server("mx", "1.1"); }},
    };
  }
};

TEST_F(DowngradeTest, UnderARequirementNoByteOfAMessageGoesInClear) {
  options_.streams[0].tls = TlsPolicy::kRequire;
  const std::vector<Case> cases = Cases();
  std::vector<MailServer*> servers;
  std::vector<std::string> recipients;
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string domain = fmt::format("d{}.test", i);
    servers.push_back(&AddDomain(domain));
    cases[i].set_up(*servers.back());
    for (int row = 0; row < 5; ++row) recipients.push_back(fmt::format("row{}@{}", row, domain));
  }
  Start();
  const queue::CampaignId id = Send("spring", recipients);
  ASSERT_TRUE(EventuallyTried(id, cases.size()));
  Stop();
  EXPECT_EQ(CountersOf(id).delivered, 0u);
  EXPECT_EQ(CountersOf(id).queued(), recipients.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_THAT(servers[i]->conversations, Not(IsEmpty())) << cases[i].what;
    EXPECT_THAT(servers[i]->contents, IsEmpty()) << cases[i].what;
    ExpectNothingOfAMessageInClear(*servers[i], cases[i].what);
  }
}

// What a host has offered it is held to in that attempt, though the stream would do without.
TEST_F(DowngradeTest, AHostThatOfferedTlsIsNotSpokenToInClear) {
  std::vector<Case> cases;
  for (Case& each : Cases()) {
    const bool offers = each.what.find("STARTTLS") != std::string::npos || each.what.find("TLS 1") == 0 ||
                        each.what.find("handshake") != std::string::npos;
    if (offers) cases.push_back(std::move(each));
  }
  ASSERT_THAT(cases, SizeIs(10));
  std::vector<MailServer*> servers;
  std::vector<std::string> recipients;
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string domain = fmt::format("d{}.test", i);
    servers.push_back(&AddDomain(domain));
    cases[i].set_up(*servers.back());
    recipients.push_back("jane@" + domain);
  }
  Start();
  const queue::CampaignId id = Send("spring", recipients);
  ASSERT_TRUE(EventuallyTried(id, cases.size()));
  Stop();
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_THAT(servers[i]->contents, IsEmpty()) << cases[i].what;
    ExpectNothingOfAMessageInClear(*servers[i], cases[i].what);
  }
}

// None of these may hide the offer.
TEST_F(DowngradeTest, AnOfferIsFoundHoweverItIsDressed) {
  const std::vector<Case> cases = {
      {"a bare greeting", [](MailServer& mx) { mx.greeting = "220"; }},
      {"another case", [](MailServer& mx) { mx.script = ToEhlo("250-mx\r\n250 StartTls\r\n"); }},
      {"a parameter", [](MailServer& mx) { mx.script = ToEhlo("250-mx\r\n250 STARTTLS really\r\n"); }},
      {"the first of many",
       [](MailServer& mx) { mx.script = ToEhlo("250-mx\r\n250-STARTTLS\r\n" + Keywords(150, "X").substr(8)); }},
      {"the last of many", [](MailServer& mx) { mx.script = ToEhlo(Keywords(150, "STARTTLS")); }},
      {"a reply right behind the one to STARTTLS", [](MailServer& mx) { mx.injected = "250-mx\r\n250 SIZE 1\r\n"; }},
  };
  std::vector<MailServer*> servers;
  std::vector<std::string> recipients;
  for (size_t i = 0; i < cases.size(); ++i) {
    const std::string domain = fmt::format("d{}.test", i);
    servers.push_back(&AddDomain(domain));
    servers.back()->tls = Server("mx");
    cases[i].set_up(*servers.back());
    const MailServer::Script in_clear = servers.back()->script;
    servers.back()->script = [in_clear](const Conversation& conversation,
                                        std::string_view command) -> std::optional<Answer> {
      return in_clear && !conversation.in_tls ? in_clear(conversation, command) : std::nullopt;
    };
    recipients.push_back("jane@" + domain);
  }
  Start();
  const queue::CampaignId id = Send("spring", recipients);
  ASSERT_TRUE(EventuallyDelivered(id, cases.size()));
  Stop();
  for (size_t i = 0; i < cases.size(); ++i) ExpectNothingOfAMessageInClear(*servers[i], cases[i].what);
  for (const queue::Event& event : EventsOf(id)) EXPECT_EQ(event.evidence.tls_version, "TLSv1.3") << event.recipient;
}

// Thousands of keywords are more than a reply may have: the server is left alone, and in no case spoken to in clear.
TEST_F(DowngradeTest, ThousandsOfKeywordsDoNotHideTheOffer) {
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Server("mx");
  mx.script = ToEhlo(Keywords(5000, "STARTTLS"));
  Start();
  const queue::CampaignId id = Send("spring", {"jane@d1.test"});
  ASSERT_TRUE(EventuallyTried(id, 1));
  Stop();
  ExpectNothingOfAMessageInClear(mx, "thousands of keywords");
  EXPECT_EQ(EventsOf(id).at(0).reason_class, "protocol");
}

TEST_F(DowngradeTest, AHostThatSpokeTlsBeforeIsHeldAndNothingBounces) {
  options_.streams[0].tls = TlsPolicy::kRequire;
  options_.streams[0].on_no_tls = OnNoTls::kBounce;
  options_.smtp.messages_per_connection = 1;
  MailServer& mx = AddDomain("d1.test");
  mx.tls = Server("mx");
  Start();
  ASSERT_TRUE(EventuallyDelivered(Send("first", {"jane@d1.test"}), 1));
  OnShard([&](Scheduler&) { mx.tls.reset(); });
  const queue::CampaignId second = Send("second", Recipients(3, "d1.test"));
  ASSERT_TRUE(EventuallyTried(second, 1));
  Stop();
  EXPECT_EQ(CountersOf(second).queued(), 3u);
  EXPECT_THAT(EventsOf(second).at(0).reply, HasSubstr("does not offer STARTTLS, as it did before"));
  EXPECT_EQ(metrics_.counter(Metric::kTlsStripped, {"require"})->value(), 1u);
  ExpectNothingOfAMessageInClear(mx, "stripped");
}

// ---------------------------------------------------------------------------------------------------------------------
// What is remembered

const absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);

TEST(TlsMemoryTest, AHostIsKnownUntilItWasNotSeenForLong) {
  TlsMemory memory;
  EXPECT_FALSE(memory.Knows("mx.test", kNow));
  memory.Note("mx.test", kNow);
  EXPECT_TRUE(memory.Knows("mx.test", kNow + absl::Hours(24 * 89)));
  EXPECT_FALSE(memory.Knows("mx.test", kNow + TlsMemory::kKept));
  EXPECT_FALSE(memory.Knows("mx2.test", kNow));
}

TEST(TlsMemoryTest, WhatIsWrittenIsKnownToTheNextRunAndAHostIsWrittenOnceADay) {
  TlsMemory before, after;
  before.Note("mx.test", kNow);
  before.Note("mx.test", kNow + absl::Hours(1));
  const std::vector<TlsMemory::Written> written = before.TakeChanged();
  ASSERT_THAT(written, SizeIs(1));
  before.Note("mx.test", kNow + absl::Hours(2));
  EXPECT_THAT(before.TakeChanged(), IsEmpty());
  before.Note("mx.test", kNow + absl::Hours(25));
  EXPECT_THAT(before.TakeChanged(), SizeIs(1));
  after.Restore(written[0].host, written[0].value, kNow + absl::Hours(3));
  EXPECT_TRUE(after.Knows("mx.test", kNow + absl::Hours(3)));
  after.Restore("old.test", written[0].value, kNow + absl::Hours(24 * 100));
  EXPECT_FALSE(after.Knows("old.test", kNow + absl::Hours(24 * 100)));
  after.Restore("broken.test", "x", kNow);
  EXPECT_FALSE(after.Knows("broken.test", kNow));
}

TEST(TlsMemoryTest, WhatWasNotSeenForLongestGivesWay) {
  TlsMemory memory(160);
  for (int i = 0; i < 161; ++i) memory.Note(fmt::format("mx{}.test", i), kNow + absl::Minutes(i));
  EXPECT_FALSE(memory.Knows("mx0.test", kNow + absl::Hours(3)));
  EXPECT_FALSE(memory.Knows("mx9.test", kNow + absl::Hours(3)));
  EXPECT_TRUE(memory.Knows("mx20.test", kNow + absl::Hours(3)));
  EXPECT_TRUE(memory.Knows("mx160.test", kNow + absl::Hours(3)));
}

}  // namespace
}  // namespace sealift::engine
