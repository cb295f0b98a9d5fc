// What a node was told to do: one immutable value, built from the config file, checked whole and shared by every
// thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "engine/units.h"

namespace sealift::engine {

class SendWindow;

enum class Delivery : uint8_t { kSink, kLive };
enum class StreamKind : uint8_t { kMarketing, kTransactional };
enum class TlsPolicy : uint8_t { kOpportunistic, kRequire, kVerify, kDane };  // ordered: a later one is stricter
enum class TlsVersion : uint8_t { kTls12, kTls13 };
enum class OnNoTls : uint8_t { kHold, kBounce };
enum class InDoubt : uint8_t { kResend, kHold };
enum class Per : uint8_t { kSource, kPool, kNode };  // what a destination's limits are counted for
enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

// The names that the config file uses.
std::string_view ToString(Delivery value);
std::string_view ToString(StreamKind value);
std::string_view ToString(TlsPolicy value);
std::string_view ToString(TlsVersion value);
std::string_view ToString(OnNoTls value);
std::string_view ToString(InDoubt value);
std::string_view ToString(Per value);
std::string_view ToString(LogLevel value);

inline TlsPolicy Stricter(TlsPolicy a, TlsPolicy b) { return a < b ? b : a; }

// Limits carry where they were set ("/etc/sealift/sealift.toml:34", or "default"): a refusal names the line behind it.
struct RateLimit {
  Rate rate;  // unlimited by default
  std::string origin = "default";
};
struct CountLimit {
  int count = 0;  // 0: not set
  std::string origin = "default";
};

// A part of a number of connections.
struct Share {
  double percent = 0;  // 0: not set

  // Rounded up, so that a share that is set is at least one; never the whole.
  int Of(int whole) const;
};

struct NodeOptions {                          // [node]
  std::string hostname;                       // what EHLO and Message-ID say; an FQDN; required
  std::string data_dir = "/var/lib/sealift";  // absolute; 0700
  int shards = 0;                             // threads; 0: one a core
  Size memory{512ull << 20};                  // for everything but the program itself
  absl::Duration drain = absl::Seconds(60);   // how long a stop waits for transactions in flight
  int unsettled_max = 4096;                   // messages past their final dot without a durable outcome
  RateLimit rate;                             // messages of all streams
  CountLimit messages_per_day;                // the same, spread over any 24 hours; 0: not set
  CountLimit connections;                     // open at once, from all sources; 0: not set
  RateLimit connection_rate;                  // new ones
  int messages_per_connection = 0;            // 0: not set
  std::vector<std::string> test_recipients;   // who gets `campaign test`: "qa@example.com", "@qa.example.com"
};

struct HttpOptions {                      // [http]
  std::string listen = "127.0.0.1:9625";  // address:port of /metrics, /healthz, /readyz; empty: none
};

struct LogOptions {  // [log]
  LogLevel level = LogLevel::kInfo;
};

struct SinkOptions {                       // [sink]
  std::string address = "127.0.0.1:2525";  // where everything goes while delivery is "sink"; loopback
};

struct DnsOptions {                           // [dns]
  std::vector<std::string> servers;           // "address" or "address:port"; empty: the system's
  bool trust_ad = false;                      // believe the AD bit of a validating resolver on loopback
  bool allow_private_addresses = false;       // deliver to loopback, private and own addresses
  std::vector<std::string> mx_allow;          // host patterns and networks; not empty: no other host is mailed
  std::vector<std::string> mx_deny;           // host patterns and networks that are never mailed
  absl::Duration timeout = absl::Seconds(5);  // one try
  int tries = 3;                              // over all servers
  Size cache{32ull << 20};                    // answers, node-wide
};

// RFC 5321 4.5.3.2 gives the least of each phase; shorter ones cause duplicates.
struct SmtpOptions {                                     // [smtp]
  int port = 25;                                         // of an MX; tests on loopback use another
  absl::Duration connect_timeout = absl::Seconds(30);    //
  absl::Duration greeting_timeout = absl::Minutes(5);    // the 220
  absl::Duration ehlo_timeout = absl::Minutes(5);        // EHLO or HELO
  absl::Duration starttls_timeout = absl::Minutes(2);    // the reply to STARTTLS
  absl::Duration handshake_timeout = absl::Minutes(1);   // TLS
  absl::Duration mail_timeout = absl::Minutes(5);        //
  absl::Duration rcpt_timeout = absl::Minutes(5);        //
  absl::Duration data_timeout = absl::Minutes(2);        // the 354
  absl::Duration block_timeout = absl::Minutes(3);       // each write of content
  absl::Duration final_dot_timeout = absl::Minutes(10);  //
  absl::Duration reset_timeout = absl::Minutes(5);       // RSET
  absl::Duration quit_timeout = absl::Seconds(10);       // nothing depends on this reply
  absl::Duration idle_timeout = absl::Seconds(5);        // how long a session without work stays open
  absl::Duration session_max = absl::Hours(1);           // a whole session, against a server that drips
  int connections = 20;                // to one destination from one source, unless [[destination]] says
  int messages_per_connection = 1000;  //
  int pipeline_depth = 1;              // transactions in flight on one connection, up to 16
};

struct TlsOptions {                             // [tls]
  TlsVersion min_version = TlsVersion::kTls12;  // RFC 8996: nothing below 1.2
  std::string ca_file;                          // PEM; empty: the system's
  int mta_sts_port = 443;                       // of the web servers that publish policies; tests use another
  bool fips = false;                            // nothing but the algorithms of NIST SP 800-52r2
};

struct KeysOptions {                     // [keys]: one of the three
  std::string kek_file;                  // 32 bytes, 0400 or 0600; "/etc/sealift/kek" when none of the three is set
  std::vector<std::string> kek_command;  // program (absolute path) and arguments; prints 32 bytes or 64 hex digits
  std::string kek_credential;            // the name of a systemd credential
  bool accept_local_kek = false;         // live mode refuses a key file on data_dir's own device unless this is true
};

struct BackupOptions {   // [backup]
  std::string dir;       // where backups are written; empty: none is made here
  std::string key_file;  // 32 bytes, 0400 or 0600: what seals them; not the key encryption key
};

struct StorageOptions {             // [storage]
  DiskFloor stop_load_below{5, 0};  // free space under which loads are refused
  DiskFloor stop_send_below{2, 0};  // free space under which sending stops too
};

struct RetentionOptions {                              // [retention]
  absl::Duration events = absl::Hours(24 * 400);       //
  absl::Duration settled_rows = absl::Hours(24 * 14);  // what a replay can move back
};

struct TlsReportOptions {                      // [tls_report]: RFC 8460
  bool enabled = true;                         // sessions are counted, and reports written
  std::string organization;                    // who reports; default: node.hostname
  std::string contact;                         // a mail address
  std::string stream;                          // that the reports are sent by; empty: they are not sent
  absl::Duration keep = absl::Hours(24 * 90);  // files of reports
};

struct DkimOptions {  // [[dkim]]
  std::string domain;
  std::string selector;
  std::string key_file;  // PEM, RSA or Ed25519
};

struct WarmupOptions {                              // source.warmup
  std::string start;                                // a day, 2026-12-01; empty: no warm-up
  std::string tz = "UTC";                           //
  std::map<std::string, std::vector<int>> per_day;  // provider (or "default") -> messages on day 1, 2, ...
  std::string then = "unlimited";                   // or "repeat": the last day, again and again
  std::string overflow = "pool";                    // or "wait", or the name of another pool
};
inline constexpr std::string_view kOverflowWaits = "wait", kOverflowInPool = "pool";

struct SourceOptions {   // [[source]]
  std::string name;      // required, unique
  std::string address;   // required: the IP bound before connect, in its canonical form
  int family = 0;        // AF_INET or AF_INET6, from address; decides the MX addresses used
  std::string hostname;  // EHLO name of this source; default: node.hostname
  std::string proxy;     // "socks5://address:port" or "haproxy://address:port" that it leaves through; empty: none
  std::string proxy_credentials;  // a file, "user:password" for SOCKS5 (RFC 1929); empty: none are asked for
  std::string proxy_login;        // what that file says
  RateLimit rate;                 // messages
  CountLimit messages_per_day;    // 0: not set
  CountLimit connections{500, "default"};
  RateLimit connection_rate;         // new ones
  int messages_per_connection = 0;   // 0: not set
  Share reserved_for_transactional;  // of connections: what bulk mail never takes
  WarmupOptions warmup;
};

struct PoolOptions {                 // [[pool]]
  std::string name;                  // required, unique
  std::vector<std::string> sources;  // required: names, used in turn
  std::vector<int> source_indexes;   // the same as indexes into Options::sources
  RateLimit rate;                    // messages of all its sources together
  CountLimit messages_per_day;       // 0: not set
  CountLimit connections;            // of all its sources together; 0: not set
  RateLimit connection_rate;         // new ones
  int messages_per_connection = 0;   // 0: not set

  bool Has(std::string_view source) const { return std::ranges::find(sources, source) != sources.end(); }
};

struct ProviderOptions {        // [[provider]]: hosts that judge as one
  std::string name;             //
  std::vector<std::string> mx;  // host names; "*.example.net" is any host beneath, at any depth
};

struct MaxHardBounces {          // stream.max_hard_bounces
  double rate_percent = 0;       // 0: not set
  int min = 500;                 // messages before the rate is judged
  std::string action = "pause";  //
};

// stream.window: when mail may be sent, by the clock on the wall of `tz`.
struct SendWindowOptions {
  std::vector<std::string> days;  // "mon" to "sun"; empty: every day
  std::string from, to;           // "08:00" to "20:00"; over midnight when `to` is not later; empty `from`: no window
  std::string tz;                 // "America/New_York"
};

struct StreamOptions {                       // [[stream]]
  std::string name;                          // required, unique
  StreamKind kind = StreamKind::kMarketing;  //
  std::string pool;                          // required: a pool's name
  int pool_index = -1;                       // into Options::pools
  int priority = 10;                         // 0 to 100; a higher one goes first
  TlsPolicy tls = TlsPolicy::kRequire;       //
  OnNoTls on_no_tls = OnNoTls::kHold;        // when no host of a destination can meet `tls`
  bool requiretls = false;                   // RFC 8689: each server on the way keeps to TLS, or the mail comes back
  std::vector<std::string> dkim;             // domains of [[dkim]]
  std::string return_path;                   // domain of the envelope sender; default: node.hostname
  std::string unsubscribe_url;               // https, where a one-click unsubscribe is posted; empty: none
  std::string unsubscribe_mailto;            // an address that takes unsubscriptions by mail; empty: none
  std::string list_id;                       // what List-Id names; empty: none
  std::string feedback_id;                   // Feedback-ID, {campaign} to be filled in; empty: none
  std::vector<absl::Duration> retry = {absl::Minutes(5), absl::Minutes(15), absl::Hours(1),
                                       absl::Hours(4)};  // the last one repeats
  absl::Duration expires_in = absl::Hours(72);           // from acceptance
  absl::Duration erase_after;                            // from when a campaign is done; zero: never
  InDoubt in_doubt = InDoubt::kResend;                   //
  RateLimit rate;                                        // messages
  CountLimit messages_per_day;                           // 0: not set
  CountLimit connections;                                // that carry its mail at once; 0: not set
  RateLimit connection_rate;                             // connections that are opened for its mail
  int messages_per_connection = 0;                       // of those that carry its mail; 0: not set
  SendWindowOptions window;                              //
  std::shared_ptr<const SendWindow> opens;               // the same, understood; null: always open
  RateLimit recipient_cap;                               // messages to one recipient, an hour or a day
  MaxHardBounces max_hard_bounces;                       //
};

struct DestinationOptions {          // [[destination]]: one of domains, mx, provider
  std::vector<std::string> domains;  // "gmail.com", "*.example.net" (any beneath), "*" (every domain)
  std::vector<std::string> mx;       // host patterns, as a provider's
  std::string provider;              // a provider's name
  CountLimit connections;            // 0: not set
  Share reserved_for_transactional;  // of connections
  RateLimit connection_rate;         //
  RateLimit message_rate;            //
  CountLimit messages_per_day;       // 0: not set
  int messages_per_connection = 0;   // 0: not set
  int pipeline_depth = 0;            // 0: not set
  std::optional<TlsPolicy> tls;      // may only tighten a stream's
  Per per = Per::kSource;            // what connections and the rates are counted for
  std::string origin = "default";    // where the block stands
  std::string counts_as;             // not of the file, as the next: see KeepCounts
  int namesake = 0;                  // which of those that count as that; 0: by their order
};

struct RuleOptions {  // [[rule]]: what a reply that matches does
  std::string name;   // unique; empty: it is called by what it says
  std::string provider;
  std::string match;
  std::vector<std::string> classes;   // `class`
  std::vector<std::string> enhanced;  // "4.7.28"
  std::string scope;
  RateLimit trigger;
  std::vector<std::string> actions;
  double factor = 0.5;
  RateLimit floor{.rate = {.count = 6, .period = absl::Minutes(1)}};
  absl::Duration duration;  // `for`
};

// What binds one (domain, MX host): see Options::DestinationFor.
struct DestinationSettings {
  CountLimit connections;
  Share reserved_for_transactional;
  RateLimit connection_rate;
  RateLimit message_rate;
  int messages_per_connection = 0;
  int pipeline_depth = 0;
  std::optional<TlsPolicy> tls;  // the strictest of every block that matched
  Per per = Per::kSource;
  std::vector<int> blocks;  // indexes into Options::destinations of every block that matched, most specific first
};

// Options is everything a node was told.
//
// Owned by:  shared_ptr<const Options>, by everyone who read it; a reload makes a new one with a higher generation.
// Threads:   any; never changes once published.
// Errors:    none: whatever is wrong with a file is found before an Options is given out (engine/config_file.h).
struct Options {
  uint64_t generation = 1;

  Delivery delivery = Delivery::kSink;
  NodeOptions node;
  HttpOptions http;
  LogOptions log;
  SinkOptions sink;
  DnsOptions dns;
  SmtpOptions smtp;
  TlsOptions tls;
  KeysOptions keys;
  StorageOptions storage;
  RetentionOptions retention;
  BackupOptions backup;
  TlsReportOptions tls_report;
  std::vector<DkimOptions> dkim;
  std::vector<SourceOptions> sources;
  std::vector<PoolOptions> pools;
  std::vector<ProviderOptions> providers;
  std::vector<StreamOptions> streams;
  std::vector<DestinationOptions> destinations;
  std::vector<RuleOptions> rules;

  // Where each key and element stands, "file:line:column": "node.memory", "source[ip1]", "source[ip1].rate".
  std::map<std::string, std::string, std::less<>> origins;

  // "file:line", or "default".
  std::string WhereSet(std::string_view key) const;

  // Null when there is none of that name.
  const StreamOptions* FindStream(std::string_view name) const;
  const PoolOptions* FindPool(std::string_view name) const;
  const SourceOptions* FindSource(std::string_view name) const;

  // The provider of an MX host: the config's groups first, then the built-in ones; "other" for the rest. The answer is
  // one of a bounded set and may be a metric's label; it points into this Options or a constant.
  std::string_view ProviderOf(std::string_view mx_host) const;

  // The settings for mail to `domain` through `mx_host` (empty while unknown). A block that names the domain is more
  // specific than one that names a pattern of it, then the MX host, then the provider, then "*"; among equals the first
  // in the file. Each setting comes from the most specific block that has it, else from [smtp]; `per` goes with
  // connections. The limits of less specific blocks bind as well, each counted as its block says: `blocks` lists them.
  DestinationSettings DestinationFor(std::string_view domain, std::string_view mx_host) const;
};

// Whether a lower-case name without a trailing dot is matched: "a.test" itself, "*.a.test" beneath, "*" anything.
bool MatchesHostPattern(std::string_view pattern, std::string_view name);

// The names of the built-in provider groups and "other", in a fixed order.
std::vector<std::string_view> BuiltInProviders();

}  // namespace sealift::engine
