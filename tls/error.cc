#include "tls/error.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <string>

namespace sealift::tls {
namespace {

std::string CertificateError(const SSL* ssl, std::string_view name) {
  const long result = SSL_get_verify_result(ssl);  // NOLINT(google-runtime-int): OpenSSL's type
  if (result == X509_V_ERR_HOSTNAME_MISMATCH) {
    return fmt::format("the certificate does not carry the name {}", name);
  }
  return fmt::format("the certificate for {} is not accepted: {}", name, X509_verify_cert_error_string(result));
}

std::string_view ReasonOf(unsigned long error) {  // NOLINT(google-runtime-int): OpenSSL's type
  const char* reason = ERR_reason_error_string(error);
  return reason == nullptr ? "no reason given" : reason;
}

}  // namespace

absl::Status PeerError(const SSL* ssl, int ssl_error, std::string_view name) {
  const unsigned long error = ERR_peek_error();  // NOLINT(google-runtime-int): OpenSSL's type
  ERR_clear_error();
  if (error == 0) {
    if (ssl_error == SSL_ERROR_ZERO_RETURN) {
      return absl::UnavailableError("the peer closed TLS before the handshake was done");
    }
    return absl::UnavailableError("the peer makes this side write without end, and reads nothing");
  }
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) {
    return absl::UnavailableError(fmt::format("TLS with the peer failed: {}", ReasonOf(error)));
  }
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) return absl::UnauthenticatedError(CertificateError(ssl, name));
  if (reason >= SSL_AD_REASON_OFFSET) {
    return absl::UnavailableError(fmt::format("the peer ended TLS with the alert '{}'",
                                              SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET)));
  }
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return absl::UnavailableError("what the peer sent is not TLS");
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
      return absl::UnavailableError("the peer offers no version of TLS that is accepted here");
    case SSL_R_NO_SHARED_CIPHER:
      return absl::UnavailableError("the peer offers no cipher that is accepted here");
    default:
      return absl::UnavailableError(fmt::format("TLS with the peer failed: {}", ReasonOf(error)));
  }
}

absl::Status LocalError(absl::StatusCode code, std::string_view what) {
  const unsigned long error = ERR_peek_error();  // NOLINT(google-runtime-int): OpenSSL's type
  ERR_clear_error();
  return {code, fmt::format("{}: {}", what, ReasonOf(error))};
}

}  // namespace sealift::tls
