#pragma once

#include <string>
#include <string_view>

namespace sealift::queue {

// A reply as it came, on one line: "550 5.7.129 Access denied". Its parts are kept apart. Without a code it is no
// server's, and the text is all of it.
std::string ReplyLine(int code, std::string_view enhanced, std::string_view text);

}  // namespace sealift::queue
