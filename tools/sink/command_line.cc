#include "tools/sink/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "engine/exit_code.h"
#include "engine/units.h"
#include "tools/sink/script_reader.h"

namespace sealift::tools::sink {
namespace {

constexpr const char* kDescription =
    "sealift-sink: a scripted test Internet on loopback: SMTP servers that behave as a script says,\n"
    "and the DNS that leads to them. It keeps nothing but what --ledger and --store ask for.";

constexpr const char* kExamples = R"(
Examples:
  sealift-sink
      one server at 127.0.0.1:2525 that takes everything for everyone
  sealift-sink --demo --port 2525 --dns 127.0.0.1:5353 --ledger /tmp/ledger
      sixty .test domains, and DNS for them; a line for each message
  sealift-sink --script hospital.toml --port 0 --dns 127.0.0.1:0 --ready --count 10000 --summary /tmp/summary.json
      prints "ready port=P dns=ADDRESS", ends with 0 after 10,000 messages, and says what it saw

A ledger line has, parted by tabs: time, provider, mailbox, Message-ID, bytes, tls (0 or 1), source, stored file or "-".
SIGUSR1 writes the counters as JSON to stdout, or to --status FILE. SIGTERM ends it, with 0.
Exit codes: 0 ok; 64 usage; 66 no such script; 73 cannot create a file; 74 cannot listen; 78 a mistake in the script.
)";

void Print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

}  // namespace

std::optional<int> CommandLine::Read(int argc, char** argv, CommandLine* line) {
  CLI::App app(kDescription, "sealift-sink");
  app.footer(kExamples);
  std::string every;
  int64_t port = -1;
  bool help_script = false, print_script = false;
  CLI::Option* script = app.add_option("--script", line->script, "What the servers and the DNS do (TOML)");
  app.add_flag("--demo", line->demo, "The built-in script with sixty domains")->excludes(script);
  app.add_option("--listen", line->listen, "Without a script: where to listen [127.0.0.1:2525]");
  app.add_option("--port", port, "Of every server of a script; 0: the kernel chooses")->check(CLI::Range(0, 65535));
  app.add_option("--dns", line->dns, "Serve the script's domains over DNS at ADDRESS:PORT (port 0: chosen)");
  app.add_option("--threads", line->threads, "Worker threads [1]")->check(CLI::Range(1, 64));
  app.add_option("--connections", line->connections, "Open at once, at most [20000]")->check(CLI::Range(1, 1000000));
  app.add_option("--ledger", line->ledger, "Append a line a message to FILE");
  app.add_option("--store", line->store, "Write each message's bytes into DIR");
  app.add_option("--count", line->count, "End with 0 after so many messages");
  app.add_option("--summary", line->summary, "Write the counters as JSON to FILE at the end");
  app.add_option("--summary-every", every, "And this often (1s)");
  app.add_option("--status", line->status, "Where SIGUSR1 writes the counters [stdout]");
  app.add_option("--certificates", line->certificates, "Write all hosts' certificates to FILE, as roots for a client");
  app.add_flag("--ready", line->ready, "Print a line \"ready port=P dns=ADDRESS\" to stdout when listening");
  app.add_flag("--check", line->check, "Read the script, say whether it is right, and end");
  app.add_flag("--print-script", print_script, "Print the script that would run, and end");
  app.add_flag("--help-script", help_script, "Print every key of a script with its meaning, and end");
  const auto usage = static_cast<int>(engine::ExitCode::kUsage);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : usage;
  }
  if (help_script) {
    Print(kScriptReference);
    return 0;
  }
  if (print_script) {
    if (!line->script.empty()) {
      std::fprintf(stderr, "sealift-sink: --print-script prints a built-in script; %s is yours to read\n",
                   line->script.c_str());
      return usage;
    }
    Print(line->demo ? kDemoScript : kCatchAllScript);
    return 0;
  }
  if (port >= 0) line->port = static_cast<uint16_t>(port);
  if (!every.empty()) {
    const absl::StatusOr<absl::Duration> parsed = engine::ParseDuration(every);
    if (!parsed.ok() || *parsed <= absl::ZeroDuration() || line->summary.empty()) {
      std::fprintf(stderr, "sealift-sink: --summary-every needs a duration such as 1s, and --summary FILE\n");
      return usage;
    }
    line->summary_every = *parsed;
  }
  return std::nullopt;
}

}  // namespace sealift::tools::sink
