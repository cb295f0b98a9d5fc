#pragma once

#include <vector>

#include "tests/tidy/source_file.h"

namespace sealift::tidy {

// The forms that do not land, each a line that a reader can point at: notes to oneself, code kept as a comment, tests
// that sleep, type names that say nothing, headers without a guard. Modest on purpose: a heuristic that cries wolf is
// worse than none, and the rest is for clang-tidy and the reader.
std::vector<Finding> CheckForms(const SourceFile& file);

// A folder's CMakeLists.txt opens with two comment sentences: what the folder owns, and what it must not know.
std::vector<Finding> CheckBuildFile(const SourceFile& file);

}  // namespace sealift::tidy
