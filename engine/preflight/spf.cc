#include "engine/preflight/spf.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "dns/name.h"

namespace sealift::engine {
namespace {

using dns::Verdict;

constexpr int kLookupsMax = 10;
constexpr int kVoidLookupsMax = 2;
constexpr size_t kMxHostsMax = 10;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string Lowered(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), Lower);
  return lower;
}

// A mechanism or a modifier, in its parts: "?include:example.com/24".
struct Term {
  SpfResult qualifier = SpfResult::kPass;
  std::string name;       // in lower case
  bool modifier = false;  // name=value
  std::string value;      // what stands behind the colon or the equals sign, without a prefix length
  int bits4 = 32, bits6 = 128;
  dns::Address network;  // of ip4 and ip6
};

// A prefix length of at most `max` bits.
std::optional<int> Bits(std::string_view text, int max) {
  int bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
  if (error != std::errc() || end != text.data() + text.size() || bits < 0 || bits > max) return std::nullopt;
  return bits;
}

// Takes "/24", "//64" or "/24//64" off the end; false when they are no prefix lengths.
bool TakePrefix(std::string_view& text, Term& term) {
  const size_t six = text.find("//");
  if (six != std::string_view::npos) {
    const std::optional<int> bits = Bits(text.substr(six + 2), 128);
    if (!bits.has_value()) return false;
    term.bits6 = *bits;
    text = text.substr(0, six);
  }
  const size_t four = text.find('/');
  if (four != std::string_view::npos) {
    const std::optional<int> bits = Bits(text.substr(four + 1), 32);
    if (!bits.has_value()) return false;
    term.bits4 = *bits;
    text = text.substr(0, four);
  }
  return true;
}

bool ParseNetwork(std::string_view text, Term& term) {
  const bool six = term.name == "ip6";
  if (const size_t slash = text.find('/'); slash != std::string_view::npos) {
    const std::optional<int> bits = Bits(text.substr(slash + 1), six ? 128 : 32);
    if (!bits.has_value()) return false;
    (six ? term.bits6 : term.bits4) = *bits;
    text = text.substr(0, slash);
  }
  const std::optional<dns::Address> network = dns::Address::Parse(text);
  if (!network.has_value() || network->family != (six ? AF_INET6 : AF_INET)) return false;
  term.network = *network;
  return true;
}

// RFC 7208 4.6.1 and 5; nothing when it is no term.
std::optional<Term> ParseTerm(std::string_view text) {
  Term term;
  const size_t name_end = std::min(text.find_first_of(":/="), text.size());
  if (name_end < text.size() && text[name_end] == '=') {
    term.modifier = true;
    term.name = Lowered(text.substr(0, name_end));
    term.value = text.substr(name_end + 1);
    if (term.name.empty() || (term.name == "redirect" && term.value.empty())) return std::nullopt;
    return term;
  }
  constexpr std::string_view kQualifiers = "+-~?";
  constexpr SpfResult kResults[] = {SpfResult::kPass, SpfResult::kFail, SpfResult::kSoftFail, SpfResult::kNeutral};
  size_t begin = 0;
  if (const size_t qualifier = text.empty() ? std::string_view::npos : kQualifiers.find(text.front());
      qualifier != std::string_view::npos) {
    term.qualifier = kResults[qualifier];
    begin = 1;
  }
  if (name_end < begin) return std::nullopt;
  term.name = Lowered(text.substr(begin, name_end - begin));
  std::string_view rest = text.substr(name_end);
  const bool colon = rest.starts_with(':');
  if (colon) rest.remove_prefix(1);
  if (term.name == "all") return colon || !rest.empty() ? std::nullopt : std::optional(term);
  if (term.name == "ip4" || term.name == "ip6") {
    if (!colon || !ParseNetwork(rest, term)) return std::nullopt;
    return term;
  }
  if (term.name == "a" || term.name == "mx") {
    // A macro may hold a slash, and what holds one is not looked at anyhow.
    if (rest.find('%') == std::string_view::npos && !TakePrefix(rest, term)) return std::nullopt;
    if (colon && rest.empty()) return std::nullopt;
    term.value = rest;
    return term;
  }
  if (term.name == "include" || term.name == "exists") {
    if (!colon || rest.empty()) return std::nullopt;
    term.value = rest;
    return term;
  }
  if (term.name == "ptr") return term;
  return std::nullopt;
}

bool Within(const dns::Address& address, const dns::Address& network, int bits) {
  if (address.family != network.family) return false;
  for (size_t i = 0; bits > 0; ++i, bits -= 8) {
    const auto mask = static_cast<uint8_t>(bits >= 8 ? 0xff : 0xff << (8 - bits));
    if ((address.bytes.at(i) & mask) != (network.bytes.at(i) & mask)) return false;
  }
  return true;
}

bool IsRecord(std::string_view text) {
  constexpr std::string_view kVersion = "v=spf1";
  return Lowered(text.substr(0, kVersion.size())) == kVersion &&
         (text.size() == kVersion.size() || text[kVersion.size()] == ' ');
}

// One evaluation, with the includes and redirects that it leads to.
class Evaluation {
 public:
  Evaluation(const dns::Address& address, SpfRecords& records) : address_(address), records_(records) {}

  SpfFinding Check(const std::string& domain);

 private:
  enum class Match { kYes, kNo, kUnclear, kTempError, kPermError };

  Match Matches(const Term& term, const std::string& domain);
  Match MatchesInclude(const std::string& domain);
  Match MatchesMx(const Term& term, const std::string& domain);
  Match MatchesHost(const std::string& host, const Term& term, bool counted);
  // Counts a term that asks the DNS.
  bool MayAsk() { return ++lookups_ <= kLookupsMax; }
  Match OfVerdict(Verdict verdict);
  Match Broken(std::string why) {
    why_ = std::move(why);
    return Match::kPermError;
  }

  const dns::Address& address_;
  SpfRecords& records_;
  int lookups_ = 0, void_lookups_ = 0;
  std::string why_;  // of the last error
};

Evaluation::Match Evaluation::OfVerdict(Verdict verdict) {
  switch (verdict) {
    case Verdict::kFound:
      return Match::kYes;
    case Verdict::kNoData:
    case Verdict::kNxDomain:
    case Verdict::kBadName:
    case Verdict::kUnusable:
      if (++void_lookups_ > kVoidLookupsMax) return Broken("more than 2 of its terms name nothing that is there");
      return Match::kNo;
    default:
      why_ = fmt::format("the DNS answered {}", dns::ToString(verdict));
      return Match::kTempError;
  }
}

Evaluation::Match Evaluation::MatchesHost(const std::string& host, const Term& term, bool counted) {
  const dns::AddressAnswer answer = records_.Addresses(host, address_.family);
  if (counted || dns::IsTemporary(answer.verdict)) {
    if (const Match found = OfVerdict(answer.verdict); found != Match::kYes) return found;
  }
  const int bits = address_.family == AF_INET ? term.bits4 : term.bits6;
  const bool any = std::ranges::any_of(answer.addresses,
                                       [&](const dns::Address& network) { return Within(address_, network, bits); });
  return any ? Match::kYes : Match::kNo;
}

Evaluation::Match Evaluation::MatchesMx(const Term& term, const std::string& domain) {
  const dns::MxAnswer answer = records_.Mx(domain);
  if (const Match found = OfVerdict(answer.verdict); found != Match::kYes) return found;
  if (answer.implicit) return OfVerdict(Verdict::kNoData);  // 5.4: without an MX record it matches nothing
  if (answer.hosts.size() > kMxHostsMax) return Broken(fmt::format("{} has more than 10 MX hosts", domain));
  for (const dns::MxHost& host : answer.hosts) {
    if (const Match match = MatchesHost(host.name, term, /*counted=*/false); match != Match::kNo) return match;
  }
  return Match::kNo;
}

Evaluation::Match Evaluation::MatchesInclude(const std::string& domain) {
  const SpfFinding included = Check(domain);
  switch (included.result) {
    case SpfResult::kPass:
      return Match::kYes;
    case SpfResult::kFail:
    case SpfResult::kSoftFail:
    case SpfResult::kNeutral:
      return Match::kNo;
    case SpfResult::kUnclear:
      return Match::kUnclear;
    case SpfResult::kTempError:
      why_ = fmt::format("{}: {}", domain, included.why);
      return Match::kTempError;
    case SpfResult::kNone:
      return Broken(fmt::format("it includes {}, which has no SPF record", domain));
    case SpfResult::kPermError:
      return Broken(fmt::format("it includes {}: {}", domain, included.why));
  }
  return Match::kPermError;
}

Evaluation::Match Evaluation::Matches(const Term& term, const std::string& own) {
  if (term.name == "all") return Match::kYes;
  if (term.name == "ip4") return Within(address_, term.network, term.bits4) ? Match::kYes : Match::kNo;
  if (term.name == "ip6") return Within(address_, term.network, term.bits6) ? Match::kYes : Match::kNo;
  if (!MayAsk()) return Broken("more than 10 of its terms ask the DNS");
  if (term.name == "ptr" || term.value.find('%') != std::string::npos) return Match::kUnclear;
  std::string domain = own;
  if (!term.value.empty()) {
    const std::optional<std::string> name = dns::HostName(term.value);
    if (!name.has_value()) return Broken(fmt::format("`{}` names no domain", term.name));
    domain = *name;
  }
  if (term.name == "include") return MatchesInclude(domain);
  if (term.name == "mx") return MatchesMx(term, domain);
  if (term.name == "a") return MatchesHost(domain, term, /*counted=*/true);
  return OfVerdict(records_.Addresses(domain, AF_INET).verdict);  // exists: any address will do
}

SpfFinding Evaluation::Check(const std::string& domain) {
  const dns::TxtAnswer answer = records_.Txt(domain);
  if (dns::IsTemporary(answer.verdict)) {
    return {SpfResult::kTempError, fmt::format("the DNS answered {}", dns::ToString(answer.verdict))};
  }
  const std::string* record = nullptr;
  for (const std::string& text : answer.texts) {
    if (!IsRecord(text)) continue;
    if (record != nullptr) return {SpfResult::kPermError, "it has more than one SPF record, and so none"};
    record = &text;
  }
  if (record == nullptr) return {SpfResult::kNone, "no SPF record stands there"};
  if (record->size() > kSpfTextBytesMax)
    return {SpfResult::kPermError, "its SPF record is longer than any needs to be"};

  // All of it is read before any of it is acted on: an error anywhere spoils the whole (4.6).
  std::vector<Term> terms;
  std::string redirect;
  std::string_view rest = std::string_view(*record).substr(6);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (word.empty()) continue;
    std::optional<Term> term = ParseTerm(word);
    if (!term.has_value()) {
      return {SpfResult::kPermError, fmt::format("term {} of its SPF record is none that RFC 7208 knows",
                                                 terms.size() + (redirect.empty() ? 1 : 2))};
    }
    if (!term->modifier) {
      terms.push_back(*std::move(term));
    } else if (term->name == "redirect") {
      if (!redirect.empty()) return {SpfResult::kPermError, "its SPF record redirects twice"};
      redirect = term->value;
    }
  }

  bool unclear = false;
  bool unclear_may_refuse = false;
  for (const Term& term : terms) {
    switch (Matches(term, domain)) {
      case Match::kNo:
        break;
      case Match::kUnclear:
        unclear = true;
        unclear_may_refuse = unclear_may_refuse || term.qualifier != SpfResult::kPass;
        break;
      case Match::kTempError:
        return {SpfResult::kTempError, why_};
      case Match::kPermError:
        return {SpfResult::kPermError, why_};
      case Match::kYes:
        if (unclear && (unclear_may_refuse || term.qualifier != SpfResult::kPass)) {
          return {SpfResult::kUnclear, "it hangs on a macro or on `ptr`"};
        }
        return {term.qualifier, term.qualifier == SpfResult::kPass
                                    ? std::string()
                                    : fmt::format("`{}` is the first term that holds for this address", term.name)};
    }
  }
  if (unclear) return {SpfResult::kUnclear, "it hangs on a macro or on `ptr`"};
  if (redirect.empty()) return {SpfResult::kNeutral, "no term holds for this address"};
  if (!MayAsk()) return {SpfResult::kPermError, "more than 10 of its terms ask the DNS"};
  if (redirect.find('%') != std::string::npos) return {SpfResult::kUnclear, "it redirects by a macro"};
  const std::optional<std::string> target = dns::HostName(redirect);
  if (!target.has_value()) return {SpfResult::kPermError, "`redirect` names no domain"};
  SpfFinding redirected = Check(*target);
  if (redirected.result == SpfResult::kNone) {
    return {SpfResult::kPermError, fmt::format("it redirects to {}, which has no SPF record", *target)};
  }
  return redirected;
}

}  // namespace

std::string_view ToString(SpfResult result) {
  switch (result) {
    case SpfResult::kPass:
      return "pass";
    case SpfResult::kFail:
      return "fail";
    case SpfResult::kSoftFail:
      return "softfail";
    case SpfResult::kNeutral:
      return "neutral";
    case SpfResult::kNone:
      return "none";
    case SpfResult::kTempError:
      return "temperror";
    case SpfResult::kPermError:
      return "permerror";
    case SpfResult::kUnclear:
      return "unclear";
  }
  return "unclear";
}

SpfFinding EvaluateSpf(const std::string& domain, const dns::Address& address, SpfRecords& records) {
  return Evaluation(address, records).Check(domain);
}

}  // namespace sealift::engine
