#pragma once

#include <string>
#include <string_view>

#include "tools/sealift/command.h"

namespace sealift::tools {

// Everything that is written about commands, made from the command tree.

std::string OverviewHelp();
std::string NounHelp(std::string_view noun);
std::string CommandHelp(const Command& command);

// A script for the shell to read: `source <(sealift completion bash)`.
std::string BashCompletion();
std::string ZshCompletion();

// The reference page, in Markdown.
std::string ReferencePage();

}  // namespace sealift::tools
