#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sealift::tools {

// MessageFrames is finished messages as a load request carries them (engine/finished_loader.h): each as frames of a
// length and so many bytes, and a length of zero. How they are cut depends on the bytes of the messages alone, so that
// a load that is given again is the same input.
//
// Owned by:  a command. Threads: one.
class MessageFrames {
 public:
  static constexpr size_t kFrameBytes = 64 << 10;

  void Add(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::string_view taken = bytes.substr(0, kFrameBytes - frame_.size());
      frame_ += taken;
      bytes.remove_prefix(taken.size());
      if (frame_.size() == kFrameBytes) EndFrame();
    }
  }

  void EndMessage() {
    if (!frame_.empty()) EndFrame();
    PutLength(0);
  }

  // What can be sent; whoever sends it takes it out.
  std::string& ready() { return ready_; }

 private:
  void EndFrame() {
    PutLength(static_cast<uint32_t>(frame_.size()));
    ready_ += frame_;
    frame_.clear();
  }

  void PutLength(uint32_t length) {
    for (int shift = 24; shift >= 0; shift -= 8) ready_ += static_cast<char>(length >> shift);
  }

  std::string frame_, ready_;
};

}  // namespace sealift::tools
