#pragma once

#include <openssl/ossl_typ.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tls/openssl.h"

namespace sealift::tls {

// ServerContext is one certificate and what it is offered with, for the sink and for tests: Sealift itself only sends.
//
// Session tickets are on (two after each TLS 1.3 handshake) and stateless: no session is kept in memory. No ALPN, no
// client certificates, no renegotiation.
//
// Owned by:  whoever holds a shared_ptr; each channel holds one.
// Threads:   any, once created.
// Errors:    Create: InvalidArgument, saying whether the certificate, the key, a suite or a version is the trouble.
class ServerContext {
 public:
  struct Options {
    std::string certificate = {};     // PEM text, the leaf first
    std::string key = {};             // PEM text
    std::string min_version = "1.2";  // "1.0" to "1.3": a test's server may be older than any client of ours accepts
    std::string max_version = "1.3";
    std::vector<std::string> suites = {};  // by OpenSSL's names, of 1.3 and of older versions; empty: its own choice
    bool tickets = true;
  };

  static absl::StatusOr<std::shared_ptr<ServerContext>> Create(const Options& options);

  SSL_CTX* ssl_ctx() const { return ctx_.get(); }

 private:
  explicit ServerContext(SslCtxPtr ctx);

  SslCtxPtr ctx_;
};

}  // namespace sealift::tls
