#include "engine/shaping/reply_subject.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace sealift::engine {
namespace {

constexpr Parties kParties = {.recipient = "Joe.Doe@c1.test",
                              .sender = "b+4kz7qv0m2x9r8t6w1y3a5c@bounce.sender.test",
                              .hostname = "mta1.sender.test"};

Verdict Heard(std::string_view text, const Parties& parties = kParties) {
  Reply reply{.code = std::stoi(std::string(text.substr(0, 3))), .lines = std::string(text.substr(4))};
  std::string_view rest = reply.lines;
  reply.enhanced = TakeEnhancedCode(rest);
  return Reconsider(Classify(Phase::kRcpt, reply), reply, parties);
}

TEST(ReplySubjectTest, WhoeverQuotesOurAddressSpeaksOfUs) {
  for (const std::string_view text :
       {"550 5.1.1 <b+4kz7qv0m2x9r8t6w1y3a5c@bounce.sender.test>: User unknown",
        "550 <B+4KZ7qv0m2x9r8t6w1y3a5c@Bounce.Sender.test>: no such user here",
        "550 5.1.1 b+4kz7qv0m2x9r8t6w1y3a5c@bounce.sender.test does not exist",
        "550 5.1.1 mailbox of b+4kz7qv0m2x9r8t6w1y3a5c@bounce.sender.test not found",
        "550 5.1.1 user b+4kz7qv0m2x9r8t6w1y3a5c unknown", "550 5.1.1 <news@sender.test>: user unknown",
        "550 5.1.1 No MX for sender.test", "550 5.1.0 Address rejected: news@sender.test",
        "550 <news@sender.test> rejected"}) {
    const Verdict verdict = Heard(text);
    EXPECT_EQ(verdict.action, Action::kDefer) << text;
    EXPECT_EQ(verdict.reason_class, ReasonClass::kAuthentication) << text;
    EXPECT_EQ(verdict.about, About::kDomain) << text;
  }
  EXPECT_EQ(Heard("550 5.1.2 Host unknown: mta1.sender.test").about, About::kSource);
}

// The code may say that there is nobody, and many write the recipient's address in front of whatever they say.
TEST(ReplySubjectTest, WhoTakesNothingFromOurHostRefusesTheHost) {
  for (const std::string_view text : {"550 5.1.1 <joe.doe@c1.test>: not accepting messages from mta1.sender.test",
                                      "550 5.1.0 <joe.doe@c1.test>: we accept no mail from [mta1.sender.test]",
                                      "550 No reason for mta1.sender.test"}) {
    const Verdict verdict = Heard(text);
    EXPECT_EQ(verdict.action, Action::kDefer) << text;
    EXPECT_EQ(verdict.reason_class, ReasonClass::kPolicy) << text;
    EXPECT_EQ(verdict.about, About::kSource) << text;
    EXPECT_EQ(verdict.remedy, Remedy::kSlow) << text;
  }
  EXPECT_EQ(Heard("550 5.1.1 <joe.doe@c1.test>: we take nothing accepted from sender.test").about, About::kDomain);
  EXPECT_EQ(Heard("550 5.1.2 No valid MX for bounce.sender.test found").about, About::kDomain);
  for (const std::string_view text :
       {"550 5.1.1 <joe.doe@c1.test>: user unknown, mail from mta1.sender.test", "550 <joe.doe@c1.test>: not here",
        "550 no reason (mx.c1.test, mta1.sender.test)", "550 5.1.2 No valid MX for c1.test"}) {
    EXPECT_EQ(Heard(text).action, Action::kBounce) << text;
  }
}

TEST(ReplySubjectTest, WhomTheRecipientHasBlockedIsNotOnABlockList) {
  for (const std::string_view text :
       {"550 5.7.1 you are on joe.doe's black list", "550 5.7.1 Joe.Doe has banned you",
        "550 5.7.1 joe.doe no longer wants your newsletter", "550 5.7.1 Blocked: listed on joe.doe's blocklist"}) {
    const Verdict verdict = Heard(text);
    EXPECT_EQ(verdict.action, Action::kBounce) << text;
    EXPECT_EQ(verdict.reason_class, ReasonClass::kPolicy) << text;
    EXPECT_EQ(verdict.about, About::kRecipient) << text;
    EXPECT_EQ(verdict.remedy, Remedy::kNone) << text;
  }
  for (const std::string_view text :
       {"550 5.7.1 you are on spamhaus's black list", "550 5.7.1 <joe.doe@c1.test>: blacklisted",
        "550 5.7.1 big.joe.doe's black list", "450 4.7.1 you are on joe.doe's black list"}) {
    EXPECT_EQ(Heard(text).action, Action::kDefer) << text;
  }
}

// Also where it is a mailbox that is switched off, unless the address only says where the mail is from.
TEST(ReplySubjectTest, AMailboxOfOursThatIsSwitchedOffIsNotTheRecipients) {
  for (const std::string_view text :
       {"550 5.2.1 <news@sender.test> account disabled", "550 news@sender.test account is inactive",
        "550 5.2.1 mailbox news@sender.test suspended"}) {
    const Verdict verdict = Heard(text);
    EXPECT_EQ(verdict.action, Action::kDefer) << text;
    EXPECT_EQ(verdict.about, About::kDomain) << text;
  }
  for (const std::string_view text : {"550 5.2.1 Mailbox disabled, not accepting messages from <news@sender.test>",
                                      "550 5.2.1 <joe.doe@c1.test> is disabled and takes nothing of news@sender.test",
                                      "550 5.2.1 account disabled"}) {
    const Verdict verdict = Heard(text);
    EXPECT_EQ(verdict.action, Action::kBounce) << text;
    EXPECT_EQ(verdict.reason_class, ReasonClass::kInactive) << text;
  }
}

TEST(ReplySubjectTest, AnAddressOfADomainThatWeSignForIsOurs) {
  const std::string text = "550 5.1.0 <news@brand.test> address rejected";
  EXPECT_EQ(Heard(text).action, Action::kBounce);
  const std::vector<std::string> domains = {"brand.test"};
  const Parties signs = {
      .recipient = kParties.recipient, .sender = kParties.sender, .hostname = kParties.hostname, .signed_for = domains};
  EXPECT_EQ(Heard(text, signs).action, Action::kDefer);
  EXPECT_EQ(Heard(text, signs).about, About::kDomain);
  EXPECT_EQ(Heard("550 5.1.1 <joe.doe@c1.test>: user unknown", signs).remedy, Remedy::kSuppress);
}

TEST(ReplySubjectTest, WhoeverQuotesTheRecipientSpeaksOfHim) {
  for (const std::string_view text :
       {"550 5.1.1 <joe.doe@c1.test>: Recipient address rejected: User unknown",
        "550 5.1.1 Message from <news@sender.test> to <joe.doe@c1.test>: no such user", "550 5.1.1 user unknown",
        "550 5.1.1 <joe.doe@c1.test>... User unknown", "550 5.1.1 User unknown: joe.doe@c1.test"}) {
    EXPECT_EQ(Heard(text).remedy, Remedy::kSuppress) << text;
  }
  EXPECT_EQ(Heard("550 5.1.0 Message from <news@sender.test> to <joe.doe@c1.test> rejected").action, Action::kBounce);
  const Parties tagged = {.recipient = "joe+list@c1.test", .sender = kParties.sender, .hostname = kParties.hostname};
  EXPECT_EQ(Heard("550 5.1.1 <joe@c1.test>: user unknown", tagged).remedy, Remedy::kSuppress);
}

TEST(ReplySubjectTest, WhatIsSaidOfSomebodyElseIsHeardAgainFirst) {
  for (const std::string_view text :
       {"550 5.1.1 <other@c1.test>: User unknown", "550 5.1.1 <joe.doe@elsewhere.test>: user unknown"}) {
    EXPECT_EQ(Heard(text).action, Action::kBounce) << text;
    EXPECT_EQ(Heard(text).remedy, Remedy::kSuppressAgain) << text;
  }
  EXPECT_EQ(Heard("550 5.1.1 unknown user, said mta1.sender.test").remedy, Remedy::kSuppressAgain);
}

TEST(ReplySubjectTest, WhoMailsHisOwnDomainIsNotTakenForItsMailboxes) {
  const Parties home = {.recipient = "joe@sender.test", .sender = kParties.sender, .hostname = kParties.hostname};
  EXPECT_EQ(Heard("550 5.1.1 <joe@sender.test>: user unknown", home).remedy, Remedy::kSuppress);
  EXPECT_EQ(Heard("550 5.1.1 <jane@sender.test>: user unknown", home).remedy, Remedy::kSuppressAgain);
  EXPECT_EQ(Heard("550 5.1.1 <b+4kz7qv0m2x9r8t6w1y3a5c@bounce.sender.test>: user unknown", home).action,
            Action::kDefer);
}

TEST(ReplySubjectTest, WhatIsNotARefusalOfTheRecipientStays) {
  for (const std::string_view text : {"450 4.1.1 <news@sender.test>: user unknown",
                                      "552 5.2.2 <news@sender.test>: full", "550 5.7.1 news@sender.test is blocked"}) {
    Reply reply{.code = std::stoi(std::string(text.substr(0, 3))), .lines = std::string(text.substr(4))};
    std::string_view rest = reply.lines;
    reply.enhanced = TakeEnhancedCode(rest);
    EXPECT_EQ(Heard(text), Classify(Phase::kRcpt, reply)) << text;
  }
}

}  // namespace
}  // namespace sealift::engine
