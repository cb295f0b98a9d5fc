#include "engine/shaping/classification.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "engine/shaping/reply_rules.h"
#include "engine/shaping/reply_subject.h"

namespace sealift::engine {
namespace {

Reply ReplyOf(std::string_view text) {
  Reply reply;
  reply.code = std::stoi(std::string(text.substr(0, 3)));
  reply.lines = text.size() > 4 ? text.substr(4) : "";
  std::string_view rest = reply.lines;
  const std::optional<EnhancedCode> enhanced = TakeEnhancedCode(rest);
  if (enhanced.has_value() && enhanced->cls == reply.code / 100) reply.enhanced = enhanced;
  return reply;
}

// "bounce bad_mailbox recipient", with " close" when the session ends.
std::string Judged(Phase phase, std::string_view text) {
  const Verdict verdict = Classify(phase, ReplyOf(text));
  EXPECT_FALSE(verdict.rule.empty());
  return fmt::format("{} {} {}{}", ToString(verdict.action), ToString(verdict.reason_class), ToString(verdict.about),
                     verdict.close ? " close" : "");
}

TEST(ClassificationTest, PositiveReplyToTheFinalDotDelivers) {
  EXPECT_EQ(Judged(Phase::kContent, "250 2.0.0 Ok: queued"), "deliver none recipient");
  EXPECT_EQ(Judged(Phase::kContent, "299 odd"), "deliver none recipient");
}

TEST(ClassificationTest, OtherPositiveRepliesDeliverNothing) {
  EXPECT_EQ(Judged(Phase::kData, "250 what"), "defer protocol host close");
  EXPECT_EQ(Judged(Phase::kContent, "354 what"), "defer protocol host close");
}

TEST(ClassificationTest, TransientRepliesDefer) {
  for (const Phase phase : {Phase::kGreeting, Phase::kEhlo, Phase::kStartTls, Phase::kMail, Phase::kRcpt, Phase::kData,
                            Phase::kContent, Phase::kReset}) {
    for (const std::string_view text : {"450 4.2.0 x", "451 x", "452 4.2.2 mailbox full", "450 4.1.1 user unknown",
                                        "499 odd", "421 4.7.0 x", "454 tls"}) {
      EXPECT_EQ(Classify(phase, ReplyOf(text)).action, Action::kDefer) << text;
    }
  }
}

TEST(ClassificationTest, FourTwentyOneCloses) {
  EXPECT_EQ(Judged(Phase::kRcpt, "421 closing"), "defer unavailable host close");
  EXPECT_EQ(Judged(Phase::kContent,
                   "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume"),
            "defer rate source close");
}

TEST(ClassificationTest, RefusedGreetingIsAboutTheHost) {
  EXPECT_EQ(Judged(Phase::kGreeting, "554 no SMTP service here"), "defer policy host close");
  EXPECT_EQ(Judged(Phase::kGreeting, "554 5.1.1 user unknown"), "defer policy host close");
  EXPECT_EQ(Judged(Phase::kGreeting, "554 5.7.1 blocked using zen.spamhaus.org"), "defer reputation source close");
  EXPECT_EQ(Judged(Phase::kEhlo, "550 no"), "defer policy host");
  EXPECT_EQ(Judged(Phase::kStartTls, "454 4.7.0 not now"), "defer tls host");
}

TEST(ClassificationTest, PermanentReplyAboutTheSenderDefers) {
  EXPECT_EQ(Judged(Phase::kMail, "550 5.1.8 Sender address rejected: Domain not found"), "defer authentication domain");
  EXPECT_EQ(Judged(Phase::kMail, "550 user unknown"), "defer policy sender");
  EXPECT_EQ(Judged(Phase::kRcpt, "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using dnsbl"),
            "defer reputation source");
  EXPECT_EQ(Judged(Phase::kContent, "550-5.7.26 Unauthenticated email is not accepted due to DMARC policy"),
            "defer authentication domain");
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.28 mail from your IP"), "defer reputation source");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.7.25 The IP has no PTR record"), "defer authentication source");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.7.1 Too many messages, slow down"), "defer rate source");
  EXPECT_EQ(Judged(Phase::kRcpt, "530 5.7.0 Must issue a STARTTLS command first"), "defer tls host");
  EXPECT_EQ(Judged(Phase::kRcpt, "554 5.7.1 Relay access denied"), "defer policy host");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.7.1 refused for policy reasons"), "defer policy sender");
}

TEST(ClassificationTest, PermanentReplyAboutTheRecipientBounces) {
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.1.1 <jane@d1.test>: User unknown"), "bounce bad_mailbox recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 No such user here"), "bounce bad_mailbox recipient");
  EXPECT_EQ(Judged(Phase::kContent, "550 5.1.1 x"), "bounce bad_mailbox recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "552 5.2.2 mailbox full"), "bounce full recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.2.1 account disabled"), "bounce inactive recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.1.2 x"), "bounce bad_domain recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "556 5.1.10 x"), "bounce bad_domain recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 no"), "bounce other recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "599 odd"), "bounce other recipient");
}

TEST(ClassificationTest, PermanentReplyAboutTheContentBounces) {
  EXPECT_EQ(Judged(Phase::kContent, "554 5.7.1 Message content rejected"), "bounce content content");
  EXPECT_EQ(Judged(Phase::kContent, "552 5.3.4 Message too big"), "bounce too_large content");
  EXPECT_EQ(Judged(Phase::kMail, "552 5.3.4 Message size exceeds fixed limit"), "bounce too_large content");
  EXPECT_EQ(Judged(Phase::kContent, "554 no"), "bounce other content");
  EXPECT_EQ(Judged(Phase::kContent, "554 5.6.0 x"), "bounce content content");
}

TEST(ClassificationTest, PlainFiveFiftyTwoToRcptIsTooManyRecipients) {
  EXPECT_EQ(Judged(Phase::kRcpt, "552 no"), "defer rate sender");
  EXPECT_EQ(Judged(Phase::kRcpt, "552 Too many recipients"), "defer rate source");
  EXPECT_EQ(Judged(Phase::kRcpt, "552 mailbox full").substr(0, 5), "defer");
  EXPECT_EQ(Judged(Phase::kRcpt, "552 1 Requested mail action aborted, mailbox not found"),
            "bounce bad_mailbox recipient");
}

TEST(ClassificationTest, AnAddressIsNotTakenForAReason) {
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.1.1 <spam.blacklist@greylist.spamhaus.test>: User unknown"),
            "bounce bad_mailbox recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 \"rate limit\"@d1.test unknown user"), "bounce bad_mailbox recipient");
}

TEST(ClassificationTest, SenderTroubleIsNeverABadMailbox) {
  for (const std::string_view text :
       {"550 5.1.8 Domain of sender address does not exist", "553 5.1.8 Sender address does not exist",
        "550 5.1.0 sender domain does not exist", "550 5.7.1 Client host rejected: cannot find your reverse hostname",
        "550 5.1.1 203.0.113.2 has sent to too many recipients this hour", "550 sender verify failed: no such user",
        "550 Your IP is listed at zen.spamhaus.org, user unknown", "550 5.7.1 Unable to relay",
        "550 5.1.1 You are sending too fast: no such user", "550 SPF check failed: mailbox unavailable",
        "550 Absender unbekannt", "550 Mittente sconosciuto", "550 Expediteur inconnu"}) {
    const Verdict verdict = Classify(Phase::kRcpt, ReplyOf(text));
    EXPECT_NE(verdict.reason_class, ReasonClass::kBadMailbox) << text;
    EXPECT_EQ(verdict.action, Action::kDefer) << text;
  }
}

// x.1.7 and x.1.8 are about the sender's address (RFC 3463), whatever the words say that there is none of.
TEST(ClassificationTest, ACodeOfTheSendersAddressDecides) {
  for (const std::string_view text :
       {"553 5.1.8 <b@x.test>: user unknown", "550 5.1.8 No such user", "554 5.1.8 The mailbox does not exist",
        "550 5.1.8 mailbox unavailable", "550 5.1.7 no such user here",
        "550 5.1.7 The address is not valid: unknown user", "553 5.1.7 mailbox name invalid",
        "550 5.1.8 Domain does not exist", "550 5.1.8 account disabled", "552 5.1.8 mailbox full",
        "550 no such user (#5.1.8)", "550 mailbox unavailable (#5.1.7)"}) {
    EXPECT_EQ(Judged(Phase::kRcpt, text), "defer authentication domain") << text;
  }
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.1.8 Access denied, bad outbound sender"), "defer reputation source");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.1.6 No such user"), "bounce bad_mailbox recipient");
}

TEST(ClassificationTest, TheSenderHasManyNames) {
  for (const std::string_view text : {"550 Sending user does not exist",
                                      "550 Reverse-path address not found, no such mailbox",
                                      "550 5.1.1 bounce address does not exist here",
                                      "550 5.1.1 user unknown; your bounce address failed verification",
                                      "550 5.1.1 Originator mailbox not found",
                                      "550 5.1.1 originating mailbox does not exist",
                                      "550 5.1.1 Callback to originating address failed: user unknown",
                                      "550 5.1.1 Callback failed: no such user",
                                      "550 5.1.1 envelope-from user unknown in virtual mailbox table",
                                      "550 5.1.1 RFC5321.MailFrom user unknown",
                                      "550 5.1.1 mailfrom: no such user",
                                      "550 5.1.1 reply-to address does not exist",
                                      "550 5.1.1 SRS address unknown",
                                      "550 Your e-mail address does not exist",
                                      "550 Your account does not exist",
                                      "550 5.1.1 Author address: no such mailbox",
                                      "550 5.2.1 The sender mailbox is disabled",
                                      "550 5.2.1 Your account has been disabled for sending",
                                      "550 5.2.1 sending account is disabled",
                                      "550 5.1.1 MX for origin domain not found",
                                      "550 5.1.1 Sender mailbox unknown",
                                      "550 Sender callout verification failed: no such user",
                                      "550 The originator's mailbox could not be found",
                                      "550 5.1.1 MAIL FROM: unknown user",
                                      "550 5.1.1 Return-path mailbox does not exist",
                                      "550 5.2.1 Your mailbox is suspended",
                                      "550 5.1.1 Callout to sender failed: no such user",
                                      "550 5.1.1 Call-back failed: no such user",
                                      "550 Sender mailbox unavailable",
                                      "550 5.1.1 Your mailbox unavailable",
                                      "550 5.1.1 No such originator",
                                      "550 5.1.1 VERP address does not exist",
                                      "550 5.1.1 The address you are sending from does not exist",
                                      "550 5.1.1 From: no such user",
                                      "550 From: user unknown",
                                      "550 5.1.1 From: <x@y.test>: no such mailbox",
                                      "550 5.1.0 FROM: mailbox unavailable",
                                      "550 5.1.1 Unknown user in From",
                                      "550 5.1.1 Invalid mailbox in MAIL FROM",
                                      "550 5.2.1 From: account disabled",
                                      "550 5.1.1 Reply-To: no such user",
                                      "550 5.1.2 Domain of the originator is unknown: originator domain not found"}) {
    EXPECT_EQ(Judged(Phase::kRcpt, text), "defer authentication domain") << text;
  }
}

// Whose account it is that is switched off is said by what it did: it sent.
TEST(ClassificationTest, AnAccountThatMayNotSendIsNotTheRecipients) {
  for (const std::string_view text :
       {"451 Account Outbounds disabled", "550 5.7.1 Account outbound disabled",
        "550 Account outbound mail is disabled", "550 5.2.1 Outgoing mail is suspended for this account",
        "550 5.7.0 Sending is disabled for this account", "550 Account disabled for sending",
        "550 5.2.1 account is blocked from sending", "550 5.7.1 Submission from this account is disabled",
        "550 SMTP account disabled", "550 5.2.1 The account sending this message is disabled",
        "550 5.2.1 Mail from this account has been suspended",
        "550 The account you are using to send has been suspended", "550 5.2.1 Inactive sender",
        "550 disabled account of sender", "550 unknown account of the sender", "550 no such user for the sender",
        "550 5.1.0 rejected: our From address", "550 5.1.1 From field address does not exist"}) {
    const Verdict verdict = Classify(Phase::kRcpt, ReplyOf(text));
    EXPECT_EQ(verdict.action, Action::kDefer) << text;
    EXPECT_TRUE(IsAboutUs(verdict.about)) << text;
  }
  for (const std::string_view text :
       {"550 5.2.1 error sending to inactive mailbox", "550 Sending to disabled user",
        "550 5.2.1 Message sending failed because the mailbox is disabled", "550 Mailbox of the recipient disabled",
        "550 The email account that you tried to reach is disabled", "550 mailbox is disabled for this user"}) {
    EXPECT_EQ(Classify(Phase::kRcpt, ReplyOf(text)).reason_class, ReasonClass::kInactive) << text;
  }
}

// Exim asks the host behind it, and quotes what that said.
TEST(ClassificationTest, WhatACalloutWasToldDecides) {
  const auto judged = [](std::string_view told) {
    return Judged(Phase::kRcpt, fmt::format("550-Callout verification failed: 550 {}", told));
  };
  EXPECT_EQ(judged("550 Recipient's mailbox is full, user account inactive"), "bounce inactive recipient");
  EXPECT_EQ(judged("552 5.2.2 over quota"), "bounce full recipient");
  EXPECT_EQ(judged("550 5.2.1 mailbox is disabled"), "bounce inactive recipient");
  EXPECT_EQ(judged("550 no such user here"), "bounce bad_mailbox recipient");
  EXPECT_EQ(judged("550 Administrative prohibition"), "bounce other recipient");
  EXPECT_EQ(judged("450 4.7.1 greylisted, come back later"), "defer greylisted sender");
  // That was said of the host that called, not of us.
  EXPECT_EQ(judged("554 5.7.1 Client host [192.0.2.50] blocked using zen.spamhaus.example"), "defer unavailable host");
  EXPECT_EQ(judged("550 5.7.1 sender address rejected"), "defer unavailable host");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 Callout verification failed"), "bounce other recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 Recipient domain verification failed"), "bounce other recipient");
  // The code is of the host that asked.
  for (const std::string_view text :
       {"550 5.1.1 Callout verification failed: 550 user suspended",
        "550 5.1.1 <u1@d1.test>: undeliverable address: host d2.test said: 550 5.2.1 account is disabled"}) {
    EXPECT_EQ(Judged(Phase::kRcpt, text), "bounce inactive recipient") << text;
  }
  EXPECT_EQ(Judged(Phase::kRcpt, "550 Verification failed for <b@sender.test>"), "defer authentication sender");
}

TEST(ClassificationTest, WhoCouldNotFindOutIsAskedAgain) {
  for (const std::string_view text :
       {"550 5.1.1 <r@d.test>: Recipient address rejected: unverified address: Address verification in progress",
        "550 5.1.1 <r@d.test>: Recipient address rejected: undeliverable address: mail for d.test loops back to myself",
        "550 5.1.1 <r@d.test>: undeliverable address: connect to mx.d.test[192.0.2.1]:25: Connection timed out",
        "550 5.1.1 Recipient could not be verified at this time",
        "550 5.1.1 Unable to verify user, please try again later",
        "550 5.1.1 LDAP lookup failed, cannot verify user at this time",
        "550 5.1.1 Directory server unavailable - recipient could not be verified",
        "550 5.1.1 <r@d1.test>: Recipient address rejected: unverified address: host d1.test said: 450 4.2.1 disabled",
        "550 5.1.1 <r@d1.test>: Recipient address rejected: Try again",
        "554 Cannot deliver to <r@d1.test>: server configuration problem", "550 5.1.1 user database unavailable",
        "550 5.1.1 address lookup failed: Temporary failure in name resolution",
        "550 5.1.1 <r@d.test>... Deferred: mailbox server offline"}) {
    const Verdict verdict = Classify(Phase::kRcpt, ReplyOf(text));
    EXPECT_EQ(verdict.action, Action::kDefer) << text;
  }
}

TEST(ClassificationTest, WhoContradictsHimselfOrCannotBeReadIsHeardAgain) {
  for (const std::string_view text :
       {"550 4.1.1 <r@d.test>: Recipient address rejected: User unknown in relay recipient table",
        "550 5.1.1 ??????????? ?? ??????????", "550 5.1.1 Пользователь не найден", "550 用户不存在",
        "550 宛先ユーザーは存在しません", "550 존재하지 않는 사용자입니다", "550 5.1.1 No such user (From)"}) {
    EXPECT_EQ(Classify(Phase::kRcpt, ReplyOf(text)).remedy, Remedy::kSuppressAgain) << text;
  }
}

TEST(ClassificationTest, OfWhomAndWhatItIsSaidInOtherTongues) {
  for (const std::string_view text :
       {"550 5.1.1 Avsandaren finns inte", "550 5.1.1 Afsenderens adresse findes ikke",
        "550 5.1.1 Gonderen adres bulunamadi", "550 5.1.1 El emisor no existe",
        "550 5.1.1 direccion de origen no valida", "550 5.1.1 Konto des Versenders existiert nicht",
        "550 5.1.1 Ihre IP-Adresse ist unbekannt", "550 5.1.1 Ihr Server ist hier nicht bekannt",
        "550 5.1.1 Votre serveur est inconnu", "550 5.1.1 Su IP no existe en DNS inverso",
        "550 5.1.1 The account that sent this message does not exist",
        "550 5.1.1 The address you sent from is not a valid mailbox",
        "550 5.1.1 203.0.113.9 is not a valid host: no such name in DNS",
        "550 5.1.1 Dictionary attack detected: user unknown", "501 5.5.4 Invalid domain name in HELO",
        "550 HELO mta1.sender.test does not exist", "550 EHLO mta1 is invalid", "550 Suspected spam ip"}) {
    const Verdict verdict = Classify(Phase::kRcpt, ReplyOf(text));
    EXPECT_EQ(verdict.action, Action::kDefer) << text;
    EXPECT_TRUE(IsAboutUs(verdict.about)) << text;
  }
}

TEST(ClassificationTest, WhatIsSaidOfADomainThatWeSignForIsNotOfOneSource) {
  for (const std::string_view text :
       {"421 4.7.28 Gmail has detected an unusual rate of unsolicited mail containing one of your DKIM domains. To "
        "protect our users from spam, mail containing your DKIM domains has been temporarily rate limited",
        "421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your SPF domain",
        "450 4.7.0 rate limited: mail containing one of your URL domains",
        "421 4.7.28 mail originating from your SPF domain has been temporarily rate limited"}) {
    EXPECT_EQ(Classify(Phase::kContent, ReplyOf(text)).about, About::kDomain) << text;
    EXPECT_EQ(Classify(Phase::kContent, ReplyOf(text)).reason_class, ReasonClass::kRate) << text;
  }
  EXPECT_EQ(Classify(Phase::kContent, ReplyOf("550 5.7.1 your DKIM domain does not align with From")).reason_class,
            ReasonClass::kAuthentication);
}

TEST(ClassificationTest, WhoNamesTheSenderMayMeanTheRecipient) {
  for (const std::string_view text :
       {"550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the "
        "recipient's email address for typos",
        "550 5.1.1 <x@y.test>: Recipient address rejected: User unknown; please notify the sender",
        "550 Requested action not taken: mailbox unavailable. Your message was not delivered",
        "550 5.1.1 Returned to sender: user unknown", "550 Returned to sender: mailbox unavailable",
        "550 Undeliverable mail from <n@x.test>: no such user", "550 5.1.1 Please inform the sender: no such user here",
        "550 5.1.1 user unknown; sent from mx.y.test", "550 5.1.1 user unknown, the originator has been notified",
        "550 5.1.1 Your message to <x@y.test> cannot be delivered: no such mailbox",
        "550-Callout verification failed: 550 550 No Such User Here", "550 Recipient callback failed: user unknown",
        "550 5.1.1 Your email could not be delivered: the recipient's mailbox does not exist",
        "550 5.1.1 Your recipient does not exist", "550 5.1.1 Error sending: user unknown",
        "550 5.1.1 The address you are sending to does not exist",
        "550 5.1.1 <x@y.test>: undeliverable address: host mx.y.test said: 550 no such user (in reply to RCPT TO)",
        "550 5.1.1 There is no such user here. Check it, and write to the author again"}) {
    EXPECT_EQ(Judged(Phase::kRcpt, text), "bounce bad_mailbox recipient") << text;
  }
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.2.1 Returned to sender: mailbox disabled"), "bounce inactive recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.2.1 The account is disabled, please notify the sender"),
            "bounce inactive recipient");
}

// "Spam" is why, and what is blocked is an address, a server, a domain.
TEST(ClassificationTest, WhoIsBlockedIsToldFromWhy) {
  for (const std::string_view ip : {"192.0.2.7", "[192.0.2.7]", "2001:db8::7"}) {
    for (const std::string_view why : {"blocked by anti-spam filter", "is on our spam list", "listed for phishing",
                                       "rejected due to spam", "is known as a virus source"}) {
      EXPECT_EQ(Judged(Phase::kRcpt, fmt::format("554 5.7.1 Client host {} {}", ip, why)), "defer reputation source");
      EXPECT_EQ(Judged(Phase::kRcpt, fmt::format("550 5.7.1 {} {}", ip, why)), "defer reputation source");
    }
  }
  EXPECT_EQ(Judged(Phase::kRcpt, "550 SC-003 Mail rejected for policy reasons. Your IP address appears to be a proxy"),
            "defer reputation source");
  EXPECT_EQ(Judged(Phase::kContent, "550 SC-001 Mail rejected for policy reasons, content with spam-like traits"),
            "bounce content content");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.7.1 Sender domain mail.d1.test listed by SURBL"), "defer reputation domain");
}

TEST(ClassificationTest, AnAddressThatIsQuotedBesideIsNotWhatIsBlocked) {
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.1 message looks like spam, see http://d1.test/ip/192.0.2.7"),
            "bounce content content");
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.1 URL in message listed in SURBL"), "bounce content content");
  EXPECT_EQ(Judged(Phase::kContent, "554 5.7.1 message from 192.0.2.7 rejected as spam"), "bounce content content");
  EXPECT_EQ(Judged(Phase::kRcpt, "552 5.2.2 message from 192.0.2.7 refused: mailbox full"), "bounce full recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.7.1 message from 192.0.2.7 refused"), "defer reputation source");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 This server is in maintenance mode"), "defer unavailable host");
}

TEST(ClassificationTest, WhereTheAddressStoodTheSentenceIsReadWithoutIt) {
  for (const std::string_view text :
       {"550 <u1@d1.test> is unknown at this system", "550 u1@d1.test unknown", "550 5.1.1 u1@d1.test does not exist",
        "550 user u1@d1.test not listed", "550 The user specified is not hosted here"}) {
    EXPECT_EQ(Classify(Phase::kRcpt, ReplyOf(text)).remedy, Remedy::kSuppress) << text;
  }
  EXPECT_EQ(Judged(Phase::kRcpt, "550 The domain specified is not hosted here"), "bounce bad_domain recipient");
  EXPECT_NE(Classify(Phase::kRcpt, ReplyOf("550 192.0.2.7 is unknown at this system")).reason_class,
            ReasonClass::kBadMailbox);
}

TEST(ClassificationTest, WhoCountsUnknownUsersOrAsksOfOursSpeaksOfUs) {
  for (const std::string_view text :
       {"550 Exceeded the number of unknown users", "550 5.1.1 Unknown recipient limit reached",
        "550 5.1.1 A high percentage of invalid addresses", "550 5.1.1 verification of sender failed: no such mailbox",
        "550 5.1.1 <r@d1.test>: Recipient address rejected: Client host not permitted"}) {
    const Verdict verdict = Classify(Phase::kRcpt, ReplyOf(text));
    EXPECT_EQ(verdict.action, Action::kDefer) << text;
    EXPECT_TRUE(IsAboutUs(verdict.about)) << text;
  }
}

TEST(ClassificationTest, GreylistingIsKnown) {
  EXPECT_EQ(Judged(Phase::kRcpt, "450 4.2.0 <x@d1.test>: Recipient address rejected: Greylisted, see http://postgrey"),
            "defer greylisted sender");
  EXPECT_EQ(Judged(Phase::kRcpt, "451 4.7.1 Greylisting in action, please come back later"), "defer greylisted sender");
}

TEST(ClassificationTest, ASentenceIsReadByItsGrammar) {
  for (const std::string_view who :
       {"Mailbox", "The account", "User jane", "Recipient address", "Postfach", "Utilisateur"}) {
    for (const std::string_view nobody :
         {"does not exist", "is unknown", "could not be found", "existiert nicht", "inconnu"}) {
      EXPECT_EQ(Judged(Phase::kRcpt, fmt::format("550 {} {}", who, nobody)), "bounce bad_mailbox recipient");
    }
  }
  EXPECT_EQ(Judged(Phase::kRcpt, "550 The mailbox of the winner does not exist"), "bounce other recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.2.1 Konto gesperrt"), "bounce inactive recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "552 5.2.2 Casella piena"), "bounce full recipient");
}

TEST(ClassificationTest, ATopicSaysMoreThanACodeThatIsGivenForAnything) {
  EXPECT_EQ(Judged(Phase::kRcpt, "450 4.7.1 Not at that speed"), "defer rate source");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.7.1 Not at that speed"), "defer rate source");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.1.1 Not at that speed"), "bounce bad_mailbox recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.7.25 Not at that speed"), "defer authentication source");
}

TEST(ClassificationTest, WhoSpeaksOfUsSuppressesNobodyAtOnce) {
  for (const std::string_view text : {"550 5.1.1 no such user; blocked", "550 user unknown to your server",
                                      "550 5.1.1 mailbox not found, or against our policy"}) {
    EXPECT_NE(Classify(Phase::kRcpt, ReplyOf(text)).remedy, Remedy::kSuppress) << text;
  }
}

TEST(ClassificationTest, ACodeIsBelievedAtOnceWhereNothingElseIsSaid) {
  const auto remedy = [](std::string_view text) { return Classify(Phase::kRcpt, ReplyOf(text)).remedy; };
  for (const std::string_view text :
       {"550 5.1.1", "550 5.1.1 <jane@d1.test>", "550 5.1.1 <jane@d1.test>: Recipient address rejected: d1.test",
        "550 5.1.1 Requested action not taken", "550 5.1.1 Sorry, recipient rejected [mx3-77af]", "550 sorry (#5.1.1)",
        "550 5.1.6 rejected", "551 <jane@d1.test>"}) {
    EXPECT_EQ(remedy(text), Remedy::kSuppress) << text;
  }
  for (const std::string_view text :
       {"550 5.1.1 Service not offered to your country", "550 5.1.1 rejected: see https://d1.test/why",
        "550 5.1.1 see www.d1.test/why", "550 5.1.1 Bitte wenden Sie sich an den Betrieb",
        "550 ask the office (#5.1.1)", "550 5.1.6 Rule 17 applies", "551 Not from abroad",
        "550 5.1.1 Not in your contract", "550 Unknown customer number", "550 5.1.1 forwarded to nobody"}) {
    EXPECT_EQ(remedy(text), Remedy::kSuppressAgain) << text;
  }
}

TEST(ClassificationTest, WhoSpeaksOfNowOrOfEncryptionDoesNotSayThatThereIsNobody) {
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.1.1 Temporary problem"), "defer unavailable host");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.1.1 This mailbox is being moved, come back tomorrow"),
            "defer unavailable host");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.1.1 Only encrypted mail here"), "defer tls host");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.1.1 Account database cannot be reached"), "defer unavailable host");
}

TEST(ClassificationTest, WhoDoesNotWantOurMailSaysNothingOfOurSource) {
  for (const std::string_view text :
       {"550 User in blacklist: recipient has blacklisted you", "550 5.7.1 Blacklisted by recipient",
        "550 5.7.1 sender blacklisted by user", "550 5.7.1 You are on this recipient's black list",
        "550 5.7.1 The receiver denied your mail", "554 5.7.1 The recipient definitively does not want your mail",
        "554 5.7.1 the recipient is only accepting mail from specific email addresses",
        "554 5.7.1 d1.test is a closed system", "554 5.7.1 The user you are trying to contact has blocked you",
        "550 5.7.1 The addressee has banned your domain", "550 the mailbox owner has put you on a block list",
        "550 5.1.1 You have been blocked by the user", "550 5.7.1 The addressee doesn't want mail from you",
        "550 5.1.1 This recipient has blocked your address", "550 5.7.1 refused by this subscriber"}) {
    EXPECT_EQ(Judged(Phase::kRcpt, text), "bounce policy recipient") << text;
  }
}

TEST(ClassificationTest, WhoRefusesTheRecipientAndSaysNoMoreDoesNotSlowUs) {
  for (const std::string_view text :
       {"554 5.7.1 Recipient rejected (plala)", "554 5.7.1 <u1@d1.test>: Recipient address rejected: Access denied",
        "550 cuda_nsu 5.4.1 [u1@d1.test]: Recipient address rejected: Access denied",
        "550 5.7.1 Access denied for this mailbox", "550 5.7.0 recipient not authorized"}) {
    EXPECT_EQ(Judged(Phase::kRcpt, text), "bounce policy recipient") << text;
  }
  for (const std::string_view text :
       {"550 5.7.1 Recipient rejected for policy reasons", "550 5.7.1 Recipient address rejected: your host is denied",
        "550 5.7.1 Access denied", "550 5.7.1 Recipient address rejected: 192.0.2.7 denied",
        "550 5.7.1 Recipient rejected: this message does not meet our delivery requirements"}) {
    const Verdict verdict = Classify(Phase::kRcpt, ReplyOf(text));
    EXPECT_EQ(verdict.action, Action::kDefer) << text;
    EXPECT_TRUE(IsAboutUs(verdict.about)) << text;
  }
  EXPECT_EQ(Judged(Phase::kMail, "550 5.7.1 Recipient rejected"), "defer policy sender");
  EXPECT_EQ(Judged(Phase::kRcpt, "450 4.7.1 Recipient rejected"), "defer policy sender");
}

// An IP of ours that is only named is no reason: what is said of the mailbox is.
TEST(ClassificationTest, WhoIsNamedBesideIsNotBlamed) {
  for (const std::string_view text :
       {"550 5.1.1 User unknown (your server: 192.0.2.7)", "550 unknown user u1 [connection from ip 192.0.2.7]",
        "550 5.1.1 No such user. Your IP will be reported for abuse",
        "551 5.1.6 u1 has moved to u1@d2.test, please update your address book",
        "550 5.1.1 User unknown (connecting host 192.0.2.7)", "550 no such user here; your mta was logged",
        "550 5.1.1 sending server 192.0.2.7: user unknown"}) {
    const Verdict verdict = Classify(Phase::kRcpt, ReplyOf(text));
    EXPECT_EQ(verdict.reason_class, ReasonClass::kBadMailbox) << text;
    EXPECT_EQ(verdict.remedy, Remedy::kSuppressAgain) << text;  // never at once
  }
  EXPECT_EQ(Judged(Phase::kRcpt, "552 5.2.2 over quota, your server may retry tomorrow"), "bounce full recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.2.1 mailbox disabled, your mail server should not try again"),
            "bounce inactive recipient");
  for (const std::string_view text :
       {"550 5.7.1 Your IP has earned a place on our list", "554 5.7.1 Fix your server", "550 your ip 192.0.2.7",
        "550 5.1.1 User unknown, your IP is blocked", "550 5.2.1 your server has been disabled",
        "550 your host is unknown", "550 5.1.1 sending server is unknown",
        "550 5.1.1 mailbox unavailable: policy block of sender network AS64500",
        "550 5.7.1 Access for 192.0.2.7 is locked", "554 5.7.1 192.0.2.7 expired from our allow list, mail is refused",
        "550 5.7.1 Your server is not on our whitelist", "550 5.7.1 IP address blacklisted by recipient",
        "550 5.7.1 recipient server refuses your IP", "550 Service is disabled for your IP",
        "550 5.7.1 IP address no longer valid", "550 Invalid recipients from this IP",
        "550 5.7.1 IP exceeded spam limits", "550 5.1.1 user unknown, too many of these from your host"}) {
    EXPECT_EQ(Judged(Phase::kRcpt, text), "defer reputation source") << text;
  }
}

TEST(ClassificationTest, WhatWeSendTooMuchOfIsNoTroubleOfTheRecipient) {
  for (const std::string_view text :
       {"550 Sendelimit ueberschritten", "550 Zu viele Empfaenger von Ihrem Server", "550 Limite de envio excedido",
        "550 Se ha superado el límite de envíos", "550 Limite di invio superato", "550 Przekroczono limit wysyłki",
        "550 Limite d'envoi depassee pour votre serveur", "421 Zbyt wiele polaczen", "421 Demasiadas sesiones",
        "550 Nombre maximal de messages dépassé", "550 Limite de débit dépassée",
        "550 mail quota for host 192.0.2.7 exceeded", "550 quota exceeded for your IP",
        "550 your server has exceeded its quota", "552 too many same size mails"}) {
    EXPECT_EQ(Judged(Phase::kRcpt, text).substr(0, 17), "defer rate source") << text;
  }
  EXPECT_EQ(Judged(Phase::kRcpt, "552 5.2.2 quota for user exceeded"), "bounce full recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 El buzón tiene demasiados mensajes en la bandeja"), "bounce full recipient");
  EXPECT_EQ(Judged(Phase::kContent, "552 Too much mail data"), "bounce full recipient");
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.1 spam score exceeded threshold"), "bounce content content");
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.1 192.0.2.7 has a spam score of 9.1"), "defer reputation source");
}

TEST(ClassificationTest, WhatIsSaidOfOurDomainReachesAsFarAsItIsSignedFor) {
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.1 The domain sender.test has a bad reputation with us"),
            "defer reputation domain");
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.1 mails signed by sender.test received too many complaints today"),
            "defer reputation domain");
  EXPECT_EQ(Judged(Phase::kMail, "550 Domain frequency limited"), "defer rate domain");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.2.2 storage limit reached for domain d1.test"), "bounce full recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.7.1 sender.test is in our blocked senders pool"), "defer reputation domain");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.7.1 192.0.2.7 is in our blocked senders pool"), "defer reputation source");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.7.1 you are among the recipient's blocked senders"), "bounce policy recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 Domena nadawcy nie istnieje"), "defer authentication domain");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 Your email does not exist"), "defer authentication domain");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 Your address is unknown"), "defer authentication domain");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 sending from sender.test has been suspended for abuse"), "defer policy sender");
  EXPECT_EQ(
      Judged(Phase::kContent, "421 4.7.23 The IP address doesn't have a PTR record. Your email has been rate limited."),
      "defer authentication source close");
  EXPECT_EQ(Judged(Phase::kContent,
                   "451 4.7.24 The SPF record of the sending domain is suspicious, mail is temporarily rate limited."),
            "defer authentication domain");
  EXPECT_EQ(Judged(Phase::kMail, "451 4.1.8 Domain of sender address b@sender.test does not resolve"),
            "defer authentication domain");
  EXPECT_EQ(Judged(Phase::kMail, "451 4.7.700 PFA agent busy, please try again"), "defer unavailable host");
}

TEST(ClassificationTest, WhatMayMeanAnythingMakesASuspicionAtMost) {
  for (const std::string_view text :
       {"550 SL E515 Email not exist", "550 mailbox u1 unavailable or not local",
        "550 Diese Adresse ist nicht mehr verfügbar", "550 5.5.1 Recipient rejected - OXSEU0001_403"}) {
    const Verdict verdict = Classify(Phase::kRcpt, ReplyOf(text));
    EXPECT_EQ(verdict.reason_class, ReasonClass::kBadMailbox) << text;
    EXPECT_EQ(verdict.remedy, Remedy::kSuppressAgain) << text;
  }
  EXPECT_EQ(Judged(Phase::kRcpt, "550 user not found in LDAP server"), "bounce bad_mailbox recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, "550 5.1.1 LDAP server not found"), "defer unavailable host");
}

TEST(ClassificationTest, WhatIsWrongWithTheMessageSaysNothingOfOurSource) {
  for (const std::string_view text :
       {"550 5.7.0 Reject, id=01234-05 - BANNED: multipart/mixed | application/x-msdownload,.exe,.exe-ms",
        "554 5.7.0 Reject, BANNED (.zip,.js)", "550 5.7.1 classified as bulk mail",
        "554 5.7.1 mail refused: contains macros", "550 5.7.1 Phishing.SpoofedBrand detected",
        "550 spoofed link text in message", "554 5.7.1 DKIM, SPF fine, but message content classified as spam"}) {
    EXPECT_EQ(Judged(Phase::kContent, text), "bounce content content") << text;
  }
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.1 spoofed sender"), "defer authentication domain");
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.1 anti-phishing: sender is spoofed"), "defer authentication domain");
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.1 SPF passed but mail of your IP is refused").substr(0, 5), "defer");
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.1 SPF passed, DKIM failed, refused as spam").substr(0, 5), "defer");
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.1 192.0.2.7 banned for spamming"), "defer reputation source");
}

TEST(ClassificationTest, AnAddressEndsBeforeASentence) {
  EXPECT_EQ(Plain(ReplyOf("550 jane@d1.test...User unknown")), " =550 user unknown @d1 @test ");
}

TEST(ClassificationTest, AFloodOfAddressesOrOfHalfPhrasesIsReadOnlySoFar) {
  std::string addresses = "550 5.1.1 user unknown";
  while (addresses.size() < 60'000) addresses += " a@b.c.d";
  EXPECT_LT(Plain(ReplyOf(addresses)).size(), 4096u);
  EXPECT_LT(Plain(ReplyOf("550 5.1.1 user unknown a@" + std::string(60'000, 'b'))).size(), 4096u);
  EXPECT_EQ(Judged(Phase::kRcpt, addresses), "bounce bad_mailbox recipient");
  std::string halves = "550 mailbox of jane";  // what would follow stands nowhere, or once, at the very end
  while (halves.size() < 900) halves += " mailbox of jane";
  EXPECT_EQ(Judged(Phase::kRcpt, halves), "bounce other recipient");
  EXPECT_EQ(Judged(Phase::kRcpt, halves + " is suspended"), "bounce inactive recipient");
}

TEST(ClassificationTest, FailuresWithoutAReply) {
  EXPECT_EQ(ClassifyFailure(ReasonClass::kTimeout).action, Action::kDefer);
  EXPECT_EQ(ClassifyFailure(ReasonClass::kTls).action, Action::kDefer);
  EXPECT_EQ(ClassifyFailure(ReasonClass::kNoMx).action, Action::kBounce);
  EXPECT_EQ(ClassifyFailure(ReasonClass::kBadDomain).action, Action::kBounce);
  EXPECT_EQ(ClassifyFailure(ReasonClass::kTimeout).rule, "timeout");
}

TEST(ClassificationTest, NamesAreLowerSnakeAndDifferent) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(ReasonClass::kOther); ++i) {
    const std::string_view name = ToString(static_cast<ReasonClass>(i));
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos);
    EXPECT_TRUE(names.insert(name).second) << name;
  }
}

TEST(ClassificationTest, PlainTextHasCodesWordsAndDomains) {
  EXPECT_EQ(Plain(ReplyOf("550 5.1.1 Can't <jane@mx.d1.test> RESOLVER.ADR--x")),
            " =550 #1.1 can t resolver adr x @mx @d1 @test ");
  EXPECT_EQ(Plain(ReplyOf("421")), " =421 ");
  EXPECT_EQ(Plain(ReplyOf("550 IP=192.0.2.7, [IPv6:2001:DB8::7]: 192.0.2.8:25. 4.7.28 10:20:30 192.0.2.7.d1.test")),
            " =550 ip #ip ipv6 #ip #ip 25 4 7 28 10 20 30 192 0 2 7 d1 test ");
  EXPECT_EQ(Plain(ReplyOf("550 http://d1.test/a?ip=192.0.2.7 d1.test/192.0.2.7")),
            " =550 http d1 test a ip 192 0 2 7 d1 test 192 0 2 7 ");
}

TEST(ClassificationTest, OnlyWhatIsSureIsSuppressedAtOnce) {
  const auto remedy = [](Phase phase, std::string_view text, std::string_view provider) {
    return ToString(RemedyAt(provider, Classify(phase, ReplyOf(text))));
  };
  EXPECT_EQ(remedy(Phase::kRcpt, "550 5.1.1 user unknown", "other"), "suppress");
  EXPECT_EQ(remedy(Phase::kRcpt, "450 4.1.1 user unknown", "other"), "none");
  // The words and the code contradict each other.
  EXPECT_EQ(remedy(Phase::kRcpt, "550 5.7.1 user unknown", "other"), "suppress_again");
  EXPECT_EQ(remedy(Phase::kRcpt, "550 5.2.1 user unknown", "other"), "suppress_again");
  // The recipient was taken before.
  EXPECT_EQ(remedy(Phase::kContent, "550 5.1.1 user unknown", "other"), "suppress_again");
  // A provider that says so of senders that it blocks.
  EXPECT_EQ(remedy(Phase::kRcpt, "550 5.5.0 Requested action not taken: mailbox unavailable", "other"), "suppress");
  EXPECT_EQ(remedy(Phase::kRcpt, "550 5.5.0 Requested action not taken: mailbox unavailable", "microsoft"),
            "suppress_again");
  EXPECT_EQ(remedy(Phase::kRcpt, "550 Unknown user jane@docomo.test", "other"), "none");
  EXPECT_EQ(remedy(Phase::kRcpt, "550 Unknown user jane@d1.test", "other"), "suppress");
}

TEST(ClassificationTest, WhatAReplyIsAboutSaysHowFarItReaches) {
  EXPECT_EQ(Judged(Phase::kContent,
                   "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your "
                   "DKIM domain [d1.test 36]"),
            "defer rate domain close");
  EXPECT_EQ(Judged(Phase::kContent, "421 4.7.28 an unusual rate of unsolicited mail originating from your IP address"),
            "defer rate source close");
  EXPECT_EQ(Judged(Phase::kMail, "550 5.7.1 part of their network is on our block list (S3140)"),
            "defer reputation network");
  EXPECT_EQ(Judged(Phase::kContent, "550 5.7.1 rejected due to having a domain present in the Spamhaus DBL"),
            "defer reputation domain");
}

// No words of ours are held against a mailbox, in no letters.
TEST(ClassificationTest, WhatIsSaidOfUsInOtherLettersDefers) {
  for (const std::string_view text :
       {"550 5.1.1 Отправитель не найден", "550 Адрес отправителя не существует", "550 5.1.1 发件人地址不存在",
        "550 寄件者不存在", "550 送信者が見つかりません", "550 발신자를 찾을 수 없습니다",
        "550 Адреса відправника не існує", "550 您的IP已被列入黑名单,用户不存在"}) {
    const Verdict verdict = Classify(Phase::kRcpt, ReplyOf(text));
    EXPECT_EQ(verdict.action, Action::kDefer) << text;
    EXPECT_TRUE(IsAboutUs(verdict.about)) << text;
  }
  EXPECT_EQ(Judged(Phase::kRcpt, "550 Возвращено отправителю: пользователь не найден"), "bounce bad_mailbox recipient");
}

TEST(ClassificationTest, OtherLettersAreReadAsTheyAreWritten) {
  EXPECT_EQ(Plain(ReplyOf("550 ПОЛУЧАТЕЛЬ Ещё <й@d1.test> ЇҐ")), " =550 получатель еще їґ @d1 @test ");
  EXPECT_EQ(Plain(ReplyOf("550 IP地址 メール、차단 zażółć")), " =550 ip 地 址 メ ー ル 차 단 za ");
  EXPECT_EQ(Plain(ReplyOf("550 a\xD0 \xE5\x9C b")), " =550 a b ");
}

TEST(ClassificationTest, VerdictIsOneWord) {
  const auto word = [](Phase phase, std::string_view text) { return Word(Classify(phase, ReplyOf(text))); };
  EXPECT_EQ(word(Phase::kContent, "250 ok"), "deliver");
  EXPECT_EQ(word(Phase::kRcpt, "450 4.2.0 Greylisted"), "retry");
  EXPECT_EQ(word(Phase::kRcpt, "552 5.2.2 mailbox full"), "bounce");
  EXPECT_EQ(word(Phase::kRcpt, "550 5.1.1 user unknown"), "suppress");
  EXPECT_EQ(word(Phase::kRcpt, "421 4.7.0 [TSS04] Messages temporarily deferred"), "slow");
  EXPECT_EQ(word(Phase::kRcpt, "550 5.7.606 Access denied, banned sending IP"), "stop");
}

TEST(ClassificationTest, RulesHaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (const RuleEntry& entry : AllRules()) EXPECT_TRUE(names.insert(entry.rule->name).second) << entry.rule->name;
}

// "a|b" holds b.
bool Holds(std::string_view choices, std::string_view word) {
  std::istringstream each{std::string(choices)};
  for (std::string choice; std::getline(each, choice, '|');) {
    if (choice == word) return true;
  }
  return false;
}

Phase PhaseOf(std::string_view name) {
  for (const Phase phase :
       {Phase::kGreeting, Phase::kEhlo, Phase::kMail, Phase::kRcpt, Phase::kData, Phase::kContent, Phase::kReset}) {
    if (ToString(phase) == name) return phase;
  }
  ADD_FAILURE() << "no such phase: " << name;
  return Phase::kRcpt;
}

// Reads a table of replies and what a postmaster reads in each, and demands that it is understood: where the parties
// are known, as a session does.
void Understand(const std::string& name, int at_least, const Parties* parties = nullptr) {
  std::ifstream file(SEALIFT_REPLIES + name);
  ASSERT_TRUE(file.is_open());
  int total = 0, class_right = 0, word_right = 0, hard_right = 0, false_suppressions = 0;
  std::string line, missed;
  while (std::getline(file, line)) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream columns(line);
    std::string phase, classes, words, text;
    std::getline(columns, phase, '\t');
    std::getline(columns, classes, '\t');
    std::getline(columns, words, '\t');
    std::getline(columns, text);
    const Reply reply = ReplyOf(text);
    const Verdict judged = Classify(PhaseOf(phase), reply);
    const Verdict verdict = parties == nullptr ? judged : Reconsider(judged, reply, *parties);
    ++total;
    const bool class_ok = Holds(classes, ToString(verdict.reason_class));
    const bool word_ok = Holds(words, Word(verdict));
    const bool suppresses = verdict.remedy == Remedy::kSuppress;
    // Nobody is there, whether that is believed at once or when it is heard again.
    const bool hard = verdict.action == Action::kBounce && (verdict.reason_class == ReasonClass::kBadMailbox ||
                                                            verdict.reason_class == ReasonClass::kBadDomain);
    const bool may_be_suspected =
        verdict.remedy == Remedy::kSuppressAgain && Holds(words, "bounce") && Holds(classes, "bad_mailbox");
    const bool may_be_hard = Holds(words, "suppress") || Holds(classes, "bad_domain") || may_be_suspected;
    const bool must_be_hard = may_be_hard && (Holds(classes, "bad_mailbox") || Holds(classes, "bad_domain")) &&
                              classes.find('|') == std::string::npos;
    const bool hard_ok = hard ? may_be_hard : !must_be_hard;
    class_right += class_ok ? 1 : 0;
    word_right += word_ok ? 1 : 0;
    hard_right += hard_ok ? 1 : 0;
    false_suppressions += suppresses && !Holds(words, "suppress") ? 1 : 0;
    if (!class_ok || !word_ok || !hard_ok) {
      missed += fmt::format("{}{}{} {} {}, not {} {}, by {}: {}\n", class_ok ? "-" : "c", word_ok ? "-" : "v",
                            hard_ok ? "-" : "h", ToString(verdict.reason_class), Word(verdict), classes, words,
                            verdict.rule, text.substr(0, 150));
    }
  }
  fmt::print("{} replies: class right {}, verdict right {}, hard or not right {}\n{}", total, class_right, word_right,
             hard_right, missed);
  ASSERT_GE(total, at_least);
  EXPECT_EQ(false_suppressions, 0) << missed;
  EXPECT_GE(hard_right, total * 98 / 100) << missed;
  EXPECT_GE(class_right, total * 9 / 10) << missed;
  EXPECT_GE(word_right, total * 9 / 10) << missed;
}

TEST(ClassificationTest, RepliesThatNoRuleWasWrittenForAreUnderstood) { Understand("replies.tsv", 300); }

TEST(ClassificationTest, RepliesInOtherWordsAreUnderstood) { Understand("replies_reworded.tsv", 120); }

TEST(ClassificationTest, RepliesOfOneOperatorAfterAnotherAreUnderstood) { Understand("replies_of_operators.tsv", 190); }

TEST(ClassificationTest, RepliesThatProvidersDocumentAreUnderstood) { Understand("replies_documented.tsv", 130); }

TEST(ClassificationTest, RepliesWrittenAfterTheRulesAreUnderstood) { Understand("replies_unseen.tsv", 130); }

TEST(ClassificationTest, RepliesHeldOutAreUnderstood) { Understand("replies_held_out.tsv", 200); }

TEST(ClassificationTest, RepliesInOtherLettersAreUnderstood) { Understand("replies_of_other_letters.tsv", 100); }

TEST(ClassificationTest, RepliesOfDoubtfulCodesAreUnderstood) { Understand("replies_of_doubtful_codes.tsv", 280); }

TEST(ClassificationTest, RepliesOfMailServersByTheirMakersAreUnderstood) { Understand("replies_of_mtas.tsv", 65); }

TEST(ClassificationTest, RepliesThatSayNobodyForNowAreUnderstood) { Understand("replies_for_now.tsv", 190); }

TEST(ClassificationTest, RepliesThatBlameAreUnderstood) { Understand("replies_of_blame.tsv", 480); }

TEST(ClassificationTest, RepliesThatWereMistakenAreUnderstood) { Understand("replies_mistaken.tsv", 102); }

TEST(ClassificationTest, RepliesGatheredElsewhereAreUnderstood) {
  const std::vector<std::string> domains = {"sender.test"};
  const Parties parties = {.recipient = "u1@d1.test",
                           .sender = "b@bounce.sender.test",
                           .hostname = "mta1.sender.test",
                           .signed_for = domains};
  Understand("replies_gathered.tsv", 620, &parties);
}

// sisimai's reasons and which of our classes say the same.
const std::map<std::string, std::set<std::string>>& SameClasses() {
  static const auto* const kSame = new std::map<std::string, std::set<std::string>>{
      {"userunknown", {"bad_mailbox"}},
      {"hasmoved", {"bad_mailbox"}},
      {"filtered", {"bad_mailbox", "policy", "inactive", "other"}},
      {"hostunknown", {"bad_domain"}},
      {"notaccept", {"bad_domain"}},
      {"mailboxfull", {"full"}},
      {"suspend", {"inactive"}},
      {"mesgtoobig", {"too_large"}},
      {"exceedlimit", {"too_large"}},
      {"spamdetected", {"content"}},
      {"virusdetected", {"content"}},
      {"contenterror", {"content"}},
      {"notcompliantrfc", {"content"}},
      {"policyviolation", {"policy", "content", "reputation"}},
      {"securityerror", {"authentication", "policy", "tls"}},
      {"authfailure", {"authentication"}},
      {"requireptr", {"authentication"}},
      {"blocked", {"reputation"}},
      {"badreputation", {"reputation"}},
      {"rejected", {"authentication", "policy", "reputation", "rate"}},
      {"norelaying", {"policy", "authentication"}},
      {"toomanyconn", {"rate"}},
      {"speeding", {"rate"}},
      {"systemerror", {"unavailable"}},
      {"onhold", {"unavailable", "other"}},
      {"expired", {"timeout", "connection"}},
      {"undefined", {"unavailable", "policy", "protocol", "other"}},
  };
  return *kSame;
}

TEST(ClassificationTest, RealRepliesAreUnderstood) {
  const char* corpora = std::getenv("SEALIFT_CORPORA");
  if (corpora == nullptr) GTEST_SKIP() << "SEALIFT_CORPORA is not set";
  std::ifstream file(std::string(corpora) + "/replies.tsv");
  ASSERT_TRUE(file.is_open());
  int total = 0, class_right = 0, hard_right = 0, false_hard = 0;
  std::string line, missed;
  while (std::getline(file, line)) {
    std::istringstream columns(line);
    std::string code, enhanced, reason, hard, text;
    std::getline(columns, code, '\t');
    std::getline(columns, enhanced, '\t');
    std::getline(columns, reason, '\t');
    std::getline(columns, hard, '\t');
    std::getline(columns, text);
    if (code.empty() || code.find_first_not_of("0123456789") != std::string::npos || code[0] < '4') continue;
    Reply reply = ReplyOf(text);
    if (reply.code < 400) continue;
    ++total;
    // "Filtered" is a recipient that is refused only after the content.
    const Phase phase = reason == "filtered" ? Phase::kContent : Phase::kRcpt;
    const Verdict verdict = Classify(phase, reply);
    const bool says_hard = verdict.remedy == Remedy::kSuppress || verdict.reason_class == ReasonClass::kBadDomain;
    const auto same = SameClasses().find(reason);
    const bool right =
        same != SameClasses().end() && same->second.contains(std::string(ToString(verdict.reason_class)));
    class_right += right ? 1 : 0;
    hard_right += says_hard == (hard == "true") ? 1 : 0;
    false_hard += says_hard && hard != "true" ? 1 : 0;
    if (!right || says_hard != (hard == "true")) {
      missed += fmt::format("{} {}: {} {} by {}: {}\n", reason, hard, ToString(verdict.action),
                            ToString(verdict.reason_class), verdict.rule, text.substr(0, 140));
    }
  }
  ASSERT_GT(total, 50);
  EXPECT_EQ(false_hard, 0) << missed;
  EXPECT_GE(class_right, total * 9 / 10) << missed;
  EXPECT_GE(hard_right, total * 98 / 100) << missed;
  RecordProperty("class_right", class_right);
  fmt::print("{} replies: class right {}, hard or not right {}\n{}", total, class_right, hard_right, missed);
}

}  // namespace
}  // namespace sealift::engine
