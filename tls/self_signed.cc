#include "tls/self_signed.h"

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <utility>

#include "tls/error.h"
#include "tls/openssl.h"

namespace sealift::tls {
namespace {

absl::Status Failed(std::string_view what) { return LocalError(absl::StatusCode::kInternal, what); }

bool SetTime(ASN1_TIME* field, absl::Time time) { return ASN1_TIME_set(field, absl::ToTimeT(time)) != nullptr; }

bool AddExtension(X509* certificate, int nid, const std::string& value) {
  using ExtensionPtr = std::unique_ptr<X509_EXTENSION, FreeBy<X509_EXTENSION_free>>;
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// Letters that could end one name and begin another in OpenSSL's extension syntax are refused with everything else that
// is none.
bool IsDnsName(std::string_view name) {
  return !name.empty() &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.*") ==
             std::string_view::npos;
}

absl::StatusOr<std::string> TextOf(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);  // NOLINT(google-runtime-int): OpenSSL's type
  if (size <= 0) return Failed("PEM cannot be written");
  return std::string(bytes, static_cast<size_t>(size));
}

absl::Status Fill(X509* certificate, EVP_PKEY* key, const SelfSigned::Options& options) {
  std::string alternatives;
  for (const std::string& name : options.names) {
    if (!IsDnsName(name)) return absl::InvalidArgumentError("a certificate is asked for something that is no DNS name");
    alternatives += fmt::format("{}DNS:{}", alternatives.empty() ? "" : ",", name);
  }
  const absl::Time now = absl::FromTimeT(std::time(nullptr));
  const absl::Time not_before = options.not_before == absl::InfinitePast() ? now - absl::Hours(1) : options.not_before;
  const absl::Time not_after =
      options.not_after == absl::InfiniteFuture() ? now + absl::Hours(24 * 365) : options.not_after;
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1)
    return Failed("no random serial number");
  // RFC 5280 bounds a common name to 64 characters; a longer name stands among the alternatives only.
  const std::string common_name = options.names.front().substr(0, 64);
  X509_NAME* subject = X509_get_subject_name(certificate);
  const bool filled =
      X509_set_version(certificate, X509_VERSION_3) == 1 &&
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1 &&
      SetTime(X509_getm_notBefore(certificate), not_before) && SetTime(X509_getm_notAfter(certificate), not_after) &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                 reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) == 1 &&
      X509_set_issuer_name(certificate, subject) == 1 && X509_set_pubkey(certificate, key) == 1 &&
      AddExtension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
      AddExtension(certificate, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
      AddExtension(certificate, NID_subject_alt_name, alternatives) && X509_sign(certificate, key, EVP_sha256()) > 0;
  return filled ? absl::OkStatus() : Failed("a certificate cannot be made");
}

}  // namespace

absl::StatusOr<SelfSigned> SelfSigned::Make(const Options& options) {
  if (options.names.empty()) return absl::InvalidArgumentError("a certificate needs at least one name");
  const PrivateKeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return Failed("a P-256 key cannot be made");
  const X509Ptr certificate(X509_new());
  if (certificate == nullptr) return Failed("a certificate cannot be made");
  if (absl::Status status = Fill(certificate.get(), key.get(), options); !status.ok()) return status;

  const BioPtr certificate_pem(BIO_new(BIO_s_mem()));
  const BioPtr key_pem(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509(certificate_pem.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Failed("PEM cannot be written");
  }
  absl::StatusOr<std::string> certificate_text = TextOf(certificate_pem.get());
  if (!certificate_text.ok()) return certificate_text.status();
  absl::StatusOr<std::string> key_text = TextOf(key_pem.get());
  if (!key_text.ok()) return key_text.status();
  return SelfSigned{.certificate = *std::move(certificate_text), .key = *std::move(key_text)};
}

}  // namespace sealift::tls
