#include "tools/sealift/demo/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;

constexpr int kTailLines = 5;

std::string Tail(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
    if (lines.size() > kTailLines) lines.erase(lines.begin());
  }
  std::string text;
  for (const std::string& line : lines) text += "\n" + line;
  return text;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const std::vector<std::string>& command,
                                                                  const std::string& log) {
  const std::string& program = command[0];
  if (access(program.c_str(), X_OK) != 0) {
    return Fail(ExitCode::kNoInput,
                {"a program of Sealift is missing", program, fmt::format("{}.", std::strerror(errno)),
                 "It belongs beside `sealift`. Build everything: ninja -C build/release."});
  }
  int pipe_fds[2];
  const int log_fd = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (log_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) != 0) {
    if (log_fd >= 0) close(log_fd);
    return Fail(ExitCode::kIo, {"a program cannot be started", program, fmt::format("{}.", std::strerror(errno)), ""});
  }
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    // Between fork and exec only what is safe after a fork.
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);
    dup2(pipe_fds[1], STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    const int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, STDIN_FILENO);
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(log_fd);
  close(pipe_fds[1]);
  if (pid < 0) {
    close(pipe_fds[0]);
    return Fail(ExitCode::kTryLater,
                {"a program cannot be started", program, fmt::format("{}.", std::strerror(errno)), ""});
  }
  const int pid_fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  return std::unique_ptr<ChildProcess>(new ChildProcess(program, log, pid, pid_fd, pipe_fds[0]));
}

ChildProcess::~ChildProcess() {
  Stop();
  close(out_);
  if (pid_fd_ >= 0) close(pid_fd_);
}

absl::Status ChildProcess::Silent(const std::string& what) const {
  return Fail(ExitCode::kInternal, {what, program_, fmt::format("The last that it said:{}", Tail(log_)),
                                    fmt::format("With --keep its whole log stays: {}", log_)});
}

absl::StatusOr<std::string> ChildProcess::WaitForLine(const std::string& beginning, absl::Duration limit,
                                                      const volatile int* interrupted) {
  const absl::Time deadline = absl::Now() + limit;
  for (;;) {
    for (size_t end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      if (line.starts_with(beginning)) return line;
    }
    if (*interrupted != 0) return Fail(ExitCode::kInterrupted, {"interrupted", "", "", ""});
    if (absl::Now() >= deadline) return Silent("a program did not become ready");
    pollfd waited{out_, POLLIN, 0};
    if (poll(&waited, 1, 100) <= 0) continue;
    char buffer[4096];
    const ssize_t size = read(out_, buffer, sizeof(buffer));
    if (size == 0) {
      WaitForEnd(absl::Seconds(1));
      return Silent("a program ended as soon as it was started");
    }
    if (size > 0) unread_.append(buffer, static_cast<size_t>(size));
  }
}

bool ChildProcess::Ended() { return WaitForEnd(absl::ZeroDuration()); }

bool ChildProcess::WaitForEnd(absl::Duration limit) {
  if (reaped_) return true;
  const absl::Time deadline = absl::Now() + limit;
  for (;;) {
    if (waitpid(pid_, &status_, WNOHANG) == pid_) return reaped_ = true;
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0) return false;
    pollfd waited{pid_fd_, POLLIN, 0};  // without a pidfd (-1) this is a plain wait
    poll(&waited, 1, static_cast<int>(std::min<int64_t>(left, pid_fd_ < 0 ? 20 : 1000)));
  }
}

int ChildProcess::Stop(absl::Duration limit) {
  if (!reaped_ && !Ended()) {
    kill(pid_, SIGTERM);
    if (!WaitForEnd(limit)) {
      kill(pid_, SIGKILL);
      WaitForEnd(absl::Seconds(10));
    }
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

}  // namespace sealift::tools
