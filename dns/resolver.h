#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dns/answer.h"
#include "dns/cache.h"
#include "dns/reactor.h"
#include "dns/upstream.h"

namespace sealift::dns {

// Resolver answers who takes mail for a domain, where a host is and what its certificate must be, by asking the
// configured recursive servers through c-ares.
//
// Concurrent questions for one thing become one query. Answers come from the shared cache where it has them. What the
// servers send is hostile input: it is decoded by message.h, capped by answer.h, and CNAMEs are followed only within
// one answer.
//
// Owned by:  one shard; outlived by its Reactor. May be destroyed with questions outstanding: their callbacks are
//            destroyed uncalled. Not from inside a callback.
// Threads:   its shard's alone; counts() from any.
// Callbacks: run exactly once, outside c-ares: before Resolve… returns when the cache knows or the name is bad, else
//            from OnReady or OnTimer. They may ask again.
// Time:      the Reactor's, for the cache; c-ares measures its own timeouts by the monotonic clock.
// Errors:    Create: InvalidArgument for a server that is none. Afterwards every failure is a Verdict.
class Resolver {
 public:
  struct Options {
    std::vector<std::string> servers = {};  // "192.0.2.1", "127.0.0.1:5353", "[2001:db8::1]:53"; empty: the system's
    // Of the first try of each server; each further round waits twice as long.
    absl::Duration timeout = absl::Seconds(3);
    // Of each server. One that failed or refused is not asked again; one that is silent is.
    int tries = 3;
    // In flight; more wait their turn, so that a burst does not overflow the servers' socket buffers.
    size_t queries_max = 500;
  };

  template <typename Answer>
  using Callback = std::move_only_function<void(const Answer&)>;

  // What was asked and what came of it, for metrics. Each question is in exactly one of hits, merged and answers.
  struct Counts {
    std::array<std::array<uint64_t, kVerdicts>, kQueryTypes> answers = {};  // from servers, by QueryType and Verdict
    std::array<uint64_t, kQueryTypes> hits = {};                            // from the cache
    std::array<uint64_t, kQueryTypes> merged = {};                          // joined a query under way
  };

  static absl::StatusOr<std::unique_ptr<Resolver>> Create(const Options& options, Reactor& reactor,
                                                          std::shared_ptr<Cache> cache);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // `domain` as in an address, internationalised names as A-labels. Never kNoData: that is an implicit MX.
  void ResolveMx(const std::string& domain, Callback<MxAnswer> callback);

  // `family` is AF_INET or AF_INET6.
  void ResolveAddresses(const std::string& host, int family, Callback<AddressAnswer> callback);

  // `service` as RFC 6698 3 writes it: "_25._tcp.mx1.example.com".
  void ResolveTlsa(const std::string& service, Callback<TlsaAnswer> callback);

  void ResolveTxt(const std::string& name, Callback<TxtAnswer> callback);

  // From the Reactor.
  void OnReady(int fd, bool readable, bool writable);
  void OnTimer();

  // Queries in flight or waiting their turn.
  size_t outstanding() const { return questions_.size(); }

  Counts counts() const;

 private:
  struct Question;
  using Questions = std::unordered_map<std::string, std::unique_ptr<Question>>;

  Resolver(const Options& options, Reactor& reactor, std::shared_ptr<Cache> cache);

  template <typename Answer>
  void Resolve(QueryType type, std::string_view asked, Callback<Answer> callback);
  // The query under way for this, or a new one, which then waits to be sent.
  Question& Join(QueryType type, const std::string& name);
  void Send(Question& question);
  void TakeNote(Question& question, std::span<const uint8_t> answer);
  // Delivers what was answered, sends what waits, sets the timer. Never from inside c-ares, and never within itself.
  void Turn();
  void Settle(Question& question);
  bool MoveOn(Question& question, Verdict failure);
  void Finish(Question& question);
  void Count(QueryType type, Verdict verdict);

  Reactor& reactor_;
  const std::shared_ptr<Cache> cache_;
  const int tries_;
  const size_t queries_max_;
  size_t preferred_ = 0;  // the server to ask first: one that does not answer gives way to the next

  Questions questions_;             // by type and name
  std::deque<Question*> waiting_;   // to be sent
  std::deque<Question*> answered_;  // to be settled
  size_t in_flight_ = 0;
  bool in_turn_ = false;
  std::vector<std::unique_ptr<Upstream>> upstreams_;  // after what their callbacks point to

  std::array<std::array<std::atomic<uint64_t>, kVerdicts>, kQueryTypes> answers_ = {};
  std::array<std::atomic<uint64_t>, kQueryTypes> hits_ = {};
  std::array<std::atomic<uint64_t>, kQueryTypes> merged_ = {};
};

}  // namespace sealift::dns
