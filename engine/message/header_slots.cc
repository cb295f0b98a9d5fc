#include "engine/message/header_slots.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/message/encoded_word.h"
#include "engine/message/percent_encoding.h"
#include "engine/message/row_error.h"
#include "engine/smtp/mailbox.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

// Longer ones are no subject and no name. With them every line stays under 998 bytes whatever is quoted or encoded.
constexpr size_t kTextBytesMax = 900;
constexpr size_t kNameBytesMax = 400;
constexpr size_t kAddressBytesMax = 320;

absl::Status BadValue(const Slot& slot, const HeaderSlots& header, std::string_view what) {
  return RowError(slot.name, fmt::format("{} and stands in the header {} (line {} of the template)", what, header.name,
                                         header.line));
}

// Text put together from pieces, without allocating.
class Assembled {
 public:
  bool Append(std::string_view text) {
    if (text.size() > bytes_.size() - size_) return false;
    std::ranges::copy(text, bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += text.size();
    return true;
  }
  std::string_view text() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, kTextBytesMax> bytes_;
  size_t size_ = 0;
};

bool AppendPercentEncoded(std::string_view value, Assembled& out) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    const char escape[] = {'%', kHex[byte >> 4], kHex[byte & 15]};
    if (!out.Append(IsUnreserved(c) ? std::string_view(&c, 1) : std::string_view(escape, 3))) return false;
  }
  return true;
}

bool IsUrlText(std::string_view value) {
  return std::ranges::all_of(value, [](char c) {
    return c > 0x20 && c < 0x7F && std::string_view("<>\",\\").find(c) == std::string_view::npos;
  });
}

// Puts a value's pieces together after checking each. The slot that is to blame, when one is: the last.
class Assembler {
 public:
  Assembler(const HeaderSlots& header, const std::vector<Slot>& slots, ContextStack& contexts)
      : header_(header), slots_(slots), contexts_(contexts) {}

  absl::Status Run(const std::vector<HeaderPiece>& pieces, size_t bytes_max, Assembled& out) {
    last_ = nullptr;
    for (size_t i = 0; i < pieces.size(); ++i) {
      const HeaderPiece& piece = pieces[i];
      if (piece.kind == HeaderPiece::Kind::kText) {
        if (!out.Append(piece.text) || out.text().size() > bytes_max) return TooLong();
        continue;
      }
      if (piece.kind == HeaderPiece::Kind::kEnd) {
        if (contexts_.Repeat(false, out.text().size(), bytes_max)) i = piece.after;
        continue;
      }
      if (piece.kind == HeaderPiece::Kind::kIf || piece.kind == HeaderPiece::Kind::kUnless) {
        const bool in =
            piece.kind == HeaderPiece::Kind::kIf ? contexts_.Enter(piece.slot) : contexts_.IsFalse(piece.slot);
        if (!in) i = piece.after - 1;
        continue;
      }
      const Slot& slot = slots_[piece.slot];
      const std::string_view value = contexts_.Text(piece.slot);
      if (contexts_.failed()) return contexts_.status();
      last_ = &slot;
      if (absl::Status status = AppendValue(piece, slot, value, out); !status.ok()) return status;
      if (out.text().size() > bytes_max) return TooLong();
    }
    return contexts_.failed() ? contexts_.status() : absl::OkStatus();
  }

  absl::Status Blame(std::string_view what) const {
    if (last_ != nullptr) return BadValue(*last_, header_, what);
    return absl::InvalidArgumentError(
        fmt::format("the header {} (line {} of the template): {}", header_.name, header_.line, what));
  }

 private:
  // Of a value that is not percent-encoded, behind what stands in the header so far: sections that are empty may have
  // left it to begin the URL, or to go on with its first letters.
  static bool LeavesSchemeAlone(std::string_view value, std::string_view before) {
    const std::string_view url = Trimmed(before.substr(before.rfind('<') + 1));
    if (url.find_first_of(":/?#") != std::string_view::npos) return true;
    return url.empty() && IsHarmlessLink(value);
  }

  absl::Status AppendValue(const HeaderPiece& piece, const Slot& slot, std::string_view value, Assembled& out) const {
    if (!IsUtf8(value)) return BadValue(slot, header_, "the value is not UTF-8");
    if (HasControl(value)) return BadValue(slot, header_, "the value has a line end or another control character");
    const bool encode = header_.kind == HeaderSlots::Kind::kUrls && piece.kind == HeaderPiece::Kind::kValue;
    const bool check = header_.kind == HeaderSlots::Kind::kUrls && piece.kind == HeaderPiece::Kind::kRawValue;
    if (check && !IsUrlText(value)) return BadValue(slot, header_, "the value has a character that no URL may have");
    if (piece.kind == HeaderPiece::Kind::kUrlValue && (value.empty() || !IsUrlText(value) || !IsHarmlessLink(value))) {
      return BadValue(slot, header_, "the value begins a URL and is no http, https, mailto or tel URL");
    }
    if (check && !LeavesSchemeAlone(value, out.text())) {
      return BadValue(slot, header_,
                      "the value decides the scheme of a URL, which would be none of http, https, mailto or tel");
    }
    const bool fits = encode ? AppendPercentEncoded(value, out) : out.Append(value);
    return fits ? absl::OkStatus() : BadValue(slot, header_, "the value is too long");
  }

  absl::Status TooLong() const { return Blame("the value is too long"); }

  const HeaderSlots& header_;
  const std::vector<Slot>& slots_;
  ContextStack& contexts_;
  const Slot* last_ = nullptr;
};

}  // namespace

bool IsHarmlessLink(std::string_view value) {
  const std::string_view scheme = value.substr(0, value.find(':'));
  return value.empty() ||
         (scheme.size() < value.size() && (EqualsIgnoreCase(scheme, "https") || EqualsIgnoreCase(scheme, "http") ||
                                           EqualsIgnoreCase(scheme, "mailto") || EqualsIgnoreCase(scheme, "tel")));
}

bool AddressPieces::IsRecipient(const std::vector<Slot>& slots) const {
  const auto is_value = [](const HeaderPiece& piece) {
    return piece.kind == HeaderPiece::Kind::kValue || piece.kind == HeaderPiece::Kind::kRawValue;
  };
  return address.size() == 1 && is_value(address[0]) && slots[address[0].slot].column == Slot::kEmail;
}

absl::Status HeaderSlots::Write(const std::vector<Slot>& slots, ContextStack& contexts, std::string* out) const {
  Assembler assembler(*this, slots, contexts);
  size_t column = name.size() + 2;
  if (out != nullptr) {
    out->append(name);
    out->append(": ");
  }
  if (kind != Kind::kAddresses) {
    Assembled value;
    if (absl::Status status = assembler.Run(pieces, kTextBytesMax, value); !status.ok()) return status;
    const std::string_view text = Trimmed(value.text());
    if (out != nullptr && kind == Kind::kText) AppendHeaderText(text, column, *out);
    if (out != nullptr && kind == Kind::kUrls) AppendFolded(text, column, *out);
  }
  bool first = true;
  for (const AddressPieces& pieces_of : addresses) {
    Assembled display, address, parsed;
    if (absl::Status status = assembler.Run(pieces_of.name, kNameBytesMax, display); !status.ok()) return status;
    std::string_view spec = pieces_of.fixed;
    if (pieces_of.IsRecipient(slots)) {
      spec = contexts.row().email;  // parsed when it was accepted
    } else if (spec.empty()) {
      if (absl::Status status = assembler.Run(pieces_of.address, kAddressBytesMax, address); !status.ok())
        return status;
      static thread_local Mailbox mailbox;  // its strings are used again
      if (const absl::Status status = ParseMailbox(Trimmed(address.text()), mailbox); !status.ok()) {
        return assembler.Blame(fmt::format("the value makes no mail address ({})", std::string(status.message())));
      }
      if (NeedsSmtpUtf8(mailbox.local)) {
        return assembler.Blame("the value is a mail address beyond ASCII, which only a recipient's may be");
      }
      parsed.Append(mailbox.local);
      parsed.Append("@");
      parsed.Append(mailbox.domain);
      spec = parsed.text();
    }
    if (out == nullptr) continue;
    const std::string_view name_text = Trimmed(display.text());
    if (!first) {
      out->append(",");
      ++column;
      if (column + 1 + std::min<size_t>(name_text.size(), 30) + spec.size() + 3 > 76) {
        out->append("\r\n");
        column = 0;
      }
      out->append(" ");
      ++column;
    }
    first = false;
    if (name_text.empty()) {
      out->append(spec);
      column += spec.size();
      continue;
    }
    AppendDisplayName(name_text, column, *out);
    if (column + spec.size() + 3 > 76) {
      out->append("\r\n");
      column = 0;
    }
    out->append(" <");
    out->append(spec);
    out->append(">");
    column += spec.size() + 3;
  }
  if (out != nullptr) out->append("\r\n");
  return absl::OkStatus();
}

}  // namespace sealift::engine
