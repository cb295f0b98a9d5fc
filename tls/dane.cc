#include "tls/dane.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "tls/openssl.h"

namespace sealift::tls {
namespace {

constexpr uint8_t kTrustAnchor = 2;  // DANE-TA
constexpr uint8_t kEndEntity = 3;    // DANE-EE

}  // namespace

std::vector<TlsaRecord> UsableRecords(const ClientContext& context, std::span<const TlsaRecord> records) {
  std::vector<TlsaRecord> usable;
  // The records are added to a connection that is never made, because only that tells whether they can be.
  const SslPtr ssl(SSL_new(context.ssl_ctx()));
  if (ssl == nullptr || SSL_dane_enable(ssl.get(), "usable.invalid") != 1) return usable;
  for (const TlsaRecord& record : records) {
    if (record.usage != kTrustAnchor && record.usage != kEndEntity) continue;
    const int added = SSL_dane_tlsa_add(ssl.get(), record.usage, record.selector, record.matching, record.data.data(),
                                        record.data.size());
    if (added == 1) usable.push_back(record);
  }
  ERR_clear_error();
  return usable;
}

std::string DigestOf(std::span<const TlsaRecord> records) {
  std::vector<std::string> lines;
  for (const TlsaRecord& record : records) {
    lines.push_back(
        fmt::format("{} {} {} {:02x}", record.usage, record.selector, record.matching, fmt::join(record.data, "")));
  }
  std::ranges::sort(lines);
  const std::string text = fmt::format("{}", fmt::join(lines, "\n"));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) return text;
  return fmt::format("{:02x}", fmt::join(digest.begin(), digest.begin() + size, ""));
}

}  // namespace sealift::tls
