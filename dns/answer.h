#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "dns/address.h"

namespace sealift::dns {

// What came of a question. Each has its consequence for mail, so none is folded into another.
enum class Verdict {
  kFound,
  kNoData,     // the name exists and has no such record; of an MX question this becomes an implicit MX instead
  kUnusable,   // MX only: there are MX records and none names a host; RFC 5321 5.1 forbids falling back to the address
  kNxDomain,   // the name does not exist: permanent
  kBadName,    // what was asked cannot be a host's name: permanent, and nobody was asked
  kServFail,   // the server could not find out: temporary
  kRefused,    // the server will not answer us, or does not implement the question: temporary, and for the operator to
               // mend
  kTimeout,    // no server answered: temporary
  kBadAnswer,  // an answer that makes no sense: temporary
};
inline constexpr int kVerdicts = 9;

// The name used in metrics and in sentences: "found", "no_data", "unusable", "nxdomain", …
std::string_view ToString(Verdict verdict);

// Asking again later can change it without the domain's owner doing anything.
bool IsTemporary(Verdict verdict);

// A host that takes mail for a domain. The name is lower case, without a trailing dot.
struct MxHost {
  uint16_t preference = 0;
  std::string name;

  friend bool operator==(const MxHost&, const MxHost&) = default;
};

// Who takes mail for a domain.
struct MxAnswer {
  Verdict verdict = Verdict::kBadAnswer;
  bool null_mx = false;        // found, and the domain says that it takes no mail (RFC 7505): no hosts
  bool implicit = false;       // found, by having no MX record at all: the domain itself is the host (RFC 5321 5.1)
  bool authenticated = false;  // the resolver vouches for it (AD); worth what the way to the resolver is worth
  std::vector<MxHost> hosts;   // by preference, the best first; within one in the order of the answer
  absl::Time expires = absl::InfinitePast();
};

// Where a host is.
struct AddressAnswer {
  Verdict verdict = Verdict::kBadAnswer;
  bool authenticated = false;
  std::string canonical;           // found: the name at the end of the aliases, the host's own where it has none
  std::vector<Address> addresses;  // in the order of the answer, no duplicates
  absl::Time expires = absl::InfinitePast();
};

// One TLSA record (RFC 6698 2.1): what the certificate of a server must be. Nothing about it is judged here.
struct Tlsa {
  uint8_t usage = 0, selector = 0, matching = 0;
  std::vector<uint8_t> data;

  friend bool operator==(const Tlsa&, const Tlsa&) = default;
};

// The TLSA records of a service. Worth something only when authenticated.
struct TlsaAnswer {
  Verdict verdict = Verdict::kBadAnswer;
  bool authenticated = false;
  std::vector<Tlsa> records;
  absl::Time expires = absl::InfinitePast();
};

// The TXT records of a name, each joined from its strings (RFC 7208 3.3, RFC 6376 3.6.2.2).
struct TxtAnswer {
  Verdict verdict = Verdict::kBadAnswer;  // kFound, kNoData, kNxDomain, or what went wrong
  bool authenticated = false;
  std::vector<std::string> texts;
  absl::Time expires = absl::InfinitePast();
};

// What is kept of an answer, however long it is: a domain with hundreds of hosts is broken or hostile, and these are
// enough.
inline constexpr size_t kMxHostsMax = 32;
inline constexpr size_t kAddressesMax = 32;
inline constexpr size_t kTlsaRecordsMax = 32;
inline constexpr size_t kTextsMax = 64;

// Puts hosts of equal preference in a random order, as RFC 5321 5.1 asks of each attempt. `below(n)` draws one of 0 …
// n-1.
void ShuffleTies(std::span<MxHost> hosts, const std::function<size_t(size_t)>& below);

}  // namespace sealift::dns
