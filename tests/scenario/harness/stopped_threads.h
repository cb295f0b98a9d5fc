#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace sealift::scenario {

// Threads of another process that stand still, by their name, while the rest of it runs on: work that RocksDB does
// behind the scenes takes as long as a story wants. They go on with the destructor, or when the test is killed.
//
// Only for threads that wait for work: one that is stopped with a lock in its hand stops the others too.
//
// Threads:   one, for the kernel knows tracers by their thread.
class StoppedThreads {
 public:
  StoppedThreads(pid_t process, const std::string& name);
  ~StoppedThreads();
  StoppedThreads(const StoppedThreads&) = delete;
  StoppedThreads& operator=(const StoppedThreads&) = delete;

  // How many there are; 0 when there is none of this name.
  size_t size() const { return threads_.size(); }
  // The kernel does not let us (in a container without CAP_SYS_PTRACE).
  bool forbidden() const { return forbidden_; }

 private:
  std::vector<pid_t> threads_;
  bool forbidden_ = false;
};

}  // namespace sealift::scenario
