#include "engine/shaping/reply_rules.h"

#include <array>
#include <cassert>
#include <vector>

#include "engine/smtp/redact.h"

namespace sealift::engine {
namespace {

using Phrases = std::span<const std::string_view>;

// Before anything about senders: what a restricted mailbox says sounds like an authentication problem of ours.
constexpr std::string_view kRestrictedPhrases[] = {
    " resolver rst authrequired ",  " resolver rst notauthorized ", " resolver rst restricted ",
    " recipient preferences ",      " restricted recipient ",       " only accepts mail from ",
    " only accepts messages from ", " not accepting mail from ",    " recipient does not accept mail from ",
    " recipient has blocked ",      " blocked by recipient ",       " rejected by recipient ",
    " refused by recipient ",       " challenge response ",
};

constexpr std::string_view kRecipientRatePhrases[] = {
    " receiving mail at a rate ", " receiving mail too quickly ", " receiving too many ",
    " mailbox is busy ",          " recipient is over rate",
};

constexpr std::string_view kGreylistPhrases[] = {
    " greylist", " graylist", " grey list", " gray list", " postgrey", " greyed ",
};

constexpr std::string_view kRatePhrases[] = {
    " rate limit",
    " ratelimit",
    " rate exceed",
    " unusual rate ",
    " too many connections ",
    " too many concurrent ",
    " too many sessions ",
    " too many simultaneous ",
    " too many messages ",
    " too many emails ",
    " too many mails ",
    " too many recipients ",
    " too many rcpt",
    " frequency limit",
    " throttl",
    " unexpected volume ",
    " unusual volume",
    " volume of mail ",
    " too much mail ",
    " too fast ",
    " too quickly ",
    " slow down ",
    " hourly limit",
    " daily limit",
    " message limit ",
    " sending limit",
    " recipients this hour ",
    " messages this hour ",
    " per connection ",
    " connection limit",
    " connections limit",
    " concurrent connection",
    " maximum number of connections ",
    " max connections ",
    " connection rate ",
    " mail flood",
    " flooding ",
    " limit exceeded for sender ",
    " quota for sender ",
    " sender quota ",
};

constexpr std::string_view kTlsPhrases[] = {
    " must issue a starttls ",  " starttls required ", " starttls is required ",
    " tls required ",           " tls is required ",   " encryption required ",
    " encryption is required ", " encryption needed ", " secure connection required ",
    " requires tls ",           " tls not available ", " tls currently unavailable ",
};

constexpr std::string_view kRelayPhrases[] = {
    " relaying ",
    " relay access ",
    " relay denied ",
    " unable to relay ",
    " cannot relay ",
    " relay not ",
    " not permitted to relay ",
    " to relay ",
    " rcpthosts ",
    " not a gateway ",
    " no relay",
    " open relay ",
    " we do not relay ",
    " does not relay ",
};

constexpr std::string_view kAuthenticationPhrases[] = {
    " spf ",
    " dkim ",
    " dmarc ",
    " arc seal",
    " unauthenticated ",
    " not authenticated ",
    " smtp auth",
    " authentication required ",
    " authentication is required ",
    " auth required ",
    " must authenticate ",
    " need to authenticate ",
    " authentication fail",
    " fails to pass authentication ",
    " reverse dns ",
    " rdns ",
    " ptr ",
    " fcrdns ",
    " reverse lookup ",
    " reverse hostname ",
    " reverse host ",
    " reverse mapping ",
    " name lookup failed ",
    " hostname lookup ",
    " cannot find your hostname ",
    " cannot find your reverse ",
    " helo ",
    " ehlo ",
    " sender id ",
    " purported responsible ",
    " not allowed to send ",
    " not authorized to send ",
    " not authorised to send ",
    " not permitted to send ",
    " not designated ",
    " sender policy framework ",
    " is not verified ",
    " sender verif",
    " verify sender ",
    " spoof",
};

constexpr std::string_view kSenderPhrases[] = {
    " sender address ", " domain of sender ", " sender domain ",           " sender rejected ",  " sender denied ",
    " sender not ",     " sender is not ",    " sender refused ",          " invalid sender ",   " bad sender ",
    " unknown sender ", " return path ",      " envelope sender ",         " mail from domain ", " mail from address ",
    " from address ",   " from domain ",      " unable to verify sender ", " sender s domain ",  " your domain ",
    " sending domain ", " domain in from ",   " sender does not ",
};

constexpr std::string_view kReputationPhrases[] = {
    " dnsbl",
    " rbl ",
    " rbls ",
    " blocklist",
    " block list",
    " blacklist",
    " black list",
    " blacked ",
    " denylist",
    " deny list",
    " spamhaus ",
    " spamcop ",
    " sorbs ",
    " barracudacentral ",
    " uceprotect ",
    " invaluement ",
    " abuseat ",
    " psbl ",
    " senderscore ",
    " sender score ",
    " reputation ",
    " reputational ",
    " complaints ",
    " client host rejected ",
    " client host blocked ",
    " client blocked ",
    " host blocked ",
    " host is blocked ",
    " host rejected ",
    " blocked using ",
    " blocked by rbl",
    " ip blocked ",
    " ip is blocked ",
    " blocked ip ",
    " ip address blocked ",
    " ip address is blocked ",
    " ip address rejected ",
    " ip rejected ",
    " ip source bloquee ",
    " adresse ip ",
    " your ip ",
    " sending ip ",
    " this ip ",
    " ip has been ",
    " ip address has been ",
    " from ip ",
    " ip address ",
    " ip addresses ",
    " banned ",
    " part of your network ",
    " your network ",
    " your server ",
    " your mail server ",
    " your host ",
    " your messages have been blocked ",
    " listed by ",
    " listed at ",
    " listed in ",
    " listed on ",
    " is listed ",
    " spam source",
    " spam sender",
    " spammer",
    " for spamming ",
    " sent spam ",
    " sending spam ",
    " spam from ",
    " bulk mail ",
    " bulk email ",
    " unsolicited mail from ",
    " access from ",
    " aup ",
    " blocked see ",
    " connection refused by policy",
    " connections not accepted ",
    " connection not accepted ",
    " no connections from ",
    " not welcome ",
    " abuse from ",
    " mail from your ",
};

constexpr std::string_view kTooLargePhrases[] = {
    " message too large ",
    " message is too large ",
    " too big ",
    " message size ",
    " size limit",
    " sizelimit",
    " exceeds size",
    " exceeds maximum size ",
    " maximum message size ",
    " exceeds the maximum ",
    " message length exceeds ",
    " recipsizelimit ",
    " message larger ",
    " exceeds fixed maximum ",
    " maximum size ",
    " mail size ",
};

constexpr std::string_view kContentPhrases[] = {
    " virus",
    " malware ",
    " trojan ",
    " phish",
    " infected ",
    " message content ",
    " content rejected ",
    " content blocked ",
    " contents ",
    " its content ",
    " content policy ",
    " content presents ",
    " prohibited content ",
    " is spam ",
    " as spam ",
    " like spam ",
    " spam message",
    " spam content",
    " spam detect",
    " spam score ",
    " detected spam ",
    " mcspamsignature ",
    " considered spam ",
    " reject spam ",
    " suspected spam ",
    " probable spam ",
    " spammy ",
    " suspicious ",
    " headers too ",
    " header too ",
    " malformed ",
    " not rfc ",
    " rfc 5322 ",
    " rfc5322 ",
    " rfc 2822 ",
    " rfc 822 ",
    " multiple addresses in from ",
    " multiple 550 5 7 1 addresses in from ",
    " addresses in from header ",
    " duplicate header",
    " missing header",
    " bare lf ",
    " bare newline",
    " line too long ",
    " lines too long ",
    " lines longer ",
    " attachment",
    " file type ",
    " bad header ",
    " invalid header ",
    " from header ",
    " message blocked ",
    " this message was blocked ",
    " this message has been blocked ",
    " url in ",
    " urls in ",
    " links in ",
    " similar messages ",
    " message looks ",
    " message appears ",
    " 8 bit ",
    " mime ",
};

// Said of content and of senders alike: read only when nothing says that the sender is meant.
constexpr std::string_view kSpamPhrases[] = {" spam ", " ube ", " uce ", " unsolicited "};

constexpr std::string_view kInactivePhrases[] = {
    " disabled",
    " inactive ",
    " inactivity ",
    " deactivated ",
    " suspended ",
    " suspension ",
    " locked ",
    " not active ",
    " no longer active ",
    " discontinued ",
    " dormant ",
    " deactive ",
    " account is blocked ",
    " account has been blocked ",
    " account blocked ",
    " mailbox blocked ",
    " mailbox is blocked ",
    " compte du destinataire est bloque ",
    " account expired ",
    " account has expired ",
    " account closed ",
    " account is closed ",
    " account has been closed ",
    " recipient suspend",
    " user suspend",
    " temporarily blocked ",
    " frozen ",
};

constexpr std::string_view kFullPhrases[] = {
    " mailbox full ",
    " mailbox is full ",
    " full mailbox ",
    " inbox full ",
    " inbox is full ",
    " mailfolder is full ",
    " mail box full ",
    " quota ",
    " overquota ",
    " over quota ",
    " quotaexceeded ",
    " quota exceeded ",
    " mailbox exceed",
    " mailbox has exceeded ",
    " storage limit ",
    " out of storage ",
    " over the storage ",
    " mailbox size ",
    " exceeded storage allocation ",
    " exceeded its storage ",
    " mailbox for user is full ",
    " not enough space ",
    " user is full ",
    " mailbox over ",
    " mapiexceptionshutoffquotaexceeded ",
};

constexpr std::string_view kBadDomainPhrases[] = {
    " host unknown ",
    " unknown host ",
    " host not found ",
    " no such host ",
    " domain not found ",
    " unknown domain ",
    " domain unknown ",
    " no such domain ",
    " domain does not exist ",
    " domain doesn t exist ",
    " domain is not reachable ",
    " domain not exist",
    " does not accept mail ",
    " does not accept any mail ",
    " does not receive mail ",
    " null mx ",
    " nullmx ",
    " no longer accepts mail ",
    " domain has been disabled ",
    " domain is not hosted ",
    " domain not hosted ",
    " domain is no longer ",
    " invalid domain ",
    " domain invalid ",
    " unrouteable mail domain ",
    " domain has no ",
};

constexpr std::string_view kBadMailboxPhrases[] = {
    " user unknown ",
    " unknown user ",
    " unknown in ",
    " no such user ",
    " no such account ",
    " no such mailbox ",
    " no such recipient ",
    " no such address ",
    " no such person ",
    " no such email ",
    " no such local ",
    " nosuchuser ",
    " no user ",
    " user not exist",
    " user not found ",
    " user does not ",
    " user doesn t ",
    " user is unknown ",
    " username unknown ",
    " not a known user ",
    " usersearch ",
    " unknown recipient",
    " recipient unknown ",
    " recipient not found ",
    " recipient does not ",
    " recipient doesn t ",
    " recipient not exist",
    " recipnotfound ",
    " recipientnotfound ",
    " recipient no longer ",
    " recipient is not exist",
    " not a valid recipient ",
    " not a valid mailbox ",
    " not a valid user ",
    " not a valid email ",
    " not a valid address ",
    " valid recipient ",
    " invalid recipient",
    " invalid mailbox ",
    " invalid user ",
    " invalid address ",
    " invalid email ",
    " recipient invalid ",
    " destinataire invalide ",
    " bad destination mailbox ",
    " bad mailbox ",
    " bad recipient ",
    " mailbox not found ",
    " mailbox unknown ",
    " unknown mailbox ",
    " mailbox does not ",
    " mailbox doesn t ",
    " mailbox unavailable ",
    " mailbox not available ",
    " mailbox not exist",
    " mailbox is unavailable ",
    " no mailbox ",
    " mailbox name not allowed ",
    " address unknown ",
    " unknown address ",
    " address does not ",
    " address doesn t ",
    " address not found ",
    " address not exist",
    " address no longer ",
    " account does not ",
    " account doesn t ",
    " account not found ",
    " account that you tried to reach does not ",
    " no account ",
    " no such ",
    " unknown account ",
    " account unknown ",
    " undeliverable address ",
    " unrouteable address ",
    " unroutable address ",
    " unknown local part ",
    " unknown or illegal alias ",
    " not our user ",
    " not our customer ",
    " not listed in ",
    " no longer on server ",
    " no longer available ",
    " no longer exist",
    " no longer valid ",
    " no longer employed ",
    " no longer with ",
    " has moved ",
    " user moved ",
    " does not have an account ",
    " doesn t have an account ",
    " isn t a valid ",
    " not exist ",
    " destination does not exist ",
    " there is no one ",
    " email address could not be found ",
    " email address couldn t be found ",
    " address couldn t be found ",
    " addressee unknown ",
    " empfaenger unbekannt ",
    " utente sconosciuto ",
    " destinatario desconocido ",
    " usuario desconocido ",
    " utilisateur inconnu ",
    " adresse inconnue ",
};

constexpr std::string_view kUnavailablePhrases[] = {
    " temporary failure ",
    " temporarily unavailable ",
    " temporary error ",
    " temporary problem ",
    " system error ",
    " internal error ",
    " server error ",
    " local error ",
    " service unavailable ",
    " service not available ",
    " server busy ",
    " server is busy ",
    " too busy ",
    " shutting down ",
    " insufficient system ",
    " out of memory ",
    " system resources ",
    " disk full ",
    " no space left ",
    " not ready ",
    " lookup failure ",
    " dns error ",
    " dns failure ",
    " could not load ",
    " closing connection ",
    " resources temporarily ",
    " overloaded ",
    " try later ",
    " try again later ",
    " queue full ",
    " service refuse ",
};

constexpr std::string_view kTimeoutPhrases[] = {" timed out ", " timeout ", " time out ", " message expired "};

constexpr std::string_view kPolicyPhrases[] = {
    " policy ",           " policies ",      " access denied ", " administrative prohibition ",
    " administratively ", " not permitted ", " prohibited ",    " not allowed ",
    " denied ",           " blocked ",       " security ",      " refused ",
    " not accepted ",
};

// First match wins. What can be about the sender stands before what is about the content, and that before the
// recipient, so that no trouble of ours is remembered against an address.
constexpr ReplyRule kPhraseRules[] = {
    {"words.restricted_recipient", ReasonClass::kPolicy, About::kRecipient, kRestrictedPhrases},
    {"words.recipient_rate", ReasonClass::kRate, About::kHost, kRecipientRatePhrases},
    {"words.greylisted", ReasonClass::kGreylisted, About::kSender, kGreylistPhrases},
    {"words.rate", ReasonClass::kRate, About::kSender, kRatePhrases},
    {"words.tls", ReasonClass::kTls, About::kHost, kTlsPhrases},
    {"words.relay", ReasonClass::kPolicy, About::kHost, kRelayPhrases},
    {"words.authentication", ReasonClass::kAuthentication, About::kSender, kAuthenticationPhrases},
    {"words.content", ReasonClass::kContent, About::kContent, kContentPhrases},
    {"words.sender", ReasonClass::kAuthentication, About::kSender, kSenderPhrases},
    {"words.reputation", ReasonClass::kReputation, About::kSender, kReputationPhrases},
    {"words.spam", ReasonClass::kContent, About::kContent, kSpamPhrases},
    {"words.full", ReasonClass::kFull, About::kRecipient, kFullPhrases},
    {"words.too_large", ReasonClass::kTooLarge, About::kContent, kTooLargePhrases},
    {"words.inactive", ReasonClass::kInactive, About::kRecipient, kInactivePhrases},
    {"words.bad_domain", ReasonClass::kBadDomain, About::kRecipient, kBadDomainPhrases},
    {"words.bad_mailbox", ReasonClass::kBadMailbox, About::kRecipient, kBadMailboxPhrases},
    {"words.timeout", ReasonClass::kTimeout, About::kHost, kTimeoutPhrases},
    {"words.unavailable", ReasonClass::kUnavailable, About::kHost, kUnavailablePhrases, true},
    {"words.policy", ReasonClass::kPolicy, About::kSender, kPolicyPhrases, true},
};

// Enhanced codes: subject, the details from..to, and what they mean. From the registry of RFC 5248, RFC 7372 (5.7.20 to
// 25), RFC 7505 (1.10, 7.27), and for details of three digits from what large receivers document.
struct CodeRule {
  int subject, from, to;
  ReplyRule rule;
};

constexpr CodeRule kCodeRules[] = {
    {1, 1, 1, {"code.x.1.1", ReasonClass::kBadMailbox, About::kRecipient, {}, false}},
    {1, 2, 2, {"code.x.1.2", ReasonClass::kBadDomain, About::kRecipient, {}, false}},
    {1, 6, 6, {"code.x.1.6", ReasonClass::kBadMailbox, About::kRecipient, {}, false}},
    {1, 7, 8, {"code.x.1.8", ReasonClass::kAuthentication, About::kSender, {}, false}},
    {1, 10, 10, {"code.x.1.10", ReasonClass::kBadDomain, About::kRecipient, {}, false}},
    {1, 0, 999, {"code.x.1", ReasonClass::kOther, About::kRecipient, {}, false}},
    {2, 1, 1, {"code.x.2.1", ReasonClass::kInactive, About::kRecipient, {}, false}},
    {2, 2, 2, {"code.x.2.2", ReasonClass::kFull, About::kRecipient, {}, false}},
    {2, 3, 3, {"code.x.2.3", ReasonClass::kTooLarge, About::kContent, {}, false}},
    {2, 0, 999, {"code.x.2", ReasonClass::kOther, About::kRecipient, {}, false}},
    {3, 4, 4, {"code.x.3.4", ReasonClass::kTooLarge, About::kContent, {}, false}},
    {3, 0, 999, {"code.x.3", ReasonClass::kUnavailable, About::kHost, {}, false}},
    {4, 2, 2, {"code.x.4.2", ReasonClass::kConnection, About::kHost, {}, false}},
    {4, 7, 7, {"code.x.4.7", ReasonClass::kTimeout, About::kHost, {}, false}},
    {4, 0, 999, {"code.x.4", ReasonClass::kUnavailable, About::kHost, {}, false}},
    {5, 3, 3, {"code.x.5.3", ReasonClass::kRate, About::kSender, {}, false}},
    {5, 1, 999, {"code.x.5", ReasonClass::kProtocol, About::kHost, {}, false}},
    {6, 0, 999, {"code.x.6", ReasonClass::kContent, About::kContent, {}, false}},
    {7, 2, 2, {"code.x.7.2", ReasonClass::kPolicy, About::kRecipient, {}, false}},
    {7, 8, 8, {"code.x.7.8", ReasonClass::kAuthentication, About::kSender, {}, false}},
    {7, 10, 11, {"code.x.7.10", ReasonClass::kTls, About::kHost, {}, false}},
    {7, 13, 13, {"code.x.7.13", ReasonClass::kInactive, About::kRecipient, {}, false}},
    {7, 20, 27, {"code.x.7.20-27", ReasonClass::kAuthentication, About::kSender, {}, false}},
    {7, 28, 28, {"code.x.7.28", ReasonClass::kRate, About::kSender, {}, false}},
    {7, 30, 30, {"code.x.7.30", ReasonClass::kTls, About::kHost, {}, false}},
    {7, 500, 599, {"code.x.7.5xx", ReasonClass::kAuthentication, About::kSender, {}, false}},
    {7, 600, 799, {"code.x.7.6xx", ReasonClass::kReputation, About::kSender, {}, false}},
    {7, 0, 999, {"code.x.7", ReasonClass::kPolicy, About::kSender, {}, false}},
};

bool Applies(const ReplyRule& rule, bool recipient_known) {
  // The size of a message is said before its recipient: RFC 1870.
  if (rule.reason_class == ReasonClass::kTooLarge) return true;
  return recipient_known || (rule.about != About::kRecipient && rule.about != About::kContent);
}

// The phrases by the first two letters that they begin a word with: a few are tried at each word instead of hundreds.
class PhraseIndex {
 public:
  PhraseIndex() {
    for (size_t rule = 0; rule < std::size(kPhraseRules); ++rule) {
      for (const std::string_view phrase : kPhraseRules[rule].phrases) {
        assert(phrase.size() >= 3 && phrase.front() == ' ');
        phrases_[Key(phrase)].push_back({rule, phrase});
      }
    }
  }

  const ReplyRule* Find(std::string_view plain, bool recipient_known) const {
    size_t first = std::size(kPhraseRules);
    for (size_t at = plain.find(' '); at != std::string_view::npos; at = plain.find(' ', at + 1)) {
      const std::string_view rest = plain.substr(at);
      if (rest.size() < 3) break;
      for (const auto& [rule, phrase] : phrases_[Key(rest)]) {
        if (rule < first && rest.starts_with(phrase) && Applies(kPhraseRules[rule], recipient_known)) first = rule;
      }
    }
    return first < std::size(kPhraseRules) ? &kPhraseRules[first] : nullptr;
  }

 private:
  struct Entry {
    size_t rule;
    std::string_view phrase;
  };

  static size_t Key(std::string_view text) {
    return static_cast<unsigned char>(text[1]) % 64 * 64 + static_cast<unsigned char>(text[2]) % 64;
  }

  std::array<std::vector<Entry>, size_t{64} * 64> phrases_;
};

}  // namespace

std::string Plain(std::string_view text) {
  const std::string without_addresses = RedactReply(text);
  std::string plain = " ";
  plain.reserve(without_addresses.size() + 2);
  std::string_view rest = without_addresses;
  while (!rest.empty()) {
    if (rest.starts_with("<redacted>")) {
      rest.remove_prefix(std::string_view("<redacted>").size());
      continue;
    }
    char c = rest.front();
    rest.remove_prefix(1);
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      plain += c;
    } else if (plain.back() != ' ') {
      plain += ' ';
    }
  }
  if (plain.back() != ' ') plain += ' ';
  return plain;
}

const ReplyRule* FindRule(std::string_view plain, bool recipient_known) {
  static const PhraseIndex* const kIndex = new PhraseIndex();
  return kIndex->Find(plain, recipient_known);
}

const ReplyRule* FindRule(const EnhancedCode& code, bool recipient_known) {
  for (const CodeRule& entry : kCodeRules) {
    if (entry.subject != code.subject || code.detail < entry.from || code.detail > entry.to) continue;
    if (Applies(entry.rule, recipient_known)) return &entry.rule;
  }
  return nullptr;
}

}  // namespace sealift::engine
