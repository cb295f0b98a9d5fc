#include "tools/sink/script_reader.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "tools/sink/name_pattern.h"
#include "tools/sink/rule_reader.h"
#include "tools/sink/toml_table.h"

namespace sealift::tools::sink {
namespace {

constexpr size_t kScriptBytesMax = 16 << 20;
constexpr size_t kTxtBytesMax = 4096;  // the key of `dkim generate` has some 400
constexpr size_t kDomainsMax = 1'000'000;
constexpr size_t kHostsMax = 60'000;  // what 127.0.1.1 and its successors have room for

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

// Lower case and without a trailing dot; false unless its labels fit RFC 1035 2.3.4.
bool NormalizeName(std::string* name) {
  *name = LowerCase(*name);
  if (name->ends_with('.')) name->pop_back();
  if (name->empty() || name->size() > 253) return false;
  size_t label = 0;
  for (const char c : *name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') || ++label > 63) {
      return false;
    }
  }
  return label > 0;
}

bool IsLoopback(const std::string& address) {
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

// The n-th address of 127.0.1.1, 127.0.1.2, ...; never .0 or .255.
std::string DefaultAddress(size_t n) { return fmt::format("127.0.{}.{}", 1 + n / 254, 1 + n % 254); }

// One provider's reading; `script` gives what the whole decides.
class ProviderReader {
 public:
  ProviderReader(const toml::table& node, Script* script, absl::Status* error)
      : table_(node, "[[provider]]", script->origin, error), script_(script) {}

  Provider Read(uint64_t* next_rule_id, size_t* next_address) {
    table_.Read("name", &provider_.name);
    if (provider_.name.empty()) table_.FailAt("name", "a provider has a name; give it one, such as name = \"good\"");
    ReadDomains();
    ReadHosts(next_address);
    table_.ReadEnum("dns", &provider_.dns, DnsMode::kLoop);
    table_.Read("dns_until", &provider_.dns_until);
    table_.Read("ttl", &provider_.ttl);
    table_.Read("dns_signed", &provider_.dns_signed);
    ReadTxt();
    ReadServer();
    table_.Read("greylist", &provider_.greylist);
    provider_.greylist /= script_->time_scale;
    ReadLimits(table_, *script_, &provider_.limits);
    ReadRules(table_, *script_, next_rule_id, &provider_);
    table_.RejectUnknown();
    return std::move(provider_);
  }

 private:
  void ReadDomains() {
    std::vector<std::string> patterns;
    table_.Read("domains", &patterns);
    if (patterns.empty()) {
      table_.FailAt("domains", "a provider has domains; give it some, such as domains = [\"d{1..10}.test\"]");
    }
    for (const std::string& pattern : patterns) {
      if (pattern == "*") {
        provider_.catch_all = true;
        provider_.domains.emplace_back("*");
        continue;
      }
      absl::StatusOr<std::vector<std::string>> names = ExpandNames(pattern, kDomainsMax);
      if (!names.ok()) return table_.FailAt("domains", std::string(names.status().message()));
      for (std::string& name : *names) {
        if (!NormalizeName(&name)) {
          return table_.FailAt("domains",
                               fmt::format("\"{}\" is not a domain name; use letters, digits, - and dots", name));
        }
        if (!name.ends_with(".test") && !name.ends_with(".example")) {
          return table_.FailAt("domains",
                               fmt::format("\"{}\" could be someone's; name domains under .test or .example", name));
        }
        provider_.domains.push_back(std::move(name));
      }
    }
  }

  void ReadHosts(size_t* next_address) {
    ConnectMode connect = ConnectMode::kAccept;
    table_.ReadEnum("connect", &connect, ConnectMode::kClose);
    for (const toml::table* node : table_.Tables("mx")) {
      TomlTable table = table_.Inner(*node, "mx");
      MxHost host{.name = "", .address = "", .preference = 10, .connect = connect};
      table.Read("host", &host.name);
      table.Read("address", &host.address);
      int64_t preference = 10;
      table.Read("preference", &preference, 0, 65535);
      host.preference = static_cast<uint16_t>(preference);
      table.ReadEnum("connect", &host.connect, ConnectMode::kClose);
      absl::StatusOr<std::vector<std::string>> names = ExpandNames(host.name, kHostsMax);
      if (!names.ok()) table.FailAt("host", std::string(names.status().message()));
      table.RejectUnknown();
      if (!table.ok()) return;
      for (const std::string& name : *names) {
        MxHost one = host;
        one.name = name;
        AddHost(table, std::move(one), next_address);
      }
    }
    if (provider_.hosts.empty()) {
      AddHost(table_, {.name = "mx." + provider_.name + ".test", .address = "", .preference = 10, .connect = connect},
              next_address);
    }
  }

  void AddHost(TomlTable& table, MxHost host, size_t* next_address) {
    if (!NormalizeName(&host.name)) {
      return table.FailAt("host", fmt::format("\"{}\" is not a host name; use letters, digits, - and dots", host.name));
    }
    if (host.address.empty()) host.address = DefaultAddress((*next_address)++);
    if (*next_address > kHostsMax) {
      return table.FailAt("host", fmt::format("more than {} hosts without an address; give them one", kHostsMax));
    }
    if (!IsLoopback(host.address)) {
      return table.FailAt("address",
                          fmt::format("\"{}\" is not of this machine alone; use 127.x.y.z or ::1", host.address));
    }
    provider_.hosts.push_back(std::move(host));
  }

  // "_smtp._tls v=TLSRPTv1; rua=..." is a name beneath each domain, and what stands there.
  void ReadTxt() {
    std::vector<std::string> records;
    table_.Read("txt", &records);
    for (const std::string& record : records) {
      const size_t space = record.find(' ');
      std::string name = record.substr(0, space);
      if (space == std::string::npos || record.size() - space - 1 > kTxtBytesMax || !NormalizeName(&name)) {
        return table_.FailAt("txt", fmt::format("\"{}\" is no record; write a name, a space and up to {} bytes of text",
                                                record, kTxtBytesMax));
      }
      provider_.txt.emplace_back(std::move(name), record.substr(space + 1));
    }
  }

  void ReadServer() {
    table_.ReadEnum("tls", &provider_.tls, TlsMode::kHang);
    table_.Read("certificate_name", &provider_.certificate.name);
    table_.Read("certificate_expired", &provider_.certificate.expired);
    table_.Read("tls_max_version", &provider_.certificate.max_version);
    if (const std::string& version = provider_.certificate.max_version;
        !version.empty() && version != "1.0" && version != "1.1" && version != "1.2" && version != "1.3") {
      table_.FailAt("tls_max_version", "tls_max_version is one of \"1.0\", \"1.1\", \"1.2\", \"1.3\"");
    }
    table_.Read("tls_suites", &provider_.certificate.suites);
    table_.Read("latency", &provider_.latency);
    table_.Read("pipelining", &provider_.pipelining);
    table_.Read("chunking", &provider_.chunking);
    table_.Read("eight_bit", &provider_.eight_bit);
    table_.Read("requiretls", &provider_.requiretls);
    table_.ReadSize("size", &provider_.size_bytes);
    table_.Read("extensions", &provider_.extensions);
  }

  TomlTable table_;
  Script* script_;
  Provider provider_;
};

absl::StatusOr<Script> ReadDocument(const toml::table& document, const std::string& origin) {
  Script script;
  script.origin = origin;
  absl::Status error;
  TomlTable table(document, "a script", origin, &error);
  int64_t port = 0, seed = 1;
  table.Read("port", &port, 0, 65535);
  table.Read("seed", &seed, 0, INT64_MAX);
  table.Read("time_scale", &script.time_scale, 0.001, 1e9);
  script.port = static_cast<uint16_t>(port);
  script.seed = static_cast<uint64_t>(seed);
  uint64_t rule_id = 1;
  size_t next_address = 0;
  absl::flat_hash_map<std::string, uint32_t> names;
  for (const toml::table* node : table.Tables("provider")) {
    Provider provider = ProviderReader(*node, &script, &error).Read(&rule_id, &next_address);
    if (!error.ok()) return error;
    const auto index = static_cast<uint32_t>(script.providers.size());
    TomlTable place(*node, "[[provider]]", origin, &error);
    if (!names.emplace(provider.name, index).second) {
      place.FailAt("name", fmt::format("a second provider is called \"{}\"; give each its own name", provider.name));
    }
    for (const std::string& domain : provider.domains) {
      if (domain == "*") continue;
      const auto [found, inserted] = script.domains.emplace(domain, index);
      if (!inserted) {
        place.FailAt("domains",
                     fmt::format("{} belongs to provider \"{}\" too; name it in one of them", domain,
                                 found->second == index ? provider.name : script.providers[found->second].name));
        break;
      }
    }
    script.providers.push_back(std::move(provider));
  }
  table.RejectUnknown();
  if (!error.ok()) return error;
  if (script.providers.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("{}:1:1: no provider; add a [[provider]] with a name and domains", origin));
  }
  return script;
}

}  // namespace

absl::StatusOr<Script> ReadScript(std::string_view text, const std::string& origin) {
  // toml++ throws on what is not TOML; nothing of ours does.
  try {
    return ReadDocument(toml::parse(text), origin);
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    return absl::InvalidArgumentError(fmt::format("{}:{}:{}: this is not TOML ({}); mend the line", origin, at.line,
                                                  at.column, std::string_view(error.description())));
  }
}

absl::StatusOr<Script> ReadScriptFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(fmt::format("{}: cannot read the script: {}; check the path", path, strerror(errno)));
  }
  std::ostringstream text;
  text << file.rdbuf();
  if (text.str().size() > kScriptBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("{}:1:1: the script is larger than 16 MiB; use ranges in domains", path));
  }
  return ReadScript(text.str(), path);
}

}  // namespace sealift::tools::sink
