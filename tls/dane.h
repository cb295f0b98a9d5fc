#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tls/client_context.h"

namespace sealift::tls {

// What the DNS says that a server's certificate must be (RFC 6698 2.1). Whoever gives it here has it from a validated
// answer.
struct TlsaRecord {
  uint8_t usage = 0, selector = 0, matching = 0;
  std::vector<uint8_t> data;

  friend bool operator==(const TlsaRecord&, const TlsaRecord&) = default;
};

// Those of `records` that a mail server can be matched with, by OpenSSL's own judgement. Of the usages only DANE-TA(2)
// and DANE-EE(3) are (RFC 7672 3.1.3); unknown selectors and digests, and data that is none, are not.
std::vector<TlsaRecord> UsableRecords(const ClientContext& context, std::span<const TlsaRecord> records);

// A name of these records, in whatever order they came: what a session that they vouched for is kept under.
std::string DigestOf(std::span<const TlsaRecord> records);

}  // namespace sealift::tls
