#include "tools/sealift/confirmation.h"

#include <fmt/format.h>

#include <iostream>

#include "tools/sealift/failure.h"

namespace sealift::tools {

absl::StatusOr<bool> Confirmed(const Invocation& call, Console& console, const std::string& would,
                               const std::string& question, Unasked unasked) {
  if (call.Has("yes")) return true;
  if (!console.terminal().in || !console.terminal().err) {
    if (unasked == Unasked::kGoOn) return true;
    std::string name = call.command->Name();
    if (!call.arguments.empty()) name += " " + call.arguments[0];
    return Fail(engine::ExitCode::kUsage, {fmt::format("{}: not done without --yes", name), "",
                                           fmt::format("{}, and there is no terminal to ask on.", would),
                                           "Give --yes to do it, or --dry-run to only count."});
  }
  console.err() << would << ". " << question << " [y/N] " << std::flush;
  std::string line;
  std::getline(console.in(), line);
  return line == "y" || line == "Y" || line == "yes";
}

}  // namespace sealift::tools
