#include "tools/sealift/mbox_splitter.h"

#include <utility>

namespace sealift::tools {

absl::Status MboxSplitter::Add(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view line = bytes.substr(0, end == std::string_view::npos ? end : end + 1);
    bytes.remove_prefix(line.size());
    if (in_line_) {
      frames_.Add(line);
      in_line_ = end == std::string_view::npos;
      continue;
    }
    if (end != std::string_view::npos && partial_.empty()) {
      if (absl::Status taken = TakeLine(line); !taken.ok()) return taken;
      continue;
    }
    partial_ += line;
    if (end == std::string_view::npos && partial_.size() < kLineBytesMax) continue;
    in_line_ = end == std::string_view::npos;
    if (absl::Status taken = TakeLine(std::exchange(partial_, {})); !taken.ok()) return taken;
  }
  return absl::OkStatus();
}

absl::Status MboxSplitter::Finish() {
  if (!partial_.empty()) {
    if (absl::Status taken = TakeLine(std::exchange(partial_, {})); !taken.ok()) return taken;
  }
  if (messages_ > 0) frames_.EndMessage();
  return absl::OkStatus();
}

absl::Status MboxSplitter::TakeLine(std::string_view line) {
  if (line.starts_with("From ")) {
    if (messages_ > 0) frames_.EndMessage();
    ++messages_;
    empty_line_.clear();
    return absl::OkStatus();
  }
  if (messages_ == 0) return absl::InvalidArgumentError("its first line does not begin with \"From \"");
  frames_.Add(std::exchange(empty_line_, {}));
  if (line == "\n" || line == "\r\n") {
    empty_line_ = line;
    return absl::OkStatus();
  }
  const size_t quotes = line.find_first_not_of('>');
  if (quotes != 0 && quotes != std::string_view::npos && line.substr(quotes).starts_with("From ")) {
    line.remove_prefix(1);
  }
  frames_.Add(line);
  return absl::OkStatus();
}

}  // namespace sealift::tools
