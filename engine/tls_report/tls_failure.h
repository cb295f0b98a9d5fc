#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sealift::engine {

// Why a TLS session is counted as failed, in the words of RFC 8460 4.3 and its registry.
enum class TlsFailure : uint8_t {
  kStartTlsNotSupported,
  kCertificateHostMismatch,
  kCertificateExpired,
  kCertificateNotTrusted,
  kValidationFailure,    // none of the others
  kTlsaInvalid,          // TLSA records, and none of them can be used
  kDnssecInvalid,        // the lookup of the TLSA records failed
  kDaneRequired,         // the sender asks for DANE, and there is none
  kStsPolicyFetchError,  // the MTA-STS policy could not be fetched
  kStsPolicyInvalid,     // what was fetched is none
  kStsWebPkiInvalid,     // the certificate of its web server
};
inline constexpr int kTlsFailures = static_cast<int>(TlsFailure::kStsWebPkiInvalid) + 1;

std::string_view ToString(TlsFailure failure);  // "starttls-not-supported"
std::optional<TlsFailure> ParseTlsFailure(std::string_view word);

}  // namespace sealift::engine
