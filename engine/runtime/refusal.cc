#include "engine/runtime/refusal.h"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <system_error>

namespace sealift::engine {

int IoUringDisabled() {
  int value = -1;
  std::ifstream("/proc/sys/kernel/io_uring_disabled") >> value;
  return value;
}

absl::Status ExplainRefusal(int error, int disabled) {
  const std::string name = error == EPERM    ? "EPERM"
                           : error == ENOSYS ? "ENOSYS"
                                             : std::generic_category().message(error);
  const std::string what =
      fmt::format("io_uring_setup was refused ({}), and Sealift does all its networking by io_uring", name);
  if (error == EPERM && disabled == 2) {
    return absl::PermissionDeniedError(
        what +
        ": the sysctl kernel.io_uring_disabled is 2, which forbids it to everyone. Set it to 0 "
        "(sysctl -w kernel.io_uring_disabled=0, and in /etc/sysctl.d to keep it), on the host if this is a container.");
  }
  if (error == EPERM && disabled == 1) {
    return absl::PermissionDeniedError(
        what +
        ": the sysctl kernel.io_uring_disabled is 1, which allows it only to the group kernel.io_uring_group and "
        "to CAP_SYS_ADMIN. Add Sealift's user to that group, or set kernel.io_uring_disabled to 0.");
  }
  if (error == EPERM || error == EACCES) {
    return absl::PermissionDeniedError(
        what +
        ": a seccomp filter or security module forbids it, as the default profiles of container runtimes do. Run "
        "the container with a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register.");
  }
  if (error == ENOSYS) {
    return absl::UnimplementedError(
        what +
        ": the kernel has no io_uring, or a seccomp filter of the container hides it. Use Linux 5.15 or newer, and a "
        "seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register.");
  }
  if (error == EINVAL) {
    return absl::UnimplementedError(what + ": the kernel's io_uring is too old. Use Linux 5.15 or newer.");
  }
  if (error == ENOMEM) {
    return absl::ResourceExhaustedError(
        what +
        ": no memory, or none that may be locked. Raise the limit of locked memory (LimitMEMLOCK= in the unit, "
        "ulimit -l).");
  }
  if (error == EMFILE || error == ENFILE) {
    return absl::ResourceExhaustedError(
        what + ": no file descriptors are left. Raise their limit (LimitNOFILE= in the unit, ulimit -n).");
  }
  return absl::InternalError(what + ".");
}

}  // namespace sealift::engine
