#pragma once

#include <string>

#include "engine/exit_code.h"

namespace sealift::tools {

// Checks a configuration and what it names on this machine (the key), says what is wrong on stderr, and returns the
// exit code.
engine::ExitCode CheckConfiguration(const std::string& config);

// Runs a node until a signal ends it: SIGTERM and SIGINT finish what is in flight, a second one stops at once; SIGHUP
// reads the configuration again. Prints `ready` on stdout once it serves.
//
// Threads:   to be called before there are any.
engine::ExitCode RunDaemon(const std::string& config);

}  // namespace sealift::tools
