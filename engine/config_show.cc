#include "engine/config_show.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "engine/config_walk.h"
#include "engine/providers.h"
#include "fmt/format.h"

namespace sealift::engine {
namespace {

bool NeedsRestart(const WalkedKey& key) { return key.field.restart || key.section.restart; }

// A cell of the page's tables.
std::string Cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

template <typename T>
std::string FieldTable(const Section& section) {
  std::string out = "\n| key | takes | default | what |\n| --- | --- | --- | --- |\n";
  const T defaults{};
  Fields<T>::Each(defaults, [&](const Field& field, const auto& value) {
    const std::string text = FieldText(field, value);
    std::string what(field.help);
    if (field.restart || section.restart) what += " Changes by restart.";
    const std::string given = field.required                   ? "required"
                              : text.empty() || text == "\"\"" ? "none"
                                                               : fmt::format("`{}`", text);
    out += fmt::format("| `{}` | {} | {} | {} |\n", field.name, Cell(TypeText(value)), Cell(given), Cell(what));
  });
  return out;
}

// Patterns of hosts by which some block or group of these options tells hosts apart. Each stands for the hosts that no
// narrower one takes: it matches itself, and whatever is wider. "*" stands for those of no other.
std::set<std::string, std::less<>> HostPatterns(const Options& options) {
  std::set<std::string, std::less<>> patterns = {"*"};
  for (const ProviderOptions& provider : options.providers) patterns.insert(provider.mx.begin(), provider.mx.end());
  for (const DestinationOptions& block : options.destinations) patterns.insert(block.mx.begin(), block.mx.end());
  for (const BuiltInProvider& provider : kBuiltInProviders) patterns.insert(provider.mx.begin(), provider.mx.end());
  patterns.erase("");
  return patterns;
}

// Hosts that are of another provider than before, by what a [[provider]] says, and lose the TLS of its blocks.
void AddRegrouped(const Options& before, const Options& after, std::vector<WeakerPolicy>& weaker) {
  const auto same = [](const ProviderOptions& one, const ProviderOptions& other) {
    return one.name == other.name && one.mx == other.mx;
  };
  if (std::ranges::equal(before.providers, after.providers, same)) return;
  std::set<std::string, std::less<>> hosts = HostPatterns(before);
  hosts.merge(HostPatterns(after));
  for (const std::string& host : hosts) {
    const std::string_view was = before.ProviderOf(host), is = after.ProviderOf(host);
    if (was == is) continue;
    const std::optional<TlsPolicy> tls_was = before.DestinationFor("", host).tls;
    const std::optional<TlsPolicy> tls_is = after.DestinationFor("", host).tls;
    if (tls_is >= tls_was) continue;
    // Either its own list has them no more, or another takes them first.
    const std::vector<std::string> listed = HostsOfProvider(after, was);
    const bool given_up = (!listed.empty() || !HostsOfProvider(before, was).empty()) &&
                          std::ranges::none_of(listed, [&](const auto& one) { return MatchesHostPattern(one, host); });
    weaker.push_back({fmt::format("provider[{}]", given_up ? was : is),
                      fmt::format("provider {}: tls of its hosts {} was \"{}\", would be {} as those of {}", was, host,
                                  ToString(*tls_was),
                                  tls_is ? fmt::format("\"{}\"", ToString(*tls_is)) : "that of each stream", is)});
  }
}

}  // namespace

std::string ShowEffective(const Options& options) {
  std::string out, element;
  WalkOptions(options, [&](const WalkedKey& key) {
    if (key.element != element) {
      element = key.element;
      const bool array = element.ends_with(']');
      out += fmt::format("\n{0}{1}{2}\n", array ? "[[" : "[", key.section.name, array ? "]]" : "]");
    }
    // What is not set is left out of the TOML but not of the answer.
    out += key.value.empty() ? fmt::format("# {} is not set\n", key.field.name)
                             : fmt::format("{} = {}  # {}\n", key.field.name, key.value, options.WhereSet(key.key));
  });
  return out;
}

std::vector<EffectiveValue> ListEffective(const Options& options) {
  std::vector<EffectiveValue> values;
  WalkOptions(options,
              [&](const WalkedKey& key) { values.push_back({key.key, key.value, options.WhereSet(key.key)}); });
  return values;
}

std::vector<ConfigChange> DiffOptions(const Options& before, const Options& after) {
  std::map<std::string, WalkedKey> old_keys, new_keys;
  std::map<std::string, bool> old_elements, new_elements;
  std::vector<std::string> order;  // of keys, the old ones first
  WalkOptions(before, [&](const WalkedKey& key) {
    old_elements[key.element] = true;
    order.push_back(key.key);
    old_keys.emplace(key.key, key);
  });
  WalkOptions(after, [&](const WalkedKey& key) {
    new_elements[key.element] = true;
    if (new_keys.emplace(key.key, key).second && !old_keys.contains(key.key)) order.push_back(key.key);
  });

  std::vector<ConfigChange> changes;
  std::map<std::string, bool> told;
  for (const std::string& name : order) {
    const auto old_key = old_keys.find(name);
    const auto new_key = new_keys.find(name);
    const WalkedKey& key = old_key != old_keys.end() ? old_key->second : new_key->second;
    const bool was = old_elements.contains(key.element);
    const bool is = new_elements.contains(key.element);
    if (was != is) {
      if (told.emplace(key.element, true).second) {
        const std::string block = fmt::format("[[{}]]", key.section.name);
        changes.push_back({key.element, was ? block : "", is ? block : "", key.section.restart});
      }
      continue;
    }
    if (old_key->second.value != new_key->second.value) {
      changes.push_back({name, old_key->second.value, new_key->second.value, NeedsRestart(key)});
    }
  }
  return changes;
}

std::vector<WeakerPolicy> WeakerPolicies(const Options& before, const Options& after,
                                         const std::function<uint64_t(std::string_view stream)>& queued) {
  std::vector<WeakerPolicy> weaker;
  const auto note = [&](std::string key, const std::string& what, std::string_view was, std::string_view is) {
    weaker.push_back({std::move(key), fmt::format("{}: tls was \"{}\", would be \"{}\"", what, was, is)});
  };
  for (const StreamOptions& stream : before.streams) {
    const StreamOptions* now = after.FindStream(stream.name);
    if (now == nullptr) {
      const uint64_t rows = stream.tls > TlsPolicy::kOpportunistic || stream.requiretls ? queued(stream.name) : 0;
      if (rows == 0) continue;
      weaker.push_back(
          {fmt::format("stream[{}]", stream.name),
           fmt::format("stream {}: tls was \"{}\", would be gone while {} of its rows wait or may be replayed",
                       stream.name, ToString(stream.tls), rows)});
      continue;
    }
    if (now->tls < stream.tls) {
      note(fmt::format("stream[{}].tls", stream.name), "stream " + stream.name, ToString(stream.tls),
           ToString(now->tls));
    }
    if (stream.requiretls && !now->requiretls) {
      weaker.push_back({fmt::format("stream[{}].requiretls", stream.name),
                        fmt::format("stream {}: requiretls was true, would be false", stream.name)});
    }
  }
  // A block is the same one when it is about the same destinations.
  for (size_t i = 0; i < before.destinations.size(); ++i) {
    const DestinationOptions& block = before.destinations[i];
    if (!block.tls) continue;
    const auto same =
        std::find_if(after.destinations.begin(), after.destinations.end(), [&](const DestinationOptions& one) {
          return one.domains == block.domains && one.mx == block.mx && one.provider == block.provider && one.tls &&
                 *one.tls >= *block.tls;
        });
    if (same != after.destinations.end()) continue;
    const std::string about = !block.provider.empty()  ? "provider " + block.provider
                              : !block.domains.empty() ? "domain " + block.domains.front()
                              : !block.mx.empty()      ? "mx " + block.mx.front()
                                                       : std::string("every domain");
    weaker.push_back(
        {fmt::format("destination[{}]", i),
         fmt::format("destination ({}): tls was \"{}\", would be weaker or gone", about, ToString(*block.tls))});
  }
  AddRegrouped(before, after, weaker);
  if (after.tls.min_version < before.tls.min_version) {
    note("tls.min_version", "tls.min_version", ToString(before.tls.min_version), ToString(after.tls.min_version));
  }
  if (before.tls.fips && !after.tls.fips) {
    weaker.push_back({"tls.fips", "tls.fips was true, would be false"});
  }
  return weaker;
}

bool ConfigDiff::Weakens(const ConfigChange& change) const {
  return std::ranges::any_of(weaker, [&](const WeakerPolicy& policy) {
    return change.key == policy.key || change.key.starts_with(policy.key + ".");
  });
}

std::string ConfigReference() {
  std::string out =
      "# The config file\n\n"
      "<!-- Made from engine/config_fields.h; tests/engine/config fails when it is stale and says how to renew it. "
      "-->\n\n"
      "One TOML file, `/etc/sealift/sealift.toml` unless `--config` says otherwise. `include = [\"conf.d/*.toml\"]` at "
      "its top\n"
      "reads more files, relative to it; a key may be set once, `[[...]]` blocks add up. An unknown key is an error.\n"
      "Durations are written `30s 5m 2h 3d`, rates `100/s 20/m 5000/h 10000/d`, sizes `64KiB 512MiB 2GiB`.\n"
      "`sealift config check` reads a file without a daemon; `sealift config show --effective` prints every value and "
      "the\n"
      "line that set it; `sealift reload` adopts a changed file without stopping.\n\n"
      "## Before the first table\n";
  out += FieldTable<Options>(Section{.name = "", .help = ""});
  const auto heading = [&](const Section& section, std::string_view name) {
    out += fmt::format("\n## `{}`\n\n{}\n", name, section.help);
  };
  Options options;
  EachSection(
      options,
      [&]<typename T>(const Section& section, T&) {
        heading(section, fmt::format("[{}]", section.name));
        out += FieldTable<T>(section);
      },
      [&]<typename T>(const Section& section, std::vector<T>&) {
        heading(section, fmt::format("[[{}]]", section.name));
        out += FieldTable<T>(section);
      });
  out += "\n## Built-in providers\n\n";
  for (const std::string_view name : BuiltInProviders())
    out += fmt::format("{}`{}`", out.ends_with("\n") ? "" : ", ", name);
  out +=
      ": groups of MX hosts known to judge a sender as one. A `[[provider]]` of the same name replaces one; `other` "
      "is\n"
      "every host in none.\n";
  return out;
}

}  // namespace sealift::engine
