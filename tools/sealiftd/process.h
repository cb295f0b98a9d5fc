#pragma once

#include <signal.h>
#include <sys/signalfd.h>

#include <string>

namespace sealift::tools {

// What a process that holds patients' letters asks of the system before it does anything else: no core dump (it would
// hold keys and content), nobody of its own user may read its memory, files of its own are its own, as many descriptors
// as it may have.
void HardenProcess();

// The first of these, for a command that handles rows: it ends without a core dump, and so do its children.
void ForbidCoreDumps();

// Signals as things to wait for. Made before there are threads, so that no thread is ever interrupted by one.
//
// Owned by:  the daemon. Threads: any may wait; each signal is given to one.
class Signals {
 public:
  Signals();  // SIGTERM, SIGINT, SIGHUP; SIGPIPE is ignored
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // The next one, with who sent it.
  signalfd_siginfo Wait();

 private:
  int fd_;
};

// Tells systemd, when it asked: "READY=1", "STOPPING=1" (sd_notify(3)). Does nothing elsewhere.
void NotifySupervisor(const std::string& state);

}  // namespace sealift::tools
