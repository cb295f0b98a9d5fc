#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "absl/time/time.h"
#include "dns/answer.h"

namespace sealift::dns {

// The questions that are asked.
enum class QueryType { kMx, kA, kAaaa, kTlsa, kTxt };
inline constexpr int kQueryTypes = 5;
std::string_view ToString(QueryType type);  // "mx", "a", "aaaa", "tlsa", "txt"

// Cache keeps the answers of a whole node: whatever one shard learns, all know.
//
// Answers are kept as long as their owner says, between a floor (a TTL of 0 would ask for every message) and a ceiling
// (a typing mistake there should not last a week); that something is missing, as long as the zone's SOA says (RFC
// 2308); that nobody could say, for some seconds (RFC 9520), so that an outage is not answered with a storm of
// questions.
//
// Owned by:  the node; every shard's Resolver holds a shared_ptr.
// Threads:   any; striped locks, held for a look-up.
// Time:      the caller passes `now`.
// Memory:    about `bytes_max`; in each stripe the answers that were not used for longest give way.
// Errors:    none.
class Cache {
 public:
  struct Options {
    size_t bytes_max = size_t{32} << 20;
    absl::Duration ttl_min = absl::Seconds(30);
    absl::Duration ttl_max = absl::Hours(24);
    absl::Duration negative_ttl_min = absl::Seconds(30);
    absl::Duration negative_ttl_max = absl::Minutes(15);
    absl::Duration negative_ttl_default = absl::Minutes(5);  // where no SOA came with it
    // SERVFAIL, timeout, refused, nonsense: RFC 9520 asks for 1 s to 5 min.
    absl::Duration failure_ttl = absl::Seconds(5);
  };

  explicit Cache(const Options& options);
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  // How long an answer is true: `ttl` as its owner says (for kNoData and kNxDomain the negative one; infinite: not
  // said).
  absl::Duration Lifetime(Verdict verdict, absl::Duration ttl) const;

  // Null when there is none or it is out of date. `name` as HostName makes it. `Answer` is the type's own: MxAnswer,
  // AddressAnswer, TlsaAnswer or TxtAnswer.
  template <typename Answer>
  std::shared_ptr<const Answer> Find(QueryType type, std::string_view name, absl::Time now);

  // Until `answer->expires`.
  template <typename Answer>
  void Put(QueryType type, std::string_view name, std::shared_ptr<const Answer> answer);

  // Forgets everything: times are the wall clock's, and mean nothing once it was set back.
  void Clear();

  size_t size() const;

 private:
  using AnyAnswer = std::variant<std::shared_ptr<const MxAnswer>, std::shared_ptr<const AddressAnswer>,
                                 std::shared_ptr<const TlsaAnswer>, std::shared_ptr<const TxtAnswer>>;
  struct Entry {
    std::string key;
    AnyAnswer answer;
    size_t bytes = 0;
  };
  struct Stripe {
    mutable std::mutex mutex;
    size_t bytes = 0;                                                         // of all entries
    std::list<Entry> entries;                                                 // the latest used first
    std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key;  // views of the entries' own keys
  };
  static constexpr size_t kStripes = 16;

  void PutAny(std::string key, AnyAnswer answer);
  Stripe& StripeOf(std::string_view key);

  const Options options_;
  const size_t stripe_bytes_max_;
  std::array<Stripe, kStripes> stripes_;
};

}  // namespace sealift::dns
