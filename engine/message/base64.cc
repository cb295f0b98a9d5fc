#include "engine/message/base64.h"

#include <absl/strings/escaping.h>

namespace sealift::engine {
namespace {

constexpr size_t kLineBytes = 76;  // RFC 2045 6.8

}  // namespace

std::string Base64Lines(std::string_view bytes) {
  std::string encoded;
  absl::Base64Escape(std::string(bytes), &encoded);
  std::string lines;
  lines.reserve(encoded.size() + encoded.size() / kLineBytes);
  for (size_t i = 0; i < encoded.size(); i += kLineBytes) {
    if (i > 0) lines += '\n';
    lines.append(encoded, i, kLineBytes);
  }
  return lines;
}

bool DecodeBase64(std::string_view text, std::string& decoded) {
  return absl::Base64Unescape(std::string(text), &decoded);
}

}  // namespace sealift::engine
