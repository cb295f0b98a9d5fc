#include "queue/base32.h"

#include <cstdint>

namespace sealift::queue {

void AppendBase32(std::string_view bytes, std::string* out) {
  uint32_t bits = 0;
  int held = 0;
  for (const char byte : bytes) {
    bits = bits << 8 | static_cast<uint8_t>(byte);
    held += 8;
    for (; held >= 5; held -= 5) out->push_back(kBase32Alphabet[bits >> (held - 5) & 31]);
  }
  if (held > 0) out->push_back(kBase32Alphabet[bits << (5 - held) & 31]);
}

}  // namespace sealift::queue
