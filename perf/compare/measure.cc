// compare_measure runs a server and knows what its whole process tree has used, children that have ended included.
//
//   compare_measure run COMMAND ARGUMENTS...   runs it and becomes the parent of every orphan it leaves
//   compare_measure read PID                   prints three numbers of PID (a `run`) and all below it: milliseconds of
//                                              processor time, bytes handed to the disk, bytes of memory held now
//
// The kernel adds a child's time and I/O to its parent's when the child is reaped, and `run` reaps all orphans; so the
// sum over the living of own and reaped use misses nothing and counts nothing twice; reaped use is in whole ticks.
// Memory that processes share counts once.
#include <dirent.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace {

pid_t child = -1;

void Forward(int signal) { kill(child, signal); }

int RunTree(char** argv) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[0], argv);
    fmt::print(stderr, "compare_measure: cannot run {}: {}\n", argv[0], std::strerror(errno));
    _exit(127);
  }
  std::signal(SIGTERM, Forward);
  std::signal(SIGINT, Forward);
  int result = 0;
  while (true) {
    int status = 0;
    const pid_t ended = waitpid(-1, &status, 0);
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0) return result;  // nothing is left below
    if (ended == child) result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
}

struct Used {
  pid_t parent = 0;
  long reaped_ticks = 0;
};

// Of all its threads, ended ones included: /proc/PID/stat has them in ticks of 10 ms, which is much of a short run.
double OwnMillis(pid_t pid) {
  clockid_t clock = 0;
  timespec used = {};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;  // it has just ended
  return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) / 1e6;
}

// /proc/PID/stat, proc(5): the parent is field 4, cutime and cstime are 16 and 17.
std::map<pid_t, Used> ReadProcesses() {
  std::map<pid_t, Used> processes;
  DIR* const proc = opendir("/proc");
  if (proc == nullptr) return processes;
  while (const dirent* entry = readdir(proc)) {
    const pid_t pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    std::ifstream in(fmt::format("/proc/{}/stat", pid));
    std::string text;
    std::getline(in, text, '\0');  // nothing of a process that ended meanwhile
    const size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) continue;
    std::istringstream fields(text.substr(name_end + 2));
    std::string field;
    Used used;
    for (int number = 3; fields >> field && number <= 17; ++number) {
      if (number == 4) used.parent = std::atoi(field.c_str());
      if (number >= 16) used.reaped_ticks += std::atol(field.c_str());
    }
    processes[pid] = used;
  }
  closedir(proc);
  return processes;
}

// The number after `name` in a file of "name: number" lines; 0 when it is not there.
long Line(const std::string& path, const std::string& name) {
  std::ifstream in(path);
  std::string word;
  while (in >> word) {
    long number = 0;
    if (word == name && in >> number) return number;
  }
  return 0;
}

bool IsBelow(const std::map<pid_t, Used>& processes, pid_t pid, pid_t root) {
  while (pid != root) {
    const auto found = processes.find(pid);
    if (found == processes.end() || found->second.parent == 0) return false;
    pid = found->second.parent;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string verb = argc > 2 ? argv[1] : "";
  if (verb == "run") return RunTree(argv + 2);
  if (verb != "read") {
    fmt::print(stderr, "usage: compare_measure run COMMAND ARGUMENTS... | compare_measure read PID\n");
    return 64;
  }
  const pid_t root = std::atoi(argv[2]);
  const std::map<pid_t, Used> processes = ReadProcesses();
  double millis = 0;
  long written = 0, memory_kib = 0;
  for (const auto& [pid, used] : processes) {
    if (!IsBelow(processes, pid, root)) continue;
    millis += OwnMillis(pid) + static_cast<double>(used.reaped_ticks) * 1e3 / static_cast<double>(sysconf(_SC_CLK_TCK));
    written += Line(fmt::format("/proc/{}/io", pid), "write_bytes:");
    memory_kib += Line(fmt::format("/proc/{}/smaps_rollup", pid), "Pss:");
  }
  fmt::print("{:.3f} {} {}\n", millis, written, memory_kib * 1024);
  return 0;
}
