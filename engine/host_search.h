#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "dns/answer.h"
#include "engine/attempt.h"
#include "engine/connection.h"
#include "engine/connection_permits.h"
#include "engine/reception.h"
#include "engine/runtime/task.h"
#include "engine/scheduler.h"
#include "engine/site.h"
#include "engine/tls_account.h"

namespace sealift::engine {

// HostSearch finds a host of a path's site that lets a session in, secured as the path's policy asks: by preference,
// equals in any order (RFC 5321 5.1), without those that have failed lately (failed_hosts.h). What a host says instead
// of letting it in is heard by the rules, and ends the search where they suspend the path for it.
//
// Each connection takes a permit. The session has one for the first; for another the search waits a little while, and
// leaves what it has not asked yet to the next session.
//
// Owned by:  a session, which sends over the connection that was found.
// Threads:   the shard's.
// Errors:    failure(), which is what ends the session; the path is told of it.
class HostSearch {
 public:
  // `permits`: one of each was taken for the first connection. `options`: those in force when the session began.
  HostSearch(Scheduler& scheduler, Path& path, Reception::Visit& visit, const std::shared_ptr<const Options>& options,
             ConnectionPermits permits);
  HostSearch(const HostSearch&) = delete;
  HostSearch& operator=(const HostSearch&) = delete;
  ~HostSearch();

  // Once. True: the connection is open.
  Task<bool> Run();

  Connection& connection() { return connection_; }
  TlsAccount& tls_account() { return tls_account_; }
  const std::optional<Attempt>& failure() const { return failure_; }

  // How the connection ended, for the metric: each that was made is counted once.
  void CountEnd(const std::optional<Attempt>& failure);

 private:
  // One after the other. True: one lets us in. `admitted`: hosts that may be asked, with those that are passed over.
  Task<bool> Ask(const std::vector<dns::MxHost>& hosts, size_t admitted);
  // Whether a connection may be opened.
  Task<bool> MayConnect();
  void OnGreeting(const Reply& reply);
  // The host did not let us in, and another is asked next. False: rules have suspended the path for what it said.
  bool GoesOn(const std::string& host, absl::Time begun);
  // None of the hosts is one that the domain's MTA-STS policy names.
  void NoneAdmitted();
  // None of those that were asked does; `lack` is theirs.
  void NoneFound(Lack lack);
  // The next sessions ask these last, until some minutes after `since`.
  void PassOverLeft(absl::Time since);
  // The domain whose mail the session is opened for.
  const std::string& OpenedFor() const;

  Scheduler& scheduler_;
  ShardServices& services_;
  FailedHosts& failed_hosts_;
  Path& path_;
  Reception::Visit& visit_;
  const ConnectionPermits permits_;
  bool permitted_ = true;          // a permit was taken and no connection established yet
  absl::Duration permit_wait_;     // until the next one, where it was refused last
  int connections_ = 0;            // that were tried
  bool counted_ = false;           // the last of them, by how it ended
  bool greeted_ = false;           // by a host, be it one that was left again
  std::vector<std::string> left_;  // hosts that did not let us in
  Connection connection_;
  TlsAccount tls_account_;
  std::optional<Attempt> failure_;
};

}  // namespace sealift::engine
