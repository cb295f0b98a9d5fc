#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dns/address.h"
#include "dns/lookup.h"

namespace sealift::engine {

// Sender Policy Framework (RFC 7208), as far as a sender needs it to know whether its own addresses pass for its own
// domain.

// Where the records come from: the DNS, or a test.
class SpfRecords {
 public:
  virtual ~SpfRecords() = default;
  virtual dns::TxtAnswer Txt(const std::string& name) = 0;
  virtual dns::MxAnswer Mx(const std::string& domain) = 0;
  virtual dns::AddressAnswer Addresses(const std::string& host, int family) = 0;
};

// RFC 7208 2.6, and kUnclear: the answer hangs on a macro, or on `ptr`, which are not evaluated here because they need
// a message.
enum class SpfResult : uint8_t { kPass, kFail, kSoftFail, kNeutral, kNone, kTempError, kPermError, kUnclear };

// "pass", "softfail", "permerror", ...
std::string_view ToString(SpfResult result);

struct SpfFinding {
  SpfResult result = SpfResult::kNone;
  std::string why;  // a clause; of what the DNS says only domain names are in it
};

// Whether `address` may send as `domain`. The records are hostile input: at most 10 of their terms may ask the DNS, and
// 2 of these in vain (RFC 7208 4.6.4), each mx at most 10 hosts, and a text has at most kSpfTextBytesMax bytes.
inline constexpr size_t kSpfTextBytesMax = 8192;
SpfFinding EvaluateSpf(const std::string& domain, const dns::Address& address, SpfRecords& records);

}  // namespace sealift::engine
