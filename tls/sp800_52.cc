#include "tls/sp800_52.h"

#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>

#include "tls/error.h"

namespace sealift::tls {
namespace {

// In the order of 3.3.1: GCM and CCM before CBC, and CCM with a short tag last of its kind. Suites of DSA and those of
// a static Diffie-Hellman key, which the publication allows, are no longer in use.
constexpr const char* kSuites12 =
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:"
    "DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-CCM:ECDHE-ECDSA-AES128-CCM:DHE-RSA-AES256-CCM:DHE-RSA-AES128-CCM:"
    "ECDHE-ECDSA-AES256-CCM8:ECDHE-ECDSA-AES128-CCM8:DHE-RSA-AES256-CCM8:DHE-RSA-AES128-CCM8:"
    "ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:"
    "DHE-RSA-AES256-SHA256:DHE-RSA-AES128-SHA256:"
    "ECDHE-ECDSA-AES256-SHA:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA:"
    "DHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA";
constexpr const char* kSuites13 =
    "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256";
constexpr const char* kGroups = "P-256:P-384:P-521:ffdhe2048:ffdhe3072:ffdhe4096";
constexpr const char* kSignatures =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:"
    "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
constexpr int kSecurityLevel = 2;  // OpenSSL's for 112 bits

}  // namespace

absl::Status RestrictToSp80052(SSL_CTX* ctx) {
  SSL_CTX_set_security_level(ctx, kSecurityLevel);
  const bool restricted =
      (SSL_CTX_get_min_proto_version(ctx) >= TLS1_2_VERSION ||
       SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1) &&
      SSL_CTX_set_cipher_list(ctx, kSuites12) == 1 && SSL_CTX_set_ciphersuites(ctx, kSuites13) == 1 &&
      SSL_CTX_set1_groups_list(ctx, kGroups) == 1 && SSL_CTX_set1_sigalgs_list(ctx, kSignatures) == 1;
  if (restricted) return absl::OkStatus();
  return LocalError(absl::StatusCode::kInternal,
                    "this OpenSSL cannot be held to the algorithms of NIST SP 800-52r2 (`tls.fips = true`)");
}

bool FipsModuleActive() {
  return EVP_default_properties_is_fips_enabled(nullptr) == 1 && OSSL_PROVIDER_available(nullptr, "fips") == 1;
}

}  // namespace sealift::tls
