// The config as a person reads it: what is in force, what a reload would change, and the reference page.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/options.h"

namespace sealift::engine {

// Every key with its effective value as TOML that reads back to the same Options, each with where it was set:
//   memory = "1GiB"  # /etc/sealift/sealift.toml:12
std::string ShowEffective(const Options& options);

// The same, key by key.
struct EffectiveValue {
  std::string key;     // "node.memory", "source[ip1].rate"
  std::string value;   // as TOML; empty: it is not set
  std::string set_by;  // "/etc/sealift/sealift.toml:12", "default"
};
std::vector<EffectiveValue> ListEffective(const Options& options);

// A key whose value differs between two Options. Named elements are matched by name, others by position; one that
// came or went is a change of the whole element.
struct ConfigChange {
  std::string key;            // "node.memory", "source[ip1].rate", "stream[newsletter]"
  std::string before, after;  // as TOML; empty: not there
  bool restart = false;       // a reload refuses it
};
std::vector<ConfigChange> DiffOptions(const Options& before, const Options& after);

// A TLS policy of `before` that `after` weakens.
struct WeakerPolicy {
  std::string key;   // of the change that does it: "stream[newsletter].tls", "destination[0]", "tls.min_version"
  std::string text;  // a sentence
};
// `queued`: how many rows of a stream wait, or may be replayed. One that is taken away while it has some would come
// back as another.
std::vector<WeakerPolicy> WeakerPolicies(const Options& before, const Options& after,
                                         const std::function<uint64_t(std::string_view stream)>& queued);

// What a reload would change, and what of it it would refuse.
struct ConfigDiff {
  std::vector<ConfigChange> changes;
  std::vector<std::string> keys;  // sentences about keys that are others than before, behind the same name
  std::vector<WeakerPolicy> weaker;

  // Whether this change weakens a policy.
  bool Weakens(const ConfigChange& change) const;
};

// docs/config.md, made from the list of fields.
std::string ConfigReference();

}  // namespace sealift::engine
