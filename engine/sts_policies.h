#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/time/time.h"
#include "dns/mta_sts.h"
#include "engine/options.h"
#include "engine/resolver.h"
#include "engine/runtime/task.h"
#include "engine/web.h"

namespace sealift::engine {

// A domain's MTA-STS policy as it was fetched.
struct StsRecord {
  dns::StsPolicy policy;
  std::string id;  // of the TXT record that led to it
  absl::Time fetched = absl::InfinitePast();
  absl::Time expires = absl::InfinitePast();  // fetched + max_age
};

// StsPolicies keeps the policies of a whole node (RFC 8461 3.3): what one shard fetched, all know, and the next start
// too, for a policy binds until it expires, also when an attacker hides the record that announced it.
//
// Owned by:  the node; shards and preflights ask it.
// Threads:   any; one lock, held for a look-up.
// Time:      the caller passes `now`.
// Memory:    at most `policies_max`; the one that expires first gives way.
// Errors:    none.
class StsPolicies {
 public:
  static constexpr absl::Duration kAgain = absl::Minutes(5);  // 3.3: after a fetch that failed

  explicit StsPolicies(size_t policies_max = 65'536) : policies_max_(policies_max) {}

  using RecordPtr = std::shared_ptr<const StsRecord>;
  RecordPtr Find(std::string_view domain, absl::Time now) const;  // null: none in force

  void Keep(const std::string& domain, StsRecord record);

  // Whether the policy may be fetched: a fetch of the same id has not failed just now.
  bool MayFetch(const std::string& domain, const std::string& id, absl::Time now);
  void NoteFailure(const std::string& domain, const std::string& id, absl::Time now);
  // The clock was set back: they would be kept for longer than kAgain.
  void ForgetFailures();

  // To be written to disk: the policies that were kept since the last call, each as Encode makes it.
  struct Written {
    std::string domain, value;
  };
  std::vector<Written> TakeChanged();
  // What was written in an earlier run; one that is no record any more is left out.
  void Restore(const std::string& domain, std::string_view value, absl::Time now);

 private:
  struct Failure {
    std::string id;
    absl::Time until;
  };
  void MakeRoom();

  const size_t policies_max_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, RecordPtr> records_;  // by domain
  std::unordered_map<std::string, Failure> failures_;   // by domain
  std::vector<std::string> changed_;
};

// What was found of a domain's policy.
struct StsFinding {
  enum class Failure : uint8_t { kNone, kFetch, kInvalid, kCertificate };  // of the last fetch: RFC 8460 4.3.2.2
  StsPolicies::RecordPtr record;                                           // in force; null: none
  Failure failure = Failure::kNone;
  std::string id;  // of the policy that is to be fetched; empty: none is

  // What is in force is not known before that is fetched. Else it is `record`, which only grows old.
  bool IsOpen() const { return !id.empty() && (record == nullptr || record->id != id); }
};

// Finds the policy of a domain (RFC 8461 3): its TXT record tells whether the one that is kept is the newest; a newer
// one is fetched. Whatever fails, one that is kept and has not expired stays in force. `now` is the ring's clock.
struct StsSearch {
  Resolver& resolver;
  Web& web;
  StsPolicies& policies;
  std::shared_ptr<const Options> options;

  // What the records say, and what they say is to be fetched.
  Task<StsFinding> Look(std::string domain, absl::Time now) const;
  // `urgent`: asked when the fetch begins.
  Task<StsFinding> Fetch(std::string domain, StsFinding looked, absl::Time now,
                         std::function<bool()> urgent = nullptr) const;
  // A fetch that is under way for the domain is urgent by now.
  void Urge(const std::string& domain) const;
  // The policy in force, which is fetched where it has to be.
  Task<StsFinding> Find(std::string domain, absl::Time now) const;
};

}  // namespace sealift::engine
