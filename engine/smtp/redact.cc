#include "engine/smtp/redact.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace sealift::engine {
namespace {

constexpr std::string_view kHidden = "<redacted>";
constexpr size_t kTellingBytesMin = 5;
constexpr size_t kBreakableBytesMin = 8;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool IsAlphanumeric(char c) { return (Lower(c) >= 'a' && Lower(c) <= 'z') || (c >= '0' && c <= '9'); }

// What ends the word that an at sign stands in.
bool EndsWord(char c) {
  return static_cast<unsigned char>(c) <= ' ' ||
         std::string_view("<>()[]{},;:\"'|\\").find(c) != std::string_view::npos;
}

// The length of an at sign at `i`, plain or as a URL writes it; 0 for none.
size_t AtSign(std::string_view text, size_t i) {
  if (text[i] == '@') return 1;
  if (text[i] == '%' && text.substr(i, 3) == "%40") return 3;
  return 0;
}

// Where the quoted local part that ends at `quote` begins: `"john doe"@`.
size_t OpeningQuote(std::string_view text, size_t quote, size_t floor) {
  for (size_t i = quote; i > floor; --i) {
    if (text[i - 1] == '"' && (i < 2 || text[i - 2] != '\\')) return i - 1;
  }
  return floor;
}

std::string Hidden(std::string_view text) {
  std::string result;
  size_t done = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t at_size = AtSign(text, i);
    if (at_size == 0) continue;
    size_t begin = i;
    if (begin > done && text[begin - 1] == '"') {
      begin = OpeningQuote(text, begin - 1, done);
    } else {
      while (begin > done && !EndsWord(text[begin - 1])) --begin;
    }
    size_t end = i + at_size;
    // No domain has "..": what stands behind it in "<jane@d1.test>...User unknown" is a sentence.
    while (end < text.size() && !EndsWord(text[end]) && text.substr(end, 2) != "..") ++end;
    if (begin > done && end < text.size() && text[begin - 1] == '<' && text[end] == '>') {
      --begin;
      ++end;
    }
    result.append(text, done, begin - done);
    result += kHidden;
    done = end;
    i = end - 1;
  }
  result.append(text, done);
  return result;
}

// How many bytes of `text` at `i` are `word`, in any case; 0: none. A long word may be broken, as between two lines.
size_t StandsAt(std::string_view word, std::string_view text, size_t i) {
  const size_t begin = i;
  for (size_t k = 0; k < word.size(); ++k, ++i) {
    if (k > 0 && word.size() >= kBreakableBytesMin) {
      while (i < text.size() && static_cast<unsigned char>(text[i]) <= ' ' && text[i] != word[k]) ++i;
    }
    if (i >= text.size() || Lower(text[i]) != Lower(word[k])) return 0;
  }
  return i - begin;
}

// `word` in any case: one that is short enough to be a part of other words only where it stands alone.
void HideWord(std::string_view word, std::string& text) {
  if (word.empty()) return;
  const bool alone = word.size() < kTellingBytesMin;
  for (size_t i = 0; i < text.size();) {
    size_t size = StandsAt(word, text, i);
    const size_t end = i + size;
    if (alone && ((i > 0 && IsAlphanumeric(text[i - 1])) || (end < text.size() && IsAlphanumeric(text[end])))) size = 0;
    if (size > 0 && text.compare(i > 0 ? i - 1 : 0, kHidden.size(), kHidden) != 0) {
      text.replace(i, size, kHidden);
      i += kHidden.size();
    } else {
      ++i;
    }
  }
}

// A word that is made for one look: each reply is looked through, so it takes nothing from the heap. The beginning of
// one that is longer hides as well.
class Word {
 public:
  void Add(char c) {
    if (size_ < bytes_.size()) bytes_[size_++] = c;
  }
  std::string_view text() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, 256> bytes_;
  size_t size_ = 0;
};

Word WithoutDots(std::string_view bytes) {
  Word word;
  for (const char c : bytes) {
    if (c != '.') word.Add(c);
  }
  return word;
}

Word Hex(std::string_view bytes) {
  Word hex;
  for (const char c : bytes) {
    for (const int shift : {4, 0}) hex.Add("0123456789abcdef"[(static_cast<unsigned char>(c) >> shift) & 15]);
  }
  return hex;
}

// What base64 has of `bytes` wherever they stand in what is encoded, with so many bytes (modulo 3) before them.
Word Base64Of(std::string_view bytes, size_t before) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  Word digits;
  uint32_t bits = 0;
  size_t held = before * 8 % 6;  // bits, of which those before are unknown
  bool shared = held > 0;        // the next digit has some of those
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    for (held += 8; held >= 6;) {
      held -= 6;
      if (shared) {
        shared = false;
        continue;
      }
      digits.Add(kDigits[(bits >> held) & 63]);
    }
  }
  return digits;
}

// The whole of each token that has `part` in it.
void HideToken(std::string_view part, std::string& text) {
  if (part.size() < kTellingBytesMin) return;
  const auto is_of_token = [](char c) { return IsAlphanumeric(c) || std::string_view("+/=_-").contains(c); };
  for (size_t i = text.find(part); i != std::string::npos; i = text.find(part, i)) {
    size_t begin = i, end = i + part.size();
    while (begin > 0 && is_of_token(text[begin - 1])) --begin;
    while (end < text.size() && is_of_token(text[end])) ++end;
    text.replace(begin, end - begin, kHidden);
    i = begin + kHidden.size();
  }
}

// A local part in the ways that servers write it: as it is, without dots as some count it, and encoded.
void HideLocal(std::string_view local, std::string& text) {
  HideWord(local, text);
  if (local.size() < kTellingBytesMin) return;
  const Word bare = WithoutDots(local);
  if (bare.text().size() >= kTellingBytesMin && bare.text().size() < local.size()) HideWord(bare.text(), text);
  HideWord(Hex(local).text(), text);
  for (const size_t before : {0, 1, 2}) HideToken(Base64Of(local, before).text(), text);
}

// Twice the cap: what is hidden may shrink it, and a cut address must not escape the look for its at sign.
std::string_view Cut(std::string_view reply) {
  if (reply.size() <= 2 * kRedactedBytesMax) return reply;
  reply = reply.substr(0, 2 * kRedactedBytesMax);
  while (!reply.empty() && !EndsWord(reply.back())) reply.remove_suffix(1);
  return reply;
}

}  // namespace

std::string HideAddresses(std::string_view reply) {
  std::string text = Hidden(Cut(reply));
  if (text.size() > kRedactedBytesMax) text.resize(kRedactedBytesMax);
  return text;
}

std::string RedactReply(std::string_view reply, std::string_view recipient) {
  const std::string_view read = Cut(reply);
  const bool cut = read.size() < reply.size();
  std::string text = Hidden(read);
  if (const size_t at = recipient.rfind('@'); at != std::string_view::npos) {
    std::string_view local = recipient.substr(0, at);
    if (local.size() > 2 && local.front() == '"') local = local.substr(1, local.size() - 2);
    HideLocal(local, text);
    if (const size_t plus = local.find('+'); plus != std::string_view::npos) HideLocal(local.substr(0, plus), text);
  }
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  if (cut || text.size() > kRedactedBytesMax) {
    text.resize(std::min(text.size(), kRedactedBytesMax - 3));
    text += "...";
  }
  return text;
}

}  // namespace sealift::engine
