#pragma once

#include <openssl/ossl_typ.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tls/openssl.h"

namespace sealift::tls {

// ClientContext is what every client channel shares: protocol versions, trusted roots and OpenSSL's method tables.
//
// The floor is TLS 1.2 (RFC 8996, RFC 9325). Trusted roots are read once, here; a reload that names another file makes
// another context, and channels keep the one they began with.
//
// Owned by:  whoever holds a shared_ptr; each channel holds one.
// Threads:   any, once created: OpenSSL counts references and locks inside.
// Errors:    Create: InvalidArgument for an unknown version, NotFound or InvalidArgument for the file of roots.
class ClientContext {
 public:
  struct Options {
    std::string min_version = "1.2";  // "1.2" or "1.3"
    std::string max_version = {};     // as well; empty: the newest
    std::string ca_file = {};         // PEM roots that Policy::kVerify trusts; empty: the system's
    bool fips = false;                // nothing but the algorithms of NIST SP 800-52r2 (sp800_52.h)
  };

  static absl::StatusOr<std::shared_ptr<ClientContext>> Create(const Options& options);

  SSL_CTX* ssl_ctx() const { return ctx_.get(); }

  bool fips() const { return fips_; }

  // Names the trusted roots and the protocol floor by what they are, not by where they were read: part of every
  // session's key, so that a ticket never outlives the trust that it was issued under.
  const std::string& roots() const { return roots_; }

 private:
  ClientContext(SslCtxPtr ctx, std::string roots, bool fips);

  SslCtxPtr ctx_;
  std::string roots_;
  bool fips_;
};

}  // namespace sealift::tls
