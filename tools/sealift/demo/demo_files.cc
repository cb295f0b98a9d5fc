#include "tools/sealift/demo/demo_files.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "tools/sealift/demo/patients.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/key_file.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;

// {0} directory, {1} the sink's DNS, {2} the sink's SMTP port
constexpr char kConfig[] =
    R"toml(# The configuration of `sealift demo`: a whole node on loopback. Nothing leaves this machine, because every name that
# it can resolve is the sink's.
delivery = "live"

[node]
hostname = "mta1.clinic.example"
data_dir = "{0}/data"
memory = "256MiB"
drain = "5s"

[http]
listen = ""

[dns]
servers = ["{1}"]
allow_private_addresses = true      # the sink's mail servers are on 127.0.1.x

[smtp]
port = {2}
connect_timeout = "5s"
connections = 10

[keys]
kek_file = "{0}/kek"
accept_local_kek = true             # for trying: a real key lives on another device than the data

[storage]
stop_load_below = "64MiB"
stop_send_below = "32MiB"

[[source]]
name = "ip1"
address = "127.0.0.11"

[[source]]
name = "ip2"
address = "127.0.0.12"

[[source]]
name = "ip3"
address = "127.0.0.13"

[[pool]]
name = "letters"
sources = ["ip1", "ip2", "ip3"]

[[stream]]
name = "letters"
pool = "letters"
tls = "require"                     # what a host without TLS would get stays here, held
retry = ["4s", "10s", "30s"]        # short ones, so that there is something to see
expires_in = "1h"

[[destination]]                     # a receiver that minds how fast; it says so in its postmaster pages
domains = ["d59.test"]
connections = 5
message_rate = "40/s"
)toml";

}  // namespace

absl::StatusOr<DemoFiles> DemoFiles::Create(bool keep) {
  const char* base = std::getenv("TMPDIR");
  std::string directory = fmt::format("{}/sealift-demo-XXXXXX", base != nullptr && *base == '/' ? base : "/tmp");
  if (mkdtemp(directory.data()) == nullptr) {
    return Fail(ExitCode::kCannotCreate,
                {"demo: no directory can be made", directory, fmt::format("{}.", std::strerror(errno)),
                 "Set TMPDIR to a directory that you may write to."});
  }
  DemoFiles files(directory, keep);
  if (mkdir(files.Path("data").c_str(), 0700) != 0) {
    return Fail(ExitCode::kCannotCreate,
                {"demo: no directory can be made", files.Path("data"), fmt::format("{}.", std::strerror(errno)), ""});
  }
  if (absl::Status key = WriteNewKey(files.Path("kek")); !key.ok()) return key;
  return files;
}

DemoFiles::DemoFiles(DemoFiles&& other) noexcept
    : directory_(std::exchange(other.directory_, "")), keep_(other.keep_) {}

DemoFiles::~DemoFiles() {
  if (keep_ || directory_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

absl::Status DemoFiles::Write(const std::string& name, const std::string& text) const {
  std::ofstream file(Path(name), std::ios::binary);
  file << text;
  file.close();
  if (file) return absl::OkStatus();
  return Fail(ExitCode::kIo, {"demo: a file cannot be written", Path(name), fmt::format("{}.", std::strerror(errno)),
                              "Make room, or set TMPDIR."});
}

absl::Status DemoFiles::WriteConfig(const std::string& dns, uint16_t port) {
  return Write("sealift.toml", fmt::format(kConfig, directory_, dns, port));
}

absl::Status DemoFiles::WriteCampaign(int recipients) {
  if (absl::Status written = Write("letter.eml", DemoTemplate()); !written.ok()) return written;
  return Write("patients.csv", DemoRecipients(recipients));
}

}  // namespace sealift::tools
