#pragma once

#include <openssl/ossl_typ.h>

#include "absl/status/status.h"

namespace sealift::tls {

// NIST SP 800-52 Rev. 2 tells United States federal systems, and those who are measured by them, with which algorithms
// TLS may be spoken. This leaves a client nothing else to offer, so that a server which has none of them gets no mail:
//
//   versions     1.2 and 1.3 (3.1)
//   suites       AES with GCM, CCM or CBC behind an ephemeral key exchange that a certificate of RSA or ECDSA
//                authenticates (3.3.1.1); in TLS 1.3 all but ChaCha20 (3.3.1.2). Neither RSA key transport, nor 3DES
//   groups       P-256, P-384, P-521 and the safe primes of RFC 7919 (3.4.2.2); no X25519
//   signatures   RSA or ECDSA over SHA-256, SHA-384 or SHA-512 (3.4.2.3)
//   strength     112 bits of everything (3.2): RSA and Diffie-Hellman from 2,048 bits on
//
// It chooses algorithms. Whether a validated module computes them is OpenSSL's configuration: FipsModuleActive() tells.
//
// Errors:    Internal: this OpenSSL knows none of the suites, or its module allows none.
absl::Status RestrictToSp80052(SSL_CTX* ctx);

// The bits of strength that it asks of a server's own key, whatever the policy does with its certificate.
constexpr int kSp80052StrengthBits = 112;

// Whether this process's OpenSSL has its FIPS provider loaded and takes algorithms from nowhere else.
bool FipsModuleActive();

}  // namespace sealift::tls
