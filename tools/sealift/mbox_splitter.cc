#include "tools/sealift/mbox_splitter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace sealift::tools {
namespace {

constexpr std::string_view kFrom = "From ";
constexpr size_t kFromLineBytesMax = 998;
constexpr std::string_view kDays = "Mon Tue Wed Thu Fri Sat Sun";
constexpr std::string_view kMonths = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";

enum class FromLine {
  kNone,
  kDated,
  kAddress,  // a sender's address, and nothing behind it
};

// Whether `word` is one of those in `names`, which have three letters each.
bool IsNameOf(std::string_view word, std::string_view names) {
  const size_t at = word.size() == 3 ? names.find(word) : std::string_view::npos;
  return at != std::string_view::npos && at % 4 == 0;
}

bool IsDigits(std::string_view word, size_t min, size_t max) {
  return word.size() >= min && word.size() <= max &&
         std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
}

// hh:mm or hh:mm:ss
bool IsTime(std::string_view word) {
  return (word.size() == 5 || word.size() == 8) && IsDigits(word.substr(0, 2), 2, 2) && word[2] == ':' &&
         IsDigits(word.substr(3, 2), 2, 2) && (word.size() == 5 || (word[5] == ':' && IsDigits(word.substr(6), 2, 2)));
}

FromLine ReadFromLine(std::string_view line) {
  if (!line.starts_with(kFrom) || line.size() > kFromLineBytesMax) return FromLine::kNone;
  std::array<std::string_view, 16> words;
  size_t count = 0;
  for (std::string_view rest = line.substr(kFrom.size()); count < words.size();) {
    const size_t begin = rest.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) break;
    rest.remove_prefix(begin);
    words[count] = rest.substr(0, rest.find_first_of(" \t\r\n"));
    rest.remove_prefix(words[count++].size());
  }
  // Mon Jan 1 00:00:00 2024; a zone may stand before the year or behind it.
  for (size_t i = 0; i + 4 < count; ++i) {
    if (IsNameOf(words[i], kDays) && IsNameOf(words[i + 1], kMonths) && IsDigits(words[i + 2], 1, 2) &&
        IsTime(words[i + 3]) && (IsDigits(words[i + 4], 4, 4) || (i + 5 < count && IsDigits(words[i + 5], 4, 4)))) {
      return FromLine::kDated;
    }
  }
  return count == 1 && words[0].find('@') != std::string_view::npos ? FromLine::kAddress : FromLine::kNone;
}

}  // namespace

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
  ++lines_;
  const FromLine from = ReadFromLine(line);
  if (messages_ == 0 && from == FromLine::kNone) {
    return absl::InvalidArgumentError(
        "its first line is no From_ line, such as \"From sender@example.com Mon Jan  1 00:00:00 2024\"");
  }
  const bool apart = messages_ == 0 || !empty_line_.empty();
  if (from == FromLine::kDated && !apart) {
    return absl::InvalidArgumentError(fmt::format(
        "line {} looks like the begin of a message, and no empty line stands before it: write an empty line "
        "before it if it is one, or \">\" in front of it if it is text",
        lines_));
  }
  if (from != FromLine::kNone && apart) {
    if (messages_ > 0) frames_.EndMessage();
    ++messages_;
    empty_line_.clear();
    return absl::OkStatus();
  }
  frames_.Add(std::exchange(empty_line_, {}));
  if (line == "\n" || line == "\r\n") {
    empty_line_ = line;
    return absl::OkStatus();
  }
  const size_t quotes = line.find_first_not_of('>');
  if (quotes != 0 && quotes != std::string_view::npos && line.substr(quotes).starts_with(kFrom)) {
    line.remove_prefix(1);
  }
  frames_.Add(line);
  return absl::OkStatus();
}

}  // namespace sealift::tools
