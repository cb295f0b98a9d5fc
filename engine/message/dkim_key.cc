#include "engine/message/dkim_key.h"

#include <absl/strings/escaping.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>

namespace sealift::engine {
namespace {

using ContextPtr = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

// OpenSSL's reasons may quote what it was given, so none is passed on.
absl::Status Failed(const char* what) {
  ERR_clear_error();
  return absl::InternalError(what);
}

std::string Base64(const unsigned char* bytes, size_t size) {
  std::string text;
  absl::Base64Escape(std::string(reinterpret_cast<const char*>(bytes), size), &text);
  return text;
}

// In place of OpenSSL's own, which would ask on the terminal.
int NoPassphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

// An Ed25519 key's public half is computed from the private one; an RSA key's file holds both.
bool BelongTogether(EVP_PKEY* key, const DkimKey& parsed) {
  if (parsed.algorithm() != DkimAlgorithm::kRsaSha256) return true;
  const Sha256 hash{};
  const absl::StatusOr<std::string> signature = parsed.Sign(hash);
  const ContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr), &EVP_PKEY_CTX_free);
  const bool verified = signature.ok() && context != nullptr && EVP_PKEY_verify_init(context.get()) == 1 &&
                        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
                        EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1 &&
                        EVP_PKEY_verify(context.get(), reinterpret_cast<const unsigned char*>(signature->data()),
                                        signature->size(), hash.data(), hash.size()) == 1;
  ERR_clear_error();
  return verified;
}

}  // namespace

std::string_view ToString(DkimAlgorithm algorithm) {
  return algorithm == DkimAlgorithm::kRsaSha256 ? "rsa-sha256" : "ed25519-sha256";
}

std::string_view KeyType(DkimAlgorithm algorithm) { return algorithm == DkimAlgorithm::kRsaSha256 ? "rsa" : "ed25519"; }

absl::StatusOr<DkimKey> DkimKey::Parse(std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free_all);
  if (bio == nullptr) return Failed("no memory for a key");
  bool asked = false;
  std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassphrase, &asked), &EVP_PKEY_free);
  ERR_clear_error();
  if (asked) {
    return absl::InvalidArgumentError(
        "holds a key under a passphrase, which nobody is there to type; remove it: "
        "openssl pkey -in FILE -out NEW_FILE");
  }
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        "holds no private key in PEM (a block that begins with -----BEGIN PRIVATE "
        "KEY-----)");
  }
  absl::StatusOr<DkimKey> parsed = Of(key);
  if (parsed.ok() && !BelongTogether(key.get(), *parsed)) {
    return absl::InvalidArgumentError(
        "holds a key whose private and public half do not belong together: it is damaged");
  }
  return parsed;
}

absl::StatusOr<DkimKey> DkimKey::Generate(DkimAlgorithm algorithm, int bits) {
  EVP_PKEY* const key = algorithm == DkimAlgorithm::kRsaSha256
                            ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<size_t>(bits))
                            : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  if (key == nullptr) return Failed("no key could be made");
  return Of(std::shared_ptr<EVP_PKEY>(key, &EVP_PKEY_free));
}

absl::StatusOr<DkimKey> DkimKey::Of(std::shared_ptr<evp_pkey_st> key) {
  switch (EVP_PKEY_get_base_id(key.get())) {
    case EVP_PKEY_RSA: {
      unsigned char* der = nullptr;
      const int size = i2d_PUBKEY(key.get(), &der);
      if (size <= 0) return Failed("the public half of the key cannot be written");
      std::string text = Base64(der, static_cast<size_t>(size));
      OPENSSL_free(der);
      const std::shared_ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr),
                                                  &EVP_PKEY_CTX_free);
      if (context == nullptr || EVP_PKEY_sign_init(context.get()) != 1 ||
          EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
          EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1) {
        return Failed("the key cannot be made ready to sign");
      }
      DkimKey ready(std::move(key), DkimAlgorithm::kRsaSha256, std::move(text));
      ready.context_ = context;
      ready.together_ = RsaMultiBuffer::Of(*ready.key_);
      return ready;
    }
    case EVP_PKEY_ED25519: {
      std::array<unsigned char, 32> raw{};
      size_t size = raw.size();
      if (EVP_PKEY_get_raw_public_key(key.get(), raw.data(), &size) != 1) {
        return Failed("the public half of the key cannot be written");
      }
      DkimKey ready(std::move(key), DkimAlgorithm::kEd25519Sha256, Base64(raw.data(), size));
      ready.ed25519_ = Ed25519Key::Of(*ready.key_);
      return ready;
    }
    default:
      return absl::InvalidArgumentError("holds a key that is neither RSA nor Ed25519, the two that DKIM knows");
  }
}

int DkimKey::bits() const { return EVP_PKEY_get_bits(key_.get()); }

absl::StatusOr<std::string> DkimKey::ToPem() const {
  const BioPtr bio(BIO_new(BIO_s_secmem()), &BIO_free_all);
  if (bio == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Failed("the key cannot be written as PEM");
  }
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return std::string(bytes, static_cast<size_t>(size));
}

absl::StatusOr<std::string> DkimKey::Sign(const Sha256& hash) const {
  if (ed25519_ != nullptr) return ed25519_->Sign(hash);
  std::string signature(static_cast<size_t>(EVP_PKEY_get_size(key_.get())), '\0');
  size_t size = signature.size();
  auto* const out = reinterpret_cast<unsigned char*>(signature.data());
  bool signed_it = false;
  if (algorithm_ == DkimAlgorithm::kRsaSha256) {
    const ContextPtr context(EVP_PKEY_CTX_dup(context_.get()), &EVP_PKEY_CTX_free);
    signed_it = context != nullptr && EVP_PKEY_sign(context.get(), out, &size, hash.data(), hash.size()) == 1;
  } else {
    const DigestContextPtr context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    signed_it = context != nullptr && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
                EVP_DigestSign(context.get(), out, &size, hash.data(), hash.size()) == 1;
  }
  if (!signed_it) return Failed("OpenSSL could not sign");
  signature.resize(size);
  return signature;
}

void DkimKey::Sign(absl::Span<const Sha256> hashes, absl::Span<std::string> signatures, Pause pause) const {
  for (std::string& signature : signatures) signature.clear();
  for (size_t at = 0; together_ != nullptr && hashes.size() - at >= RsaMultiBuffer::kWorthwhile;) {
    const size_t count = std::min(hashes.size() - at, RsaMultiBuffer::kTogether);
    together_->Sign(hashes.subspan(at, count), signatures.subspan(at, count), pause);
    at += count;
  }
  for (size_t i = 0; i < hashes.size(); ++i) {
    if (signatures[i].empty()) signatures[i] = Sign(hashes[i]).value_or(std::string());
  }
}

}  // namespace sealift::engine
