#include "tools/sink/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/sink/script_reader.h"

namespace sealift::tools::sink {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class Mailbag final : public Receiver {
 public:
  BodyScanner::Keep keep() const override { return BodyScanner::Keep::kAll; }
  void Receive(const Arrival& arrival) override {
    messages.emplace_back(arrival.kept);
    mailboxes.insert(mailboxes.end(), arrival.mailboxes.begin(), arrival.mailboxes.end());
  }
  std::vector<std::string> messages, mailboxes;
};

class SessionTest : public ::testing::Test {
 protected:
  // One provider, "p", of d1.test; `more` of its keys.
  void Make(std::string_view more = "") {
    session_.reset();
    script_ = *ReadScript("[[provider]]\nname = \"p\"\ndomains = [\"d1.test\"]\n" + std::string(more), "s");
    judge_.emplace(script_.providers[0], script_.seed, kNow);
    server_.emplace(script_, 0, script_.providers[0].hosts[0], *judge_, nullptr);
    counts_.emplace();
    bag_ = {};
    session_.emplace(*server_, *counts_, bag_, "127.0.0.1");
    last_ = session_->Open(kNow);
  }

  // What the server says to `input`, fed in pieces of `step` bytes as a connection feeds it, until it ends the
  // dialogue.
  std::string Say(std::string_view input, size_t step = 1 << 20) {
    std::string buffer;
    while (true) {
      const size_t size = std::min(step, input.size());
      buffer += input.substr(0, size);
      input.remove_prefix(size);
      do {
        last_ = session_->Feed({buffer.data(), buffer.size()}, kNow);
        buffer.erase(0, last_.taken);
        if (last_.next == Session::Next::kAct) session_->out().insert(last_.before, "[" + last_.action->bytes + "]");
        if (last_.next != Session::Next::kRead && last_.next != Session::Next::kAct)
          return std::exchange(session_->out(), {});
      } while (last_.next != Session::Next::kRead);
      if (input.empty()) return std::exchange(session_->out(), {});
    }
  }

  uint64_t Faults() const {
    uint64_t sum = 0;
    for (size_t i = kFirstFault; i < kCounts; ++i) sum += counts_->Get(static_cast<Count>(i));
    return sum;
  }

  Script script_;
  std::optional<Judge> judge_;
  std::optional<Server> server_;
  std::optional<CountCell> counts_;
  Mailbag bag_;
  std::optional<Session> session_;
  Session::Step last_;
};

// The codes of the replies, without continuation lines.
std::string Codes(std::string_view replies) {
  std::string codes;
  while (!replies.empty()) {
    const std::string_view line = replies.substr(0, replies.find('\n'));
    if (line.size() > 3 && line[3] == ' ') codes += (codes.empty() ? "" : " ") + std::string(line.substr(0, 3));
    replies.remove_prefix(std::min(line.size() + 1, replies.size()));
  }
  return codes;
}

constexpr std::string_view kDialogue =
    "EHLO c.example.test\r\n"
    "MAIL FROM:<b@s.example> SIZE=30 BODY=8BITMIME\r\nRCPT TO:<a@d1.test>\r\nRCPT TO:<b@D1.test>\r\nDATA\r\n"
    "Subject: x\r\n\r\n..one\r\n.\r\n"
    "MAIL FROM:<>\r\nRCPT TO:<c@d1.test>\r\nBDAT 5\r\nab\r\n.BDAT 4 LAST\r\n\r\n.\nRSET\r\nQUIT\r\n";

TEST_F(SessionTest, ADialogueIsTheSameWhereverItsBytesAreSplit) {
  Make();
  const std::string whole = Say(kDialogue);
  EXPECT_EQ(Codes(whole), "220 250 250 250 250 354 250 250 250 250 250 250 221");
  EXPECT_EQ(last_.next, Session::Next::kClose);
  EXPECT_THAT(bag_.messages, ElementsAre("Subject: x\r\n\r\n.one\r\n", "ab\r\n.\r\n.\n"));
  for (size_t step = 1; step < 60; ++step) {
    Make();
    EXPECT_EQ(Say(kDialogue, step), whole) << step;
    EXPECT_EQ(bag_.messages.size(), 2u) << step;
    EXPECT_EQ(bag_.messages[1], "ab\r\n.\r\n.\n") << step;
    EXPECT_THAT(bag_.mailboxes, ElementsAre("a@d1.test", "b@d1.test", "c@d1.test"));
    EXPECT_EQ(counts_->Get(Count::messages), 2u);
  }
}

TEST_F(SessionTest, ACorrectClientHasNoFaults) {
  Make();
  for (const std::string_view line :
       {"EHLO c.example.test\r\n", "MAIL FROM:<b@s.example> SIZE=30\r\nRCPT TO:<a@d1.test>\r\nDATA\r\n",
        "Subject: x\r\n\r\n..\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<a@d1.test>\r\nDATA\r\n", "x\r\n.\r\n", "NOOP\r\n",
        "RSET\r\n", "QUIT\r\n"}) {
    Say(line);
  }
  EXPECT_EQ(counts_->Get(Count::messages), 2u);
  EXPECT_EQ(Faults(), 0u);
}

TEST_F(SessionTest, TheOfferIsWhatTheScriptSays) {
  Make("pipelining = false\nchunking = false\ntls = \"off\"\nsize = \"1KiB\"\nextensions = [\"LIMITS RCPTMAX=10\"]\n");
  const std::string offer = Say("EHLO c.example.test\r\n");
  EXPECT_THAT(offer, HasSubstr("250-SIZE 1024\r\n"));
  EXPECT_THAT(offer, EndsWith("250 LIMITS RCPTMAX=10\r\n"));
  for (const char* absent : {"PIPELINING", "CHUNKING", "STARTTLS"})
    EXPECT_THAT(offer, ::testing::Not(HasSubstr(absent)));
  Make();
  EXPECT_THAT(Say("EHLO c.example.test\r\n"),
              AllOf(HasSubstr("PIPELINING"), HasSubstr("STARTTLS"), HasSubstr("CHUNKING")));
}

struct Fault {
  const char* what;
  const char* input;
  Count count;
};

TEST_F(SessionTest, FaultsAreSeen) {
  const Fault faults[] = {
      {"a bare LF after a command", "EHLO c.example.test\n", Count::bare_lf},
      {"a CR within a command", "NOOP a\rb\r\n", Count::bare_cr},
      {"an unqualified EHLO", "EHLO localhost\r\n", Count::ehlo_not_fqdn},
      {"MAIL before EHLO", "MAIL FROM:<>\r\n", Count::bad_sequence},
      {"RCPT without MAIL", "EHLO c.example.test\r\nRCPT TO:<a@d1.test>\r\n", Count::bad_sequence},
      {"text behind EHLO", "EHLO c.example.test\r\nNOOP\r\n", Count::pipelined_past},
      {"text behind STARTTLS", "STARTTLS\r\nEHLO c.example.test\r\n", Count::text_after_starttls},
      {"a fragment behind STARTTLS", "STARTTLS\r\nx", Count::text_after_starttls},
      {"8 bits in a command", "NOOP \xC3\xA4\r\n", Count::eight_bit},
      {"an unknown command", "HELLO\r\n", Count::bad_syntax},
      {"a broken path", "EHLO c.example.test\r\nMAIL FROM:b@s.example\r\n", Count::bad_syntax},
      {"a parameter that was not offered", "EHLO c.example.test\r\nMAIL FROM:<> SMTPUTF8\r\n",
       Count::unoffered_parameter},
      {"a domain of others", "EHLO c.example.test\r\nMAIL FROM:<>\r\nRCPT TO:<a@d2.test>\r\n", Count::misrouted},
      {"8 bits unannounced", "EHLO c.example.test\r\nMAIL FROM:<>\r\nRCPT TO:<a@d1.test>\r\nDATA\r\n\xC3\xA4\r\n.\r\n",
       Count::eight_bit},
      {"8 bits in an address unannounced", "EHLO c.example.test\r\nMAIL FROM:<>\r\nRCPT TO:<\xC3\xA4@d1.test>\r\n",
       Count::eight_bit},
      {"8 bits in a sender unannounced", "EHLO c.example.test\r\nMAIL FROM:<\xC3\xA4@s.example>\r\n", Count::eight_bit},
      {"DATA after BDAT", "EHLO c.example.test\r\nMAIL FROM:<>\r\nRCPT TO:<a@d1.test>\r\nBDAT 1\r\nxDATA\r\n",
       Count::bad_sequence},
  };
  for (const Fault& fault : faults) {
    Make();
    Say(fault.input);
    EXPECT_EQ(counts_->Get(fault.count), 1u) << fault.what;
  }
  Make("pipelining = false\n");
  Say("EHLO c.example.test\r\n");
  Say("MAIL FROM:<>\r\nRCPT TO:<a@d1.test>\r\n");
  EXPECT_EQ(counts_->Get(Count::pipelined_unoffered), 1u);
}

TEST_F(SessionTest, SmtpUtf8AnnouncesAddressesWhereItIsOffered) {
  Make("extensions = [\"SMTPUTF8\"]\n");
  EXPECT_EQ(Codes(Say("EHLO c.example.test\r\n")), "220 250");
  EXPECT_EQ(Codes(Say("MAIL FROM:<> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<\xC3\xA4@d1.test>\r\nDATA\r\n")), "250 250 354");
  EXPECT_EQ(Codes(Say("To: \xC3\xA4@d1.test\r\n\r\n.\r\n")), "250");
  EXPECT_THAT(bag_.mailboxes, ElementsAre("\xC3\xA4@d1.test"));
  EXPECT_EQ(Faults(), 0u);
  EXPECT_EQ(Codes(Say("MAIL FROM:<>\r\nRCPT TO:<\xC3\xA4@d1.test>\r\n")), "250 553") << "it holds for one message";
}

TEST_F(SessionTest, RequireTlsIsOfferedAndTakenInTlsOnly) {
  Make("requiretls = true\n");
  EXPECT_THAT(Say("EHLO c.example.test\r\n"), Not(HasSubstr("REQUIRETLS")));
  EXPECT_EQ(Codes(Say("MAIL FROM:<> REQUIRETLS\r\n")), "555");
  EXPECT_EQ(counts_->Get(Count::unoffered_parameter), 1u);
  Say("STARTTLS\r\n");
  session_->TlsStarted(false);
  EXPECT_THAT(Say("EHLO c.example.test\r\n"), HasSubstr("REQUIRETLS"));
  EXPECT_EQ(Codes(Say("MAIL FROM:<> REQUIRETLS=1\r\nMAIL FROM:<> REQUIRETLS\r\n")), "555 250");
  EXPECT_EQ(counts_->Get(Count::require_tls), 1u);
}

TEST_F(SessionTest, EndlessLinesAreRefusedAndNotKept) {
  Make();
  Say("");
  const std::string line = std::string(1 << 20, 'x') + "\r\nNOOP\r\n";
  EXPECT_EQ(Codes(Say(line, 60'000)), "500 250");
  EXPECT_EQ(counts_->Get(Count::long_command), 1u);
}

TEST_F(SessionTest, RefusedRecipientsMakeAPipelinedDataEmptyWithoutFault) {
  Make("[[provider.rule]]\nat = \"rcpt\"\nlocal = \"bounce*\"\nreply = \"550 5.1.1 No such user\"\n");
  Say("EHLO c.example.test\r\n");
  EXPECT_EQ(Codes(Say("MAIL FROM:<>\r\nRCPT TO:<bounce1@d1.test>\r\nDATA\r\n")), "250 550 554");
  EXPECT_EQ(Codes(Say("RSET\r\nMAIL FROM:<>\r\nRCPT TO:<bounce1@d1.test>\r\nRCPT TO:<a@d1.test>\r\nDATA\r\n")),
            "250 250 550 250 354");
  EXPECT_EQ(Codes(Say("x\r\n.\r\n")), "250");
  EXPECT_THAT(bag_.mailboxes, ElementsAre("a@d1.test"));
  EXPECT_EQ(Faults(), 0u);
}

TEST_F(SessionTest, AChunkForRefusedRecipientsIsReadAndThrownAway) {
  Make("[[provider.rule]]\nat = \"rcpt\"\nreply = \"550 5.1.1 No such user\"\n");
  Say("EHLO c.example.test\r\n");
  EXPECT_EQ(Codes(Say("MAIL FROM:<>\r\nRCPT TO:<a@d1.test>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")), "250 550 554 250");
  EXPECT_TRUE(bag_.messages.empty());
}

TEST_F(SessionTest, SizeIsHonouredBothWays) {
  Make("size = \"100B\"\n");
  Say("EHLO c.example.test\r\n");
  EXPECT_EQ(Codes(Say("MAIL FROM:<> SIZE=101\r\n")), "552");
  EXPECT_EQ(Faults(), 0u);  // to ask is right
  EXPECT_EQ(Codes(Say("MAIL FROM:<>\r\nRCPT TO:<a@d1.test>\r\nDATA\r\n")), "250 250 354");
  EXPECT_EQ(Codes(Say(std::string(101, 'x') + "\r\n.\r\n")), "552");
  EXPECT_EQ(counts_->Get(Count::oversize), 1u);
  EXPECT_TRUE(bag_.messages.empty());
}

TEST_F(SessionTest, TlsIsDemandedOrWithheldAsScripted) {
  Make("tls = \"required\"\n");
  Say("EHLO c.example.test\r\n");
  EXPECT_EQ(Codes(Say("MAIL FROM:<>\r\n")), "530");
  EXPECT_EQ(counts_->Get(Count::plaintext_mail), 1u);
  EXPECT_EQ(Codes(Say("STARTTLS\r\n")), "220");
  EXPECT_EQ(last_.next, Session::Next::kStartTls);
  session_->TlsStarted(/*resumed=*/true);
  EXPECT_EQ(Codes(Say("MAIL FROM:<>\r\n")), "503");  // what was said before TLS is forgotten
  EXPECT_THAT(Say("EHLO c.example.test\r\n"), ::testing::Not(HasSubstr("STARTTLS")));
  EXPECT_EQ(Codes(Say("MAIL FROM:<>\r\n")), "250");
  EXPECT_EQ(counts_->Get(Count::tls_resumed), 1u);
  EXPECT_EQ(counts_->Get(Count::plaintext_mail), 1u);
  Make("tls = \"off\"\n");
  Say("EHLO c.example.test\r\n");
  EXPECT_EQ(Codes(Say("STARTTLS\r\n")), "503");
  Make("tls = \"refused\"\n");
  Say("EHLO c.example.test\r\n");
  EXPECT_EQ(Codes(Say("STARTTLS\r\n")), "454");
  Make("tls = \"broken\"\n");
  Say("EHLO c.example.test\r\n");
  EXPECT_THAT(Say("STARTTLS\r\n"), StartsWith("220 "));
  EXPECT_EQ(last_.next, Session::Next::kClose);
}

TEST_F(SessionTest, EveryPhaseCanHaveAReplyOfItsOwn) {
  const std::pair<const char*, const char*> phases[] = {{"ehlo", "500"},
                                                        {"mail", "250 500"},
                                                        {"rcpt", "250 250 500"},
                                                        {"data", "250 250 250 500"},
                                                        {"body", "250 250 250 354 500"},
                                                        {"quit", "250 250 250 354 250 500"}};
  for (const auto& [phase, codes] : phases) {
    Make("[[provider.rule]]\nat = \"" + std::string(phase) + "\"\nreply = \"500 5.0.0 scripted\"\nthen = \"close\"\n");
    Say("");
    std::string replies;
    for (const std::string_view line : {"EHLO c.example.test\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<a@d1.test>\r\n",
                                        "DATA\r\n", "x\r\n.\r\n", "QUIT\r\n"}) {
      replies += Say(line);
      if (last_.next != Session::Next::kRead) break;
    }
    EXPECT_EQ(Codes(replies), codes) << phase;
    EXPECT_EQ(last_.next, Session::Next::kClose) << phase;
    EXPECT_EQ(counts_->Get(Count::messages), phase == std::string_view("quit") ? 1u : 0u) << phase;
  }
}

TEST_F(SessionTest, AScriptedGreetingTakesTheUsualOnesPlace) {
  Make("[[provider.rule]]\nat = \"greeting\"\nreply = \"554 5.7.1 Not you\"\nthen = \"close\"\n");
  EXPECT_EQ(last_.next, Session::Next::kClose);
  EXPECT_EQ(session_->out(), "554 5.7.1 Not you\r\n");
}

TEST_F(SessionTest, APauseStandsBeforeTheReplyItDelays) {
  Make("[[provider.rule]]\nat = \"rcpt\"\npause = \"2s\"\n");
  EXPECT_EQ(Say("EHLO c.example.test\r\n").find('['), std::string::npos);
  EXPECT_EQ(Say("MAIL FROM:<>\r\nRCPT TO:<a@d1.test>\r\nRCPT TO:<b@d1.test>\r\n"),
            "250 2.1.0 Ok\r\n[]250 2.1.5 Ok\r\n[]250 2.1.5 Ok\r\n");
}

TEST_F(SessionTest, ADripIsLeftToTheConnectionWithWhatComesBeforeIt) {
  Make("[[provider.rule]]\nat = \"rcpt\"\ndrip = \"1s\"\nreply = \"250 slow\"\n");
  Say("EHLO c.example.test\r\n");
  EXPECT_EQ(Say("MAIL FROM:<>\r\nRCPT TO:<a@d1.test>\r\nDATA\r\n"),
            "250 2.1.0 Ok\r\n[250 slow\r\n]354 End data with <CR><LF>.<CR><LF>\r\n");
}

TEST_F(SessionTest, ALimitAnswersAndCounts) {
  Make("message_rate = \"1/h\"\n");
  Say("EHLO c.example.test\r\n");
  EXPECT_EQ(Codes(Say("MAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<a@d1.test>\r\n")), "250 250 450 503");
  EXPECT_EQ(counts_->Get(Count::over_messages), 1u);
  EXPECT_EQ(Faults(), 0u);
}

TEST_F(SessionTest, AConnectionCountsUntilQuit) {
  Make("connections = 1\n");
  Session second(*server_, *counts_, bag_, "127.0.0.1");
  EXPECT_EQ(second.Open(kNow).next, Session::Next::kClose);
  EXPECT_THAT(second.out(), StartsWith("421 "));
  second.Leave();
  Say("QUIT\r\n");  // the session object lives on: it is the 221 that gives the place back
  Session third(*server_, *counts_, bag_, "127.0.0.1");
  EXPECT_EQ(third.Open(kNow).next, Session::Next::kRead);
}

TEST_F(SessionTest, NoBytesCrashIt) {
  uint64_t state = 88172645463325252;
  const std::string_view words[] = {"EHLO a.b",
                                    "MAIL FROM:<>",
                                    "RCPT TO:<a@d1.test>",
                                    "DATA",
                                    "BDAT 3",
                                    "BDAT 9 LAST",
                                    "BDAT x",
                                    "\r\n",
                                    "\n",
                                    ".",
                                    "\r\n.\r\n",
                                    "QUIT",
                                    "\xFF",
                                    "STARTTLS",
                                    "RSET",
                                    "<",
                                    " ",
                                    "BDAT 99999999999999999999"};
  for (int round = 0; round < 3000; ++round) {
    Make();
    std::string input;
    for (int i = 0; i < 20; ++i) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      input += words[state % std::size(words)];
      if (state % 3 == 0) input += "\r\n";
    }
    Say(input, 1 + state % 50);
  }
}

}  // namespace
}  // namespace sealift::tools::sink
