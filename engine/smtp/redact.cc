#include "engine/smtp/redact.h"

namespace sealift::engine {
namespace {

constexpr std::string_view kHidden = "<redacted>";
constexpr size_t kTellingBytesMin = 5;

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

std::string HideAddresses(std::string_view text) {
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

// `word` in any case: one that is short enough to be a part of other words only where it stands alone.
void HideWord(std::string_view word, std::string& text) {
  if (word.empty()) return;
  const bool alone = word.size() < kTellingBytesMin;
  size_t i = 0;
  while (i + word.size() <= text.size()) {
    bool same = true;
    for (size_t k = 0; same && k < word.size(); ++k) same = Lower(text[i + k]) == Lower(word[k]);
    const size_t end = i + word.size();
    if (alone) {
      same = same && (i == 0 || !IsAlphanumeric(text[i - 1])) && (end == text.size() || !IsAlphanumeric(text[end]));
    }
    if (same && text.compare(i > 0 ? i - 1 : 0, kHidden.size(), kHidden) != 0) {
      text.replace(i, word.size(), kHidden);
      i += kHidden.size();
    } else {
      ++i;
    }
  }
}

}  // namespace

std::string RedactReply(std::string_view reply, std::string_view recipient) {
  // Twice the cap: what is hidden may shrink it, and a cut address must not escape the look for its at sign.
  const bool cut = reply.size() > 2 * kRedactedBytesMax;
  if (cut) {
    reply = reply.substr(0, 2 * kRedactedBytesMax);
    while (!reply.empty() && !EndsWord(reply.back())) reply.remove_suffix(1);
  }
  std::string text = HideAddresses(reply);
  if (const size_t at = recipient.rfind('@'); at != std::string_view::npos) {
    std::string_view local = recipient.substr(0, at);
    if (local.size() > 2 && local.front() == '"') local = local.substr(1, local.size() - 2);
    HideWord(local, text);
    if (const size_t plus = local.find('+'); plus != std::string_view::npos) HideWord(local.substr(0, plus), text);
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
