#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sealift::scenario {

// A child process whose output goes to files. It dies with the test: by the destructor, or by the kernel when the test
// is killed.
//
// Threads: one.
class Process {
 public:
  // Starts argv[0] (a path, or a name found in PATH or the sbin folders). Output is appended to `out` and `err`.
  Process(const std::vector<std::string>& argv, std::filesystem::path out, std::filesystem::path err,
          const std::string& input_file = "/dev/null");
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;

  // The exit code once it has ended within the deadline; 128 + signal when a signal ended it; nothing when it still
  // runs.
  std::optional<int> WaitFor(std::chrono::milliseconds deadline);
  bool running();

  std::string Out() const;
  std::string Err() const;

 private:
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
  std::filesystem::path out_, err_;
};

// What a command that ends by itself left.
struct Ran {
  int exit_code = -1;  // -1: it did not end in time and was killed
  std::string out, err;
};

// Runs a command to its end.
Ran RunCommand(const std::vector<std::string>& argv, const std::string& input = "",
               std::chrono::milliseconds deadline = std::chrono::seconds(60));

// The path of a server or tool of Debian's; when it is missing, the test fails with the package to install.
std::string Program(const std::string& name, const std::string& package);

// The path of one of ours ("sealiftd").
std::string OurProgram(const std::string& name);

}  // namespace sealift::scenario
