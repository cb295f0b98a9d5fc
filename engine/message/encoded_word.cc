#include "engine/message/encoded_word.h"

#include <absl/strings/escaping.h>

#include <algorithm>

#include "engine/message/quoted_printable.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

constexpr size_t kLineBytes = 76;         // RFC 2047 2; RFC 5322 asks for 78
constexpr size_t kEncodedWordBytes = 75;  // RFC 2047 2
constexpr size_t kWordBytesMax = 800;     // an unbroken word beyond it is encoded, to keep every line under 998
constexpr std::string_view kQOpen = "=?utf-8?Q?";
constexpr std::string_view kBOpen = "=?utf-8?B?";
constexpr std::string_view kWordClose = "?=";

bool IsLetterOrDigit(char c) { return (c >= '0' && c <= '9') || (LowerCase(c) >= 'a' && LowerCase(c) <= 'z'); }

// What an encoded word may hold plainly, even in a display name: RFC 2047 5 (3).
bool IsQPlain(char c) { return IsLetterOrDigit(c) || c == '!' || c == '*' || c == '+' || c == '-' || c == '/'; }

bool IsAtomText(char c) {
  return IsLetterOrDigit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

size_t QSize(std::string_view text) {
  size_t size = 0;
  for (const char c : text) size += IsQPlain(c) || c == ' ' ? 1 : 3;
  return size;
}

size_t BSize(size_t bytes) { return (bytes + 2) / 3 * 4; }

void AppendQ(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    if (IsQPlain(c)) {
      out += c;
    } else if (c == ' ') {
      out += '_';
    } else {
      out += '=';
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
}

void AppendB(std::string_view text, std::string& out) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < text.size(); i += 3) {
    const size_t left = std::min<size_t>(text.size() - i, 3);
    unsigned bits = static_cast<unsigned char>(text[i]) << 16;
    if (left > 1) bits |= static_cast<unsigned char>(text[i + 1]) << 8;
    if (left > 2) bits |= static_cast<unsigned char>(text[i + 2]);
    out += kAlphabet[bits >> 18];
    out += kAlphabet[bits >> 12 & 63];
    out += left > 1 ? kAlphabet[bits >> 6 & 63] : '=';
    out += left > 2 ? kAlphabet[bits & 63] : '=';
  }
}

void Fold(size_t& column, std::string& out) {
  out += "\r\n ";
  column = 1;
}

// Encoded words one after another; a reader drops the white space between them, and none parts a character.
void AppendEncodedWords(std::string_view text, size_t& column, std::string& out) {
  // Q stays readable in a raw message; base64 where that would cost half as much again.
  const bool base64 = 3 * BSize(text.size()) < 2 * QSize(text);
  const size_t frame = kQOpen.size() + kWordClose.size();
  bool first = true;
  while (!text.empty()) {
    // Room for a few characters, or the word goes to a line of its own.
    if (!first || column + frame + 12 > kLineBytes) Fold(column, out);
    first = false;
    const size_t room = std::min(kEncodedWordBytes, kLineBytes - column) - frame;
    size_t taken = 0;
    size_t used = 0;
    while (taken < text.size()) {
      const size_t next = taken + CharacterSize(text, taken);
      used = base64 ? BSize(next) : used + QSize(text.substr(taken, next - taken));
      if (taken > 0 && used > room) break;
      taken = next;
    }
    const size_t before = out.size();
    out += base64 ? kBOpen : kQOpen;
    if (base64) {
      AppendB(text.substr(0, taken), out);
    } else {
      AppendQ(text.substr(0, taken), out);
    }
    out += kWordClose;
    column += out.size() - before;
    text.remove_prefix(taken);
  }
}

bool NeedsEncoding(std::string_view text) {
  if (text.find("=?") != std::string_view::npos) return true;
  size_t word = 0;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) return true;
    word = c == ' ' ? 0 : word + 1;
    if (word > kWordBytesMax) return true;
  }
  return false;
}

// "=?charset?encoding?text?=" at the start of `text`: appends what it says and returns its size, or 0.
size_t DecodeOne(std::string_view text, std::string& out) {
  const size_t charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= text.size() || text[charset_end + 2] != '?') return 0;
  const std::string_view charset = text.substr(2, charset_end - 2);
  const char encoding = LowerCase(text[charset_end + 1]);
  const size_t begin = charset_end + 3;
  const size_t end = text.find("?=", begin);
  if (end == std::string_view::npos) return 0;
  if (!EqualsIgnoreCase(charset, "utf-8") && !EqualsIgnoreCase(charset, "us-ascii")) return 0;
  std::string payload(text.substr(begin, end - begin));
  if (payload.find(' ') != std::string::npos) return 0;
  std::string decoded;
  if (encoding == 'q') {
    std::ranges::replace(payload, '_', ' ');
    decoded = DecodeQuotedPrintable(payload + "=");  // the soft break keeps a space at the end
  } else if (encoding != 'b' || !absl::Base64Unescape(payload, &decoded)) {
    return 0;
  }
  if (!IsUtf8(decoded)) return 0;
  out += decoded;
  return end + 2;
}

}  // namespace

void AppendFolded(std::string_view text, size_t& column, std::string& out) {
  bool has_word = column > 1;  // a line of white space alone would end the header for some readers
  while (!text.empty()) {
    const size_t white = std::min(text.find_first_not_of(' '), text.size());
    const size_t end = std::min(text.find(' ', white), text.size());
    if (white > 0 && white < text.size() && has_word && column + end > kLineBytes) {
      out += "\r\n";
      column = 0;
    }
    out.append(text.substr(0, end));
    column += end;
    has_word = has_word || end > white;
    text.remove_prefix(end);
  }
}

void AppendHeaderText(std::string_view text, size_t& column, std::string& out) {
  if (NeedsEncoding(text)) {
    AppendEncodedWords(text, column, out);
  } else {
    AppendFolded(text, column, out);
  }
}

void AppendDisplayName(std::string_view text, size_t& column, std::string& out) {
  if (NeedsEncoding(text)) {
    AppendEncodedWords(text, column, out);
    return;
  }
  const bool atoms = std::ranges::all_of(text, [](char c) { return c == ' ' || IsAtomText(c); });
  if (atoms) {
    AppendFolded(text, column, out);
    return;
  }
  // Quoted straight into `out`: names are short, and folding inside a quoted string buys nothing.
  size_t size = text.size() + 2;
  for (const char c : text) size += c == '"' || c == '\\' ? 1 : 0;
  if (column + size > kLineBytes && column > 1) Fold(column, out);
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
  column += size;
}

std::string DecodeEncodedWords(std::string_view text) {
  std::string decoded;
  bool after_word = false;
  while (!text.empty()) {
    const size_t begin = text.find("=?");
    const std::string_view between = text.substr(0, begin);
    const bool only_white = between.find_first_not_of(" \t") == std::string_view::npos;
    if (begin == std::string_view::npos) {
      decoded += between;
      break;
    }
    std::string word;
    const size_t size = DecodeOne(text.substr(begin), word);
    if (!(after_word && only_white && size > 0)) decoded += between;
    if (size == 0) decoded += "=?";
    decoded += word;
    text.remove_prefix(begin + (size == 0 ? 2 : size));
    after_word = size > 0;
  }
  return decoded;
}

}  // namespace sealift::engine
