#pragma once

#include <absl/status/status.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/dkim_canonical.h"
#include "engine/message/quoted_printable.h"
#include "engine/message/template.h"

namespace sealift::engine {

// One name a template uses, and where a row has its value.
struct Slot {
  static constexpr int kEmail = -1;
  static constexpr int kAbsent = -2;  // only the default

  std::string name;
  int column = kAbsent;  // index into Row::fields, or one of the above
  std::string fallback;

  std::string_view Value(const Template::Row& row) const;
};

// A piece of a header's value. Ifs and unlesses hold the index of the piece after their section.
struct HeaderPiece {
  enum class Kind : uint8_t {
    kText,
    kValue,
    kRawValue,
    kUrlValue,  // begins the URL of a List-... header, whose scheme is the value's
    kIf,
    kUnless,
  };

  Kind kind = Kind::kText;
  uint32_t slot = 0;
  uint32_t after = 0;
  std::string text;
};

// A mailbox of an address header: a display name, possibly empty, and an address.
struct AddressPieces {
  std::vector<HeaderPiece> name;
  std::vector<HeaderPiece> address;
  std::string fixed;  // the address, parsed when compiling, when no field is in it

  bool IsRecipient(const std::vector<Slot>& slots) const;  // nothing but {{email}}
};

// A header with merge fields, written for each row.
struct HeaderSlots {
  enum class Kind : uint8_t {
    kText,       // unstructured: Subject, X-...
    kAddresses,  // From, To, Reply-To, ...
    kUrls,       // List-Unsubscribe, ...
  };

  Kind kind = Kind::kText;
  std::string name;                      // as the template spells it
  int line = 0;                          // in the template
  std::vector<HeaderPiece> pieces;       // kText, kUrls
  std::vector<AddressPieces> addresses;  // kAddresses

  // Checks the row's values; appends "Name: value\r\n" when `out` is not null.
  absl::Status Write(const std::vector<Slot>& slots, const Template::Row& row, std::string* out) const;
};

// Program is a compiled template: a list of steps over one store of literals.
//
// Owned by:  Template, shared by its copies; immutable once compiled.
// Threads:   any.
class Program {
 public:
  struct Step {
    enum class Kind : uint8_t {
      kLiteral,  // bytes as they are
      kHeader,   // headers[index]
      kDate,
      kMessageId,
      kIdentityFields,
      kBeginText,    // a quoted-printable part begins
      kTextLiteral,  // [begin, begin + head) is its first line, up to begin + size the rest; column after it
      kValue,
      kEndText,       // a boundary follows
      kEndTextLines,  // the message ends: with a line end
      kIf,            // else on to the step `index`
      kUnless,
    };

    Kind kind = Kind::kLiteral;
    Escaping escaping = Escaping::kNone;  // kValue
    uint32_t slot = 0;
    uint32_t index = 0;
    size_t begin = 0, size = 0, head = 0;
    int column = 0;
  };

  // A value in an HTML part that no escaping makes harmless, or that is not escaped.
  struct Caution {
    enum class Kind : uint8_t {
      kLink,     // it begins a URL: its scheme must be one that only leads somewhere
      kUrlText,  // it is in a URL as it stands: it must not leave it
      kStyle,    // it stands in CSS: it must be one word or number, or several
    };
    Kind kind = Kind::kLink;
    uint32_t slot = 0;
    int line = 0;  // in the template
  };

  absl::Status Check(const Template::Row& row) const;
  absl::Status Render(const Template::Row& row, const Template::Identity& identity, std::string& out) const;

  // The hash of a body that is the same for every row; nothing when a step of it depends on one.
  std::optional<Sha256> HashFixedBody() const;

  // Filled by TemplateCompiler.
  std::string literals;
  std::vector<Step> steps;
  std::vector<Slot> slots;
  std::vector<HeaderSlots> headers;
  std::vector<Caution> cautions;
  std::vector<std::string> needed_columns;
  TemplateFields fields;
  size_t columns = 0;     // of a row
  size_t body_begin = 0;  // the step that the body begins with
  std::optional<Sha256> fixed_body_hash;

 private:
  absl::Status RunSteps(size_t begin, const Template::Row& row, const Template::Identity& identity,
                        std::string& out) const;
};

}  // namespace sealift::engine
