#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace sealift::engine {

// How bad it is. kFail is what the operator has to mend before the campaign starts: keys, records, addresses, limits.
// kWarn is what cannot be mended here, such as a domain without TLS, or could not be found out.
enum class Severity : uint8_t { kOk, kSkipped, kWarn, kFail };

// "ok", "skipped", "warn", "fail"
std::string_view ToString(Severity severity);

// One thing that was looked at. Nothing in it is an address or what a server wrote, but for domains and redacted
// replies.
struct PreflightFinding {
  std::string
      check;  // campaign, from, source, dkim, spf, ptr, unsubscribe, mx, tls, smtputf8, 8bitmime, suppressed, finish
  std::string about;  // a domain, a source, a provider; empty: the campaign
  Severity severity = Severity::kOk;
  std::string state;  // one word: matches, missing, pass, confirmed, ...
  std::string what;   // a sentence for a person; may be empty where all is well
};

// What would become of rows that were sent now.
enum class Fate : uint8_t {
  kSend,
  kHold,     // nobody offers the TLS that they require, and they wait for it
  kBounce,   // they would be given back
  kDefer,    // they would be tried again later
  kUnknown,  // it was not asked, or not answered in time
};
inline constexpr int kFates = 5;

// "send", "hold", "bounce", "defer", "unknown"
std::string_view ToString(Fate fate);

// Domains that the same hosts serve and the same settings bind.
struct PreflightSite {
  std::string domain;  // the one with the most rows; empty: many, that were not looked at
  std::string provider = "other";
  std::vector<std::string> hosts;  // "10 mx1.d1.test"
  uint64_t domains = 0, rows = 0;
  uint64_t rows_utf8 = 0;  // of them, that only SMTPUTF8 carries: their address or a header is beyond ASCII
  uint64_t rows_8bit = 0;  // of the others, that only 8BITMIME carries: their message arrived finished and is 8-bit
  // What the host that let us in offers; absent: none did. SMTPUTF8 without 8BITMIME is none (RFC 6531 3.1).
  std::optional<bool> smtputf8, eightbitmime;
  std::string mx;                // found, implicit, null_mx, sink, not_asked, or what the DNS answered: nxdomain, ...
  std::string policy;            // the TLS that is required of it
  std::string host;              // that was spoken to last
  std::string tls;               // TLSv1.3, ...; "none": in clear; empty: not known
  std::optional<bool> verified;  // its certificate is the host's, under the trusted roots
  Fate fate = Fate::kUnknown;
  std::string why;  // of the fate, or of a certificate that is not the host's
};

struct PreflightProvider {
  std::string name;
  uint64_t domains = 0, rows = 0;
  uint64_t rows_of[kFates] = {};  // by Fate
};

// When the last row could leave, if nothing but the configured rates held it up.
struct PreflightFinish {
  uint64_t rows = 0;                 // that would be sent; those that would be held or bounced are not counted
  absl::Time start;                  // now, or when it is to start
  std::optional<absl::Time> finish;  // absent: no rate binds it
  absl::Time expires;                // of the first rows that were accepted
  uint64_t rows_late = 0;            // that the rate would let leave only after that
  std::string limit, value, set_by;  // the rate that binds
};

struct PreflightReport {
  std::string campaign, stream, state;
  bool sink = false;
  uint64_t queued = 0;
  uint64_t suppressed_at_load = 0;
  std::optional<uint64_t> suppressed_now;  // of those queued; absent: the list is too long to compare
  bool needs_counted = true;               // rows_utf8 and rows_8bit of the sites; false: too many rows to look at
  std::string source;                      // that the probes left from
  std::vector<PreflightSite> sites;        // the one with the most rows first
  std::vector<PreflightProvider> providers;
  std::vector<PreflightFinding> findings;  // the worst first
  PreflightFinish finish;

  bool Fails() const { return !findings.empty() && findings.front().severity == Severity::kFail; }
};

}  // namespace sealift::engine
