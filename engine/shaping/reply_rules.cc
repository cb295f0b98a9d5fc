#include "engine/shaping/reply_rules.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <deque>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/smtp/redact.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

struct PhraseRule {
  ReplyRule rule;
  std::span<const std::string_view> phrases;
};

struct WordSet {
  std::string_view name;
  std::span<const std::string_view> words;
};

#define WORDS(name, ...)                                         \
  {#name, []() -> std::span<const std::string_view> {            \
     static constexpr std::string_view kWords[] = {__VA_ARGS__}; \
     return kWords;                                              \
   }()},
constexpr WordSet kWordSets[] = {
#include "engine/shaping/reply_words.def"
};
#undef WORDS

// The table, once for each kind of line.
#define PHRASE_RULE(name, class, about, remark, vague, ...)                                                     \
  {{name, ReasonClass::class, About::about, Remark::remark, vague}, []() -> std::span<const std::string_view> { \
     static constexpr std::string_view kPhrases[] = {__VA_ARGS__};                                              \
     return kPhrases;                                                                                           \
   }()},
#define REPLY_RULE(name, class, about, remark, ...) PHRASE_RULE(name, class, about, remark, false, __VA_ARGS__)
#define VAGUE_RULE(name, class, about, remark, ...) PHRASE_RULE(name, class, about, remark, true, __VA_ARGS__)
#define CAVEAT(...)
#define CODE_RULE(subject, from, to, name, class, about, remark)
#define MISREPORTS(provider, rule)
constexpr PhraseRule kPhraseRules[] = {
#include "engine/shaping/reply_rules.def"
};
#undef REPLY_RULE
#undef VAGUE_RULE
#undef CAVEAT

#define REPLY_RULE(...)
#define VAGUE_RULE(...)
#define CAVEAT(name, class, about, remark, ...) PHRASE_RULE(name, class, about, remark, false, __VA_ARGS__)
constexpr PhraseRule kCaveats[] = {
#include "engine/shaping/reply_rules.def"
};
#undef PHRASE_RULE
#undef CAVEAT
#undef CODE_RULE
#undef MISREPORTS

// Enhanced codes: a subject, the details from..to, and what they mean.
struct CodeRule {
  int subject, from, to;
  ReplyRule rule;
};

#define CAVEAT(...)
#define CODE_RULE(subject, from, to, name, class, about, remark) \
  {subject, from, to, {name, ReasonClass::class, About::about, Remark::remark, false}},
#define MISREPORTS(provider, rule)
constexpr CodeRule kCodeRules[] = {
#include "engine/shaping/reply_rules.def"
};
#undef CODE_RULE
#undef MISREPORTS

#define CODE_RULE(...)
#define MISREPORTS(provider, rule) {provider, rule},
constexpr std::pair<std::string_view, std::string_view> kMisreports[] = {
#include "engine/shaping/reply_rules.def"
};
#undef REPLY_RULE
#undef VAGUE_RULE
#undef CAVEAT
#undef CODE_RULE
#undef MISREPORTS

bool Applies(const ReplyRule& rule, bool recipient_known) {
  // The size of a message is said before its recipient: RFC 1870.
  if (rule.reason_class == ReasonClass::kTooLarge) return true;
  return recipient_known || (rule.about != About::kRecipient && rule.about != About::kContent);
}

// The words of a set, sorted.
std::span<const std::string_view> WordsOf(std::string_view set) {
  static const auto* const kSorted = [] {
    auto* const sets = new std::map<std::string_view, std::vector<std::string_view>>();
    for (const auto& [name, words] : kWordSets) {
      std::vector<std::string_view>& sorted = (*sets)[name];
      sorted.assign(words.begin(), words.end());
      std::ranges::sort(sorted);
    }
    return sets;
  }();
  const auto found = kSorted->find(set);
  assert(found != kSorted->end());
  return found->second;
}

// Those of the sorted `words` that begin as `text` does.
std::span<const std::string_view> BeginningAs(std::string_view text, std::span<const std::string_view> words) {
  if (text.empty()) return {};
  const auto first = [](std::string_view word) { return static_cast<unsigned char>(word.front()); };
  const auto [from, to] = std::ranges::equal_range(words, first(text), {}, first);
  return {from, to};
}

// A phrase as it is read: what it says up to "*", "?" or "[who]", and that; the last piece says the rest of it.
struct Piece {
  enum class Then : uint8_t { kEnd, kAnyWords, kOneWord, kWordOfSet };
  std::string_view text;
  Then then = Then::kEnd;
  std::span<const std::string_view> words;  // of the set, sorted
};
using Phrase = std::vector<Piece>;

// Of " unusual rate * dkim domain ", " [who] ? [nobody] ".
Phrase Read(std::string_view phrase) {
  Phrase pieces;
  while (true) {
    const size_t special = phrase.find_first_of("*?[");
    Piece piece{.text = phrase.substr(0, special), .words = {}};
    if (special == std::string_view::npos) {
      pieces.push_back(piece);
      return pieces;
    }
    size_t end = special;
    if (phrase[special] == '[') {
      end = phrase.find(']', special);
      piece.then = Piece::Then::kWordOfSet;
      piece.words = WordsOf(phrase.substr(special + 1, end - special - 1));
    } else {
      piece.then = phrase[special] == '?' ? Piece::Then::kOneWord : Piece::Then::kAnyWords;
    }
    pieces.push_back(piece);
    phrase.remove_prefix(end + 1);
  }
}

// Never: nor does any text that begins further on, since what follows a "*" stands nowhere behind it. To look for that
// again from every word would let a server that repeats a phrase's beginning keep a shard for milliseconds.
enum class Begins : uint8_t { kNo, kYes, kNever };

Begins BeginsWith(std::string_view text, std::span<const Piece> phrase) {
  const Piece& piece = phrase.front();
  const std::span<const Piece> after = phrase.subspan(1);
  if (!text.starts_with(piece.text)) return Begins::kNo;
  const std::string_view here = text.substr(piece.text.size());
  switch (piece.then) {
    case Piece::Then::kEnd:
      return Begins::kYes;
    case Piece::Then::kWordOfSet: {
      Begins found = Begins::kNo;
      for (const std::string_view word : BeginningAs(here, piece.words)) {
        if (!here.starts_with(word)) continue;
        const Begins with_it = BeginsWith(here.substr(word.size()), after);
        if (with_it == Begins::kYes) return with_it;
        if (with_it == Begins::kNever) found = with_it;
      }
      return found;
    }
    case Piece::Then::kOneWord: {
      if (here.starts_with('#')) return Begins::kNo;
      const size_t end = here.find(' ');
      return end == std::string_view::npos ? Begins::kNo : BeginsWith(here.substr(end), after);
    }
    case Piece::Then::kAnyWords:
      // The space before "*" may also be the one before what follows.
      for (size_t at = piece.text.size() - 1; at != std::string_view::npos; at = text.find(' ', at + 1)) {
        const Begins behind = BeginsWith(text.substr(at), after);
        if (behind != Begins::kNo) return behind;
      }
      return Begins::kNever;
  }
  std::unreachable();
}

// The phrases by the first two letters that they begin a word with: a few are tried at each word instead of hundreds.
class PhraseIndex {
 public:
  explicit PhraseIndex(std::span<const PhraseRule> rules) : rules_(rules) {
    for (size_t rule = 0; rule < rules.size(); ++rule) {
      for (const std::string_view phrase : rules[rule].phrases) Add(rule, phrase);
    }
  }

  const ReplyRule* Find(std::string_view plain, bool recipient_known) const {
    size_t first = rules_.size();
    std::vector<const Entry*> never;
    for (size_t at = plain.find(' '); at != std::string_view::npos; at = plain.find(' ', at + 1)) {
      const std::string_view rest = plain.substr(at);
      if (rest.size() < 3) break;
      for (const Entry& entry : phrases_[Key(rest)]) {
        if (entry.rule >= first || !Applies(rules_[entry.rule].rule, recipient_known)) continue;
        if (!never.empty() && std::ranges::find(never, &entry) != never.end()) continue;
        const Begins begins = BeginsWith(rest, *entry.phrase);
        if (begins == Begins::kYes) first = entry.rule;
        if (begins == Begins::kNever) never.push_back(&entry);
      }
    }
    return first < rules_.size() ? &rules_[first].rule : nullptr;
  }

 private:
  struct Entry {
    size_t rule;
    std::shared_ptr<const Phrase> phrase;
  };

  void Add(size_t rule, std::string_view phrase) {
    assert(phrase.size() >= 3 && phrase.front() == ' ');
    Phrase read = Read(phrase);
    if (phrase[1] != '[') {
      phrases_[Key(phrase)].push_back({rule, std::make_shared<const Phrase>(std::move(read))});
      return;
    }
    std::map<size_t, std::vector<std::string_view>> by_key;
    for (const std::string_view word : read.front().words) by_key[Key(" " + std::string(word))].push_back(word);
    for (auto& [key, words] : by_key) {
      read.front().words = words_.emplace_back(std::move(words));
      phrases_[key].push_back({rule, std::make_shared<const Phrase>(read)});
    }
  }

  static size_t Key(std::string_view text) {
    return static_cast<unsigned char>(text[1]) % 64 * 64 + static_cast<unsigned char>(text[2]) % 64;
  }

  const std::span<const PhraseRule> rules_;
  std::array<std::vector<Entry>, size_t{64} * 64> phrases_;
  // Of a set those words that begin so: the others are not tried there.
  std::deque<std::vector<std::string_view>> words_;
};

bool IsWord(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// The character that `text` begins with, and drops from there; U+FFFD for what is none.
char32_t TakeCharacter(std::string_view& text) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
  const size_t size = byte(0) < 0x80 ? 1 : byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (text.size() < size || !IsUtf8(text.substr(0, size))) {
    text.remove_prefix(1);
    return U'\uFFFD';
  }
  char32_t character = size == 1 ? byte(0) : byte(0) & (0x7F >> size);
  for (size_t i = 1; i < size; ++i) character = character << 6 | (byte(i) & 0x3F);
  text.remove_prefix(size);
  return character;
}

// Cyrillic in lower case, and without the dots that are left out as often; nothing for another letter.
std::optional<char32_t> LowerCyrillic(char32_t character) {
  if (character < U'\u0400' || character > U'\u04FF') return std::nullopt;
  if (character < U'\u0410') character += 0x50;
  if (character >= U'\u0410' && character < U'\u0430') character += 0x20;
  if (character == U'\u0451') return U'\u0435';
  if (character == U'\u0490') return U'\u0491';
  return character;
}

// Chinese, Japanese and Korean, which have no spaces where words end.
bool IsOfUnspaced(char32_t character) {
  return (character >= U'\u3041' && character <= U'\u30FE') || (character >= U'\u3400' && character <= U'\u9FFF') ||
         (character >= U'\uAC00' && character <= U'\uD7A3');
}

void AppendSpace(std::string& plain) {
  if (plain.back() != ' ') plain += ' ';
}

bool IsIp(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size()) return false;
  std::ranges::copy(text, terminated.begin());
  in6_addr bytes{};
  return inet_pton(text.contains(':') ? AF_INET6 : AF_INET, terminated.data(), &bytes) == 1;
}

// The length of the IP address that `text` begins with, as servers write them: "192.0.2.7:25", "2001:db8::7."; else 0.
size_t IpLength(std::string_view text) {
  constexpr size_t kRunBytesMax = 64;  // a longer one is none, and is not read again from each of its colons
  text = text.substr(0, kRunBytesMax);
  const size_t end = std::min(text.find_first_not_of("0123456789abcdefABCDEF.:"), text.size());
  if (end < 3 || (end < text.size() && (text[end] == '-' || IsWord(Lower(text[end]))))) return 0;
  std::string_view ip = text.substr(0, end);
  while (!ip.empty() && (ip.back() == '.' || ip.back() == ':')) ip.remove_suffix(1);
  if (IsIp(ip)) return ip.size();
  const size_t port = std::min(ip.find(':'), ip.size());
  return IsIp(ip.substr(0, port)) ? port : 0;
}

void AppendPlain(std::string_view text, std::string& plain) {
  constexpr std::string_view kHidden = "<redacted>";
  char before = ' ';
  bool in_link = false;
  while (!text.empty()) {
    if (text.starts_with(kHidden)) {
      text.remove_prefix(kHidden.size());
      before = ' ';
      continue;
    }
    in_link = text.front() != ' ' && (in_link || text.starts_with("://"));
    if (!in_link && !IsWord(Lower(before)) && before != '/' && before != '.') {
      if (const size_t length = IpLength(text); length > 0) {
        AppendSpace(plain);
        plain += "#ip ";
        text.remove_prefix(length);
        before = ' ';
        continue;
      }
    }
    before = text.front();
    const std::string_view rest = text;
    const char32_t character = TakeCharacter(text);
    if (const std::optional<char32_t> cyrillic = LowerCyrillic(character)) {
      plain += static_cast<char>(0xC0 | *cyrillic >> 6);
      plain += static_cast<char>(0x80 | (*cyrillic & 0x3F));
    } else if (IsOfUnspaced(character)) {
      AppendSpace(plain);
      plain += rest.substr(0, rest.size() - text.size());
      plain += ' ';
    } else if (character < 0x80 && IsWord(Lower(static_cast<char>(character)))) {
      plain += Lower(static_cast<char>(character));
    } else {
      AppendSpace(plain);
    }
  }
  AppendSpace(plain);
}

// "mx.d1.test", and no link.
bool IsHost(std::string_view token) {
  const size_t dot = token.find('.');
  return dot > 0 && dot != std::string_view::npos && dot + 1 < token.size() && IsWord(Lower(token[dot - 1])) &&
         IsWord(Lower(token[dot + 1])) && !token.contains('/');
}

// " @docomo @ne @jp" of the addresses in the text, of as many as anybody quotes.
void AppendDomains(std::string_view text, std::string& plain) {
  const size_t most = plain.size() + kRedactedBytesMax;
  for (size_t at = text.find('@'); at != std::string_view::npos && plain.size() < most; at = text.find('@', at + 1)) {
    bool within = false;
    for (size_t i = at + 1; i < text.size() && plain.size() < most; ++i) {
      const char c = Lower(text[i]);
      if ((!IsWord(c) && c != '.' && c != '-') || text.substr(i, 2) == "..") break;
      if (!IsWord(c)) {
        if (within) plain += ' ';
        within = false;
        continue;
      }
      if (!within) plain += '@';
      within = true;
      plain += c;
    }
    if (within) plain += ' ';
  }
}

// Every word that these sets are made of, sorted.
std::vector<std::string_view> SingleWordsOf(std::initializer_list<std::string_view> sets) {
  std::vector<std::string_view> single;
  for (const std::string_view set : sets) {
    for (std::string_view words : WordsOf(set)) {
      while (!words.empty()) {
        const size_t end = std::min(words.find(' '), words.size());
        single.push_back(words.substr(0, end));
        words.remove_prefix(std::min(end + 1, words.size()));
      }
    }
  }
  std::ranges::sort(single);
  return single;
}

// Whether `token` has a word that is none of the sorted `words`. What has a digit is an identifier.
bool IsOdd(std::string_view token, std::span<const std::string_view> words) {
  std::string plain = " ";
  AppendPlain(token, plain);
  for (size_t at = 1; at < plain.size();) {
    const size_t space = plain.find(' ', at);
    const std::string_view word = std::string_view(plain).substr(at, space - at);
    at = space + 1;
    const bool has_digit = std::ranges::any_of(word, [](char c) { return c >= '0' && c <= '9'; });
    if (!has_digit && word.size() > 1 && !std::ranges::binary_search(words, word)) return true;
  }
  return false;
}

bool IsLink(std::string_view token) { return token.contains("://"); }

// How many words of the reply are none of these; addresses, hosts and links are no words.
int OddWords(const Reply& reply, std::span<const std::string_view> words) {
  const std::string text = HideAddresses(reply.Text());
  int odd = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string_view token = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (!IsHost(token) && !IsLink(token) && IsOdd(token, words)) ++odd;
  }
  return odd;
}

}  // namespace

std::string Plain(const Reply& reply) {
  const std::string text = reply.Text();
  std::string plain = fmt::format(" ={} ", reply.code);
  if (reply.enhanced.has_value()) plain += fmt::format("#{}.{} ", reply.enhanced->subject, reply.enhanced->detail);
  AppendPlain(HideAddresses(text), plain);
  AppendDomains(text, plain);
  return plain;
}

const ReplyRule* FindRule(std::string_view plain, bool recipient_known) {
  static const PhraseIndex* const kIndex = new PhraseIndex(kPhraseRules);
  return kIndex->Find(plain, recipient_known);
}

const ReplyRule* FindCaveat(std::string_view plain) {
  static const PhraseIndex* const kIndex = new PhraseIndex(kCaveats);
  return kIndex->Find(plain, /*recipient_known=*/true);
}

bool IsBare(const Reply& reply) {
  static const std::span<const std::string_view> kWords = WordsOf("bare");
  return !IsLink(reply.lines) && OddWords(reply, kWords) == 0;
}

bool IsUnderstood(const Reply& reply) {
  static const auto* const kWords =
      new std::vector<std::string_view>(SingleWordsOf({"who", "nobody", "no", "bare", "usual"}));
  return OddWords(reply, *kWords) <= 1;
}

bool RefusesRecipientAlone(const Reply& reply, std::string_view plain) {
  static const auto* const kWords =
      new std::vector<std::string_view>(SingleWordsOf({"him", "refusal", "bare", "usual"}));
  const auto has_word_of = [&](std::string_view set) {
    return std::ranges::any_of(WordsOf(set),
                               [&](std::string_view words) { return plain.contains(fmt::format(" {} ", words)); });
  };
  return has_word_of("him") && has_word_of("refusal") && !has_word_of("ours") && !has_word_of("us") &&
         !plain.contains(" #ip ") && OddWords(reply, *kWords) <= 1;
}

const ReplyRule* FindRule(const EnhancedCode& code, bool recipient_known) {
  for (const CodeRule& entry : kCodeRules) {
    if (entry.subject != code.subject || code.detail < entry.from || code.detail > entry.to) continue;
    if (Applies(entry.rule, recipient_known)) return &entry.rule;
  }
  return nullptr;
}

bool Misreports(std::string_view provider, std::string_view rule) {
  return std::ranges::any_of(kMisreports,
                             [&](const auto& entry) { return entry.first == provider && entry.second == rule; });
}

std::span<const std::pair<std::string_view, std::string_view>> AllMisreports() { return kMisreports; }

std::vector<RuleEntry> AllRules() {
  std::vector<RuleEntry> rules;
  for (const PhraseRule& entry : kPhraseRules) {
    rules.push_back({&entry.rule, entry.phrases, ""});
  }
  for (const PhraseRule& entry : kCaveats) rules.push_back({&entry.rule, entry.phrases, "", /*caveat=*/true});
  for (const CodeRule& entry : kCodeRules) {
    rules.push_back({&entry.rule,
                     {},
                     entry.from == entry.to ? fmt::format("x.{}.{}", entry.subject, entry.from)
                                            : fmt::format("x.{}.{}-{}", entry.subject, entry.from, entry.to)});
  }
  return rules;
}

}  // namespace sealift::engine
