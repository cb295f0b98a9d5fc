#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace sealift::queue {

// What can be said of a queue's keys without saying anything of a key.
struct KeyReport {
  std::string kek;                  // fingerprint of the key encryption key in use
  std::optional<std::string> next;  // of the one that a rotation waits for
  uint32_t incarnation = 0;
  absl::Time drawn;                    // the incarnation
  uint64_t campaigns = 0, months = 0;  // how many data keys there are
};

// Names a key encryption key and says nothing of it: 16 hexadecimal digits.
std::string FingerprintOf(const std::array<uint8_t, 32>& kek);

}  // namespace sealift::queue
