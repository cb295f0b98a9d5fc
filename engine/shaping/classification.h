#pragma once

#include <cstdint>
#include <string_view>

#include "engine/smtp/reply.h"

namespace sealift::engine {

// What was being said when an answer came.
enum class Phase : uint8_t {
  kConnection,  // before the greeting
  kGreeting,
  kEhlo,
  kStartTls,
  kMail,
  kRcpt,
  kData,     // the reply to DATA itself
  kContent,  // the reply to the final dot
  kReset,    // RSET or NOOP between transactions
};

// What becomes of the row.
enum class Action : uint8_t { kDeliver, kDefer, kBounce };

// Who or what the answer is about. Decides whether a 5xx bounces the row (recipient, content) or defers it, and how far
// what follows reaches.
enum class About : uint8_t {
  kRecipient,
  kContent,  // this message, to anyone
  kSource,   // the address that we send from
  kNetwork,  // ... and its neighbours: another source of the same network would hear the same
  kDomain,   // a domain of ours, in From, a signature, the envelope or a link: whatever the source
  kSender,   // us, and no more is said: the next row would hear the same
  kHost,     // the server that answered; another MX may do better
};

// Whether it is about us: source, network, domain, sender.
bool IsAboutUs(About about);

// What follows for others than the row.
enum class Remedy : uint8_t {
  kNone,
  kSuppress,       // there is nobody: the address gets no more mail
  kSuppressAgain,  // ... if it is heard again on another day: this is said of good mailboxes too
  kSlow,           // send less from where this was heard
  kStop,           // send nothing from there for a while
};

// Why, in one word: the `class` of an event, of metrics and of filters. Names are part of the public surface.
enum class ReasonClass : uint8_t {
  kNone,            // none: delivered
  kBadMailbox,      // bad_mailbox: no such user, moved away
  kBadDomain,       // bad_domain: the recipient's domain does not exist or takes no mail
  kFull,            // full: over quota
  kInactive,        // inactive: the mailbox exists and is disabled or suspended
  kPolicy,          // policy: refused by a rule of the receiver that names nothing closer
  kAuthentication,  // authentication: SPF, DKIM, DMARC, PTR, a sender that must log in or may not relay
  kReputation,      // reputation: block lists, poor reputation, complaints
  kContent,         // content: spam or virus found in this message, malformed, a link
  kTooLarge,        // too_large: over the receiver's message size
  kRate,            // rate: too many messages, recipients or connections
  kGreylisted,      // greylisted: come back later
  kTls,             // tls: encryption was required and not had
  kRequireTls,      // requiretls: the mail asks for REQUIRETLS, and no host that is who it says offers it
  kProtocol,        // protocol: the dialogue broke the rules
  kUnavailable,     // unavailable: the server has trouble of its own
  kConnection,      // connection: refused, reset or lost
  kTimeout,         // timeout
  kDns,             // dns: a lookup failed and may work later
  kNoMx,            // no_mx: null MX, or no host that takes mail for the domain
  kMxDenied,        // mx_denied: the operator allows no host that takes mail for the domain
  kInternal,        // internal: trouble on our side
  kOther,           // other: nothing known about it
};

// One short lower_snake name each, as listed above.
std::string_view ToString(Phase phase);
std::string_view ToString(Action action);
std::string_view ToString(About about);
std::string_view ToString(Remedy remedy);
std::string_view ToString(ReasonClass reason_class);

struct Verdict {
  Action action = Action::kDefer;
  ReasonClass reason_class = ReasonClass::kOther;
  About about = About::kHost;
  Remedy remedy = Remedy::kNone;
  bool close = false;     // the server ends the session: 421, a refused greeting
  std::string_view rule;  // the name of the rule that decided; static storage

  bool operator==(const Verdict&) const = default;
};

// The verdict in one word: deliver, retry, bounce, suppress, slow, stop.
std::string_view Word(const Verdict& verdict);

// What a reply means for the row (RFC 5321 4.2, RFC 3463), and for those beside it. The class of the reply decides,
// then what it is about: 2xx to the final dot delivers; 4xx defers; 5xx about the recipient or the content bounces; 5xx
// about us or the host defers. What it is about comes from its words first (reply_rules.def, a table that generalises,
// addresses taken out before), then from the enhanced code, then from the code and the phase. Besides:
//   421 at any point defers and closes.
//   554, or any 5xx, as a greeting is about the host (RFC 5321 3.1) unless it says more; so is one to EHLO or STARTTLS.
//   552 to RCPT without an enhanced code means 452 (RFC 5321 4.5.3.1.10).
//   5xx to RCPT by a policy, of the recipient and of hardly more, is his: "5.7.1 recipient rejected".
// Suppresses only on a 5xx whose words or code name the recipient as nobody: what is doubtful is `policy` or `other`.
// It asks to hear it again where the words and the enhanced code contradict each other, where they speak of us besides,
// where only the code says it and the words say something that is not understood, and where it is said only after the
// content (the recipient was taken before: filters say so too).
//
// A positive reply before the final dot gives kDefer with `protocol`: the session should not have asked.
Verdict Classify(Phase phase, const Reply& reply);

// The verdict's remedy where hosts of `provider` said it: what one is known to say of good mailboxes too is believed
// when it is heard again.
Remedy RemedyAt(std::string_view provider, const Verdict& verdict);

// What a failure without a reply means: a lost or refused connection, a timeout, a handshake, a lookup. Defers, about
// the host; kNoMx, kMxDenied and kBadDomain bounce, about the recipient.
Verdict ClassifyFailure(ReasonClass reason_class);

}  // namespace sealift::engine
