// The one list of the config file's keys. The reader and its unknown-key check, `config show`, the comparison behind a
// reload and docs/config.md all walk it; a key that is not here does not exist.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/options.h"

namespace sealift::engine {

// What a text must look like.
enum class Text : uint8_t {
  kAny,
  kName,           // of a source, pool, stream, provider: letters, digits, '-', '_', '.'
  kHost,           // a host name, lower-cased
  kOwnHost,        // one that we call ourselves, to servers that read it strictly
  kHostPattern,    // a host name, "*.example.net" or "*"
  kAddress,        // an IP address, made canonical
  kEndpoint,       // address:port, or empty
  kServer,         // an IP address, with or without a port
  kPath,           // absolute
  kProxy,          // "socks5://address:port", "haproxy://address:port", or empty
  kHostOrNetwork,  // a host pattern, an IP address or a network
};

struct Field {
  std::string_view name;
  std::string_view help;
  bool required = false;
  bool restart = false;  // a reload refuses a change
  Text text = Text::kAny;
  int64_t min = 0;  // of a number or a count; of a duration in milliseconds
  int64_t max = INT64_MAX;
};

struct Section {
  std::string_view name;  // "node", or "source" for [[source]]
  std::string_view help;
  bool restart = false;  // of every field
};

// Fields<T>::Each(options, each) calls each(Field, member) for every key of a T. `options` may be const.
template <typename T>
struct Fields;

template <>
struct Fields<Options> {  // the keys before the first table
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "delivery",
               .help = "\"sink\": everything goes to [sink]. \"live\": to each domain's MX.",
               .restart = true},
         o.delivery);
  }
};

template <>
struct Fields<NodeOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "hostname",
               .help = "This node's own name: what EHLO and Message-ID say. A full name that resolves back.",
               .required = true,
               .restart = true,
               .text = Text::kOwnHost},
         o.hostname);
    each(Field{.name = "data_dir",
               .help = "Where the queue, the audit file and the control socket are. Its mode is 0700.",
               .restart = true,
               .text = Text::kPath},
         o.data_dir);
    each(Field{.name = "shards", .help = "Threads that send; 0 is one a core.", .restart = true, .max = 256}, o.shards);
    each(Field{.name = "memory",
               .help = "What the queue's windows, caches and sessions share.",
               .restart = true,
               .min = 64 << 20},
         o.memory);
    each(Field{.name = "drain", .help = "How long a stop waits for transactions in flight.", .max = 3'600'000},
         o.drain);
    each(Field{.name = "unsettled_max",
               .help = "Messages past their final dot whose outcome is not yet on disk: what a crash may send twice.",
               .restart = true,
               .min = 1,
               .max = 1'000'000},
         o.unsettled_max);
    each(Field{.name = "rate", .help = "Messages of all streams, from all sources."}, o.rate);
    each(
        Field{
            .name = "messages_per_day", .help = "The same for a day; both may be set.", .min = 1, .max = 1'000'000'000},
        o.messages_per_day);
    each(Field{.name = "connections",
               .help = "Open at once, from all sources to all destinations.",
               .min = 1,
               .max = 100'000},
         o.connections);
    each(Field{.name = "connection_rate", .help = "New connections of all sources."}, o.connection_rate);
    each(Field{.name = "messages_per_connection",
               .help = "Of any connection, whatever else allows more.",
               .min = 1,
               .max = 1'000'000},
         o.messages_per_connection);
    each(Field{.name = "test_recipients",
               .help = "Whom `campaign test` may mail: addresses, or \"@qa.example.com\" for everyone of a domain."},
         o.test_recipients);
  }
};

template <>
struct Fields<HttpOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "listen",
               .help = "Address and port of /metrics, /healthz and /readyz; empty for none.",
               .restart = true,
               .text = Text::kEndpoint},
         o.listen);
  }
};

template <>
struct Fields<LogOptions> {
  static void Each(auto& o, auto&& each) { each(Field{.name = "level", .help = "The least that is logged."}, o.level); }
};

template <>
struct Fields<SinkOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "address",
               .help = "Where everything goes in sink mode; on loopback.",
               .restart = true,
               .text = Text::kEndpoint},
         o.address);
  }
};

template <>
struct Fields<DnsOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "servers",
               .help = "Resolvers, asked in this order; empty for the system's.",
               .restart = true,
               .text = Text::kServer},
         o.servers);
    each(Field{.name = "trust_ad",
               .help = "Believe what the resolvers say of DNSSEC, and so DANE: each must be on loopback and validate.",
               .restart = true},
         o.trust_ad);
    each(Field{.name = "allow_private_addresses",
               .help = "Deliver to MX hosts with loopback or private addresses, or with addresses of this machine."},
         o.allow_private_addresses);
    each(Field{.name = "mx_allow",
               .help = "The only MX hosts to deliver to, by name (\"mx.example.net\", \"*.example.net\") or address "
                       "(\"192.0.2.0/24\"); empty for every host.",
               .text = Text::kHostOrNetwork},
         o.mx_allow);
    each(Field{.name = "mx_deny",
               .help = "MX hosts never to deliver to, by name or address. Mail for a domain that has no other bounces "
                       "(class `mx_denied`).",
               .text = Text::kHostOrNetwork},
         o.mx_deny);
    each(Field{.name = "timeout", .help = "One try at a question.", .restart = true, .min = 10, .max = 60'000},
         o.timeout);
    each(Field{.name = "tries", .help = "Tries over all servers.", .restart = true, .min = 1, .max = 10}, o.tries);
    each(Field{.name = "cache", .help = "Answers kept, for the whole node.", .restart = true, .min = 1 << 20}, o.cache);
  }
};

template <>
struct Fields<SmtpOptions> {
  static void Each(auto& o, auto&& each) {
    constexpr int64_t kDay = 86'400'000;
    each(Field{.name = "port", .help = "The port of every MX host.", .min = 1, .max = 65'535}, o.port);
    each(Field{.name = "connect_timeout", .help = "A TCP connection.", .min = 1, .max = kDay}, o.connect_timeout);
    each(Field{.name = "greeting_timeout", .help = "The server's 220.", .min = 1, .max = kDay}, o.greeting_timeout);
    each(Field{.name = "ehlo_timeout", .help = "The reply to EHLO or HELO.", .min = 1, .max = kDay}, o.ehlo_timeout);
    each(Field{.name = "starttls_timeout", .help = "The reply to STARTTLS.", .min = 1, .max = kDay},
         o.starttls_timeout);
    each(Field{.name = "handshake_timeout", .help = "The TLS handshake.", .min = 1, .max = kDay}, o.handshake_timeout);
    each(Field{.name = "mail_timeout", .help = "The reply to MAIL.", .min = 1, .max = kDay}, o.mail_timeout);
    each(Field{.name = "rcpt_timeout", .help = "The reply to RCPT.", .min = 1, .max = kDay}, o.rcpt_timeout);
    each(Field{.name = "data_timeout", .help = "The reply to DATA.", .min = 1, .max = kDay}, o.data_timeout);
    each(Field{.name = "block_timeout", .help = "Each block of content.", .min = 1, .max = kDay}, o.block_timeout);
    each(Field{.name = "final_dot_timeout",
               .help = "The reply to the final dot; a short one causes duplicates.",
               .min = 1,
               .max = kDay},
         o.final_dot_timeout);
    each(Field{.name = "reset_timeout", .help = "The reply to RSET.", .min = 1, .max = kDay}, o.reset_timeout);
    each(Field{.name = "quit_timeout", .help = "The reply to QUIT.", .min = 1, .max = kDay}, o.quit_timeout);
    each(Field{.name = "idle_timeout",
               .help = "How long a session without work stays open, while no other mail waits for its connection.",
               .max = kDay},
         o.idle_timeout);
    each(Field{.name = "session_max", .help = "A whole session, against a server that drips.", .min = 1, .max = kDay},
         o.session_max);
    each(Field{.name = "connections",
               .help = "To one destination, where no [[destination]] says.",
               .min = 1,
               .max = 10'000},
         o.connections);
    each(Field{.name = "messages_per_connection", .help = "Where no [[destination]] says.", .min = 1, .max = 1'000'000},
         o.messages_per_connection);
    each(Field{.name = "pipeline_depth",
               .help = "Transactions in flight on one connection, where no [[destination]] says.",
               .min = 1,
               .max = 16},
         o.pipeline_depth);
  }
};

template <>
struct Fields<TlsOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "min_version", .help = "The oldest TLS spoken."}, o.min_version);
    each(Field{.name = "ca_file", .help = "Trusted roots (PEM); empty for the system's."}, o.ca_file);
    each(Field{.name = "mta_sts_port",
               .help = "The port of the web servers that publish MTA-STS policies.",
               .min = 1,
               .max = 65'535},
         o.mta_sts_port);
    each(
        Field{.name = "fips",
              .help = "Speak TLS with the algorithms of NIST SP 800-52r2 only, to mail servers and to web servers; see "
                      "[tls.md](tls.md#fips)."},
        o.fips);
  }
};

template <>
struct Fields<KeysOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "kek_file",
               .help = "The key encryption key: 32 bytes, mode 0400 or 0600. Without any of the three keys: "
                       "\"/etc/sealift/kek\"."},
         o.kek_file);
    each(Field{.name = "kek_command", .help = "Or a program and its arguments that print it, raw or as 64 hex digits."},
         o.kek_command);
    each(Field{.name = "kek_credential", .help = "Or the name of a systemd credential (LoadCredential=)."},
         o.kek_credential);
    each(Field{.name = "accept_local_kek", .help = "Let live mode use a key file on data_dir's own device."},
         o.accept_local_kek);
  }
};

template <>
struct Fields<StorageOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "stop_load_below",
               .help = "Free disk under which loads are refused and jobs wait: a share or a size."},
         o.stop_load_below);
    each(Field{.name = "stop_send_below", .help = "Free disk under which sending stops too."}, o.stop_send_below);
  }
};

template <>
struct Fields<RetentionOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "events",
               .help = "How long outcomes are kept; and, after a campaign has ended and no row of it is left, to whom "
                       "it was addressed.",
               .min = 86'400'000},
         o.events);
    each(Field{.name = "settled_rows", .help = "How long settled rows can be replayed.", .min = 0}, o.settled_rows);
  }
};

template <>
struct Fields<BackupOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "dir",
               .help = "Where `sealift backup create` writes; a directory of the daemon's user, on another disk.",
               .text = Text::kPath},
         o.dir);
    each(Field{.name = "key_file",
               .help = "What backups are sealed with: 32 bytes, mode 0400 or 0600, another key than that of [keys]. "
                       "Who restores needs it and nothing else of this machine.",
               .text = Text::kPath},
         o.key_file);
  }
};

template <>
struct Fields<TlsReportOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "enabled",
               .help = "Count TLS sessions, and make a report of each day for every domain that publishes where it "
                       "wants one."},
         o.enabled);
    each(Field{.name = "organization", .help = "Who reports; default: node.hostname."}, o.organization);
    each(Field{.name = "contact",
               .help = "A mail address: who answers for the reports, and the From of those that are mailed; of a "
                       "domain that signs in `stream`."},
         o.contact);
    each(Field{.name = "stream",
               .help = "The stream that mails the reports; it signs (`dkim`), and a transactional one does not wait "
                       "for a warm-up. Without it reports are files alone: nothing is mailed and nothing posted."},
         o.stream);
    each(
        Field{
            .name = "keep", .help = "How long the files are kept.", .min = 86'400'000, .max = 10LL * 366 * 86'400'000},
        o.keep);
  }
};

template <>
struct Fields<DkimOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "domain", .help = "The d= of a signature.", .required = true, .text = Text::kHost}, o.domain);
    each(Field{.name = "selector", .help = "The s= of a signature.", .required = true, .text = Text::kHost},
         o.selector);
    each(Field{.name = "key_file",
               .help = "The private key (PEM), RSA of 2048 to 4096 bits or Ed25519; mode 0400 or 0600.",
               .required = true,
               .text = Text::kPath},
         o.key_file);
  }
};

template <>
struct Fields<SourceOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "name", .help = "Its name, unique.", .required = true, .text = Text::kName}, o.name);
    each(
        Field{
            .name = "address",
            .help =
                "The IP to send from; its family decides the MX addresses used. It is what limits, warm-up and backoff "
                "go by: under another name the source goes on where it was, with another address it begins anew.",
            .required = true,
            .text = Text::kAddress},
        o.address);
    each(Field{.name = "hostname",
               .help = "What EHLO says from this address; default: node.hostname.",
               .text = Text::kOwnHost},
         o.hostname);
    each(Field{.name = "proxy",
               .help = "Where its connections leave through: \"socks5://127.0.0.1:1080\" (RFC 1928) or "
                       "\"haproxy://127.0.0.1:2525\", which is told the address and the MX host by PROXY protocol "
                       "version 2. The proxy sends from `address`; this machine need not have it.",
               .text = Text::kProxy},
         o.proxy);
    each(Field{.name = "proxy_credentials",
               .help = "A file with \"user:password\" for a SOCKS5 proxy that asks (RFC 1929); mode 0400 or 0600.",
               .text = Text::kPath},
         o.proxy_credentials);
    each(Field{.name = "rate", .help = "Messages, over all destinations."}, o.rate);
    each(Field{.name = "messages_per_day",
               .help = "The same for a day: spread over it, so that no 24 hours in a row have more. Both may be set.",
               .min = 1,
               .max = 1'000'000'000},
         o.messages_per_day);
    each(Field{.name = "connections", .help = "Open at once, over all destinations.", .min = 1, .max = 100'000},
         o.connections);
    each(Field{.name = "connection_rate", .help = "New connections, over all destinations."}, o.connection_rate);
    each(Field{.name = "messages_per_connection",
               .help = "Of its connections, whatever else allows more.",
               .min = 1,
               .max = 1'000'000},
         o.messages_per_connection);
    each(Field{.name = "reserved_for_transactional",
               .help = "The share of `connections` that marketing mail never takes, at least one: \"10%\"."},
         o.reserved_for_transactional);
    each(
        Field{.name = "warmup",
              .help = "What marketing mail may use of a new address, day by day: `start` is the first day (nothing "
                      "leaves before), `per_day` lists the messages of day 1, 2, ... for a provider by name, and as "
                      "`default` for any other provider or site, each by itself; what it does not name is not limited. "
                      "A day begins at midnight in `tz`, is spread over its hours, and leads to the next if at least "
                      "half of it was sent and no reply slowed the source. `then` is \"unlimited\" or \"repeat\" "
                      "(the last day again and again). What it does not allow leaves from the other sources of the "
                      "pool (`overflow = \"pool\"`), from those of another one as well (its name), or waits where "
                      "there is no other "
                      "(\"wait\"). Transactional mail counts and never waits. See `sealift source warmup`."},
        o.warmup);
  }
};

template <>
struct Fields<PoolOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "name", .help = "Its name, unique.", .required = true, .text = Text::kName}, o.name);
    each(Field{.name = "sources", .help = "Names of sources.", .required = true}, o.sources);
    each(Field{.name = "rate",
               .help = "Messages of streams that send from this pool, and whatever else leaves from its sources."},
         o.rate);
    each(
        Field{
            .name = "messages_per_day", .help = "The same for a day; both may be set.", .min = 1, .max = 1'000'000'000},
        o.messages_per_day);
    each(Field{.name = "connections", .help = "Open at once, of all its sources together.", .min = 1, .max = 100'000},
         o.connections);
    each(Field{.name = "connection_rate", .help = "New connections of all its sources together."}, o.connection_rate);
    each(Field{.name = "messages_per_connection",
               .help = "Of connections of its sources, whatever else allows more.",
               .min = 1,
               .max = 1'000'000},
         o.messages_per_connection);
  }
};

template <>
struct Fields<ProviderOptions> {
  static void Each(auto& o, auto&& each) {
    each(
        Field{.name = "name",
              .help =
                  "Its name; a built-in group's replaces that group. Under another name, with the same hosts, warm-ups "
                  "there begin anew, and what triggers count; limits go on over a reload, backoffs and orders always.",
              .required = true,
              .text = Text::kName},
        o.name);
    each(Field{.name = "mx",
               .help = "MX hosts: names, or \"*.example.net\" for any beneath.",
               .required = true,
               .text = Text::kHostPattern},
         o.mx);
  }
};

template <>
struct Fields<StreamOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "name", .help = "Its name, unique.", .required = true, .text = Text::kName}, o.name);
    each(Field{.name = "kind", .help = "Transactional mail is not bound by opt-outs and overtakes."}, o.kind);
    each(Field{.name = "pool", .help = "The pool it sends from.", .required = true}, o.pool);
    each(Field{.name = "priority", .help = "0 to 100; a higher one goes first.", .max = 100}, o.priority);
    each(Field{.name = "tls",
               .help = "opportunistic: when offered. require: always encrypted. verify: and the certificate is the MX "
                       "host's. dane: DANE or nothing."},
         o.tls);
    each(Field{.name = "on_no_tls",
               .help = "What becomes of a message whose destination cannot meet `tls`. Mail of a stream with "
                       "`requiretls` bounces whatever this says."},
         o.on_no_tls);
    each(Field{.name = "requiretls",
               .help = "RFC 8689: MAIL asks each server on the way to hand the mail on over TLS to a host that it has "
                       "authenticated, or to send it back. It goes only to an MX host that offers REQUIRETLS, shows a "
                       "certificate of its own (as `tls = \"verify\"` asks, or DANE), and was found by signed MX "
                       "records or an enforced MTA-STS policy; see [tls.md](tls.md)."},
         o.requiretls);
    each(Field{.name = "dkim",
               .help = "Domains of [[dkim]] that sign; a signature by one RSA and one Ed25519 key of each."},
         o.dkim);
    each(Field{.name = "return_path",
               .help = "Domain of the envelope sender; default: node.hostname.",
               .text = Text::kOwnHost},
         o.return_path);
    each(Field{.name = "unsubscribe_url",
               .help = "List-Unsubscribe: an https address, to which `token=...` is added; whoever unsubscribes posts "
                       "there. See unsubscribe.md. Not of a transactional stream."},
         o.unsubscribe_url);
    each(Field{.name = "unsubscribe_mailto",
               .help = "List-Unsubscribe: a mail address; the subject is `unsubscribe TOKEN`. Not of a transactional "
                       "stream."},
         o.unsubscribe_mailto);
    each(Field{.name = "list_id",
               .help = "List-Id: a name beneath a domain of yours, the same for ever: \"newsletter.example.com\"."},
         o.list_id);
    each(
        Field{.name = "feedback_id",
              .help = "Feedback-ID, by which Google counts complaints: up to three words and the sender's, with colons "
                      "between; `{campaign}` is the campaign's name: \"{campaign}:news::mailco\"."},
        o.feedback_id);
    each(Field{.name = "retry", .help = "Waits after each deferral; the last one repeats.", .min = 1}, o.retry);
    each(Field{.name = "expires_in", .help = "How long after acceptance a message may still be sent.", .min = 1'000},
         o.expires_in);
    each(Field{.name = "erase_after",
               .help = "How long after a campaign is done its data key is forgotten, and with it rows, addresses and "
                       "template for good; events and audit stay. 0s: never.",
               .max = 10LL * 366 * 86'400'000},
         o.erase_after);
    each(Field{.name = "in_doubt",
               .help =
                   "Messages of which nobody knows whether they arrived, because the node or the connection died after "
                   "their final dot: \"resend\" them, or \"hold\" them until an operator decides. To know them costs "
                   "a wait for the disk a message."},
         o.in_doubt);
    each(Field{.name = "rate", .help = "Messages of this stream."}, o.rate);
    each(
        Field{
            .name = "messages_per_day", .help = "The same for a day; both may be set.", .min = 1, .max = 1'000'000'000},
        o.messages_per_day);
    each(Field{.name = "connections",
               .help = "That carry mail of this stream at once, whoever they were opened for.",
               .min = 1,
               .max = 100'000},
         o.connections);
    each(Field{.name = "connection_rate", .help = "New connections that are opened for mail of this stream."},
         o.connection_rate);
    each(Field{.name = "messages_per_connection",
               .help = "Of a connection that carries mail of this stream, whatever else allows more.",
               .min = 1,
               .max = 1'000'000},
         o.messages_per_connection);
    each(Field{.name = "window",
               .help = "When mail of this stream may be sent, retries and replays too: `days` (\"mon\" to \"sun\"; "
                       "default: every day), `from` and `to` (\"08:00\", \"20:00\"; over midnight when `to` is not "
                       "later, counted for the day on which it begins), by the clock on the wall of `tz` (default "
                       "\"UTC\"). What is between MAIL and the final dot when it closes ends."},
         o.window);
    each(Field{.name = "recipient_cap",
               .help =
                   "Messages of this stream that one recipient gets in any hour or day: \"1/h\", \"3/d\". Counts what "
                   "was delivered, of all campaigns; what is beyond waits until there is room, or expires. Costs a "
                   "look at the disk a message. Not a way to spread mail: see `rate`."},
         o.recipient_cap);
    each(Field{.name = "max_hard_bounces", .help = "Pause a marketing campaign that has more hard bounces than this."},
         o.max_hard_bounces);
  }
};

template <>
struct Fields<DestinationOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "domains",
               .help = "Recipient domains: names, \"*.example.net\" or \"*\".",
               .text = Text::kHostPattern},
         o.domains);
    each(Field{.name = "mx", .help = "Or MX hosts, in the same form.", .text = Text::kHostPattern}, o.mx);
    each(Field{.name = "provider", .help = "Or a provider."}, o.provider);
    each(Field{.name = "connections", .help = "Open at once.", .min = 1, .max = 10'000}, o.connections);
    each(Field{.name = "reserved_for_transactional",
               .help = "The share of this block's `connections` that marketing mail never takes, at least one."},
         o.reserved_for_transactional);
    each(Field{.name = "connection_rate", .help = "New connections."}, o.connection_rate);
    each(Field{.name = "message_rate", .help = "Messages."}, o.message_rate);
    each(
        Field{
            .name = "messages_per_day", .help = "The same for a day; both may be set.", .min = 1, .max = 1'000'000'000},
        o.messages_per_day);
    each(Field{.name = "messages_per_connection", .help = "Then a new one is opened.", .min = 1, .max = 1'000'000},
         o.messages_per_connection);
    each(Field{.name = "pipeline_depth",
               .help =
                   "Transactions in flight on one connection: above 1 the next ones are sent ahead of the replies to "
                   "those before, where the server offers PIPELINING and the first message of the connection has shown "
                   "that its replies carry enhanced codes which tell them apart (RFC 2034); never for a stream with "
                   "in_doubt = \"hold\".",
               .min = 1,
               .max = 16},
         o.pipeline_depth);
    each(Field{.name = "tls", .help = "May only tighten a stream's."}, o.tls);
    each(Field{.name = "per", .help = "What the limits are counted for: each source, each pool, or the node."}, o.per);
  }
};

template <>
struct Fields<RuleOptions> {
  static void Each(auto& o, auto&& each) {
    each(Field{.name = "name",
               .help =
                   "What events and `explain` call it, unique; default: a number made of its conditions, which stays "
                   "when other rules come and go.",
               .text = Text::kName},
         o.name);
    each(Field{.name = "provider", .help = "Whose replies."}, o.provider);
    each(Field{.name = "match",
               .help = "A regular expression (RE2) on the reply, `421 4.7.28 text`, joined to one line; in any case, "
                       "in ASCII: a byte of another letter is a `?` there."},
         o.match);
    each(Field{.name = "class", .help = "Classes of replies, any of them; see [rules.md](rules.md)."}, o.classes);
    each(Field{.name = "enhanced", .help = "Enhanced codes, any of them."}, o.enhanced);
    each(Field{.name = "scope",
               .help = "What is acted on: source, source_provider (the default), provider, pool, stream, campaign."},
         o.scope);
    each(Field{.name = "trigger", .help = "How often it must match before the scope is acted on; default: the first."},
         o.trigger);
    each(Field{.name = "actions",
               .help = "What is done: defer, bounce, suppress (the row); backoff, suspend, alert (the scope)."},
         o.actions);
    each(Field{.name = "factor", .help = "What a backoff multiplies the rate by; more than 0, less than 1."}, o.factor);
    each(Field{.name = "floor", .help = "What a backoff never goes under."}, o.floor);
    each(Field{.name = "for", .help = "How long a suspension lasts, or until a backoff is over; default 30m."},
         o.duration);
  }
};

// Calls each(Section, member) for every table, and every_array(Section, vector) for every [[array]].
void EachSection(auto& o, auto&& each, auto&& each_array) {
  each(Section{.name = "node", .help = "This machine."}, o.node);
  each(Section{.name = "http", .help = "Monitoring over TCP."}, o.http);
  each(Section{.name = "log", .help = "What goes to stderr."}, o.log);
  each(Section{.name = "sink", .help = "Sink mode."}, o.sink);
  each(Section{.name = "dns", .help = "Resolving."}, o.dns);
  each(Section{.name = "smtp", .help = "Sessions. The timeouts' defaults are RFC 5321's (4.5.3.2)."}, o.smtp);
  each(Section{.name = "tls", .help = "TLS to other servers.", .restart = true}, o.tls);
  each(Section{.name = "keys", .help = "The key that opens the queue; one of the three.", .restart = true}, o.keys);
  each(Section{.name = "storage", .help = "The disk."}, o.storage);
  each(Section{.name = "retention", .help = "How long things are kept."}, o.retention);
  each(Section{.name = "backup", .help = "Backups of the queue; see backup.md."}, o.backup);
  each(Section{.name = "tls_report", .help = "Reports about TLS (RFC 8460); see [tls.md](tls.md#reports)."},
       o.tls_report);
  each_array(Section{.name = "dkim",
                     .help = "A signing key. Of those of one domain the first of each algorithm signs; the others "
                             "stand by, to be published before they take over."},
             o.dkim);
  each_array(Section{.name = "source", .help = "An IP address to send from."}, o.sources);
  each_array(Section{.name = "pool", .help = "Sources that share work."}, o.pools);
  each_array(Section{.name = "provider", .help = "MX hosts that judge as one."}, o.providers);
  each_array(Section{.name = "stream", .help = "A kind of mail and its rules."}, o.streams);
  each_array(
      Section{.name = "destination",
              .help = "Limits for some destinations; exactly one of domains, mx, provider. The most specific block "
                      "that has a setting decides; the limits of the others bind too."},
      o.destinations);
  each_array(Section{.name = "rule",
                     .help = "What follows from replies that meet all its conditions; see [rules.md](rules.md)."},
             o.rules);
}

}  // namespace sealift::engine
