#pragma once

#include <string>
#include <string_view>

namespace sealift::engine {

// DotStuffer makes a message what DATA carries: every dot that begins a line is doubled, and a lone dot ends it (RFC
// 5321 4.5.2). Dots are noticed across the chunks a message arrives in.
//
// The message must have CRLF line ends only; templates do by construction. Nothing here repairs a bare CR or LF.
//
// Owned by:  whoever writes one message.
// Threads:   one.
// Errors:    none.
class DotStuffer {
 public:
  // Appends `chunk` to `wire`.
  void Append(std::string_view chunk, std::string& wire);

  // Ends the last line if the message did not, then appends the terminator.
  void Finish(std::string& wire);

 private:
  enum class At { kLineStart, kAfterCr, kInLine };
  At at_ = At::kLineStart;
};

// A whole message with its terminator. Appends `message` as one piece when no line of it begins with a dot.
void AppendDotStuffed(std::string_view message, std::string& wire);

// The message that DATA carried as `wire`, its terminator included.
void AppendUnstuffed(std::string_view wire, std::string& message);

}  // namespace sealift::engine
