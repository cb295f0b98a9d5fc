#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace sealift::engine {

// A text with its place in the template's source, so that an error can say the line.
struct SourceText {
  std::string text;        // line ends are LF
  int line = 1;            // of its first line
  std::vector<int> lines;  // of each of its lines, where decoding moved them; empty: they follow one another

  // Where the line of the text that `index` others precede stands in the template.
  int LineNumber(size_t index) const;
};

// One piece of a text with Mustache tags. Comments and the lines that hold nothing but a section's tag are gone.
struct MustacheToken {
  enum class Kind {
    kText,
    kValue,     // {{name}}
    kRawValue,  // {{{name}}} and {{&name}}
    kSection,   // {{#name}}
    kInverted,  // {{^name}}
    kClose,     // {{/name}}
  };

  Kind kind = Kind::kText;
  std::string_view text;  // kText: the text; else the name. Points into the source
  int line = 0;
  bool is_item = false;  // it was {{.}}: what the section called `text` is at
};

// Splits `source` as the Mustache specification says; {{.}} names the section it stands in,
// an inverted one only where there is no other; outside of any it is a name like others. Sections are checked to
// nest. Delimiters that a {{=<% %>=}} changes stay changed to the end of `source`. `standalone`: a tag without output
// that is alone on its line takes the line with it, as the specification asks; in a header there are no lines.
//
// Errors: InvalidArgument with the line: a tag or a section that is not closed, an empty name, a partial, delimiters
// that are none, sections more than 32 deep.
absl::StatusOr<std::vector<MustacheToken>> ParseMustache(const SourceText& source, bool standalone);

}  // namespace sealift::engine
