#include "tests/scenario/harness/own_network.h"

#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

namespace sealift::scenario {
namespace {

bool Enter() {
  if (unshare(CLONE_NEWNET) == 0) return true;
  const uid_t user = getuid();
  const gid_t group = getgid();
  if (errno != EPERM || unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
  std::ofstream("/proc/self/setgroups") << "deny";
  std::ofstream("/proc/self/uid_map") << fmt::format("{0} {0} 1", user);
  std::ofstream("/proc/self/gid_map") << fmt::format("{0} {0} 1", group);
  return true;
}

bool RaiseLoopback() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request = {};
  std::ranges::copy(std::string_view("lo"), request.ifr_name);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  const bool up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  close(fd);
  return up;
}

}  // namespace

std::string EnterOwnNetwork() {
  if (!Enter() || !RaiseLoopback()) return fmt::format("no network namespace: {}", std::strerror(errno));
  return "";
}

}  // namespace sealift::scenario
