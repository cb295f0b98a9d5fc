#include "tests/tools/cli/control_socket.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tools/sealift/run.h"

namespace sealift::tools {

ControlSocket::ControlSocket() {
  std::string pattern = std::filesystem::temp_directory_path().string() + "/sealift-api-XXXXXX";
  directory_ = mkdtemp(pattern.data());
  engine::Audit::Disk disk = engine::Audit::SystemDisk();
  disk.hold = [this](int, off_t, off_t) { return errno = hold_error, -1; };
  disk.write = [this, write = disk.write](int fd, const char* bytes, size_t size) {
    return write_error == 0 ? write(fd, bytes, size) : (errno = write_error, -1);
  };
  absl::StatusOr<std::unique_ptr<engine::Audit>> audit = engine::Audit::Open(directory_, absl::Now, std::move(disk));
  EXPECT_TRUE(audit.ok()) << audit.status();
  audit_ = *std::move(audit);
  api_ = std::make_unique<engine::Api>(
      node, *audit_,
      engine::Api::Options{.version = "1.2.3", .data_dir = directory_, .follow_interval = absl::Milliseconds(5)});
  listener_ = std::make_unique<engine::UnixListener>(engine::UnixListener::Options{.path = socket()});
  api_->AddTo(*listener_);
  const absl::Status started = listener_->Start();
  EXPECT_TRUE(started.ok()) << started;
}

ControlSocket::~ControlSocket() {
  listener_.reset();
  std::filesystem::remove_all(directory_);
}

Ran ControlSocket::Run(std::vector<std::string> words, const std::string& input, bool terminal) {
  words.insert(words.begin(), {"--socket", socket()});
  std::ostringstream out, err;
  std::istringstream in(input);
  Console console(out, err, in, {terminal, terminal, terminal, false});
  Ran ran;
  ran.code = RunSealift(words, console);
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

std::vector<nlohmann::json> ControlSocket::AuditEntries() const {
  std::ifstream file(Path("audit"));
  std::vector<nlohmann::json> entries;
  for (std::string line; std::getline(file, line);) entries.push_back(nlohmann::json::parse(line));
  return entries;
}

std::string ControlSocket::WriteFile(const std::string& name, const std::string& text) const {
  std::ofstream(Path(name), std::ios::binary) << text;
  return Path(name);
}

}  // namespace sealift::tools
