#include "engine/message/seven_bit.h"

#include <algorithm>

#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

constexpr size_t kLineBytesMax = 998;  // RFC 5322 2.1.1

}  // namespace

bool HasLongLine(std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (end > kLineBytesMax) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

bool IsSevenBit(std::string_view text) { return IsAscii(text) && !HasLongLine(text); }

}  // namespace sealift::engine
