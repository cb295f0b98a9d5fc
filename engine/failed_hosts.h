#pragma once

#include <list>
#include <string>
#include <string_view>
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
// Memory:    kHostsMax entries; beyond that the oldest give way. However many fail, none costs a walk over the others.
class FailedHosts {
 public:
  static constexpr absl::Duration kPassedOver = absl::Minutes(5);
  static constexpr size_t kHostsMax = 4096;

  // It is passed over for kPassedOver from `now`, or from a later time until when nobody asks it.
  void Failed(const std::string& host, const std::string& source, absl::Time now);
  void Answered(const std::string& host, const std::string& source);

  // Of these hosts, in their order, the ones to try: without those passed over; where all are, the one whose time is
  // over first.
  std::vector<dns::MxHost> Without(std::vector<dns::MxHost> hosts, const std::string& source, absl::Time now) const;

  size_t size() const { return hosts_.size(); }

 private:
  static std::string KeyOf(const std::string& host, const std::string& source) { return host + ' ' + source; }
  absl::Time UntilOf(const dns::MxHost& host, const std::string& source) const;

  struct Entry {
    std::string key;
    absl::Time until;
  };
  using Entries = std::list<Entry>;

  Entries entries_;                                                // the one that failed longest ago first
  std::unordered_map<std::string_view, Entries::iterator> hosts_;  // by the key of the entry
};

}  // namespace sealift::engine
