#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sealift::engine {

// EnhancedCode is RFC 3463's class.subject.detail.
struct EnhancedCode {
  int cls = 0;
  int subject = 0;
  int detail = 0;

  std::string ToString() const;  // "5.1.1"

  bool operator==(const EnhancedCode&) const = default;
};

// Reply is one whole SMTP reply: RFC 5321 4.2.
//
// Owned by:  whoever asked; a value.
// Threads:   any.
// Errors:    none; a reply that breaks the grammar never becomes a Reply (ReplyParser).
struct Reply {
  int code = 0;                          // 200 to 599
  std::optional<EnhancedCode> enhanced;  // only when its class is the code's: RFC 3463 2, RFC 2034 4
  std::string lines;                     // the text after each code, LF between; enhanced codes kept; printable UTF-8

  // Judged by the first digit, so that an unknown code is understood: RFC 5321 4.2.
  bool IsPositive() const { return code / 100 == 2; }
  bool IsIntermediate() const { return code / 100 == 3; }
  bool IsTransient() const { return code / 100 == 4; }
  bool IsPermanent() const { return code / 100 == 5; }

  // The text on one line: lines joined by a space, codes and enhanced codes removed. What rules and people read.
  std::string Text() const;

  // "550 5.1.1 text": Text() with its codes once in front. Not redacted.
  std::string ToString() const;
};

// Takes the first of a reply's lines, and what divides it from the next.
std::string_view TakeLine(std::string_view& lines);

// Reads an enhanced code at the start of `text`, and drops it from there with the white space behind. nullopt, and
// `text` as it was, when there is none or it is malformed.
std::optional<EnhancedCode> TakeEnhancedCode(std::string_view& text);

}  // namespace sealift::engine
