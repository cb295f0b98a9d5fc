#include "engine/shaping/classification.h"

#include <algorithm>
#include <utility>

#include "engine/shaping/reply_rules.h"

namespace sealift::engine {
namespace {

bool RecipientKnown(Phase phase) { return phase == Phase::kRcpt || phase == Phase::kData || phase == Phase::kContent; }

// What a code says where neither words nor an enhanced code do.
ReplyRule RuleOfCode(Phase phase, int code) {
  if (code >= 500 && code <= 504 && !(code == 501 && (phase == Phase::kRcpt || phase == Phase::kMail))) {
    return {"code.500-504", ReasonClass::kProtocol, About::kHost};
  }
  if (code == 523 || code == 530 || code == 534 || code == 535 || code == 538) {
    return {"code.530", ReasonClass::kAuthentication, About::kSender};
  }
  if (code == 521) return {"code.521", ReasonClass::kPolicy, About::kHost};  // RFC 7504: takes no mail at all
  if (code / 100 == 4 && code != 450) return {"code.4xx", ReasonClass::kUnavailable, About::kHost};
  switch (phase) {
    case Phase::kMail:
      if (code == 552) return {"mail.552", ReasonClass::kTooLarge, About::kContent};  // RFC 1870 6.1
      return {"mail", ReasonClass::kPolicy, About::kSender};
    case Phase::kRcpt:
      if (code == 551) return {"rcpt.551", ReasonClass::kBadMailbox, About::kRecipient, Remark::kIfAlone};
      if (code == 556) return {"rcpt.556", ReasonClass::kBadDomain, About::kRecipient};  // RFC 7504
      return {"rcpt", ReasonClass::kOther, About::kRecipient};
    case Phase::kData:
    case Phase::kContent:
      if (code == 552) return {"content.552", ReasonClass::kFull, About::kRecipient};
      return {"content", ReasonClass::kOther, About::kContent};
    default:
      return {"host", ReasonClass::kPolicy, About::kHost};
  }
}

// Whether the code says more than vague words do. "Policy" is said with any code, and x.7.1 of anything: a topic says
// more. Of what is so only now, with 4.7.x or 4.2.1, the words say more; and who cannot look, or wants encryption, does
// not say that there is nobody.
bool SaysMore(const ReplyRule& code, const ReplyRule& words, bool transient) {
  if (code.reason_class == ReasonClass::kOther) return false;
  if (code.reason_class == ReasonClass::kBadMailbox && words.remark == Remark::kRetry) return false;
  if (code.reason_class == ReasonClass::kPolicy) {
    return !transient &&
           (words.reason_class == ReasonClass::kPolicy || words.reason_class == ReasonClass::kUnavailable);
  }
  return !transient || code.reason_class != ReasonClass::kInactive;
}

// "host mx.d1.test said: 550 5.2.1 account is disabled", "callout verification failed: 550 account is disabled".
bool QuotesAnother(std::string_view plain) { return plain.contains(" said 5") || plain.contains(" callout "); }

bool IsAboutTheRow(About about) { return about == About::kRecipient || about == About::kContent; }

ReplyRule RuleOf(Phase phase, const Reply& reply, const std::string& plain) {
  // Nothing about the recipient has been said; the offer was not kept.
  if (phase == Phase::kStartTls) return {"starttls", ReasonClass::kTls, About::kHost, Remark::kRetry};
  const bool recipient_known = RecipientKnown(phase);
  const ReplyRule* words = FindRule(plain, recipient_known);
  if (!reply.enhanced.has_value()) return words != nullptr ? *words : RuleOfCode(phase, reply.code);
  const ReplyRule* code = FindRule(*reply.enhanced, recipient_known);
  // An inactive address that is also said not to exist, by who knows both: not with the code of who asked him.
  if (words != nullptr && !QuotesAnother(plain) && !words->vague && words->reason_class == ReasonClass::kInactive &&
      code != nullptr && code->reason_class == ReasonClass::kBadMailbox) {
    ReplyRule sure = *code;
    sure.remark = Remark::kUsual;
    return sure;
  }
  if (words == nullptr) return code != nullptr ? *code : RuleOfCode(phase, reply.code);
  // x.1.7 and x.1.8 say whose address it is of which the words say that there is none: the sender's.
  const bool of_senders_address = reply.enhanced->subject == 1 && code != nullptr && IsAboutUs(code->about);
  if (of_senders_address && IsAboutTheRow(words->about)) return *code;
  if (!words->vague || code == nullptr || !SaysMore(*code, *words, reply.IsTransient())) return *words;
  return *code;
}

// Who refuses by policy and names the recipient, and nothing of ours, speaks of who may write to him.
bool IsRefusalOfRecipient(Phase phase, const Reply& reply, const ReplyRule& rule, const std::string& plain) {
  if (phase != Phase::kRcpt || !reply.IsPermanent()) return false;
  if (rule.reason_class != ReasonClass::kPolicy || rule.about != About::kSender) return false;
  return (rule.vague || rule.name == "code.x.7") && RefusesRecipientAlone(reply, plain);
}

// What is left of a bad mailbox, in the light of what else is said.
ReplyRule WithCaveat(const ReplyRule& rule, const std::string& plain) {
  const ReplyRule* const caveat = FindCaveat(plain);
  if (caveat == nullptr) return rule;
  if (caveat->reason_class != ReasonClass::kBadMailbox) return *caveat;
  ReplyRule doubtful = rule;
  doubtful.remark = caveat->remark;
  return doubtful;
}

// A code of another class than the reply's: RFC 3463 2 knows none.
bool ContradictsItself(const Reply& reply) {
  std::string_view rest = reply.lines;
  const std::optional<EnhancedCode> code = TakeEnhancedCode(rest);
  return code.has_value() && code->cls != reply.code / 100;
}

// Words in other letters, of which few are known, or none: the parser makes question marks of what is no UTF-8.
bool IsInOtherLetters(const Reply& reply) {
  int in_a_row = 0;
  return std::ranges::any_of(reply.lines, [&](char c) {
    in_a_row = c == '?' || static_cast<unsigned char>(c) >= 0x80 ? in_a_row + 1 : 0;
    return in_a_row == 4;
  });
}

// Whether a bad mailbox is believed only when it is heard again.
bool IsDoubtful(Phase phase, const Reply& reply, const ReplyRule& rule) {
  if (ContradictsItself(reply) || IsInOtherLetters(reply)) return true;
  if (phase != Phase::kRcpt || rule.remark == Remark::kDoubt) return true;
  if (rule.remark == Remark::kIfAlone ? !IsBare(reply) : !IsUnderstood(reply)) return true;
  return reply.enhanced.has_value() && (reply.enhanced->subject == 2 || reply.enhanced->subject == 7);  // contradicted
}

// What usually follows, by class and by whom it is about.
Remedy RemedyOf(Phase phase, const Reply& reply, const Verdict& verdict, const ReplyRule& rule) {
  if (rule.remark == Remark::kSlow) return Remedy::kSlow;
  if (rule.remark == Remark::kStop) return Remedy::kStop;
  if (rule.remark == Remark::kRetry) return Remedy::kNone;
  if (verdict.action == Action::kBounce) {
    if (rule.reason_class != ReasonClass::kBadMailbox) return Remedy::kNone;
    return IsDoubtful(phase, reply, rule) ? Remedy::kSuppressAgain : Remedy::kSuppress;
  }
  if (!IsAboutUs(rule.about)) return Remedy::kNone;
  switch (rule.reason_class) {
    case ReasonClass::kReputation:
    case ReasonClass::kAuthentication:
      return reply.IsPermanent() ? Remedy::kStop : Remedy::kSlow;
    case ReasonClass::kRate:
    case ReasonClass::kPolicy:
      return Remedy::kSlow;
    default:
      return Remedy::kNone;
  }
}

}  // namespace

Verdict Classify(Phase phase, const Reply& reply) {
  if (reply.IsPositive() && phase == Phase::kContent) {
    return {
        .action = Action::kDeliver, .reason_class = ReasonClass::kNone, .about = About::kRecipient, .rule = "accepted"};
  }
  if (!reply.IsTransient() && !reply.IsPermanent()) {
    return {.reason_class = ReasonClass::kProtocol, .close = true, .rule = "unexpected_reply"};
  }
  const std::string plain = Plain(reply);
  ReplyRule rule = RuleOf(phase, reply, plain);
  if (reply.IsPermanent() && rule.reason_class == ReasonClass::kBadMailbox) rule = WithCaveat(rule, plain);
  if (IsRefusalOfRecipient(phase, reply, rule, plain)) {
    rule = {"recipient.refused", ReasonClass::kPolicy, About::kRecipient};
  }
  // RFC 5321 4.5.3.1.10: 552 was once the code for too many recipients.
  const bool means_452 = phase == Phase::kRcpt && reply.code == 552 && !reply.enhanced.has_value() &&
                         rule.reason_class != ReasonClass::kBadMailbox;
  if (means_452 && rule.name == "rcpt") rule = {"rcpt.552", ReasonClass::kRate, About::kSender, Remark::kSlow};
  Verdict verdict{.reason_class = rule.reason_class, .about = rule.about, .rule = rule.name};
  const bool before_mail = phase == Phase::kGreeting || phase == Phase::kEhlo;
  if (reply.IsPermanent() && before_mail && !IsAboutUs(rule.about)) verdict.about = About::kHost;
  verdict.close = phase == Phase::kGreeting || reply.code == 421;
  if (reply.IsPermanent() && IsAboutTheRow(rule.about) && rule.remark != Remark::kRetry && !means_452) {
    verdict.action = Action::kBounce;
  }
  verdict.remedy = RemedyOf(phase, reply, verdict, rule);
  return verdict;
}

Remedy RemedyAt(std::string_view provider, const Verdict& verdict) {
  const bool doubtful = verdict.remedy == Remedy::kSuppress && Misreports(provider, verdict.rule);
  return doubtful ? Remedy::kSuppressAgain : verdict.remedy;
}

Verdict ClassifyFailure(ReasonClass reason_class) {
  if (reason_class == ReasonClass::kNoMx || reason_class == ReasonClass::kMxDenied ||
      reason_class == ReasonClass::kBadDomain) {
    return {.action = Action::kBounce,
            .reason_class = reason_class,
            .about = About::kRecipient,
            .close = true,
            .rule = ToString(reason_class)};
  }
  return {.reason_class = reason_class, .close = true, .rule = ToString(reason_class)};
}

std::string_view ToString(Phase phase) {
  switch (phase) {
    case Phase::kConnection:
      return "connection";
    case Phase::kGreeting:
      return "greeting";
    case Phase::kEhlo:
      return "ehlo";
    case Phase::kStartTls:
      return "starttls";
    case Phase::kMail:
      return "mail";
    case Phase::kRcpt:
      return "rcpt";
    case Phase::kData:
      return "data";
    case Phase::kContent:
      return "content";
    case Phase::kReset:
      return "reset";
  }
  std::unreachable();
}

std::string_view ToString(Action action) {
  switch (action) {
    case Action::kDeliver:
      return "deliver";
    case Action::kDefer:
      return "defer";
    case Action::kBounce:
      return "bounce";
  }
  std::unreachable();
}

std::string_view ToString(About about) {
  switch (about) {
    case About::kRecipient:
      return "recipient";
    case About::kContent:
      return "content";
    case About::kSource:
      return "source";
    case About::kNetwork:
      return "network";
    case About::kDomain:
      return "domain";
    case About::kSender:
      return "sender";
    case About::kHost:
      return "host";
  }
  std::unreachable();
}

bool IsAboutUs(About about) {
  return about == About::kSource || about == About::kNetwork || about == About::kDomain || about == About::kSender;
}

std::string_view ToString(Remedy remedy) {
  switch (remedy) {
    case Remedy::kNone:
      return "none";
    case Remedy::kSuppress:
      return "suppress";
    case Remedy::kSuppressAgain:
      return "suppress_again";
    case Remedy::kSlow:
      return "slow";
    case Remedy::kStop:
      return "stop";
  }
  std::unreachable();
}

std::string_view Word(const Verdict& verdict) {
  switch (verdict.remedy) {
    case Remedy::kSuppress:
    case Remedy::kSlow:
    case Remedy::kStop:
      return ToString(verdict.remedy);
    case Remedy::kNone:
    case Remedy::kSuppressAgain:
      return verdict.action == Action::kDefer ? "retry" : ToString(verdict.action);
  }
  std::unreachable();
}

std::string_view ToString(ReasonClass reason_class) {
  switch (reason_class) {
    case ReasonClass::kNone:
      return "none";
    case ReasonClass::kBadMailbox:
      return "bad_mailbox";
    case ReasonClass::kBadDomain:
      return "bad_domain";
    case ReasonClass::kFull:
      return "full";
    case ReasonClass::kInactive:
      return "inactive";
    case ReasonClass::kPolicy:
      return "policy";
    case ReasonClass::kAuthentication:
      return "authentication";
    case ReasonClass::kReputation:
      return "reputation";
    case ReasonClass::kContent:
      return "content";
    case ReasonClass::kTooLarge:
      return "too_large";
    case ReasonClass::kRate:
      return "rate";
    case ReasonClass::kGreylisted:
      return "greylisted";
    case ReasonClass::kTls:
      return "tls";
    case ReasonClass::kRequireTls:
      return "requiretls";
    case ReasonClass::kProtocol:
      return "protocol";
    case ReasonClass::kUnavailable:
      return "unavailable";
    case ReasonClass::kConnection:
      return "connection";
    case ReasonClass::kTimeout:
      return "timeout";
    case ReasonClass::kDns:
      return "dns";
    case ReasonClass::kNoMx:
      return "no_mx";
    case ReasonClass::kMxDenied:
      return "mx_denied";
    case ReasonClass::kInternal:
      return "internal";
    case ReasonClass::kOther:
      return "other";
  }
  std::unreachable();
}

}  // namespace sealift::engine
