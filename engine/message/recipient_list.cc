#include "engine/message/recipient_list.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

class RecipientListParser {
 public:
  explicit RecipientListParser(std::vector<Mailbox>& recipients) : recipients_(recipients) {}

  absl::Status Run(std::string_view value) {
    for (size_t i = 0; i < value.size(); ++i) {
      const char c = value[i];
      if (comments_ > 0) {
        if (c == '\\') ++i;
        if (c == '(') ++comments_;
        if (c == ')') --comments_;
        continue;
      }
      if (in_quotes_) {
        text() += c;
        if (c == '\\' && i + 1 < value.size()) text() += value[++i];
        if (c == '"') in_quotes_ = false;
        continue;
      }
      if (absl::Status status = Take(c); !status.ok()) return status;
    }
    if (in_quotes_) return Error("a quote is not closed");
    if (comments_ > 0) return Error("a comment is not closed with )");
    if (at_ == At::kAngle) return Error("a < is not closed with >");
    if (in_group_) return Error("a group is not closed with ;");
    return EndMailbox();
  }

 private:
  enum class At { kBare, kAngle, kBehind };

  static absl::Status Error(std::string_view what) { return absl::InvalidArgumentError(std::string(what)); }

  // What belongs to an address, or may: a bare one is a name until it ends without a bracket.
  std::string& text() { return at_ == At::kAngle ? angle_ : bare_; }

  absl::Status Take(char c) {
    switch (c) {
      case '(':
        ++comments_;
        return absl::OkStatus();
      case ' ':
      case '\t':
      case '\r':
      case '\n':
        if (at_ == At::kBare) bare_ += ' ';
        return absl::OkStatus();
      case '<':
        if (at_ != At::kBare) return Error("a second < stands before a comma");
        at_ = At::kAngle;
        return absl::OkStatus();
      case '>':
        if (at_ != At::kAngle) return Error("a > stands without <");
        at_ = At::kBehind;
        return absl::OkStatus();
      case ',':
        if (at_ == At::kAngle) return Error("a comma stands between < and >");
        return EndMailbox();
      case ':':
        if (at_ != At::kBare || in_group_) return Error("a colon stands where no group can begin");
        in_group_ = true;
        bare_.clear();
        return absl::OkStatus();
      case ';':
        if (at_ == At::kAngle || !in_group_) return Error("a semicolon stands where no group ends");
        in_group_ = false;
        return EndMailbox();
      default:
        break;
    }
    if (at_ == At::kBehind) return Error("text stands behind an address: a comma is missing");
    if (c == '"') in_quotes_ = true;
    text() += c;
    return absl::OkStatus();
  }

  absl::Status EndMailbox() {
    const bool named = std::exchange(at_, At::kBare) == At::kBehind;
    const std::string bare = std::exchange(bare_, {}), angle = std::exchange(angle_, {});
    const std::string_view address = named ? std::string_view(angle) : Trimmed(bare);
    if (address.empty() && !named) return absl::OkStatus();  // nothing between two commas, or in a group
    ++count_;
    Mailbox mailbox;
    if (absl::Status status = ParseMailbox(address, mailbox); !status.ok()) {
      return Error(fmt::format("address {} cannot be used: {}", count_, std::string(status.message())));
    }
    recipients_.push_back(std::move(mailbox));
    return absl::OkStatus();
  }

  std::vector<Mailbox>& recipients_;
  std::string bare_, angle_;
  At at_ = At::kBare;
  int count_ = 0;
  int comments_ = 0;
  bool in_quotes_ = false;
  bool in_group_ = false;
};

}  // namespace

absl::Status ParseRecipientList(std::string_view value, std::vector<Mailbox>& recipients) {
  return RecipientListParser(recipients).Run(value);
}

}  // namespace sealift::engine
