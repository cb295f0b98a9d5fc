#include "engine/smtp/dot_stuffing.h"

#include <algorithm>
#include <cstdint>

namespace sealift::engine {
namespace {

constexpr size_t kBlock = 1024;

// Whether a line that ends in [begin, end), which another byte follows, has a dot behind it. Written to be vectorised:
// hardly any text has one.
bool HasDotLine(const char* begin, const char* end) {
  uint8_t found = 0;
  for (const char* at = begin; at < end; ++at) found = static_cast<uint8_t>(found | ((at[0] == '\n') & (at[1] == '.')));
  return found != 0;
}

// Where the next line end with a dot behind it is, or npos.
size_t FindDotLine(std::string_view text, size_t from) {
  const char* const last = text.data() + text.size() - 1;
  for (const char* at = text.data() + from; at < last;) {
    const char* const end = std::min(at + kBlock, last);
    if (HasDotLine(at, end)) return text.find("\n.", static_cast<size_t>(at - text.data()));
    at = end;
  }
  return std::string_view::npos;
}

}  // namespace

void DotStuffer::Append(std::string_view chunk, std::string& wire) {
  if (chunk.empty()) return;
  if (at_ == At::kLineStart && chunk.front() == '.') wire += '.';
  size_t done = 0;
  while (true) {
    const size_t found = FindDotLine(chunk, done);
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
