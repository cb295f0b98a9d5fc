#include "tests/scenario/harness/eventually.h"

#include <poll.h>

namespace sealift::scenario {

bool Eventually(std::chrono::milliseconds deadline, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  for (;;) {
    if (condition()) return true;
    if (std::chrono::steady_clock::now() >= end) return false;
    poll(nullptr, 0, 20);
  }
}

}  // namespace sealift::scenario
