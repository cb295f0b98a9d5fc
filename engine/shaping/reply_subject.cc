#include "engine/shaping/reply_subject.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace sealift::engine {
namespace {

constexpr size_t kTokenBytesMin = 16;  // a word that begins as our senders do and is as long is one

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

struct Address {
  std::string_view local, domain;
};

Address Split(std::string_view address) {
  const size_t at = address.rfind('@');
  if (at == std::string_view::npos) return {};
  return {address.substr(0, at), address.substr(at + 1)};
}

bool IsOfHost(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'; }
bool IsOfLocal(char c) {
  return IsOfHost(c) || std::string_view("!#$%&*+/=?^_`{|}~").find(c) != std::string_view::npos;
}

// "mx.d1.test" and "d1.test": one is the other, or beneath it. Not "test" and "d1.test".
bool AreRelated(std::string_view a, std::string_view b) {
  if (a.size() < b.size()) std::swap(a, b);
  if (!b.contains('.')) return false;
  return a == b || (a.ends_with(b) && a[a.size() - b.size() - 1] == '.');
}

// "messages from <", in front of an address.
bool EndsWithFrom(std::string_view text) {
  while (!text.empty() && !IsOfLocal(text.back())) text.remove_suffix(1);
  return text.ends_with(" from");
}

// "does not accept messages from ", in front of a host: it is refused whatever it brings.
bool EndsWithRefusalOf(std::string_view text) {
  constexpr size_t kBytesNear = 48;
  if (!EndsWithFrom(text)) return false;
  text.remove_prefix(text.size() - std::min(text.size(), kBytesNear));
  return text.contains("accept") || text.contains("refus") || text.contains("block");
}

// "joe.doe's black list", "joe.doe has blocked you": what stands behind who has put us there.
bool BeginsWithRefusal(std::string_view text) {
  constexpr std::array<std::string_view, 21> kRefusals = {
      "'s black list",    "'s blacklist",    "'s block list",  "'s blocklist",  "'s deny list",     "'s denylist",
      "'s reject list",   "'s ignore list",  "'s blocked",     " has banned",   " has blocked",     " has blacklisted",
      " has blocklisted", " has put you on", " does not want", " doesn't want", " no longer wants", " does not wish",
      " doesn't wish",    " refuses your",   " rejects your"};
  return std::ranges::any_of(kRefusals, [&](std::string_view refusal) { return text.starts_with(refusal); });
}

std::string_view WithoutTag(std::string_view local) { return local.substr(0, local.find('+')); }

// What a reply quotes.
struct Quoted {
  bool recipient = false;          // its address
  bool recipients_domain = false;  // ... or another name in it
  bool other = false;              // somebody else's
  bool sender = false;             // an address of ours
  bool sender_as_such = false;     // ... and not only as where the mail is from
  bool host = false;               // a name of ours
  bool domain = false;             // ... and not that of our host
  bool refused_host = false;       // ... as one from which nothing is taken
};

class Reading {
 public:
  explicit Reading(const Parties& parties)
      : recipient_text_(Lower(parties.recipient)),
        sender_text_(Lower(parties.sender)),
        hostname_(Lower(parties.hostname)),
        recipient_(Split(recipient_text_)),
        sender_(Split(sender_text_)) {
    our_domains_.emplace_back(sender_.domain);
    for (const std::string& domain : parties.signed_for) our_domains_.push_back(Lower(domain));
  }

  // Whether the recipient is named, without his domain, as who refuses us.
  bool RefusesByName(std::string_view text) const {
    const std::string lower = Lower(text);
    const std::string_view name = recipient_.local;
    if (name.empty()) return false;
    for (size_t at = lower.find(name); at != std::string::npos; at = lower.find(name, at + 1)) {
      if (at > 0 && IsOfLocal(lower[at - 1])) continue;
      if (BeginsWithRefusal(std::string_view(lower).substr(at + name.size()))) return true;
    }
    return false;
  }

  Quoted Read(std::string_view text) {
    const std::string lower = Lower(text);
    for (size_t begin = 0; begin < lower.size();) {
      if (!IsOfLocal(lower[begin])) {
        ++begin;
        continue;
      }
      size_t end = begin;
      while (end < lower.size() && IsOfLocal(lower[end])) ++end;
      const std::string_view word = std::string_view(lower).substr(begin, end - begin);
      if (end < lower.size() && lower[end] == '@') {
        const size_t from = ++end;
        // No domain has "..": what stands behind it is a sentence.
        while (end < lower.size() && IsOfHost(lower[end]) && lower.compare(end, 2, "..") != 0) ++end;
        std::string_view domain = std::string_view(lower).substr(from, end - from);
        if (domain.ends_with('.')) domain.remove_suffix(1);
        OnAddress({word, domain}, EndsWithFrom(std::string_view(lower).substr(0, begin)));
      } else {
        OnWord(word, EndsWithRefusalOf(std::string_view(lower).substr(0, begin)));
      }
      begin = end;
    }
    return quoted_;
  }

 private:
  // Mail to ourselves: then only the envelope's sender is known to be one.
  bool IsOurDomain(std::string_view domain) const {
    return std::ranges::any_of(our_domains_, [&](std::string_view ours) {
      return AreRelated(domain, ours) && !AreRelated(recipient_.domain, ours);
    });
  }

  void OnAddress(const Address& address, bool from) {
    const bool at_home = address.domain == recipient_.domain;
    const bool same = address.local == recipient_.local || WithoutTag(recipient_.local) == address.local;
    if (at_home && same) {
      quoted_.recipient = quoted_.recipients_domain = true;
    } else if (IsOurDomain(address.domain) || (address.domain == sender_.domain && address.local == sender_.local)) {
      quoted_.sender = true;
      quoted_.sender_as_such = quoted_.sender_as_such || !from;
    } else {
      quoted_.other = true;
    }
  }

  void OnWord(std::string_view word, bool refused) {
    while (word.ends_with('.')) word.remove_suffix(1);
    if (word.size() >= kTokenBytesMin && word == sender_.local) quoted_.sender = true;
    if (word == hostname_ || IsOurDomain(word)) {
      quoted_.host = true;
      quoted_.refused_host = quoted_.refused_host || refused;
    }
    if (word != hostname_ && IsOurDomain(word)) quoted_.domain = true;
    if (AreRelated(word, recipient_.domain)) quoted_.recipients_domain = true;
  }

  const std::string recipient_text_, sender_text_, hostname_;
  const Address recipient_, sender_;
  std::vector<std::string> our_domains_;
  Quoted quoted_;
};

}  // namespace

Verdict Reconsider(const Verdict& verdict, const Reply& reply, const Parties& parties) {
  const bool refuses_us =
      verdict.reason_class == ReasonClass::kReputation || verdict.reason_class == ReasonClass::kPolicy;
  if (verdict.action == Action::kDefer && refuses_us && IsAboutUs(verdict.about) && reply.IsPermanent()) {
    if (!Reading(parties).RefusesByName(reply.Text())) return verdict;
    return {.action = Action::kBounce,
            .reason_class = ReasonClass::kPolicy,
            .about = About::kRecipient,
            .close = verdict.close,
            .rule = "names_recipient"};
  }
  const bool knows_nobody = verdict.reason_class == ReasonClass::kBadMailbox;
  const bool knows_no_domain = verdict.reason_class == ReasonClass::kBadDomain;
  const bool says_not_why = verdict.reason_class == ReasonClass::kOther && verdict.about == About::kRecipient;
  const bool knows_inactive = verdict.reason_class == ReasonClass::kInactive;
  if (verdict.action != Action::kBounce || (!knows_nobody && !knows_no_domain && !says_not_why && !knows_inactive)) {
    return verdict;
  }
  const Quoted quoted = Reading(parties).Read(reply.Text());
  const About whose = quoted.sender || quoted.domain ? About::kDomain : About::kSource;
  // No words say that there is nobody. Beside the recipient, whose address many write in front, our host is named as
  // what is refused; or it is all that is named.
  const bool only_code_says_so = says_not_why || (knows_nobody && verdict.rule.starts_with("code."));
  const bool names_only_us = quoted.host && !quoted.recipients_domain && !quoted.sender;
  if (only_code_says_so && (quoted.refused_host || (says_not_why && names_only_us))) {
    return {.reason_class = ReasonClass::kPolicy,
            .about = whose,
            .remedy = Remedy::kSlow,
            .close = verdict.close,
            .rule = "names_our_host"};
  }
  if (quoted.recipient) return verdict;
  const bool of_sender = knows_inactive ? quoted.sender_as_such : quoted.sender;
  if (of_sender || (knows_no_domain && quoted.host && !quoted.recipients_domain)) {
    return {.reason_class = ReasonClass::kAuthentication,
            .about = whose,
            .remedy = Remedy::kStop,
            .close = verdict.close,
            .rule = "names_us"};
  }
  Verdict doubted = verdict;
  const bool doubtful = quoted.other || (quoted.host && !quoted.recipients_domain);
  if (doubtful && verdict.remedy == Remedy::kSuppress) doubted.remedy = Remedy::kSuppressAgain;
  return doubted;
}

}  // namespace sealift::engine
