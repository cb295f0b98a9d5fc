#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/exit_code.h"
#include "tools/sealift/output.h"

namespace sealift::tools {

struct Command;

// Invocation is a parsed command line: which command, with which arguments, flags and global options.
//
// Threads: immutable once parsed.
struct Invocation {
  const Command* command = nullptr;
  std::vector<std::string> arguments;
  std::map<std::string, std::vector<std::string>, std::less<>> flags;  // by name without dashes; a switch has "true"
  std::string config;                                                  // --config, SEALIFT_CONFIG or the default
  std::string socket;                                                  // --socket; empty: found through the config
  std::optional<Format> format;                                        // -o; unset: the command's own
  bool help = false;

  bool Has(std::string_view flag) const { return flags.find(flag) != flags.end(); }
  std::string Value(std::string_view flag, std::string_view otherwise = "") const;
  std::vector<std::string> Values(std::string_view flag) const;
};

// Flag is an option of one command.
struct Flag {
  std::string name;   // without the dashes
  std::string value;  // "FILE"; "a|b" when it is one of these; empty: a switch
  std::string help;   // one line
  bool required = false;
  bool repeatable = false;
};

// Command is one line of the command tree, from which the parser, the help, the completion scripts and the reference
// page are made. A command that is not in the tree does not exist.
struct Command {
  std::string noun;       // "campaign"
  std::string verb;       // "load"; empty for a command of one word
  std::string arguments;  // "NAME"; "[DOMAIN]" when optional
  std::string summary;    // one line
  std::string details;    // sentences; may be empty
  std::string example;    // a whole command line
  std::vector<Flag> flags;
  absl::StatusOr<engine::ExitCode> (*run)(const Invocation& call, Console& console) = nullptr;

  std::string Name() const { return verb.empty() ? noun : noun + " " + verb; }
};

// All of them, in the order of the reference page.
const std::vector<Command>& CommandTree();

}  // namespace sealift::tools
