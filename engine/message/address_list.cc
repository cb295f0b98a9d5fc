#include "engine/message/address_list.h"

#include <algorithm>

#include "engine/message/encoded_word.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

class AddressListParser {
 public:
  explicit AddressListParser(std::deque<std::string>& texts) : texts_(texts) {}

  absl::StatusOr<std::vector<AddressTokens>> Run(const std::vector<MustacheToken>& tokens) {
    for (const MustacheToken& token : tokens) {
      const absl::Status status = token.kind == MustacheToken::Kind::kText ? TakeText(token.text) : TakeTag(token);
      if (!status.ok()) return status;
    }
    if (in_quotes_) return Error("a quote is not closed");
    if (in_angle_) return Error("a < is not closed with >");
    if (comments_ > 0) return Error("a comment is not closed with )");
    if (absl::Status status = Finish(); !status.ok()) return status;
    return std::move(addresses_);
  }

 private:
  using Kind = MustacheToken::Kind;

  static absl::Status Error(std::string_view what) { return absl::InvalidArgumentError(std::string(what)); }

  absl::Status TakeTag(const MustacheToken& token) {
    if (comments_ > 0) return Error("a merge field stands in a comment");
    if (after_angle_) return Error("a merge field stands behind the address: put a comma between two addresses");
    Flush();
    if (token.kind == Kind::kSection || token.kind == Kind::kInverted) ++sections_;
    if (token.kind == Kind::kClose) --sections_;
    if (in_angle_) {
      current_.address.push_back(token);
    } else {
      current_.name.push_back(token);
      bare_.push_back(token);
    }
    return absl::OkStatus();
  }

  absl::Status TakeText(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (comments_ > 0) {
        if (c == '(') ++comments_;
        if (c == ')') --comments_;
        if (c == '\\') ++i;
        continue;
      }
      if (in_quotes_ && c == '\\' && i + 1 < text.size()) {
        ++i;
        Add(text.substr(i, 1), text.substr(i - 1, 2));
        continue;
      }
      if (in_quotes_ && c != '"') {
        Add(text.substr(i, 1), text.substr(i, 1));
        continue;
      }
      if (std::string_view("\"<>(),:;").find(c) == std::string_view::npos) {
        if (after_angle_ && c != ' ') return Error("text stands behind the address: put a comma between two addresses");
        Add(text.substr(i, 1), text.substr(i, 1));
        continue;
      }
      if (sections_ > 0)
        return Error("a section holds a bracket, comma or quote: it may hold only part of a name or an address");
      if (absl::Status status = TakeSpecial(c); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status TakeSpecial(char c) {
    switch (c) {
      case '"':
        if (in_angle_) {
          address_text_ += c;  // of a quoted local part
        } else {
          in_quotes_ = !in_quotes_;
          bare_text_ += c;
        }
        return absl::OkStatus();
      case '(':
        ++comments_;
        return absl::OkStatus();
      case '<':
        if (in_angle_ || after_angle_) return Error("a second < stands before a comma");
        Flush();
        in_angle_ = true;
        return absl::OkStatus();
      case '>':
        if (!in_angle_) return Error("a > stands without <");
        Flush();
        in_angle_ = false;
        after_angle_ = true;
        return absl::OkStatus();
      case ',':
        if (in_angle_) return Error("a comma stands between < and >");
        return Finish();
      default:
        return Error("groups (name: addresses;) are not supported: list the addresses, and quote a name with a colon");
    }
  }

  void Add(std::string_view plain, std::string_view raw) {
    if (in_angle_) {
      address_text_ += raw;
    } else if (!after_angle_) {
      name_text_ += plain;
      bare_text_ += raw;
    }
  }

  // White space around a field is the template's layout.
  static void Trim(std::vector<MustacheToken>& tokens) {
    const auto is_blank = [](const MustacheToken& token) {
      return token.kind == Kind::kText && Trimmed(token.text).empty();
    };
    while (!tokens.empty() && is_blank(tokens.back())) tokens.pop_back();
    tokens.erase(tokens.begin(), std::ranges::find_if_not(tokens, is_blank));
  }

  void FlushOne(std::string& text, std::vector<MustacheToken>& tokens) {
    if (text.empty()) return;
    texts_.push_back(std::move(text));
    tokens.push_back({Kind::kText, texts_.back(), 0});
    text.clear();
  }

  void Flush() {
    if (name_text_.find("=?") != std::string::npos) name_text_ = DecodeEncodedWords(name_text_);
    FlushOne(name_text_, current_.name);
    FlushOne(bare_text_, bare_);
    FlushOne(address_text_, current_.address);
  }

  absl::Status Finish() {
    Flush();
    for (const MustacheToken& token : current_.name) {
      if (token.kind == Kind::kText &&
          (token.text.find("=?") != std::string_view::npos || token.text.find("{{") != std::string_view::npos)) {
        return Error(
            "an encoded word cannot be read or has a merge field in it: write the name in plain UTF-8, it is encoded "
            "when sent");
      }
    }
    if (!after_angle_) {
      current_.name.clear();
      current_.address = bare_;
    }
    Trim(current_.name);
    Trim(current_.address);
    const bool blank = current_.address.empty();
    if (after_angle_ && blank) return Error("nothing stands between < and >");
    if (!blank) addresses_.push_back(std::move(current_));
    current_ = {};
    bare_.clear();
    after_angle_ = false;
    return absl::OkStatus();
  }

  std::deque<std::string>& texts_;
  std::vector<AddressTokens> addresses_;
  AddressTokens current_;
  std::vector<MustacheToken> bare_;
  std::string name_text_, bare_text_, address_text_;
  int sections_ = 0;
  int comments_ = 0;
  bool in_quotes_ = false;
  bool in_angle_ = false;
  bool after_angle_ = false;
};

}  // namespace

absl::StatusOr<std::vector<AddressTokens>> ParseAddressList(const std::vector<MustacheToken>& tokens,
                                                            std::deque<std::string>& texts) {
  return AddressListParser(texts).Run(tokens);
}

}  // namespace sealift::engine
