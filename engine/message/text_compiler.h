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
// harmless the template is refused. In a record (Entity::IsRecord) a value must stay in its line.
//
// Owned by:  one part's compilation; `writer` outlives it.
// Threads:   one.
// Errors:    InvalidArgument with the line.
class TextCompiler {
 public:
  enum class Form : uint8_t { kPlain, kHtml, kRecord };

  TextCompiler(ProgramWriter& writer, Form form)
      : writer_(writer), html_(form == Form::kHtml), record_(form == Form::kRecord) {}

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
  void Warn(Program::Caution::Kind kind, const MustacheToken& token, uint32_t slot);
  absl::StatusOr<Escaping> EscapingOf(const MustacheToken& token, uint32_t slot);

  ProgramWriter& writer_;
  const bool html_, record_;
  HtmlScanner scanner_;
  std::vector<Section> open_;
};

}  // namespace sealift::engine
