#include "engine/message/dkim_canonical.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

constexpr size_t kBlock = 1024;

// Fetched once: to look it up by name costs more than to hash a header.
const EVP_MD* Sha256Digest() {
  static const EVP_MD* const digest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return digest;
}

class Hasher {
 public:
  Hasher() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    EVP_DigestInit_ex2(context_.get(), Sha256Digest(), nullptr);
  }
  void Add(std::string_view bytes) {
    if (!bytes.empty()) EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  }
  Sha256 Finish() {
    Sha256 hash;
    EVP_DigestFinal_ex(context_.get(), hash.data(), nullptr);
    return hash;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

constexpr bool IsBlank(char c) { return c == ' ' || c == '\t'; }
constexpr bool IsText(char c) { return !IsBlank(c) && c != '\r' && c != '\n'; }

// Whether relaxing would change something in [begin, end), which another byte follows. Written to be vectorised: most
// text needs no change, and this is then all that it costs beside the hash.
bool NeedsRelaxing(const char* begin, const char* end) {
  uint8_t found = 0;
  for (const char* at = begin; at < end; ++at) {
    const char next = at[1];
    const bool before_blank = (next == ' ') | (next == '\t') | (next == '\r');
    found = static_cast<uint8_t>(found | ((*at == '\t') | ((*at == ' ') & before_blank)));
  }
  return found != 0;
}

}  // namespace

Sha256 HashOf(std::string_view bytes) {
  Sha256 hash;
  EVP_Digest(bytes.data(), bytes.size(), hash.data(), nullptr, Sha256Digest(), nullptr);
  return hash;
}

Sha256 HashRelaxedBody(std::string_view body) {
  Hasher hasher;
  // White space at the ends of lines goes, and then the empty lines at the end: together all of both.
  while (!body.empty() && (IsBlank(body.back()) || body.back() == '\r' || body.back() == '\n')) body.remove_suffix(1);
  if (body.empty()) return hasher.Finish();
  const char* const last = body.data() + body.size() - 1;  // no white space: every blank has a byte after it
  const char* plain = body.data();                         // what is hashed as it stands begins here
  std::array<char, kBlock> relaxed;
  for (const char* at = plain; at < last;) {
    const char* const end = std::min(at + kBlock, last);
    if (!NeedsRelaxing(at, end)) {
      at = end;
      continue;
    }
    hasher.Add({plain, at});
    size_t size = 0;
    while (at < end) {
      if (!IsBlank(*at)) {
        relaxed[size++] = *at++;
        continue;
      }
      while (IsBlank(*at)) ++at;  // to `last` at most
      if (*at != '\r') relaxed[size++] = ' ';
    }
    hasher.Add({relaxed.data(), size});
    plain = at;
  }
  hasher.Add({plain, last + 1});
  hasher.Add("\r\n");
  return hasher.Finish();
}

RelaxedBodyHasher::RelaxedBodyHasher() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex2(context_.get(), Sha256Digest(), nullptr);
}

void RelaxedBodyHasher::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

void RelaxedBodyHasher::Add(std::string_view piece) {
  const auto flush = [this](size_t at_least) {
    if (relaxed_.size() < at_least) return;
    EVP_DigestUpdate(context_.get(), relaxed_.data(), relaxed_.size());
    relaxed_.clear();
  };
  for (const char c : piece) {
    if (IsBlank(c)) {
      blank_ = true;
    } else if (c == '\n') {
      blank_ = false;
      ++line_ends_;
    } else if (c != '\r') {
      for (; line_ends_ > 0; --line_ends_) {
        relaxed_ += "\r\n";
        flush(kBlock);
      }
      if (std::exchange(blank_, false)) relaxed_ += ' ';
      relaxed_ += c;
      any_ = true;
      flush(kBlock);
    }
  }
}

Sha256 RelaxedBodyHasher::Finish() {
  if (any_) relaxed_ += "\r\n";
  EVP_DigestUpdate(context_.get(), relaxed_.data(), relaxed_.size());
  Sha256 hash;
  EVP_DigestFinal_ex(context_.get(), hash.data(), nullptr);
  return hash;
}

void AppendRelaxedField(std::string_view field, std::string& out) {
  const size_t colon = field.find(':');
  for (const char c : Trimmed(field.substr(0, colon))) out += LowerCase(c);
  out += ':';
  std::string_view value = colon == std::string_view::npos ? std::string_view() : Trimmed(field.substr(colon + 1));
  while (!value.empty()) {
    size_t end = 0;
    while (end < value.size() && IsText(value[end])) ++end;
    out += value.substr(0, end);
    value.remove_prefix(end);
    bool blank = false;
    size_t space = 0;  // that is no text; of a fold, the white space after it stays
    for (; space < value.size() && !IsText(value[space]); ++space) blank |= IsBlank(value[space]);
    if (blank) out += ' ';
    value.remove_prefix(space);
  }
  out += "\r\n";
}

}  // namespace sealift::engine
