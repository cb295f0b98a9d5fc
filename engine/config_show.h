// The config as a person reads it: what is in force, what a reload would change, and the reference page.
#pragma once

#include <string>
#include <vector>

#include "engine/options.h"

namespace sealift::engine {

// Every key with its effective value as TOML that reads back to the same Options, each with where it was set:
//   memory = "1GiB"  # /etc/sealift/sealift.toml:12
std::string ShowEffective(const Options& options);

// A key whose value differs between two Options. Named elements are matched by name, others by position; one that
// came or went is a change of the whole element.
struct ConfigChange {
  std::string key;            // "node.memory", "source[ip1].rate", "stream[newsletter]"
  std::string before, after;  // as TOML; empty: not there
  bool restart = false;       // a reload refuses it
};
std::vector<ConfigChange> DiffOptions(const Options& before, const Options& after);

// Whether `after` weakens a TLS policy of `before`: each stream or destination that does, in a sentence.
std::vector<std::string> WeakerPolicies(const Options& before, const Options& after);

// docs/config.md, made from the list of fields.
std::string ConfigReference();

}  // namespace sealift::engine
