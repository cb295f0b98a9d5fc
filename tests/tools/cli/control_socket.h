#pragma once

#include <atomic>
#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/admin/api.h"
#include "engine/admin/audit.h"
#include "engine/admin/unix_listener.h"
#include "tests/tools/cli/fake_node.h"

namespace sealift::tools {

// What a command line printed, and how it ended.
struct Ran {
  int code = 0;
  std::string out, err;
  nlohmann::json Json() const { return nlohmann::json::parse(out); }
};

// ControlSocket is a daemon's control socket with a FakeNode behind it: real listener, real API, real audit file.
class ControlSocket {
 public:
  ControlSocket();
  ~ControlSocket();

  // Runs `sealift --socket ... WORDS`, with nothing to answer a question.
  Ran Run(std::vector<std::string> words, const std::string& input = "", bool terminal = false);

  // The entries of the audit file.
  std::vector<nlohmann::json> AuditEntries() const;

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::string WriteFile(const std::string& name, const std::string& text) const;
  std::string socket() const { return Path("control.sock"); }

  FakeNode node;
  // What the audit file's disk answers: it holds no room, and each write is done.
  std::atomic<int> hold_error{EOPNOTSUPP}, write_error{0};

 private:
  std::string directory_;
  std::unique_ptr<engine::Audit> audit_;
  std::unique_ptr<engine::Api> api_;
  std::unique_ptr<engine::UnixListener> listener_;
};

}  // namespace sealift::tools
