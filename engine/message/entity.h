#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sealift::engine {

// One header field of a source message.
struct HeaderField {
  std::string_view name;
  std::string_view raw;  // after the colon, folds (LF) kept, the last line end not
  std::string value;     // unfolded and trimmed
  int line = 0;

  bool Is(std::string_view other) const;  // without regard to case
};

// A value with parameters: Content-Type, Content-Disposition (RFC 2045 5.1).
struct ParameterizedValue {
  std::string value;                                            // lower case: "text/html"
  std::vector<std::pair<std::string, std::string>> parameters;  // names in lower case, values unquoted

  const std::string* Find(std::string_view name) const;
  void Set(std::string_view name, std::string_view parameter);
  // Folded one parameter a line; a parameter that is not ASCII as RFC 2231 writes it.
  std::string ToString() const;
};

// Entity is one MIME entity of a source message: RFC 2045 2.4. Views point into the source.
struct Entity {
  std::vector<HeaderField> fields;
  ParameterizedValue type;  // text/plain when the entity does not say
  std::string encoding;     // Content-Transfer-Encoding in lower case; empty when absent
  bool attachment = false;  // Content-Disposition: attachment
  std::string_view body;    // of an entity without children
  int body_line = 0;
  std::vector<Entity> children;  // of a multipart

  const HeaderField* Find(std::string_view name) const;
  bool IsText() const;
  bool IsHtml() const;
  bool IsRecord() const;  // each of its lines is a property: a calendar (RFC 5545), a card (RFC 6350)
};

// Reads a message whose line ends are LF. `line` is the number of its first line. Preamble and epilogue of a multipart
// are left out.
//
// Errors: InvalidArgument with the line: a header line that is none, a multipart without its boundary, nesting over 16,
// over 1,000 parts.
absl::StatusOr<Entity> ParseEntity(std::string_view source, int line = 1);

absl::StatusOr<ParameterizedValue> ParseParameterizedValue(std::string_view text);

}  // namespace sealift::engine
