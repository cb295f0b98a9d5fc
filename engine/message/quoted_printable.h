#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::engine {

// A literal text as quoted-printable, encoded once and appended many times. The column at which it will begin is not
// known when it is encoded, because values of any length come before it; only its first line depends on that. So the
// first line, `head`, is kept without soft breaks, and the rest is complete.
struct QuotedPrintableLiteral {
  std::string head;  // up to the first line end, no soft breaks
  std::string rest;  // from the first line end; empty: the literal has none
  int column = 0;    // after `rest`

  bool begins_line() const { return head.empty() && !rest.empty(); }
};

// What becomes of a value before it is encoded.
enum class Escaping : uint8_t {
  kNone,
  kHtml,     // & < > " ' are entities
  kUrl,      // of a whole URL in an HTML attribute: what no URL has is percent-encoded, & and ' are entities
  kUrlPart,  // of a piece of one: all but unreserved characters (RFC 3986 2.3) is percent-encoded
  kMailUrl,  // behind mailto: as kUrlPart, but the at sign stays
};

// Writes quoted-printable text (RFC 2045 6.7) made of literals and values, keeping the column across both: no encoded
// line is longer than 76 characters, none ends in white space, and none begins with '-' (it could be a boundary), '.'
// (no dot to stuff) or "From " (mailboxes rewrite it).
//
// Owned by:  one rendering.
// Threads:   one.
// Errors:    none; any byte can be encoded.
class QuotedPrintableWriter {
 public:
  explicit QuotedPrintableWriter(std::string& out) : out_(out) {}

  // Text whose line ends are LF.
  static QuotedPrintableLiteral Encode(std::string_view text);

  void Literal(std::string_view head, std::string_view rest, int column_after);

  // A value: CRLF, LF and CR are line ends, where the escaping leaves them.
  void Value(std::string_view value, Escaping escaping);

  // Before the first piece of a text, whose first line begins here.
  void Begin() { column_ = 0; }

  // After the last piece. `ends_line`: the text must end in a line end, and gets one when it does not.
  void End(bool ends_line);

 private:
  void Url(std::string_view value, Escaping escaping);
  void Text(std::string_view text);      // plain text without line ends
  void Encoded(std::string_view units);  // encoded text without line ends and soft breaks
  void Byte(char c);
  void SoftBreak();
  void LineEnd();

  std::string& out_;
  int column_ = 0;
};

// Decodes quoted-printable text with LF line ends. Lenient, as RFC 2045 6.7 advises: what is not an escape stays as it
// is. `source_lines`, when given, gets for each line of the result the index of the source's line that it began on.
std::string DecodeQuotedPrintable(std::string_view text, std::vector<int>* source_lines = nullptr);

}  // namespace sealift::engine
