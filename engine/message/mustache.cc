#include "engine/message/mustache.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/message/template_error.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

constexpr size_t kSectionsMax = 32;
constexpr std::string_view kOpen = "{{";
constexpr std::string_view kWhite = " \t\n";

bool IsBlank(std::string_view text) { return text.find_first_not_of(" \t") == std::string_view::npos; }

class Tokenizer {
 public:
  Tokenizer(const SourceText& source, bool standalone) : source_(source), text_(source.text), standalone_(standalone) {}

  absl::StatusOr<std::vector<MustacheToken>> Run() {
    while (true) {
      const size_t open = text_.find(open_, done_);
      if (open == std::string_view::npos) break;
      if (absl::Status status = TakeTag(open); !status.ok()) return status;
    }
    AddText(text_.size());
    if (!sections_.empty()) {
      return TemplateError(
          sections_.back().line,
          fmt::format("the section {{{{#{0}}}}} is not closed in this part: add {{{{/{0}}}}}", sections_.back().name));
    }
    return std::move(tokens_);
  }

 private:
  using Kind = MustacheToken::Kind;

  void AddText(size_t end) {
    if (end > done_) tokens_.push_back({Kind::kText, text_.substr(done_, end - done_), line_});
    done_ = std::max(done_, end);
  }

  // Tags are met in order: each line end is counted once.
  int LineOf(size_t offset) {
    const std::string_view passed = text_.substr(counted_, offset - counted_);
    lines_before_ += static_cast<size_t>(std::count(passed.begin(), passed.end(), '\n'));
    counted_ = offset;
    return source_.LineNumber(lines_before_);
  }

  absl::Status TakeTag(size_t open) {
    line_ = LineOf(open);
    const int line = line_;
    const std::string_view behind = text_.substr(open + open_.size());
    if (behind.starts_with('=')) return TakeDelimiters(open);
    const bool triple = open_ == kOpen && behind.starts_with('{');
    const std::string closing = triple ? "}}}" : close_;
    const size_t inside = open + open_.size() + (triple ? 1 : 0);
    const size_t close = text_.find(closing, inside);
    if (close == std::string_view::npos) {
      return TemplateError(
          line, fmt::format("a tag begins with {} and is not closed with {}", triple ? "{{{" : open_, closing));
    }
    const size_t end = close + closing.size();
    std::string_view name = text_.substr(inside, close - inside);
    const char sign = triple || name.empty() ? '\0' : name.front();
    if (sign == '>') {
      return TemplateError(line, "partials ({{>name}}) are not supported: write the text in the template itself");
    }
    if (sign == '!') {
      TakeSilent(open, end);
      return absl::OkStatus();
    }
    const bool signed_tag = sign == '#' || sign == '^' || sign == '/' || sign == '&';
    if (signed_tag) name.remove_prefix(1);
    name = Trimmed(name);
    if (name.empty()) return TemplateError(line, "a tag without a name: write {{name}} with a column's name");
    if (name.find_first_of("\n{}") != std::string_view::npos || name.find(open_) != std::string_view::npos) {
      return TemplateError(line, "a tag's name has a brace or a line end in it: is an earlier tag not closed?");
    }
    switch (sign) {
      case '#':
      case '^':
        TakeSilent(open, end);
        if (sections_.size() == kSectionsMax) {
          return TemplateError(line, fmt::format("more than {} sections are within each other", kSectionsMax));
        }
        AddName(sign == '#' ? Kind::kSection : Kind::kInverted, name, line);
        sections_.push_back({tokens_.back().text, line, sign == '^'});
        return absl::OkStatus();
      case '/':
        return TakeClose(open, end, name, line);
      default:
        AddText(open);
        done_ = end;
        AddName(triple || sign == '&' ? Kind::kRawValue : Kind::kValue, name, line);
        return absl::OkStatus();
    }
  }

  // {{=<% %>=}}: what begins and ends a tag from here to the end of the text.
  absl::Status TakeDelimiters(size_t open) {
    static constexpr std::string_view kHow =
        "the delimiters are changed by two words between equals signs, without white space and equals signs in them: "
        "{{=<% %>=}}";
    const size_t inside = open + open_.size() + 1;
    const size_t close = text_.find('=' + close_, inside);
    if (close == std::string_view::npos) return TemplateError(line_, kHow);
    const std::string_view words = Trimmed(text_.substr(inside, close - inside));
    const std::string_view first = words.substr(0, words.find_first_of(kWhite));
    const std::string_view second = Trimmed(words.substr(first.size()));
    if (second.empty() || second.find_first_of(kWhite) != std::string_view::npos ||
        words.find('=') != std::string_view::npos) {
      return TemplateError(line_, kHow);
    }
    TakeSilent(open, close + 1 + close_.size());
    open_ = first;
    close_ = second;
    return absl::OkStatus();
  }

  absl::Status TakeClose(size_t open, size_t end, std::string_view name, int line) {
    if (sections_.empty())
      return TemplateError(line, fmt::format("{{{{/{}}}}} closes a section that was not opened here", name));
    const Section section = sections_.back();
    if (name != section.name && name != ".") {
      return TemplateError(line, fmt::format("{{{{/{}}}}} stands where {{{{/{}}}}} must close the section of line {}",
                                             name, section.name, section.line));
    }
    TakeSilent(open, end);
    sections_.pop_back();
    tokens_.push_back({Kind::kClose, section.name, line});
    return absl::OkStatus();
  }

  void AddName(Kind kind, std::string_view name, int line) {
    MustacheToken& token = tokens_.emplace_back(kind, name, line);
    if (name != "." || sections_.empty()) return;
    const auto section = std::ranges::find(sections_.rbegin(), sections_.rend(), false, &Section::inverted);
    token.text = section == sections_.rend() ? sections_.back().name : section->name;
    token.is_item = section != sections_.rend();
  }

  // A tag that leaves nothing takes its line along when it is alone there.
  void TakeSilent(size_t open, size_t end) {
    if (standalone_) {
      const size_t before = open == 0 ? std::string_view::npos : text_.rfind('\n', open - 1);
      const size_t line_begin = before == std::string_view::npos ? 0 : before + 1;
      const size_t line_end = std::min(text_.find('\n', end), text_.size());
      if (line_begin >= done_ && IsBlank(text_.substr(line_begin, open - line_begin)) &&
          IsBlank(text_.substr(end, line_end - end))) {
        AddText(line_begin);
        done_ = std::min(line_end + 1, text_.size());
        return;
      }
    }
    AddText(open);
    done_ = end;
  }

  struct Section {
    std::string_view name;
    int line;
    bool inverted;
  };

  const SourceText& source_;
  const std::string_view text_;
  const bool standalone_;
  std::string open_ = std::string(kOpen);
  std::string close_ = "}}";
  size_t done_ = 0;
  size_t counted_ = 0;
  size_t lines_before_ = 0;
  int line_ = 1;
  std::vector<MustacheToken> tokens_;
  std::vector<Section> sections_;
};

}  // namespace

int SourceText::LineNumber(size_t index) const {
  if (lines.empty()) return line + static_cast<int>(index);
  return lines[std::min(index, lines.size() - 1)];
}

absl::StatusOr<std::vector<MustacheToken>> ParseMustache(const SourceText& source, bool standalone) {
  return Tokenizer(source, standalone).Run();
}

}  // namespace sealift::engine
