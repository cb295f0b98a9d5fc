#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/shaping/classification.h"

namespace sealift::engine {

// What a rule says beyond what follows from its class and from what it is about.
enum class Remark : uint8_t {
  kUsual,
  kRetry,  // whatever the code: the row is tried again, and nothing of ours is to blame
  kSlow,
  kStop,
  kDoubt,    // a bad mailbox that is believed when it is heard again
  kIfAlone,  // ... unless nothing else is said
};

// One line of knowledge about what servers say: a phrase of it in a reply means a class, and whom the reply is about.
// The table is reply_rules.def, which also says how a phrase is written.
struct ReplyRule {
  std::string_view name;
  ReasonClass reason_class;
  About about;
  Remark remark = Remark::kUsual;
  bool vague = false;  // an enhanced code says more, when there is one
};

// A reply in the form that phrases are written in: " =550 #1.1 user unknown @d1 @test ". Its codes first; then the text
// in lower case, addresses taken out (a local part may be "spam" or "blocked"), everything but digits and the letters
// of ASCII and Cyrillic a single space, each character of Chinese, Japanese and Korean a word of its own, and an IP
// address "#ip", unless it is in a link; then the domains of the mail addresses.
std::string Plain(const Reply& reply);

// The first rule of the table one of whose phrases is in `plain`; nullptr when none is. `recipient_known`: the server
// has heard the recipient; before, no rule about the recipient or the content applies.
const ReplyRule* FindRule(std::string_view plain, bool recipient_known);

// The first caveat that is in `plain`; nullptr when none is: what takes the place of a bad mailbox there. One of that
// class itself says that it is doubtful.
const ReplyRule* FindCaveat(std::string_view plain);

// Whether the words say no more than that it was refused: "recipient address rejected", an address, a host, a number.
bool IsBare(const Reply& reply);

// Whether the words say that there is nobody, and hardly a word besides that is not usual then.
bool IsUnderstood(const Reply& reply);

// Whether the words refuse who gets the mail, and hardly say more: "recipient rejected". Nothing of ours is among them.
bool RefusesRecipientAlone(const Reply& reply, std::string_view plain);

// What an enhanced code says by itself: RFC 3463 and its registry; nullptr when that is too little.
const ReplyRule* FindRule(const EnhancedCode& code, bool recipient_known);

// Whether this provider is known to say what `rule` takes for a bad mailbox of mailboxes that are good.
bool Misreports(std::string_view provider, std::string_view rule);

// Every rule, in the order of the table, and who misreports: what docs/rules.md is made of.
struct RuleEntry {
  const ReplyRule* rule;
  std::span<const std::string_view> phrases;  // empty: of an enhanced code
  std::string code;                           // "x.7.606-649"
  bool caveat = false;
};
std::vector<RuleEntry> AllRules();
std::span<const std::pair<std::string_view, std::string_view>> AllMisreports();  // provider, rule

}  // namespace sealift::engine
