#pragma once

#include <absl/status/status.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/context_stack.h"
#include "engine/message/dkim_canonical.h"
#include "engine/message/header_slots.h"
#include "engine/message/quoted_printable.h"
#include "engine/message/template.h"

namespace sealift::engine {

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
      kEnd,           // of an if: back to the step `index` for each further item
      kUnless,
    };

    Kind kind = Kind::kLiteral;
    Escaping escaping = Escaping::kNone;  // kValue
    bool once = false;                    // kEnd: the section must not be gone through again
    uint32_t slot = 0;
    uint32_t index = 0;
    size_t begin = 0, size = 0, head = 0;
    int column = 0;
  };

  // A value in a part that no escaping makes harmless, or that is not escaped.
  struct Caution {
    enum class Kind : uint8_t {
      kLink,     // it begins a URL: its scheme must be one that only leads somewhere
      kUrlText,  // it is in a URL as it stands: it must not leave it
      kStyle,    // it stands in CSS: it must be one word or number, or several
      kRecord,   // it stands in a line that means something: it must not begin another
    };
    Kind kind = Kind::kLink;
    uint32_t slot = 0;
    size_t step = 0;  // that writes the value
    int line = 0;     // in the template
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
  std::vector<std::string> needed_columns, required_columns;
  TemplateFields fields;
  size_t columns = 0;         // of a row
  bool takes_nested = false;  // a row's values may be lists and objects
  bool uses_nested = false;   // names lead into them: no row is flat
  size_t body_begin = 0;      // the step that the body begins with
  std::optional<Sha256> fixed_body_hash;

 private:
  // Whether this row needs a ContextStack that looks into its values.
  bool IsNested(const Template::Row& row) const;
  absl::Status CheckFlat(const Template::Row& row) const;
  // `checking`: what no value stands in is left out.
  absl::Status RunSteps(size_t begin, ContextStack& contexts, const Template::Identity& identity, bool checking,
                        std::string& out) const;
  void CheckCautions(size_t step, std::string_view value, ContextStack& contexts) const;
};

}  // namespace sealift::engine
