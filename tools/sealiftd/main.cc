// sealiftd: the daemon.
#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "tls/openssl_memory.h"
#include "tools/sealiftd/daemon.h"

namespace {

// Before the initializers of shared libraries: one of them (cpp-httplib's) makes OpenSSL allocate, which fixes where.
__attribute__((section(".preinit_array"),
               used)) bool (*const install_openssl_memory)() = sealift::tls::OpenSslMemory::Install;

using sealift::engine::ExitCode;

constexpr char kHelp[] = R"(usage: sealiftd [--config FILE] [--check]

Queues and delivers mail. Runs in the foreground, logs to stderr, prints `ready` on stdout when it serves.

  --config FILE   the configuration; default $SEALIFT_CONFIG, then /etc/sealift/sealift.toml
  --check         only check what a start needs, as the user that it runs as: the configuration, and the keys,
                  certificates and addresses that it names
  --version       print the version
  --help          this text

SIGTERM finishes transactions in flight and ends (within node.drain); a second one stops at once.
SIGHUP reads the configuration again; a file with a mistake changes nothing.

exit codes: 0 ok; 64 usage; 65 the queue is damaged or lost; 66 no configuration; 70 internal; 74 I/O;
            75 the data directory is in use; 78 configuration; 130 a second signal stopped it at once

example:
  sealiftd --config /etc/sealift/sealift.toml
)";

int Usage(std::string_view why) {
  fmt::print(stderr, "sealiftd: {}. See sealiftd --help.\n", why);
  return static_cast<int>(ExitCode::kUsage);
}

}  // namespace

int main(int argc, char** argv) {
  const char* environment = std::getenv("SEALIFT_CONFIG");
  std::string config = environment != nullptr && *environment != '\0' ? environment : "/etc/sealift/sealift.toml";
  bool check = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      fmt::print("{}", kHelp);
      return 0;
    }
    if (argument == "--version") {
      fmt::print("sealiftd {}\n", SEALIFT_VERSION);
      return 0;
    }
    if (argument == "--check") {
      check = true;
    } else if (argument == "--config") {
      if (++i == argc) return Usage("--config needs a file");
      config = argv[i];
    } else if (argument.starts_with("--config=")) {
      config = argument.substr(9);
    } else {
      return Usage(fmt::format("there is no option or argument `{}`", argument));
    }
  }
  return static_cast<int>(check ? sealift::tools::CheckConfiguration(config) : sealift::tools::RunDaemon(config));
}
