#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::engine {

// Messages as a load request carries them, in frames of up to `frame_bytes`.
inline std::string Framed(const std::vector<std::string>& messages, size_t frame_bytes = 1000) {
  std::string frames;
  const auto put_length = [&frames](uint32_t length) {
    for (int shift = 24; shift >= 0; shift -= 8) frames += static_cast<char>(length >> shift);
  };
  for (std::string_view message : messages) {
    while (!message.empty()) {
      const std::string_view frame = message.substr(0, frame_bytes);
      put_length(static_cast<uint32_t>(frame.size()));
      frames += frame;
      message.remove_prefix(frame.size());
    }
    put_length(0);
  }
  return frames;
}

}  // namespace sealift::engine
