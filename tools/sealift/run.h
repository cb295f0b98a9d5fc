#pragma once

#include <string>
#include <vector>

#include "tools/sealift/output.h"

namespace sealift::tools {

// Runs one command line (without the program's name) and returns what the process exits with. All output goes through
// `console`, so that a test runs commands as a shell does.
int RunSealift(const std::vector<std::string>& arguments, Console& console);

}  // namespace sealift::tools
