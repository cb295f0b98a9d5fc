#include "engine/tls_report/tls_failure.h"

#include <algorithm>
#include <array>

namespace sealift::engine {
namespace {

constexpr std::array<std::string_view, kTlsFailures> kWords = {"starttls-not-supported", "certificate-host-mismatch",
                                                               "certificate-expired",    "certificate-not-trusted",
                                                               "validation-failure",     "tlsa-invalid",
                                                               "dnssec-invalid",         "dane-required",
                                                               "sts-policy-fetch-error", "sts-policy-invalid",
                                                               "sts-webpki-invalid"};

}  // namespace

std::string_view ToString(TlsFailure failure) { return kWords[static_cast<size_t>(failure)]; }

std::optional<TlsFailure> ParseTlsFailure(std::string_view word) {
  const auto* const found = std::ranges::find(kWords, word);
  if (found == kWords.end()) return std::nullopt;
  return static_cast<TlsFailure>(found - kWords.begin());
}

}  // namespace sealift::engine
