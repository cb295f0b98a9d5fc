#include "tls/client_context.h"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include "tls/channel.h"
#include "tls/error.h"
#include "tls/sp800_52.h"
#include "tls/version.h"

namespace sealift::tls {
namespace {

// What a file of roots is, whatever it is called.
absl::StatusOr<std::string> DigestOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return absl::NotFoundError(
        fmt::format("cannot read the file of trusted certificates {}: name one of PEM roots that this user may read, "
                    "or none for the "
                    "system's",
                    path));
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
    return LocalError(absl::StatusCode::kInternal, "SHA-256 failed");
  }
  std::string text;
  for (unsigned i = 0; i < size; ++i) fmt::format_to(std::back_inserter(text), "{:02x}", digest[i]);
  return text;
}

}  // namespace

ClientContext::ClientContext(SslCtxPtr ctx, std::string roots, bool fips)
    : ctx_(std::move(ctx)), roots_(std::move(roots)), fips_(fips) {}

absl::StatusOr<std::shared_ptr<ClientContext>> ClientContext::Create(const Options& options) {
  absl::StatusOr<int> version = ParseVersion(options.min_version);
  if (!version.ok()) return version.status();
  if (*version < TLS1_2_VERSION) {
    return absl::InvalidArgumentError(
        fmt::format("TLS {} is no longer to be spoken (RFC 8996); write \"1.2\" or \"1.3\"", options.min_version));
  }
  SslCtxPtr ctx(SSL_CTX_new(TLS_client_method()));
  if (ctx == nullptr) return LocalError(absl::StatusCode::kInternal, "OpenSSL has no TLS client");
  SSL_CTX_set_min_proto_version(ctx.get(), *version);
  int newest = 0;  // whatever the machine's openssl.cnf says
  if (!options.max_version.empty()) {
    const absl::StatusOr<int> max_version = ParseVersion(options.max_version);
    if (!max_version.ok()) return max_version.status();
    newest = *max_version;
  }
  SSL_CTX_set_max_proto_version(ctx.get(), newest);
  if (options.fips) {
    if (absl::Status status = RestrictToSp80052(ctx.get()); !status.ok()) return status;
  }
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  if (SSL_CTX_dane_enable(ctx.get()) != 1) {
    return LocalError(absl::StatusCode::kInternal, "OpenSSL cannot match TLSA records");
  }
  SSL_CTX_sess_set_new_cb(ctx.get(), Channel::KeepSession);

  std::string roots = "system";
  if (options.ca_file.empty()) {
    if (SSL_CTX_set_default_verify_paths(ctx.get()) != 1) {
      return LocalError(absl::StatusCode::kInternal, "the system's trusted certificates cannot be loaded");
    }
  } else {
    absl::StatusOr<std::string> digest = DigestOf(options.ca_file);
    if (!digest.ok()) return digest.status();
    roots = *std::move(digest);
    if (SSL_CTX_load_verify_file(ctx.get(), options.ca_file.c_str()) != 1) {
      return LocalError(absl::StatusCode::kInvalidArgument,
                        fmt::format("{} holds no certificates in PEM form", options.ca_file));
    }
  }
  std::string name =
      fmt::format("{}/{}{}{}", roots, options.min_version, options.max_version, options.fips ? "/fips" : "");
  return std::shared_ptr<ClientContext>(new ClientContext(std::move(ctx), std::move(name), options.fips));
}

}  // namespace sealift::tls
