#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace sealift::tools::sink {

// CommandLine is what sealift-sink was asked to do.
struct CommandLine {
  std::string script;
  bool demo = false;
  std::string listen = "127.0.0.1:2525";
  std::optional<uint16_t> port;
  std::string dns;
  int threads = 1;
  int64_t connections = 20'000;
  std::string ledger, store, summary, status, certificates;
  absl::Duration summary_every = absl::ZeroDuration();
  uint64_t count = 0;
  bool ready = false, check = false;

  // Reads argv. Nothing to run: the exit code, after what was asked for (or what is wrong) has been printed.
  static std::optional<int> Read(int argc, char** argv, CommandLine* line);
};

}  // namespace sealift::tools::sink
