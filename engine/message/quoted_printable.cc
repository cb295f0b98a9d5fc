#include "engine/message/quoted_printable.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace sealift::engine {
namespace {

// RFC 2045 6.7 (5): 76 characters, the "=" of a soft break included.
constexpr int kColumnsMax = 75;

enum : uint8_t { kPlain = 0, kEscape = 1, kNewline = 2, kHtml = 4 };  // bits: of several bytes together too

constexpr std::array<uint8_t, 256> kClasses = [] {
  std::array<uint8_t, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    const bool plain = (c >= 0x20 && c <= 0x7E && c != '=') || c == '\t';
    classes[static_cast<size_t>(c)] = plain ? kPlain : kEscape;
  }
  classes['\r'] = classes['\n'] = kNewline;
  for (const char c : {'&', '<', '>', '"', '\''}) classes[static_cast<unsigned char>(c)] = kHtml;
  return classes;
}();

constexpr char kHex[] = "0123456789ABCDEF";

uint8_t ClassOf(char c) { return kClasses[static_cast<unsigned char>(c)]; }

bool IsPlain(char c) { return ClassOf(c) == kPlain || ClassOf(c) == kHtml; }

// Whether the value stands in the text as it is. Without an early end, for it is short and most are plain.
bool IsPlainValue(std::string_view value, bool html) {
  uint8_t classes = kPlain;
  for (const char c : value) classes |= ClassOf(c);
  return (classes & (html ? kEscape | kNewline | kHtml : kEscape | kNewline)) == 0;
}

std::string_view HtmlEscape(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    default:
      return "&#39;";
  }
}

bool StaysInUrl(char c, Escaping escaping) {
  const bool unreserved = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                          c == '.' || c == '_' || c == '~';
  if (unreserved) return true;
  if (escaping == Escaping::kMailUrl) return c == '@';
  // RFC 3986 2.2, and what is percent-encoded already.
  return escaping == Escaping::kUrl && std::string_view(":/?#[]@!$()*+,;=%").find(c) != std::string_view::npos;
}

// Whether a line must not begin with `text`. An F is a risk when "From " may follow, in this piece or in the next one.
bool MustNotBeginLine(std::string_view text) {
  constexpr std::string_view kFrom = "From ";
  if (text.front() == '-' || text.front() == '.') return true;
  return text.front() == 'F' && text.substr(0, kFrom.size()) == kFrom.substr(0, text.size());
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

void AppendEscape(char c, std::string& out) {
  const auto byte = static_cast<unsigned char>(c);
  out += '=';
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

}  // namespace

QuotedPrintableLiteral QuotedPrintableWriter::Encode(std::string_view text) {
  QuotedPrintableLiteral literal;
  const size_t head_size = std::min(text.find('\n'), text.size());
  for (size_t i = 0; i < head_size; ++i) {
    const bool ends_line = i + 1 == head_size && head_size < text.size();
    if (IsPlain(text[i]) && !(ends_line && (text[i] == ' ' || text[i] == '\t'))) {
      literal.head += text[i];
    } else {
      AppendEscape(text[i], literal.head);
    }
  }
  if (head_size == text.size()) return literal;
  QuotedPrintableWriter writer(literal.rest);
  std::string_view left = text.substr(head_size);
  while (!left.empty()) {
    writer.LineEnd();
    left.remove_prefix(1);
    const std::string_view line = left.substr(0, left.find('\n'));
    writer.Text(line);
    left.remove_prefix(line.size());
  }
  literal.column = writer.column_;
  return literal;
}

void QuotedPrintableWriter::Literal(std::string_view head, std::string_view rest, int column_after) {
  Encoded(head);
  if (rest.empty()) return;
  // The rest begins with a line end, and what came before may end in white space.
  LineEnd();
  out_.append(rest.substr(2));
  column_ = column_after;
}

void QuotedPrintableWriter::Value(std::string_view value, Escaping escaping) {
  if (escaping > Escaping::kHtml) {
    Url(value, escaping);
    return;
  }
  const bool html = escaping == Escaping::kHtml;
  if (column_ > 0 && value.size() <= static_cast<size_t>(kColumnsMax - column_) && IsPlainValue(value, html)) {
    out_.append(value);
    column_ += static_cast<int>(value.size());
    return;
  }
  size_t done = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const uint8_t kind = ClassOf(value[i]);
    if (kind == kNewline) {
      Text(value.substr(done, i - done));
      LineEnd();
      if (value[i] == '\r' && i + 1 < value.size() && value[i + 1] == '\n') ++i;
      done = i + 1;
    } else if (kind == kHtml && html) {
      Text(value.substr(done, i - done));
      Text(HtmlEscape(value[i]));
      done = i + 1;
    }
  }
  Text(value.substr(done));
}

void QuotedPrintableWriter::Url(std::string_view value, Escaping escaping) {
  size_t done = 0;
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    const bool entity = escaping == Escaping::kUrl && (c == '&' || c == '\'');
    if (!entity && StaysInUrl(c, escaping)) continue;
    Text(value.substr(done, i - done));
    done = i + 1;
    if (entity) {
      Text(HtmlEscape(c));
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    const char code[] = {'%', kHex[byte >> 4], kHex[byte & 15]};
    Text({code, sizeof(code)});
  }
  Text(value.substr(done));
}

void QuotedPrintableWriter::End(bool ends_line) {
  if (column_ > 0 && ends_line) {
    LineEnd();
  } else if (column_ > 0) {
    LineEnd();
    out_.resize(out_.size() - 2);  // the line end belongs to the boundary that follows
  }
  column_ = 0;
}

void QuotedPrintableWriter::Text(std::string_view text) {
  while (!text.empty()) {
    if (!IsPlain(text.front())) {
      Byte(text.front());
      text.remove_prefix(1);
      continue;
    }
    if (column_ == kColumnsMax) SoftBreak();
    if (column_ == 0 && MustNotBeginLine(text)) {
      Byte(text.front());
      text.remove_prefix(1);
      continue;
    }
    const size_t room = static_cast<size_t>(kColumnsMax - column_);
    size_t run = 1;
    while (run < text.size() && run < room && IsPlain(text[run])) ++run;
    out_.append(text.substr(0, run));
    column_ += static_cast<int>(run);
    text.remove_prefix(run);
  }
}

void QuotedPrintableWriter::Encoded(std::string_view units) {
  while (!units.empty()) {
    if (column_ == 0 && MustNotBeginLine(units)) {
      Byte(units.front());
      units.remove_prefix(1);
      continue;
    }
    size_t fit = static_cast<size_t>(kColumnsMax - column_);
    if (units.size() <= fit) {
      out_.append(units);
      column_ += static_cast<int>(units.size());
      return;
    }
    // A soft break must not part an escape.
    if (fit >= 1 && units[fit - 1] == '=') {
      fit -= 1;
    } else if (fit >= 2 && units[fit - 2] == '=') {
      fit -= 2;
    }
    out_.append(units.substr(0, fit));
    units.remove_prefix(fit);
    SoftBreak();
  }
}

void QuotedPrintableWriter::Byte(char c) {
  if (column_ + 3 > kColumnsMax) SoftBreak();
  AppendEscape(c, out_);
  column_ += 3;
}

void QuotedPrintableWriter::SoftBreak() {
  out_ += "=\r\n";
  column_ = 0;
}

void QuotedPrintableWriter::LineEnd() {
  if (column_ > 0 && (out_.back() == ' ' || out_.back() == '\t')) {
    const char white = out_.back();
    out_.pop_back();
    --column_;
    Byte(white);
  }
  out_ += "\r\n";
  column_ = 0;
}

std::string DecodeQuotedPrintable(std::string_view text, std::vector<int>* source_lines) {
  std::string decoded;
  decoded.reserve(text.size());
  int source_line = 0;
  if (source_lines != nullptr) source_lines->push_back(0);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (line.ends_with(' ') || line.ends_with('\t')) line.remove_suffix(1);
    const bool soft = line.ends_with('=');
    if (soft) line.remove_suffix(1);
    ++source_line;
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '=' && i + 2 < line.size() && HexValue(line[i + 1]) >= 0 && HexValue(line[i + 2]) >= 0) {
        decoded += static_cast<char>(HexValue(line[i + 1]) * 16 + HexValue(line[i + 2]));
        i += 2;
      } else {
        decoded += line[i];
      }
    }
    if (soft || end == std::string_view::npos) continue;
    decoded += '\n';
    if (source_lines != nullptr) source_lines->push_back(source_line);
  }
  return decoded;
}

}  // namespace sealift::engine
