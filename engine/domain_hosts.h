#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "dns/answer.h"
#include "engine/options.h"
#include "engine/resolver.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/task.h"
#include "engine/runtime/task_group.h"

namespace sealift::engine {

// DomainHosts finds out who takes the mail of domains that no shard has a site of: for questions about the queue.
//
// Hosts that the configuration forbids by name are left out; those that it forbids by address alone are not, as nothing
// is sent there.
//
// Owned by:  whoever asks.
// Threads:   its ring's.
// Errors:    a domain that has no host, or whose answer does not come in time, is not among those found.
class DomainHosts {
 public:
  static constexpr int kAtOnce = 256;

  DomainHosts(Ring& ring, Resolver& resolver, std::shared_ptr<const Options> options, const std::atomic<bool>& stop)
      : ring_(ring), resolver_(resolver), options_(std::move(options)), stop_(stop) {}

  Task<void> Run(std::vector<std::string> domains, absl::Duration patience);

  // By domain: the host that is asked first in front, as a site has them.
  std::map<std::string, std::vector<dns::MxHost>>& found() { return found_; }

 private:
  Task<void> AskAll();
  Task<void> AskSome();
  Task<void> WatchStop(TaskGroup& asking);

  Ring& ring_;
  Resolver& resolver_;
  const std::shared_ptr<const Options> options_;
  const std::atomic<bool>& stop_;
  std::vector<std::string> domains_;
  size_t next_ = 0;
  std::map<std::string, std::vector<dns::MxHost>> found_;
};

}  // namespace sealift::engine
