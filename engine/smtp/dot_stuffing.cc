#include "engine/smtp/dot_stuffing.h"

namespace sealift::engine {

void DotStuffer::Append(std::string_view chunk, std::string& wire) {
  if (chunk.empty()) return;
  if (at_ == At::kLineStart && chunk.front() == '.') wire += '.';
  size_t done = 0;
  while (true) {
    const size_t found = chunk.find("\n.", done);
    if (found == std::string_view::npos) break;
    wire.append(chunk, done, found + 1 - done);
    wire += '.';
    done = found + 1;
  }
  wire.append(chunk, done);
  const bool after_cr = chunk.size() > 1 ? chunk[chunk.size() - 2] == '\r' : at_ == At::kAfterCr;
  if (chunk.back() == '\n' && after_cr) {
    at_ = At::kLineStart;
  } else {
    at_ = chunk.back() == '\r' ? At::kAfterCr : At::kInLine;
  }
}

void DotStuffer::Finish(std::string& wire) {
  if (at_ != At::kLineStart) wire += at_ == At::kAfterCr ? "\n" : "\r\n";
  wire += ".\r\n";
  at_ = At::kLineStart;
}

void AppendDotStuffed(std::string_view message, std::string& wire) {
  wire.reserve(wire.size() + message.size() + 16);
  DotStuffer stuffer;
  stuffer.Append(message, wire);
  stuffer.Finish(wire);
}

void AppendUnstuffed(std::string_view wire, std::string& message) {
  while (!wire.empty() && wire != ".\r\n") {
    const size_t end = wire.find("\r\n");
    const size_t size = end == std::string_view::npos ? wire.size() : end + 2;
    const std::string_view line = wire.substr(0, size);
    message += line.substr(line.starts_with('.') ? 1 : 0);
    wire.remove_prefix(size);
  }
}

}  // namespace sealift::engine
