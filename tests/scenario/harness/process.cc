#include "tests/scenario/harness/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/temp_dir.h"

namespace sealift::scenario {
namespace {

constexpr const char* kPlaces[] = {"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"};

std::string Find(const std::string& name) {
  if (name.find('/') != std::string::npos) return access(name.c_str(), X_OK) == 0 ? name : "";
  for (const char* place : kPlaces) {
    std::string path = std::string(place) + "/" + name;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

void Redirect(int fd, const char* path, int flags) {
  const int file = open(path, flags, 0600);
  if (file < 0 || dup2(file, fd) < 0) _exit(126);
  close(file);
}

}  // namespace

Process::Process(const std::vector<std::string>& argv, std::filesystem::path out, std::filesystem::path err,
                 const std::string& input_file)
    : out_(std::move(out)), err_(std::move(err)) {
  const std::string program = Find(argv[0]);
  std::vector<char*> arguments;
  arguments.reserve(argv.size() + 1);
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Redirect(STDIN_FILENO, input_file.c_str(), O_RDONLY);
  Redirect(STDOUT_FILENO, out_.c_str(), O_WRONLY | O_CREAT | O_APPEND);
  Redirect(STDERR_FILENO, err_.c_str(), O_WRONLY | O_CREAT | O_APPEND);
  execv(program.c_str(), arguments.data());
  _exit(127);
}

Process::~Process() {
  if (pid_ <= 0 || exit_code_.has_value()) return;
  kill(pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
}

void Process::Signal(int signal) const {
  if (pid_ > 0 && !exit_code_.has_value()) kill(pid_, signal);
}

std::optional<int> Process::WaitFor(std::chrono::milliseconds deadline) {
  Eventually(deadline, [this] { return !running(); });
  return exit_code_;
}

bool Process::running() {
  if (pid_ <= 0 || exit_code_.has_value()) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return false;
}

std::string Process::Out() const { return ReadFile(out_); }
std::string Process::Err() const { return ReadFile(err_); }

Ran RunCommand(const std::vector<std::string>& argv, const std::string& input, std::chrono::milliseconds deadline) {
  const TempDir dir;
  const std::string in = dir.Write("in", input);
  Process process(argv, dir.path() / "out", dir.path() / "err", in);
  const std::optional<int> code = process.WaitFor(deadline);
  if (!code.has_value()) {
    ADD_FAILURE() << argv[0] << " did not end within " << deadline.count() << " ms; it wrote: " << process.Err();
    process.Signal(SIGKILL);
    process.WaitFor(std::chrono::seconds(10));
  }
  return {code.value_or(-1), process.Out(), process.Err()};
}

std::string Program(const std::string& name, const std::string& package) {
  std::string path = Find(name);
  if (path.empty()) {
    ADD_FAILURE() << "this test needs " << name << ", which is not on this machine: apt-get install " << package;
  }
  return path;
}

std::string OurProgram(const std::string& name) { return std::string(SEALIFT_BIN_DIR) + "/" + name; }

}  // namespace sealift::scenario
