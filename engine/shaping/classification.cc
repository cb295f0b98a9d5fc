#include "engine/shaping/classification.h"

#include <utility>

#include "engine/shaping/reply_rules.h"

namespace sealift::engine {
namespace {

bool RecipientKnown(Phase phase) { return phase == Phase::kRcpt || phase == Phase::kData || phase == Phase::kContent; }

// What a code says where neither words nor an enhanced code do.
ReplyRule RuleOfCode(Phase phase, int code) {
  if (code >= 500 && code <= 504 && !(code == 501 && (phase == Phase::kRcpt || phase == Phase::kMail))) {
    return {"code.500-504", ReasonClass::kProtocol, About::kHost, {}, false};
  }
  if (code == 523 || code == 530 || code == 534 || code == 535 || code == 538) {
    return {"code.530", ReasonClass::kAuthentication, About::kSender, {}, false};
  }
  if (code == 521)
    return {"code.521", ReasonClass::kPolicy, About::kHost, {}, false};  // RFC 7504: takes no mail at all
  if (code / 100 == 4 && code != 450) return {"code.4xx", ReasonClass::kUnavailable, About::kHost, {}, false};
  switch (phase) {
    case Phase::kMail:
      if (code == 552) return {"mail.552", ReasonClass::kTooLarge, About::kContent, {}, false};  // RFC 1870 6.1
      return {"mail", ReasonClass::kPolicy, About::kSender, {}, false};
    case Phase::kRcpt:
      if (code == 551) return {"rcpt.551", ReasonClass::kBadMailbox, About::kRecipient, {}, false};
      if (code == 556) return {"rcpt.556", ReasonClass::kBadDomain, About::kRecipient, {}, false};  // RFC 7504
      return {"rcpt", ReasonClass::kOther, About::kRecipient, {}, false};
    case Phase::kData:
    case Phase::kContent:
      if (code == 552) return {"content.552", ReasonClass::kFull, About::kRecipient, {}, false};
      return {"content", ReasonClass::kOther, About::kContent, {}, false};
    default:
      return {"host", ReasonClass::kPolicy, About::kHost, {}, false};
  }
}

ReplyRule RuleOf(Phase phase, const Reply& reply) {
  // Nothing about the recipient has been said; the offer was not kept.
  if (phase == Phase::kStartTls) return {"starttls", ReasonClass::kTls, About::kHost, {}, false};
  const bool recipient_known = RecipientKnown(phase);
  const std::string plain = Plain(reply.Text());
  const ReplyRule* words = FindRule(plain, recipient_known);
  if (reply.enhanced.has_value() && recipient_known) {
    const auto& [cls, subject, detail] = *reply.enhanced;
    // Exchange Online refuses unknown recipients at its edge in these words; with another code they are an access rule.
    if (subject == 4 && detail == 1 && plain.find(" recipient address rejected access denied ") != std::string::npos) {
      return {"words.edge_blocked", ReasonClass::kBadMailbox, About::kRecipient, {}, false};
    }
    // An inactive address that is also said not to exist.
    if (words != nullptr && words->reason_class == ReasonClass::kInactive && subject == 1 && detail == 1) {
      return {"code.x.1.1", ReasonClass::kBadMailbox, About::kRecipient, {}, false};
    }
  }
  // "Policy" is said with any code: the code is closer, unless it says no more than that.
  if (reply.enhanced.has_value() && (words == nullptr || words->vague)) {
    const ReplyRule* code = FindRule(*reply.enhanced, recipient_known);
    if (code != nullptr && (words == nullptr || code->reason_class != ReasonClass::kOther)) return *code;
  }
  return words != nullptr ? *words : RuleOfCode(phase, reply.code);
}

}  // namespace

Verdict Classify(Phase phase, const Reply& reply) {
  if (reply.IsPositive() && phase == Phase::kContent) {
    return {Action::kDeliver, ReasonClass::kNone, About::kRecipient, false, "accepted"};
  }
  if (!reply.IsTransient() && !reply.IsPermanent()) {
    return {Action::kDefer, ReasonClass::kProtocol, About::kHost, true, "unexpected_reply"};
  }
  // RFC 5321 4.5.3.1.10: 552 was once the code for too many recipients.
  if (phase == Phase::kRcpt && reply.code == 552 && !reply.enhanced.has_value()) {
    const ReplyRule* words = FindRule(Plain(reply.Text()), true);
    if (words == nullptr) return {Action::kDefer, ReasonClass::kRate, About::kSender, false, "rcpt.552"};
    return {Action::kDefer, words->reason_class, words->about, false, words->name};
  }
  const ReplyRule rule = RuleOf(phase, reply);
  Verdict verdict{Action::kDefer, rule.reason_class, rule.about, false, rule.name};
  if (reply.IsPermanent() && (phase == Phase::kGreeting || phase == Phase::kEhlo)) verdict.about = About::kHost;
  verdict.close = phase == Phase::kGreeting || reply.code == 421;
  const bool about_the_row = rule.about == About::kRecipient || rule.about == About::kContent;
  if (reply.IsPermanent() && about_the_row) verdict.action = Action::kBounce;
  return verdict;
}

Verdict ClassifyFailure(ReasonClass reason_class) {
  if (reason_class == ReasonClass::kNoMx || reason_class == ReasonClass::kBadDomain) {
    return {Action::kBounce, reason_class, About::kRecipient, true, ToString(reason_class)};
  }
  return {Action::kDefer, reason_class, About::kHost, true, ToString(reason_class)};
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
    case About::kSender:
      return "sender";
    case About::kHost:
      return "host";
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
    case ReasonClass::kInternal:
      return "internal";
    case ReasonClass::kOther:
      return "other";
  }
  std::unreachable();
}

}  // namespace sealift::engine
