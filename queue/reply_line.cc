#include "queue/reply_line.h"

#include <fmt/format.h>

namespace sealift::queue {

std::string ReplyLine(int code, std::string_view enhanced, std::string_view text) {
  if (code == 0) return std::string(text);
  return fmt::format("{} {}{}{}", code, enhanced, enhanced.empty() ? "" : " ", text);
}

}  // namespace sealift::queue
