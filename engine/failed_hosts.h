#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "absl/time/time.h"
#include "dns/answer.h"

namespace sealift::engine {

// FailedHosts remembers which hosts did not answer a source as mail servers do, so that they are passed over for a
// while by every site that they serve: an unresponsive host costs each domain a timeout only once.
//
// Owned by:  the paths of a shard.
// Threads:   the shard's.
// Time:      an argument.
// Memory:    kHostsMax entries; beyond that the oldest are forgotten with the expired ones.
class FailedHosts {
 public:
  static constexpr absl::Duration kPassedOver = absl::Minutes(5);
  static constexpr size_t kHostsMax = 4096;

  void Failed(const std::string& host, const std::string& source, absl::Time now);
  void Answered(const std::string& host, const std::string& source) { until_.erase(KeyOf(host, source)); }

  // Of these hosts, in their order, the ones to try: without those passed over; where all are, the one whose time is
  // over first.
  std::vector<dns::MxHost> Without(std::vector<dns::MxHost> hosts, const std::string& source, absl::Time now) const;

  size_t size() const { return until_.size(); }

 private:
  static std::string KeyOf(const std::string& host, const std::string& source) { return host + ' ' + source; }
  absl::Time UntilOf(const dns::MxHost& host, const std::string& source) const;

  std::unordered_map<std::string, absl::Time> until_;
};

}  // namespace sealift::engine
