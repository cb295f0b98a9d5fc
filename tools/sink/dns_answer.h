#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/time/time.h"
#include "tools/sink/zone.h"

namespace sealift::tools::sink {

enum class DnsTransport : uint8_t { kUdp, kTcp };

// The sink's whole DNS server but for the sockets: one query's bytes in, the answer's bytes out.
//
// Authoritative for every name there is (what the zone lacks does not exist). MX, A, AAAA and CNAME are answered, any
// other type is NODATA; negative answers carry an SOA (RFC 2308). An answer too large for UDP, 512 bytes or what EDNS0
// (RFC 6891) allows up to 1232, is cut to nothing with TC set.
//
// Returns false where nothing is to be sent: a silent domain, or bytes that are not a query.
bool AnswerDns(const Zone& zone, std::span<const uint8_t> query, DnsTransport transport, absl::Duration since_start,
               std::string* answer);

}  // namespace sealift::tools::sink
