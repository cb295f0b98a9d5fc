#pragma once

#include <openssl/ossl_typ.h>

#include <string_view>

#include "absl/status/status.h"

namespace sealift::tls {

// The oldest entry of OpenSSL's error queue as a sentence about the peer of `ssl`; empties the queue. `ssl_error` is
// what SSL_get_error said, `name` what the certificate was to carry. Nothing that the peer wrote stands in it: alerts
// and reasons are OpenSSL's own words.
absl::Status PeerError(const SSL* ssl, int ssl_error, std::string_view name);

// The same about something of ours: `what` failed. `code` is what the caller makes of it.
absl::Status LocalError(absl::StatusCode code, std::string_view what);

}  // namespace sealift::tls
