#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace sealift::engine {

// A default that a template gives itself.
struct TemplateDefault {
  std::string name;
  std::string value;
  int line = 0;
};

// What may stand in front of a template's headers: the defaults of its columns, between two lines of three hyphens.
//
//   ---
//   # Who has no first name is a friend.
//   default first_name = friend
//   default plan =
//   ---
//   From: ...
//
// A name may hold spaces, but no equals sign; a value is the rest of the line without the white space around it, and
// may be empty. Empty lines and lines that begin with # say nothing.
struct FrontMatter {
  std::vector<TemplateDefault> defaults;
  std::string_view message;  // what follows, a part of the source
  int message_line = 1;      // of its first line in the source
};

// Reads a template whose line ends are LF. One that does not begin with a line `---` has no front matter.
//
// Errors: InvalidArgument with the line: front matter that is not closed, a line that says neither, a name given twice
// or `email`, a value that is not UTF-8 or has control characters, over 1,000 defaults.
absl::StatusOr<FrontMatter> ReadFrontMatter(std::string_view source);

}  // namespace sealift::engine
