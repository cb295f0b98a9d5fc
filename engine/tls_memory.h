#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/time/time.h"

namespace sealift::engine {

// TlsMemory remembers which hosts have spoken TLS, so that a STARTTLS that somebody takes out of a host's reply is
// noticed: also after a restart, which an attacker could wait for.
//
// Owned by:  the node; connections tell and ask it.
// Threads:   any; one lock, held for a look-up.
// Time:      the caller passes `now`. A host that has not been seen with TLS for `kKept` is taken to have given it up.
// Memory:    at most `hosts_max`; what was not seen for longest gives way.
// Errors:    none.
class TlsMemory {
 public:
  static constexpr absl::Duration kKept = absl::Hours(24 * 90);
  static constexpr absl::Duration kNoteEvery = absl::Hours(24);  // as often a host is written to disk

  explicit TlsMemory(size_t hosts_max = 262'144) : hosts_max_(hosts_max) {}

  // A handshake with the host was completed.
  void Note(const std::string& host, absl::Time now);
  bool Knows(const std::string& host, absl::Time now) const;

  // To be written to disk: hosts noted since the last call.
  struct Written {
    std::string host, value;
  };
  std::vector<Written> TakeChanged();
  // What was written in an earlier run.
  void Restore(const std::string& host, std::string_view value, absl::Time now);

 private:
  void MakeRoom();

  const size_t hosts_max_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, absl::Time> seen_;  // by host
  std::vector<std::string> changed_;
};

}  // namespace sealift::engine
