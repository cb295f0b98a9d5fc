#include "tls/server_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <string_view>
#include <utility>

#include "tls/error.h"
#include "tls/version.h"

namespace sealift::tls {
namespace {

absl::Status UseCertificates(SSL_CTX* ctx, std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const X509Ptr leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (leaf == nullptr || SSL_CTX_use_certificate(ctx, leaf.get()) != 1) {
    return LocalError(absl::StatusCode::kInvalidArgument, "the server's certificate is not usable");
  }
  while (true) {
    const X509Ptr next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (next == nullptr) break;
    if (SSL_CTX_add1_chain_cert(ctx, next.get()) != 1) {
      return LocalError(absl::StatusCode::kInvalidArgument, "the server's certificate chain is not usable");
    }
  }
  ERR_clear_error();  // the end of the file is an error to OpenSSL
  return absl::OkStatus();
}

absl::Status UseKey(SSL_CTX* ctx, std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const PrivateKeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (key == nullptr || SSL_CTX_use_PrivateKey(ctx, key.get()) != 1) {
    return LocalError(absl::StatusCode::kInvalidArgument, "the server's key is not usable, or not its certificate's");
  }
  return absl::OkStatus();
}

// Those of TLS 1.3 have a list of their own, and names that begin alike.
absl::Status UseSuites(SSL_CTX* ctx, const std::vector<std::string>& suites) {
  std::string newest, older;
  for (const std::string& suite : suites) {
    std::string& list = suite.starts_with("TLS_") ? newest : older;
    list += (list.empty() ? "" : ":") + suite;
  }
  const bool known = (newest.empty() || SSL_CTX_set_ciphersuites(ctx, newest.c_str()) == 1) &&
                     (older.empty() || SSL_CTX_set_cipher_list(ctx, older.c_str()) == 1);
  if (known) return absl::OkStatus();
  return LocalError(absl::StatusCode::kInvalidArgument, "the server's suites are not usable");
}

}  // namespace

ServerContext::ServerContext(SslCtxPtr ctx) : ctx_(std::move(ctx)) {}

absl::StatusOr<std::shared_ptr<ServerContext>> ServerContext::Create(const Options& options) {
  absl::StatusOr<int> min_version = ParseVersion(options.min_version);
  if (!min_version.ok()) return min_version.status();
  absl::StatusOr<int> max_version = ParseVersion(options.max_version);
  if (!max_version.ok()) return max_version.status();
  SslCtxPtr ctx(SSL_CTX_new(TLS_server_method()));
  if (ctx == nullptr) return LocalError(absl::StatusCode::kInternal, "OpenSSL has no TLS server");
  SSL_CTX_set_min_proto_version(ctx.get(), *min_version);
  SSL_CTX_set_max_proto_version(ctx.get(), *max_version);
  if (*min_version < TLS1_2_VERSION) SSL_CTX_set_security_level(ctx.get(), 0);  // their SHA-1 is refused above it
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  if (!options.tickets) {
    SSL_CTX_set_options(ctx.get(), SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ctx.get(), 0);
  }
  if (absl::Status status = UseSuites(ctx.get(), options.suites); !status.ok()) return status;
  if (absl::Status status = UseCertificates(ctx.get(), options.certificate); !status.ok()) return status;
  if (absl::Status status = UseKey(ctx.get(), options.key); !status.ok()) return status;
  return std::shared_ptr<ServerContext>(new ServerContext(std::move(ctx)));
}

}  // namespace sealift::tls
