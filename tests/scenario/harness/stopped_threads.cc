#include "tests/scenario/harness/stopped_threads.h"

#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace sealift::scenario {

StoppedThreads::StoppedThreads(pid_t process, const std::string& name) {
  for (const auto& task : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process))) {
    std::string called;
    std::getline(std::ifstream(task.path() / "comm"), called);
    if (called != name) continue;
    const pid_t thread = std::stoi(task.path().filename());
    if (::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0) {
      forbidden_ = forbidden_ || errno == EPERM;
      continue;
    }
    threads_.push_back(thread);
    int status = 0;
    if (::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) == 0) (void)::waitpid(thread, &status, __WALL);
  }
}

StoppedThreads::~StoppedThreads() {
  for (const pid_t thread : threads_) (void)::ptrace(PTRACE_DETACH, thread, nullptr, nullptr);
}

}  // namespace sealift::scenario
