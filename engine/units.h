// How people write durations, rates and sizes, in the config file and on the command line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sealift::engine {

// So many in a period. A count of zero is "no limit": the absence of a rate, never a rate of zero, which no parser
// gives.
struct Rate {
  int64_t count = 0;
  absl::Duration period = absl::Seconds(1);

  bool unlimited() const { return count == 0; }
  double PerSecond() const { return static_cast<double>(count) / absl::ToDoubleSeconds(period); }
  bool operator==(const Rate&) const = default;
};

// A number of bytes.
struct Size {
  uint64_t bytes = 0;
  bool operator==(const Size&) const = default;
};

// A floor under the free disk space: a share of the file system, or a size.
struct DiskFloor {
  double percent = 0;  // of the whole; used when bytes is 0
  uint64_t bytes = 0;

  uint64_t Bytes(uint64_t disk_bytes) const {
    return bytes != 0 ? bytes : static_cast<uint64_t>(static_cast<double>(disk_bytes) * percent / 100.0);
  }
  bool operator==(const DiskFloor&) const = default;
};

// Errors: InvalidArgument, a sentence that says what was read and what would do; never empty input for a default.
//
// "500ms", "30s", "5m", "2h", "3d", also "1h30m"; not negative, at most ten years; "0" and "0s" are zero.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);
// "100/s", "20/m", "5000/h", "10000/d"; the count is 1 to 1,000,000,000.
absl::StatusOr<Rate> ParseRate(std::string_view text);
// "1000B", "64KiB", "512MiB", "2GiB", "1TiB"; at least 1. A number without a unit is none.
absl::StatusOr<Size> ParseSize(std::string_view text);
// "5%" or a size.
absl::StatusOr<DiskFloor> ParseDiskFloor(std::string_view text);

// The form that the parsers read back to the same value; "unlimited" for a Rate without a limit.
std::string ToText(absl::Duration duration);
std::string ToText(const Rate& rate);
std::string ToText(const Size& size);
std::string ToText(const DiskFloor& floor);

}  // namespace sealift::engine
