// dkim generate, dkim check: what asks the DNS and the file system, and no daemon
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "dns/lookup.h"
#include "dns/name.h"
#include "engine/config_place.h"
#include "engine/message/dkim_record.h"
#include "engine/preflight/dkim_publication.h"
#include "engine/secret_file.h"
#include "engine/signing_keys.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/key_file.h"
#include "tools/sealift/read_config.h"

namespace sealift::tools {
namespace {

using engine::DkimAlgorithm;
using engine::DkimKey;
using engine::ExitCode;
using nlohmann::json;

// The line of a zone file.
std::string ZoneLine(const std::string& name, const std::vector<std::string>& strings) {
  return fmt::format("{}. IN TXT ( \"{}\" )", name, fmt::join(strings, "\" \""));
}

}  // namespace

CommandResult RunDkimGenerate(const Invocation& call, Console& console) {
  const std::string& file = call.arguments[0];
  const std::string domain = call.Value("domain");
  const std::string selector = call.Value("selector");
  const std::optional<std::string> name = dns::HostName(engine::DkimRecordName(selector, domain));
  if (!dns::HostName(domain).has_value() || !name.has_value()) {
    return Fail(ExitCode::kUsage, {"dkim generate: no key was made", "",
                                   fmt::format("{}._domainkey.{} is no name of the DNS.", selector, domain),
                                   "Write both in letters, digits, hyphens and dots; a domain of other letters as its "
                                   "A-labels (xn--...)."});
  }
  const bool ed25519 = call.Value("algorithm") == "ed25519";
  if (ed25519 && call.Has("bits")) {
    return Fail(ExitCode::kUsage,
                {"dkim generate: --bits is of RSA keys", "", "An Ed25519 key has one size.", "Leave --bits out."});
  }
  const absl::StatusOr<DkimKey> key = DkimKey::Generate(
      ed25519 ? DkimAlgorithm::kEd25519Sha256 : DkimAlgorithm::kRsaSha256, std::stoi(call.Value("bits", "2048")));
  if (!key.ok()) return key.status();
  absl::StatusOr<std::string> pem = key->ToPem();
  if (!pem.ok()) return pem.status();
  const absl::Status written = WriteNewFile(file, *pem);
  explicit_bzero(pem->data(), pem->size());
  if (!written.ok()) return written;

  const std::string text = engine::DkimRecordText(*key);
  const std::vector<std::string> strings = engine::DkimRecordStrings(text);
  const std::string block = fmt::format("[[dkim]]\ndomain = \"{}\"\nselector = \"{}\"\nkey_file = \"{}\"\n", domain,
                                        selector, std::filesystem::absolute(file).string());
  const json answer = {{"file", file},         {"domain", domain},
                       {"selector", selector}, {"algorithm", engine::ToString(key->algorithm())},
                       {"bits", key->bits()},  {"name", *name},
                       {"type", "TXT"},        {"text", text},
                       {"strings", strings},   {"zone", ZoneLine(*name, strings)},
                       {"config", block}};
  if (console.format() != Format::kTable) {
    console.Record(answer, {{"file", "file"}, {"name", "name"}, {"type", "type"}, {"text", "text"}});
    return ExitCode::kOk;
  }
  console.Say(
      fmt::format("{}: a new {} key, mode 0600. Publish this in the DNS:", file, call.Value("algorithm", "rsa")));
  console.out() << ZoneLine(*name, strings) << std::endl;
  console.Say("and, once `sealift dkim check` finds it there, let streams sign with it:");
  console.out() << block << std::flush;
  return ExitCode::kOk;
}

CommandResult RunDkimCheck(const Invocation& call, Console& console) {
  const absl::StatusOr<engine::Config> config = ReadConfig(call);
  if (!config.ok()) return config.status();
  if (!config->errors.empty()) return Refused(*config, call.config);
  const engine::Options& options = *config->options;
  const std::string only = call.arguments.empty() ? "" : call.arguments[0];

  absl::StatusOr<dns::Lookup> lookup =
      dns::Lookup::Create({.servers = options.dns.servers, .timeout = options.dns.timeout, .tries = options.dns.tries});
  if (!lookup.ok()) return lookup.status();
  json rows = json::array();
  std::vector<std::string> missing;  // lines of a zone file
  std::vector<engine::SigningKeys::Entry> keys;
  bool wrong = false, unanswered = false;
  for (size_t i = 0; i < options.dkim.size(); ++i) {
    const engine::DkimOptions& dkim = options.dkim[i];
    if (!only.empty() && dkim.domain != only) continue;
    const std::string name = engine::DkimRecordName(dkim.selector, dkim.domain);
    const std::string place = fmt::format("dkim[{}].key_file", i);
    const absl::StatusOr<DkimKey> key =
        engine::ReadSigningKey(dkim.key_file, fmt::format("{}, set at {}", place, engine::PlaceOf(options, place)),
                               engine::DaemonOf(options.node.data_dir));
    json row = {
        {"domain", dkim.domain}, {"selector", dkim.selector}, {"name", name}, {"algorithm", nullptr}, {"use", nullptr}};
    engine::DkimPublication finding{"no_key", std::string(key.status().message())};
    if (key.ok()) {
      finding = engine::AskDkimPublication(*lookup, *key, name);
      const bool stands_by = std::ranges::any_of(keys, [&](const engine::SigningKeys::Entry& other) {
        return other.identity.domain == dkim.domain && other.identity.key.algorithm() == key->algorithm();
      });
      keys.push_back({.identity = {dkim.domain, dkim.selector, *key}, .signs = !stands_by});
      row["algorithm"] = engine::ToString(key->algorithm());
      row["use"] = stands_by ? "stands by" : "signs";
      if (finding.state == "missing") {
        missing.push_back(ZoneLine(name, engine::DkimRecordStrings(engine::DkimRecordText(*key))));
      }
    }
    unanswered = unanswered || finding.state == "dns_failed";
    wrong = wrong || (finding.state != "matches" && finding.state != "dns_failed");
    row["state"] = finding.state;
    row["why"] = finding.why;
    rows.push_back(std::move(row));
  }
  if (rows.empty()) {
    return Fail(ExitCode::kConfig,
                {"dkim check: there is nothing to check", call.config,
                 only.empty() ? "The configuration has no [[dkim]]: mail goes out unsigned."
                              : fmt::format("The configuration has no [[dkim]] with domain {}.", only),
                 "Make a key: sealift dkim generate FILE --domain DOMAIN --selector SELECTOR"});
  }
  console.Rows({{"keys", rows}}, "keys",
               {{"domain", "DOMAIN"},
                {"selector", "SELECTOR"},
                {"algorithm", "ALGORITHM"},
                {"use", "USE"},
                {"state", "STATE"},
                {"why", "WHY"}});
  for (const std::string& line : missing) console.Say(line);
  if (wrong) return ExitCode::kBadData;
  return unanswered ? ExitCode::kTryLater : ExitCode::kOk;
}

}  // namespace sealift::tools
