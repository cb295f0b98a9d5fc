#include "engine/runtime/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "engine/runtime/ring.h"

namespace sealift::engine {
namespace {

TEST(RefusalTest, NamesTheCauseAndTheRemedy) {
  EXPECT_THAT(std::string(ExplainRefusal(EPERM, 2).message()), testing::HasSubstr("kernel.io_uring_disabled=0"));
  EXPECT_THAT(std::string(ExplainRefusal(EPERM, 1).message()), testing::HasSubstr("kernel.io_uring_group"));
  EXPECT_THAT(std::string(ExplainRefusal(EPERM, 0).message()), testing::HasSubstr("seccomp profile"));
  EXPECT_THAT(std::string(ExplainRefusal(EPERM, -1).message()), testing::HasSubstr("seccomp profile"));
  EXPECT_THAT(std::string(ExplainRefusal(ENOSYS, -1).message()), testing::HasSubstr("Linux 5.15"));
  EXPECT_THAT(std::string(ExplainRefusal(ENOMEM, 0).message()), testing::HasSubstr("LimitMEMLOCK"));
  EXPECT_EQ(ExplainRefusal(ENOSYS, -1).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(ExplainRefusal(EPERM, 0).code(), absl::StatusCode::kPermissionDenied);
}

// What a container runtime's default profile does.
void ForbidIoUring() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter{.len = 4, .filter = program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    std::perror("seccomp");
    std::exit(2);
  }
}

TEST(RefusalDeathTest, ARingThatASeccompFilterForbidsIsExplained) {
  EXPECT_EXIT(
      {
        ForbidIoUring();
        const absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create({});
        std::fputs(ring.status().ToString().c_str(), stderr);
        std::exit(0);
      },
      testing::ExitedWithCode(0), "io_uring_setup was refused .EPERM.*seccomp profile");
}

}  // namespace
}  // namespace sealift::engine
