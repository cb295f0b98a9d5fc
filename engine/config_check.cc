#include "engine/config_check.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "engine/config_walk.h"
#include "engine/config_words.h"
#include "engine/message/list_fields.h"
#include "engine/providers.h"
#include "engine/rule_reading.h"
#include "engine/secret_file.h"
#include "engine/shaping/send_window.h"
#include "engine/smtp/mailbox.h"
#include "engine/test_recipients.h"
#include "fmt/format.h"

namespace sealift::engine {
namespace {

constexpr int64_t kRecipientCapMax = 1'000;
// What is left of a Unix socket's address for its directory.
constexpr size_t kDataDirBytesMax = sizeof(sockaddr_un::sun_path) - sizeof "/control.sock";

template <typename T>
std::vector<std::string> NamesOf(const std::vector<T>& all) {
  std::vector<std::string> names;
  names.reserve(all.size());
  for (const T& one : all) names.push_back(one.name);
  return names;
}

template <typename T>
int IndexOf(const std::vector<T>& all, std::string_view name) {
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

std::string Unknown(std::string_view what, std::string_view name, const std::vector<std::string>& known) {
  const std::string nearest = DidYouMean(name, known);
  return fmt::format("there is no {} {}{}", what, TomlString(name),
                     nearest.empty() ? fmt::format("; add a [[{}]] of that name or name another", what) : nearest);
}

void CheckNode(ConfigDraft& draft) {
  Options& o = draft.options;
  KeysOptions& keys = o.keys;
  const int given = !keys.kek_file.empty() + !keys.kek_command.empty() + !keys.kek_credential.empty();
  if (given > 1) {
    draft.Error(
        "keys",
        "[keys] sets more than one of kek_file, kek_command and kek_credential; keep the one that holds the key");
  }
  if (given == 0) keys.kek_file = "/etc/sealift/kek";
  if (!keys.kek_command.empty() && !keys.kek_command.front().starts_with('/')) {
    draft.Error("keys.kek_command", "`kek_command` begins with a program's absolute path; no shell reads it");
  }
  if (keys.kek_credential.find('/') != std::string::npos) {
    draft.Error("keys.kek_credential", "`kek_credential` is a name, without a slash, as in LoadCredential=NAME:...");
  }
  const DiskFloor& load = o.storage.stop_load_below;
  const DiskFloor& send = o.storage.stop_send_below;
  if ((load.bytes != 0) == (send.bytes != 0) && (load.bytes < send.bytes || load.percent < send.percent)) {
    draft.Error("storage.stop_send_below",
                "`stop_send_below` is above `stop_load_below`: loads must stop first, so that what is queued can still "
                "be sent; swap them");
  }
  for (std::string& allowed : o.node.test_recipients) {
    const absl::StatusOr<std::string> form = TestRecipientForm(allowed);
    if (form.ok()) {
      allowed = *form;
    } else {
      draft.Error("node.test_recipients", fmt::format("{} is neither an address nor \"@\" and a domain: {}",
                                                      TomlString(allowed), std::string(form.status().message())));
    }
  }
  if (o.node.data_dir.empty()) draft.Error("node.data_dir", "`data_dir` is empty; name a directory");
  if (o.node.data_dir.size() > kDataDirBytesMax) {
    draft.Error("node.data_dir",
                fmt::format("`data_dir` is longer than {} bytes: the path of the control socket in it would be longer "
                            "than a Unix socket may have; name a directory with a shorter path",
                            kDataDirBytesMax));
  }
  if (o.sink.address.empty()) draft.Error("sink.address", "`address` is empty; write \"127.0.0.1:2525\"");
  if (!o.sink.address.starts_with("127.") && !o.sink.address.starts_with("[::1]") && !o.sink.address.empty()) {
    draft.Error(
        "sink.address",
        "`address` is not on loopback: sink mode promises that nothing leaves this machine; use 127.0.0.1 or [::1]");
  }
}

// What stands between us and a resolver could forge the bit by which it says that an answer is signed (RFC 7672 2.1.1,
// RFC 6840 5.8): only one on this machine is believed.
void CheckTrust(ConfigDraft& draft) {
  const DnsOptions& o = draft.options.dns;
  if (!o.trust_ad) return;
  if (o.servers.empty()) {
    draft.Error("dns.trust_ad",
                "`trust_ad` needs `servers`: name the validating resolver on this machine, as in [\"127.0.0.1\"]");
  }
  for (const std::string& server : o.servers) {
    if (server.starts_with("127.") || server == "::1" || server.starts_with("[::1]")) continue;
    draft.Error("dns.trust_ad",
                fmt::format("`trust_ad` believes a resolver on loopback only, and {} is none: whoever is between could "
                            "forge its word. Run a validating resolver here, unbound for instance",
                            TomlString(server)));
  }
}

// `tls = "dane"` can be met by nobody while nothing is validated.
void CheckDane(ConfigDraft& draft) {
  const Options& o = draft.options;
  if (o.dns.trust_ad || o.delivery != Delivery::kLive) return;
  const auto report = [&](const std::string& key) {
    draft.Error(key + ".tls",
                "`tls = \"dane\"` needs `dns.trust_ad = true` and a validating resolver on loopback: without it no "
                "message could be sent");
  };
  for (size_t i = 0; i < o.streams.size(); ++i) {
    if (o.streams[i].tls == TlsPolicy::kDane) report(ElementKey("stream", o.streams[i], i));
  }
  for (size_t i = 0; i < o.destinations.size(); ++i) {
    if (o.destinations[i].tls == TlsPolicy::kDane) report(ElementKey("destination", o.destinations[i], i));
  }
}

// RFC 5321 4.5.3.2.
void CheckTimeouts(ConfigDraft& draft) {
  const SmtpOptions& o = draft.options.smtp;
  const SmtpOptions least;
  const auto check = [&](std::string_view name, absl::Duration value, absl::Duration minimum) {
    if (value >= minimum) return;
    draft.Warn(
        fmt::format("smtp.{}", name),
        fmt::format("`{}` is {}, shorter than the {} of RFC 5321 4.5.3.2: a slow server is cut off, and after its "
                    "final dot gets the message twice; raise it outside tests",
                    name, ToText(value), ToText(minimum)));
  };
  check("greeting_timeout", o.greeting_timeout, least.greeting_timeout);
  check("mail_timeout", o.mail_timeout, least.mail_timeout);
  check("rcpt_timeout", o.rcpt_timeout, least.rcpt_timeout);
  check("data_timeout", o.data_timeout, least.data_timeout);
  check("block_timeout", o.block_timeout, least.block_timeout);
  check("final_dot_timeout", o.final_dot_timeout, least.final_dot_timeout);
}

void CheckProxy(ConfigDraft& draft, const std::string& key, SourceOptions& source) {
  if (source.proxy_credentials.empty()) return;
  if (!source.proxy.starts_with("socks5://")) {
    draft.Error(key + ".proxy_credentials",
                "only a SOCKS5 proxy asks for a login; remove it, or name a \"socks5://\" `proxy`");
    return;
  }
  const std::string& path = source.proxy_credentials;
  const absl::StatusOr<SecretFile> file = SecretFile::Open(
      path, {.origin = fmt::format("the file {}", path),
             .if_absent = "the proxy would not let the source's connections through. Write \"user:password\" to it",
             .if_shared = fmt::format("others than its owner could use the proxy; chmod 0600 {}", path)});
  absl::Status status = file.status();
  if (status.ok()) status = file->CheckPrivate(DaemonOf(draft.options.node.data_dir));
  if (!status.ok()) return draft.Error(key + ".proxy_credentials", std::string(status.message()));
  // A byte for the length of each: RFC 1929 2.
  constexpr size_t kPartBytesMax = 255;
  const absl::StatusOr<Secret> secret = file->Read(2 * kPartBytesMax + 3);
  if (!secret.ok()) return draft.Error(key + ".proxy_credentials", std::string(secret.status().message()));
  std::string login(secret->bytes());
  if (login.ends_with('\n')) login.pop_back();
  const size_t colon = login.find(':');
  if (colon == std::string::npos || colon == 0 || colon > kPartBytesMax || login.size() - colon - 1 > kPartBytesMax ||
      login.size() == colon + 1) {
    return draft.Error(key + ".proxy_credentials",
                       fmt::format("{} is not \"user:password\", each of 1 to 255 bytes", path));
  }
  source.proxy_login = login;
}

std::vector<std::string> ProvidersOf(const Options& options) {
  std::vector<std::string> providers = NamesOf(options.providers);
  for (const BuiltInProvider& provider : kBuiltInProviders) providers.emplace_back(provider.name);
  return providers;
}

void CheckWarmup(ConfigDraft& draft, const std::string& key, const WarmupOptions& warmup) {
  if (warmup.start.empty()) return;
  const auto error = [&](const std::string& text) { draft.Error(key + ".warmup", text); };
  const Options& o = draft.options;
  absl::TimeZone zone;
  if (!absl::LoadTimeZone(warmup.tz, &zone)) {
    error(fmt::format("`tz`: there is no time zone {}; write it as in \"Europe/Berlin\"", TomlString(warmup.tz)));
  }
  if (warmup.then != "unlimited" && warmup.then != "repeat") {
    error(fmt::format("`then` is \"unlimited\" or \"repeat\", and not {}", TomlString(warmup.then)));
  }
  const bool to_pool = warmup.overflow != kOverflowInPool && warmup.overflow != kOverflowWaits;
  if (to_pool && IndexOf(o.pools, warmup.overflow) < 0) {
    error("`overflow` is \"pool\", \"wait\" or the name of another pool; " +
          Unknown("pool", warmup.overflow, NamesOf(o.pools)));
  }
  if (warmup.per_day.empty()) {
    error("`per_day` is missing: say how many messages each day has, as in per_day = { default = [20, 50, 200] }");
  }
  std::vector<std::string> providers = ProvidersOf(o);
  providers.emplace_back("default");
  for (const auto& [name, days] : warmup.per_day) {
    if (days.empty()) error(fmt::format("`per_day` of {} has no day", TomlString(name)));
    if (std::ranges::find(providers, name) == providers.end())
      error("`per_day`: " + Unknown("provider", name, providers));
  }
}

void CheckSources(ConfigDraft& draft) {
  Options& o = draft.options;
  std::map<std::string, std::string> taken;  // address -> source
  for (size_t i = 0; i < o.sources.size(); ++i) {
    SourceOptions& source = o.sources[i];
    const std::string key = ElementKey("source", source, i);
    if (source.hostname.empty()) source.hostname = o.node.hostname;
    if (source.hostname.find('.') == std::string::npos) {
      const bool own = draft.places.contains(key + ".hostname");
      draft.Warn(own ? key + ".hostname" : "node.hostname",
                 fmt::format("`hostname`: {} is no full name, so EHLO says the address of source {} instead (RFC 5321 "
                             "4.1.1.1), which many receivers refuse; write it as in \"mta1.example.com\"",
                             TomlString(source.hostname), TomlString(source.name)));
    }
    source.family = source.address.find(':') == std::string::npos ? AF_INET : AF_INET6;
    CheckProxy(draft, key, source);
    CheckWarmup(draft, key, source.warmup);
    if (source.address.empty()) continue;
    const auto [it, fresh] = taken.emplace(source.address, source.name);
    if (!fresh) {
      draft.Error(
          key + ".address",
          fmt::format("{} is already the address of source {}: its rate would be counted twice; keep one of them",
                      source.address, TomlString(it->second)));
    }
  }
  for (size_t i = 0; i < o.pools.size(); ++i) {
    PoolOptions& pool = o.pools[i];
    const std::string key = ElementKey("pool", pool, i) + ".sources";
    std::set<std::string> seen;
    for (const std::string& name : pool.sources) {
      const int index = IndexOf(o.sources, name);
      if (index < 0) draft.Error(key, Unknown("source", name, NamesOf(o.sources)));
      if (!seen.insert(name).second)
        draft.Error(key, fmt::format("source {} stands twice; remove one", TomlString(name)));
      pool.source_indexes.push_back(index);
    }
  }
}

void CheckDkim(ConfigDraft& draft) {
  const Options& o = draft.options;
  std::map<std::pair<std::string, std::string>, size_t> taken;  // domain and selector -> element
  for (size_t i = 0; i < o.dkim.size(); ++i) {
    const DkimOptions& dkim = o.dkim[i];
    const auto [it, fresh] = taken.emplace(std::pair(dkim.domain, dkim.selector), i);
    if (fresh || dkim.selector.empty()) continue;
    draft.Error(ElementKey("dkim", dkim, i) + ".selector",
                fmt::format("selector {} of {} stands twice: a selector has one record in the DNS and so one key; give "
                            "each key a selector of its own",
                            TomlString(dkim.selector), dkim.domain));
  }
}

void CheckListFields(ConfigDraft& draft, const std::string& key, const StreamOptions& stream) {
  const auto check = [&](std::string_view name, const std::string& value, const std::string& wrong) {
    if (wrong.empty()) return;
    draft.Error(fmt::format("{}.{}", key, name),
                fmt::format("`{}`: {} {}", name, TomlString(value.substr(0, 100)), wrong));
  };
  check("unsubscribe_url", stream.unsubscribe_url, CheckUnsubscribeUrl(stream.unsubscribe_url));
  check("unsubscribe_mailto", stream.unsubscribe_mailto, CheckUnsubscribeMailto(stream.unsubscribe_mailto));
  check("list_id", stream.list_id, CheckListId(stream.list_id));
  check("feedback_id", stream.feedback_id, CheckFeedbackId(stream.feedback_id));
  if (!stream.unsubscribe_url.empty() && stream.dkim.empty()) {
    draft.Warn(
        key + ".unsubscribe_url",
        "`unsubscribe_url` stands in a stream without `dkim`: receivers offer one-click unsubscribe only where a "
        "signature covers it (RFC 8058 4); name a [[dkim]] domain");
  }
  if (stream.kind != StreamKind::kTransactional) return;
  if (stream.max_hard_bounces.rate_percent > 0) {
    draft.Warn(key + ".max_hard_bounces",
               "`max_hard_bounces` stands in a transactional stream, which is never paused: it does nothing");
  }
  for (const auto& [name, value] :
       {std::pair("unsubscribe_url", &stream.unsubscribe_url), {"unsubscribe_mailto", &stream.unsubscribe_mailto}}) {
    if (value->empty()) continue;
    draft.Error(
        fmt::format("{}.{}", key, name),
        fmt::format("`{}` stands in a transactional stream, whose mail no opt-out binds: the link would promise "
                    "what is not kept. Remove it, or make the stream a marketing one",
                    name));
  }
}

void CheckWindow(ConfigDraft& draft, const std::string& key, StreamOptions& stream) {
  const SendWindowOptions& window = stream.window;
  if (window.from.empty()) return;
  absl::StatusOr<SendWindow> understood = SendWindow::Of(window.days, window.from, window.to, window.tz);
  if (!understood.ok()) return draft.Error(key + ".window", std::string(understood.status().message()));
  stream.opens = std::make_shared<const SendWindow>(*std::move(understood));
}

void CheckRecipientCap(ConfigDraft& draft, const std::string& key, const Rate& cap) {
  if (cap.unlimited()) return;
  if (cap.period != absl::Hours(1) && cap.period != absl::Hours(24)) {
    draft.Error(key + ".recipient_cap", "`recipient_cap` is so many an hour or a day, as in \"1/h\" or \"3/d\"");
  }
  if (cap.count > kRecipientCapMax) {
    draft.Error(key + ".recipient_cap",
                fmt::format("`recipient_cap` is at most {}; more to one recipient is no cap", kRecipientCapMax));
  }
}

void CheckStreams(ConfigDraft& draft) {
  Options& o = draft.options;
  std::vector<std::string> signers;
  signers.reserve(o.dkim.size());
  for (const DkimOptions& dkim : o.dkim) signers.push_back(dkim.domain);
  for (size_t i = 0; i < o.streams.size(); ++i) {
    StreamOptions& stream = o.streams[i];
    const std::string key = ElementKey("stream", stream, i);
    if (stream.return_path.empty()) stream.return_path = o.node.hostname;
    stream.pool_index = IndexOf(o.pools, stream.pool);
    if (stream.pool_index < 0 && !stream.pool.empty()) {
      draft.Error(key + ".pool", Unknown("pool", stream.pool, NamesOf(o.pools)));
    }
    CheckListFields(draft, key, stream);
    CheckWindow(draft, key, stream);
    CheckRecipientCap(draft, key, stream.recipient_cap.rate);
    if (stream.retry.empty()) draft.Error(key + ".retry", "`retry` is empty; give at least one wait, as in [\"30m\"]");
    std::set<std::string> signs;
    for (const std::string& domain : stream.dkim) {
      if (!signs.insert(domain).second) {
        draft.Error(key + ".dkim", fmt::format("domain {} stands twice; remove one", TomlString(domain)));
      }
      if (std::find(signers.begin(), signers.end(), domain) == signers.end()) {
        draft.Error(key + ".dkim", fmt::format("there is no [[dkim]] with domain {}{}", TomlString(domain),
                                               DidYouMean(domain, signers)));
      }
    }
  }
}

void CheckTlsReport(ConfigDraft& draft) {
  TlsReportOptions& report = draft.options.tls_report;
  if (report.organization.empty()) report.organization = draft.options.node.hostname;
  if (!report.contact.empty()) {
    const absl::StatusOr<Mailbox> contact = ParseMailbox(report.contact);
    std::string wrong = contact.ok() ? "" : std::string(contact.status().message());
    if (contact.ok() && NeedsSmtpUtf8(contact->ToString())) wrong = "it is not ASCII, and a report is";
    if (wrong.empty()) {
      report.contact = contact->ToString();
    } else {
      draft.Error("tls_report.contact", fmt::format("`contact`: {} cannot be used as a mail address: {}",
                                                    TomlString(report.contact.substr(0, 100)), wrong));
    }
  }
  if (report.stream.empty()) return;
  if (report.contact.empty()) {
    draft.Error("tls_report.stream",
                "reports that are mailed come from `contact`; give one, such as contact = \"tls@example.com\"");
  }
  const StreamOptions* const stream = draft.options.FindStream(report.stream);
  if (stream == nullptr) {
    draft.Error("tls_report.stream", Unknown("stream", report.stream, NamesOf(draft.options.streams)));
  } else if (stream->dkim.empty()) {
    draft.Error("tls_report.stream",
                fmt::format("stream {} does not sign, and receivers ignore a report without a DKIM signature (RFC "
                            "8460 3); give the stream `dkim`",
                            TomlString(report.stream)));
  }
}

void CheckDestinations(ConfigDraft& draft) {
  const Options& o = draft.options;
  std::vector<std::string> providers = ProvidersOf(o);
  providers.emplace_back("other");
  const auto check = [&](const std::string& key, const std::string& name) {
    if (!name.empty() && std::find(providers.begin(), providers.end(), name) == providers.end()) {
      draft.Error(key + ".provider", Unknown("provider", name, providers));
    }
  };
  for (size_t i = 0; i < o.destinations.size(); ++i) {
    const DestinationOptions& block = o.destinations[i];
    const std::string key = ElementKey("destination", block, i);
    check(key, block.provider);
    if (!block.domains.empty() + !block.mx.empty() + !block.provider.empty() != 1) {
      draft.Error(key, "a [[destination]] says whom it is about by exactly one of `domains`, `mx` and `provider`");
    }
  }
  for (size_t i = 0; i < o.rules.size(); ++i) check(ElementKey("rule", o.rules[i], i), o.rules[i].provider);
  for (size_t i = 0; i < o.rules.size(); ++i) {
    const std::string key = ElementKey("rule", o.rules[i], i);
    std::string_view field = "match";  // what else can be wrong is its regular expression
    const absl::StatusOr<ResponseRule> rule = ReadRule(o.rules[i], key, {}, &field);
    absl::Status fits = rule.status();
    if (rule.ok()) fits = ResponseRules::Compile({*rule}).status();
    if (!fits.ok()) draft.Error(field.empty() ? key : fmt::format("{}.{}", key, field), std::string(fits.message()));
    const bool counts = rule.ok() && (rule->actions.backoff || rule->actions.suspend || rule->actions.alert);
    if (rule.ok() && !counts && !o.rules[i].trigger.rate.unlimited()) {
      draft.Warn(key + ".trigger",
                 "`trigger` counts for backoff, suspend and alert, none of which is in `actions`: what they do to the "
                 "row is done at every reply that matches");
    }
  }
  for (size_t i = 0; i < o.providers.size(); ++i) {
    const ProviderOptions& provider = o.providers[i];
    const std::string key = ElementKey("provider", provider, i);
    if (provider.name == "other" || provider.name == "default") {
      draft.Error(key + ".name",
                  fmt::format("{} is the name of what no provider matches; choose another", TomlString(provider.name)));
    }
  }
}

}  // namespace

ConfigProblem ConfigDraft::At(const std::string& key, std::string text) const {
  for (std::string around = key;;) {
    if (const auto it = places.find(around); it != places.end()) {
      return {it->second.file, it->second.line, it->second.column, std::move(text)};
    }
    const size_t dot = around.rfind('.');
    // A dot inside brackets belongs to a name.
    if (dot == std::string::npos || around.find(']', dot) != std::string::npos) break;
    around.resize(dot);
  }
  return {whole.file, whole.line, whole.column, std::move(text)};
}

void ConfigDraft::Error(const std::string& key, std::string text) { errors.push_back(At(key, std::move(text))); }
void ConfigDraft::Warn(const std::string& key, std::string text) { warnings.push_back(At(key, std::move(text))); }

void CheckConfig(ConfigDraft& draft) {
  CheckNode(draft);
  CheckTrust(draft);
  CheckDane(draft);
  CheckTimeouts(draft);
  CheckSources(draft);
  CheckDkim(draft);
  CheckStreams(draft);
  CheckTlsReport(draft);
  CheckDestinations(draft);
}

}  // namespace sealift::engine
