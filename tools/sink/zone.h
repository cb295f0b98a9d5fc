#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "tools/sink/script.h"

namespace sealift::tools::sink {

// Zone is what a script's DNS knows: a record set for each domain and each host.
//
// Owned by:  Sink; built once.
// Threads:   any; read only.
class Zone {
 public:
  struct Mx {
    uint16_t preference;
    std::string host;
  };
  struct Records {
    DnsMode mode = DnsMode::kMx;
    absl::Duration mode_until = absl::InfiniteDuration();  // since the start; kMx afterwards
    std::vector<Mx> mx;
    std::vector<std::string> a, aaaa;  // 4 and 16 bytes each
    std::vector<std::string> txt;      // one record each
    uint32_t ttl = 60;                 // seconds
    bool is_signed = false;

    DnsMode ModeAt(absl::Duration since_start) const { return since_start < mode_until ? mode : DnsMode::kMx; }
  };

  explicit Zone(const Script& script);

  // `name` in lower case, without a trailing dot. Null: NXDOMAIN.
  const Records* Find(const std::string& name) const;

  size_t size() const { return names_.size(); }

 private:
  absl::flat_hash_map<std::string, Records> names_;
};

}  // namespace sealift::tools::sink
