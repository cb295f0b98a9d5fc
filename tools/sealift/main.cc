// sealift: the operator's command line.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <iostream>

#include "engine/exit_code.h"
#include "tools/sealift/run.h"
#include "tools/sealiftd/process.h"

namespace {

// A command changes nothing by itself: what it asked for, the daemon finishes or leaves. `demo` takes the signal over,
// because it has children to end.
void Interrupted(int) { _exit(static_cast<int>(sealift::engine::ExitCode::kInterrupted)); }

bool WantsColour() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return (no_colour == nullptr || *no_colour == '\0') && term != nullptr && std::strcmp(term, "dumb") != 0;
}

}  // namespace

int main(int argc, char** argv) {
  sealift::tools::ForbidCoreDumps();
  signal(SIGINT, Interrupted);
  signal(SIGPIPE, SIG_IGN);  // a reader that is gone is seen by the stream
  sealift::tools::Console::Terminal terminal{isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1,
                                             isatty(STDERR_FILENO) == 1, false};
  terminal.colour = terminal.out && terminal.err && WantsColour();
  sealift::tools::Console console(std::cout, std::cerr, std::cin, terminal);
  return sealift::tools::RunSealift({argv + 1, argv + argc}, console);
}
