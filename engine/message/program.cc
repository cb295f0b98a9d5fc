#include "engine/message/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "engine/message/date.h"
#include "engine/message/encoded_word.h"
#include "engine/message/percent_encoding.h"
#include "engine/message/quoted_printable.h"
#include "engine/smtp/mailbox.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

// Longer ones are no subject and no name. With them every line stays under 998 bytes whatever is quoted or encoded.
constexpr size_t kTextBytesMax = 900;
constexpr size_t kNameBytesMax = 400;
constexpr size_t kAddressBytesMax = 320;

absl::Status BadValue(const Slot& slot, const HeaderSlots& header, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("column {}: {} and stands in the header {} (line {} of the template)",
                                                slot.name, what, header.name, header.line));
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

// Nothing, or a URL of a scheme that runs nothing.
bool IsHarmlessLink(std::string_view value) {
  const std::string_view scheme = value.substr(0, value.find(':'));
  return value.empty() ||
         (scheme.size() < value.size() && (EqualsIgnoreCase(scheme, "https") || EqualsIgnoreCase(scheme, "http") ||
                                           EqualsIgnoreCase(scheme, "mailto") || EqualsIgnoreCase(scheme, "tel")));
}

// Nothing that ends the attribute that the URL stands in.
bool StaysInUrl(std::string_view value) { return value.find_first_of("<>\"'") == std::string_view::npos; }

// Nothing that ends a declaration, calls a function or names a URL.
bool IsHarmlessStyle(std::string_view value) {
  return std::ranges::all_of(value, [](char c) {
    return (c >= '0' && c <= '9') || (LowerCase(c) >= 'a' && LowerCase(c) <= 'z') ||
           std::string_view(" #%.,+-_").find(c) != std::string_view::npos;
  });
}

// What a value does that a caution warns of; empty: nothing.
std::string_view WrongWith(Program::Caution::Kind kind, std::string_view value) {
  switch (kind) {
    case Program::Caution::Kind::kLink:
      return IsHarmlessLink(value) ? "" : "begins a link and is no http, https, mailto or tel URL";
    case Program::Caution::Kind::kUrlText:
      return StaysInUrl(value) ? "" : "stands in a URL as it is and has a quote, < or >";
    case Program::Caution::Kind::kStyle:
      return IsHarmlessStyle(value) ? ""
                                    : "stands in a style and has more than letters, digits, blanks and # % . , + - _";
  }
  return "";
}

// Puts a value's pieces together after checking each. The slot that is to blame, when one is: the last.
class Assembler {
 public:
  Assembler(const HeaderSlots& header, const std::vector<Slot>& slots, const Template::Row& row)
      : header_(header), slots_(slots), row_(row) {}

  absl::Status Run(const std::vector<HeaderPiece>& pieces, size_t bytes_max, Assembled& out) {
    last_ = nullptr;
    for (size_t i = 0; i < pieces.size(); ++i) {
      const HeaderPiece& piece = pieces[i];
      if (piece.kind == HeaderPiece::Kind::kText) {
        if (!out.Append(piece.text) || out.text().size() > bytes_max) return TooLong();
        continue;
      }
      const Slot& slot = slots_[piece.slot];
      const std::string_view value = slot.Value(row_);
      if (piece.kind == HeaderPiece::Kind::kIf || piece.kind == HeaderPiece::Kind::kUnless) {
        if (value.empty() == (piece.kind == HeaderPiece::Kind::kIf)) i = piece.after - 1;
        continue;
      }
      last_ = &slot;
      if (absl::Status status = AppendValue(piece, slot, value, out); !status.ok()) return status;
      if (out.text().size() > bytes_max) return TooLong();
    }
    return absl::OkStatus();
  }

  absl::Status Blame(std::string_view what) const {
    if (last_ != nullptr) return BadValue(*last_, header_, what);
    return absl::InvalidArgumentError(
        fmt::format("the header {} (line {} of the template): {}", header_.name, header_.line, what));
  }

 private:
  absl::Status AppendValue(const HeaderPiece& piece, const Slot& slot, std::string_view value, Assembled& out) const {
    if (!IsUtf8(value)) return BadValue(slot, header_, "the value is not UTF-8");
    if (HasControl(value)) return BadValue(slot, header_, "the value has a line end or another control character");
    const bool encode = header_.kind == HeaderSlots::Kind::kUrls && piece.kind == HeaderPiece::Kind::kValue;
    const bool check = header_.kind == HeaderSlots::Kind::kUrls && piece.kind == HeaderPiece::Kind::kRawValue;
    if (check && !IsUrlText(value)) return BadValue(slot, header_, "the value has a character that no URL may have");
    if (piece.kind == HeaderPiece::Kind::kUrlValue && (value.empty() || !IsUrlText(value) || !IsHarmlessLink(value))) {
      return BadValue(slot, header_, "the value begins a URL and is no http, https, mailto or tel URL");
    }
    const bool fits = encode ? AppendPercentEncoded(value, out) : out.Append(value);
    return fits ? absl::OkStatus() : BadValue(slot, header_, "the value is too long");
  }

  absl::Status TooLong() const { return Blame("the value is too long"); }

  const HeaderSlots& header_;
  const std::vector<Slot>& slots_;
  const Template::Row& row_;
  const Slot* last_ = nullptr;
};

}  // namespace

std::string_view Slot::Value(const Template::Row& row) const {
  const std::string_view value = column == kEmail    ? row.email
                                 : column == kAbsent ? std::string_view()
                                                     : row.fields[static_cast<size_t>(column)];
  return value.empty() ? std::string_view(fallback) : value;
}

bool AddressPieces::IsRecipient(const std::vector<Slot>& slots) const {
  const auto is_value = [](const HeaderPiece& piece) {
    return piece.kind == HeaderPiece::Kind::kValue || piece.kind == HeaderPiece::Kind::kRawValue;
  };
  return address.size() == 1 && is_value(address[0]) && slots[address[0].slot].column == Slot::kEmail;
}

absl::Status HeaderSlots::Write(const std::vector<Slot>& slots, const Template::Row& row, std::string* out) const {
  Assembler assembler(*this, slots, row);
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
      spec = row.email;  // parsed when it was accepted
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

absl::Status Program::Check(const Template::Row& row) const {
  assert(row.fields.size() >= columns);
  for (const HeaderSlots& header : headers) {
    if (absl::Status status = header.Write(slots, row, nullptr); !status.ok()) return status;
  }
  for (const Caution& caution : cautions) {
    const Slot& slot = slots[caution.slot];
    const std::string_view wrong = WrongWith(caution.kind, slot.Value(row));
    if (wrong.empty()) continue;
    return absl::InvalidArgumentError(
        fmt::format("column {}: the value {} (line {} of the template)", slot.name, wrong, caution.line));
  }
  return absl::OkStatus();
}

absl::Status Program::Render(const Template::Row& row, const Template::Identity& identity, std::string& out) const {
  assert(row.fields.size() >= columns);
  const size_t size_before = out.size();
  // An eighth for values; a geometric growth of its own beyond.
  if (out.capacity() < size_before + literals.size() + literals.size() / 8 + 256) {
    out.reserve(size_before + literals.size() + literals.size() / 8 + 256);
  }
  return RunSteps(0, row, identity, out);
}

std::optional<Sha256> Program::HashFixedBody() const {
  for (size_t i = body_begin; i < steps.size(); ++i) {
    switch (steps[i].kind) {
      case Step::Kind::kLiteral:
      case Step::Kind::kBeginText:
      case Step::Kind::kTextLiteral:
      case Step::Kind::kEndText:
      case Step::Kind::kEndTextLines:
        break;
      default:
        return std::nullopt;
    }
  }
  std::string body;
  const absl::Status rendered = RunSteps(body_begin, {}, {}, body);
  if (!rendered.ok()) return std::nullopt;
  return HashRelaxedBody(body);
}

absl::Status Program::RunSteps(size_t begin, const Template::Row& row, const Template::Identity& identity,
                               std::string& out) const {
  const size_t size_before = out.size();
  QuotedPrintableWriter text(out);
  const std::string_view store = literals;
  for (size_t i = begin; i < steps.size(); ++i) {
    const Step& step = steps[i];
    switch (step.kind) {
      case Step::Kind::kLiteral:
        out.append(store.substr(step.begin, step.size));
        break;
      case Step::Kind::kHeader:
        if (absl::Status status = headers[step.index].Write(slots, row, &out); !status.ok()) {
          out.resize(size_before);
          return status;
        }
        break;
      case Step::Kind::kDate:
        AppendDate(identity.date, out);
        break;
      case Step::Kind::kMessageId:
        out.append(identity.message_id);
        break;
      case Step::Kind::kIdentityFields:
        out.append(identity.fields);
        break;
      case Step::Kind::kBeginText:
        text.Begin();
        break;
      case Step::Kind::kTextLiteral:
        text.Literal(store.substr(step.begin, step.head), store.substr(step.begin + step.head, step.size - step.head),
                     step.column);
        break;
      case Step::Kind::kValue:
        text.Value(slots[step.slot].Value(row), step.escaping);
        break;
      case Step::Kind::kEndText:
      case Step::Kind::kEndTextLines:
        text.End(step.kind == Step::Kind::kEndTextLines);
        break;
      case Step::Kind::kIf:
      case Step::Kind::kUnless:
        if (slots[step.slot].Value(row).empty() == (step.kind == Step::Kind::kIf)) i = step.index - 1;
        break;
    }
  }
  return absl::OkStatus();
}

}  // namespace sealift::engine
