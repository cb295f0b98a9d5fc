#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

namespace sealift::tools::sink {

// Phase is the point of an SMTP dialogue (RFC 5321) at which a scripted reply takes the place of the usual one.
enum class Phase : uint8_t { kGreeting, kEhlo, kStartTls, kMail, kRcpt, kData, kBody, kRset, kQuit };
inline constexpr int kPhases = 9;

// Then is what a server does once a scripted reply is out.
enum class Then : uint8_t {
  kContinue,  // as if nothing had happened
  kClose,     // FIN
  kReset,     // RST
  kHang,      // neither reads nor speaks again, and keeps the connection open
};

// Action is a scripted reply, down to the way its bytes come.
struct Action {
  std::string bytes;     // what goes out; whole lines for `reply`, anything at all for `raw`
  int code = 0;          // of its last line; 0 when there is none, which judges as a refusal
  int64_t times = 1;     // sends `bytes` so often
  absl::Duration pause;  // before it; the server reads nothing meanwhile
  absl::Duration drip;   // between two bytes; zero sends them at once
  Then then = Then::kContinue;

  bool positive() const { return code >= 200 && code < 400; }
  bool plain() const { return times == 1 && pause == absl::ZeroDuration() && drip == absl::ZeroDuration(); }
};

// Rule says when an Action is taken. Every condition must hold; the first rule of a phase that does is the one.
struct Rule {
  Phase phase = Phase::kRcpt;
  std::string local = "*";  // glob over the recipient's local part (of the first recipient from DATA on)
  double share = 1;         // of recipients, chosen by name: a second attempt gets the same verdict
  int64_t first = 0;        // only the first so many times a recipient (or connection) meets it; 0: always
  int8_t tls = -1;          // 1: only within TLS, 0: only in clear, -1: both
  absl::Duration from;      // since the sink started
  absl::Duration until = absl::InfiniteDuration();
  Action action;
  uint64_t id = 0;  // unique in a script
};

// Limit is a provider's own rule about a sender. What breaks it is answered with `reply` and counted.
struct Limit {
  enum class What : uint8_t { kMessages, kConnects, kConnections, kMessagesPerConnection };
  What what = What::kMessages;
  int64_t count = 0;                             // so many
  absl::Duration window = absl::ZeroDuration();  // in any span of this length; unused by the two counts without time
  absl::Duration block =
      absl::ZeroDuration();  // how long the source is turned away at the greeting once it broke the limit
  bool per_source = true;    // false: all sources together
  Action action;
};

enum class TlsMode : uint8_t {
  kOn,        // offers STARTTLS
  kOff,       // does not
  kRequired,  // 530 to MAIL in clear
  kRefused,   // offers it, then 454
  kBroken,    // 220, then bytes that are not TLS
  kHang,      // 220, then nothing
};
enum class ConnectMode : uint8_t {
  kAccept,
  kRefuse,  // the port is taken but does not listen: connections are refused at once
  kHang,    // accepts and never speaks
  kClose,   // accepts and closes without a greeting
};
enum class DnsMode : uint8_t {
  kMx,
  kAddress,  // no MX, addresses of its own (RFC 5321 5.1, implicit MX)
  kNullMx,   // RFC 7505
  kNxDomain,
  kNoData,  // exists, without MX or address
  kServFail,
  kRefused,
  kSilent,  // no answer at all
  kLoop,    // a CNAME to itself
};

// Certificate of a host; `name` empty means the host's own name.
struct CertificateSpec {
  std::string name;
  bool expired = false;
  std::string max_version;          // "1.0", "1.2", "1.3"; empty: the newest
  std::vector<std::string> suites;  // the only ones that the host speaks, by OpenSSL's names; empty: OpenSSL's choice
};

// Host is one mail server: a name, an address, and whether it listens.
struct MxHost {
  std::string name;     // lower case, no trailing dot
  std::string address;  // text, of 127.0.0.0/8 or ::1
  uint16_t preference = 10;
  ConnectMode connect = ConnectMode::kAccept;
};

// Provider is one behaviour: a set of domains, the hosts that serve them and what those do.
struct Provider {
  std::string name;
  std::vector<std::string> domains;  // lower case, expanded; "*" takes every domain
  std::vector<MxHost> hosts;
  DnsMode dns = DnsMode::kMx;
  absl::Duration dns_until = absl::InfiniteDuration();  // since the start; then kMx
  absl::Duration ttl = absl::Seconds(60);
  std::vector<std::pair<std::string, std::string>> txt;  // a name beneath each domain, and the record there
  bool dns_signed = false;  // answers as a validating resolver gives them for a signed zone (AD)

  TlsMode tls = TlsMode::kOn;
  CertificateSpec certificate;
  absl::Duration latency;  // of every reply; what arrives meanwhile is still read, as over a long line
  bool pipelining = true, chunking = true, eight_bit = true;
  bool requiretls = false;              // offered within TLS (RFC 8689)
  uint64_t size_bytes = 50u << 20;      // SIZE (RFC 1870)
  std::vector<std::string> extensions;  // further EHLO lines

  absl::Duration greylist;  // since a recipient's first attempt; zero: none
  std::vector<Limit> limits;
  std::vector<Rule> rules[kPhases];

  bool catch_all = false;  // one of its domains is "*"
};

// Script is the whole test Internet. Built once by ReadScript, then read by every thread.
//
// Time: durations of policies (limits, blocks, greylisting, from/until) have been divided by the script's time_scale;
//       those of the line (latency, pause, drip) have not.
struct Script {
  std::string origin;  // what errors and the status call it
  uint16_t port = 0;   // of every SMTP server; 0: the kernel chooses one
  uint64_t seed = 1;   // of the shares
  double time_scale = 1;
  std::vector<Provider> providers;
  absl::flat_hash_map<std::string, uint32_t> domains;  // domain -> provider; without "*"
};

// The names scripts and counters use.
std::string_view ToString(Phase value);
std::string_view ToString(Then value);
std::string_view ToString(Limit::What value);
std::string_view ToString(TlsMode value);
std::string_view ToString(ConnectMode value);
std::string_view ToString(DnsMode value);

}  // namespace sealift::tools::sink
