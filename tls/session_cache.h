#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tls/openssl.h"
#include "tls/policy.h"

namespace sealift::tls {

// SessionCache remembers what lets the next connection to a server skip most of its handshake.
//
// A session is found only under the decision that it was made with: server, policy, verified name and trusted roots
// (MakeKey; with DANE the TLSA records stand for the roots), so that a ticket never carries a weaker decision into a
// stronger policy. A TLS 1.3 ticket is given out once (RFC 8446 C.4); a TLS 1.2 session until it expires. A server may
// issue several tickets a connection and several are kept, because several connections may be opened at once.
//
// Owned by:  one shard; outlives every channel that was given it.
// Threads:   its shard's alone.
// Time:      a session ends by its own lifetime, read from the wall clock by OpenSSL; with kVerify also when its
// certificate does.
// Errors:    none; a miss is a full handshake.
class SessionCache {
 public:
  struct Options {
    size_t servers_max = 4096;          // the one not used for longest gives way
    size_t sessions_a_server_max = 32;  // the newest stay: more than a server is given connections, each uses one up
    size_t sessions_max = 8192;         // of all servers; some KB each
  };

  struct Stats {
    uint64_t hits = 0;  // Take found one
    uint64_t misses = 0;
    uint64_t stored = 0;
    uint64_t evicted = 0;  // by either bound, before their lifetime ended
  };

  explicit SessionCache(const Options& options);
  SessionCache(const SessionCache&) = delete;
  SessionCache& operator=(const SessionCache&) = delete;

  // `server` says who is at the other end: its host and port.
  static std::string MakeKey(std::string_view server, Policy policy, std::string_view verified_name,
                             std::string_view roots);

  // A session to resume, or null. What TLS 1.3 issued leaves the cache with it.
  SslSessionPtr Take(const std::string& key);

  void Put(const std::string& key, SslSessionPtr session);

  // After a resumption that the server answered with an error: what is left for this server is not worth another try.
  void Forget(const std::string& key);

  size_t servers() const { return entries_.size(); }
  size_t sessions() const { return sessions_; }
  const Stats& stats() const { return stats_; }

 private:
  struct Entry {
    std::deque<SslSessionPtr> sessions;           // the newest last
    std::list<const std::string*>::iterator use;  // into uses_
  };
  using Entries = std::unordered_map<std::string, Entry>;

  void Erase(Entries::iterator entry);
  void EvictOldest();

  const Options options_;
  Entries entries_;
  std::list<const std::string*> uses_;  // keys of entries_, the latest used first
  size_t sessions_ = 0;                 // of all entries
  Stats stats_;
};

}  // namespace sealift::tls
