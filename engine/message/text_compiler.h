#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <vector>

#include "engine/message/html_scanner.h"
#include "engine/message/mustache.h"
#include "engine/message/program_writer.h"

namespace sealift::engine {

// TextCompiler turns the text of a part into steps. In an HTML part each value is escaped for where it stands, as far
// as escaping can; where the value itself must be looked at, the program gets a caution, and where no value could be
// harmless the template is refused.
//
// Owned by:  one part's compilation; `writer` outlives it.
// Threads:   one.
// Errors:    InvalidArgument with the line.
class TextCompiler {
 public:
  TextCompiler(ProgramWriter& writer, bool html) : writer_(writer), html_(html) {}

  absl::Status Emit(const std::vector<MustacheToken>& tokens);

 private:
  struct Section {
    size_t step;
    bool inverted;
    HtmlScanner before;
  };

  void EmitText(const MustacheToken& token);
  absl::Status EmitValue(const MustacheToken& token, uint32_t slot);
  absl::Status EndSection(const MustacheToken& token);
  absl::StatusOr<Escaping> EscapingOf(const MustacheToken& token, uint32_t slot);

  ProgramWriter& writer_;
  const bool html_;
  HtmlScanner scanner_;
  std::vector<Section> open_;
};

}  // namespace sealift::engine
