#include "tools/sealift/run.h"

#include "tools/sealift/command_line.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/help.h"

namespace sealift::tools {

int RunSealift(const std::vector<std::string>& arguments, Console& console) {
  Format hint = Format::kTable;
  const absl::StatusOr<Invocation> call = ParseCommandLine(arguments, &hint);
  console.SetFormat(hint);
  if (!call.ok()) {
    console.Report(call.status());
    return static_cast<int>(engine::ExitCodeOf(call.status()));
  }
  if (call->help) {
    if (call->command != nullptr) {
      console.out() << CommandHelp(*call->command) << std::flush;
    } else {
      console.out() << (call->arguments.empty() ? OverviewHelp() : NounHelp(call->arguments[0])) << std::flush;
    }
    return static_cast<int>(engine::ExitCode::kOk);
  }
  console.SetFormat(call->format.value_or(Format::kTable));
  const CommandResult result = call->command->run(*call, console);
  if (result.ok()) return static_cast<int>(*result);
  console.Report(Because(result.status(), call->command->Name() + " failed"));
  return static_cast<int>(engine::ExitCodeOf(result.status()));
}

}  // namespace sealift::tools
