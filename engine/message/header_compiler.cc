#include "engine/message/header_compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "engine/message/address_list.h"
#include "engine/message/encoded_word.h"
#include "engine/message/seven_bit.h"
#include "engine/message/template_error.h"
#include "engine/smtp/mailbox.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

using Kind = MustacheToken::Kind;

struct Forbidden {
  std::string_view name, why;
};

constexpr Forbidden kForbidden[] = {
    {"Date", "the engine writes the Date of the first attempt: remove it"},
    {"Message-ID", "the engine gives every message its own Message-ID: remove it"},
    {"Bcc", "a campaign's recipients are the rows of its recipient file: remove it"},
    {"Resent-Bcc", "who it names would be shown to everybody: remove it"},
    {"Return-Path", "the receiving server writes it, from the stream's return_path: remove it"},
    {"Received", "it is a trace of a message that was sent before: remove it"},
    {"DKIM-Signature", "a signature made before rendering is broken by it; the engine signs: remove it"},
};

constexpr std::string_view kAddressHeaders[] = {
    "From", "Sender", "Reply-To", "To", "Cc", "Disposition-Notification-To", "Errors-To", "Return-Receipt-To"};
constexpr std::string_view kUrlHeaders[] = {"List-Unsubscribe", "List-Help",  "List-Subscribe",
                                            "List-Post",        "List-Owner", "List-Archive"};
// Structured, and no place for a value: their grammar leaves nothing to escape with.
constexpr std::string_view kFixedHeaders[] = {"MIME-Version", "In-Reply-To", "References", "List-Id",
                                              "List-Unsubscribe-Post"};
constexpr std::string_view kOnceHeaders[] = {"From",
                                             "Sender",
                                             "Reply-To",
                                             "To",
                                             "Cc",
                                             "Subject",
                                             "In-Reply-To",
                                             "References",
                                             "MIME-Version",
                                             "Content-Type",
                                             "Content-Transfer-Encoding",
                                             "List-Unsubscribe",
                                             "List-Unsubscribe-Post"};

bool IsOneOf(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::any_of(names, [name](std::string_view other) { return EqualsIgnoreCase(name, other); });
}

bool StartsWithIgnoreCase(std::string_view text, std::string_view prefix) {
  return EqualsIgnoreCase(text.substr(0, prefix.size()), prefix);
}

// Of <{{url}}>, which is a whole URL and not a part of one.
void MarkUrlStarts(std::vector<HeaderPiece>& pieces) {
  bool begins = false;
  for (HeaderPiece& piece : pieces) {
    if (piece.kind == HeaderPiece::Kind::kText) {
      begins = Trimmed(piece.text).ends_with('<');
    } else if (piece.kind == HeaderPiece::Kind::kValue || piece.kind == HeaderPiece::Kind::kRawValue) {
      if (begins) piece.kind = HeaderPiece::Kind::kUrlValue;
      begins = false;
    }
  }
}

}  // namespace

absl::Status HeaderCompiler::Check(const Entity& message) {
  for (const HeaderField& field : message.fields) {
    for (const Forbidden& forbidden : kForbidden) {
      if (field.Is(forbidden.name)) {
        return TemplateError(field.line,
                             fmt::format("a template must not have the header {}: {}", forbidden.name, forbidden.why));
      }
    }
    if (field.name.find("{{") != std::string_view::npos) {
      return TemplateError(field.line, "a merge field cannot stand in a header's name");
    }
    const auto same = [&field](const HeaderField& other) { return other.Is(field.name); };
    if (IsOneOf(field.name, kOnceHeaders) && std::ranges::count_if(message.fields, same) > 1) {
      return TemplateError(field.line, fmt::format("the header {} is there more than once", field.name));
    }
    if (!IsUtf8(field.value)) return TemplateError(field.line, fmt::format("the header {} is not UTF-8", field.name));
  }
  if (message.Find("From") == nullptr) {
    return absl::InvalidArgumentError("the template has no From header: add a line From: Name <address>");
  }
  return absl::OkStatus();
}

absl::Status HeaderCompiler::Emit(const Entity& entity, bool top) {
  for (const HeaderField& field : entity.fields) {
    if (field.Is("Content-Transfer-Encoding")) continue;
    if (field.Is("Content-Type")) {
      const std::string type = entity.type.ToString();
      if (type.find("{{") != std::string::npos) {
        return TemplateError(field.line, "a merge field cannot stand in the header Content-Type");
      }
      if (HasLongLine(type)) return TemplateError(field.line, "a parameter of Content-Type is too long");
      writer_.Literal(fmt::format("Content-Type: {}\r\n", type));
      continue;
    }
    if (top) {
      if (absl::Status status = EmitField(field); !status.ok()) return status;
      continue;
    }
    if (field.value.find("{{") != std::string::npos) {
      return TemplateError(field.line,
                           fmt::format("a merge field cannot stand in the header {} of a part", field.name));
    }
    if (!IsUtf8(field.value)) return TemplateError(field.line, fmt::format("the header {} is not UTF-8", field.name));
    EmitCopy(field);
  }
  if (!top) return absl::OkStatus();
  if (entity.Find("To") == nullptr) {
    HeaderSlots header;
    header.kind = HeaderSlots::Kind::kAddresses;
    header.name = "To";
    if (absl::Status status = EmitSlots(std::move(header), {{Kind::kValue, "email", 1}}); !status.ok()) return status;
  }
  if (entity.Find("MIME-Version") == nullptr) writer_.Literal("MIME-Version: 1.0\r\n");
  if (entity.Find("Content-Type") == nullptr)
    writer_.Literal(fmt::format("Content-Type: {}\r\n", entity.type.ToString()));
  return absl::OkStatus();
}

absl::Status HeaderCompiler::EmitField(const HeaderField& field) {
  HeaderSlots header;
  header.name = field.name;
  header.line = field.line;
  SourceText source;
  source.line = field.line;
  source.text = field.value;
  if (IsOneOf(field.name, kAddressHeaders)) {
    header.kind = HeaderSlots::Kind::kAddresses;
  } else {
    // A mail program may have encoded the merge fields along with the rest.
    const std::string decoded = DecodeEncodedWords(source.text);
    if (decoded.find("{{") == std::string::npos) {
      EmitCopy(field);
      return absl::OkStatus();
    }
    source.text = decoded;
    if (IsOneOf(field.name, kFixedHeaders) || StartsWithIgnoreCase(field.name, "Content-") ||
        StartsWithIgnoreCase(field.name, "Resent-") || StartsWithIgnoreCase(field.name, "ARC-")) {
      return TemplateError(field.line, fmt::format("a merge field cannot stand in the header {}", field.name));
    }
    if (IsOneOf(field.name, kUrlHeaders)) {
      header.kind = HeaderSlots::Kind::kUrls;
      if (!IsAscii(decoded)) return TemplateError(field.line, fmt::format("the header {} is not ASCII", field.name));
    }
  }
  if (HasControl(source.text))
    return TemplateError(field.line, fmt::format("the header {} has a control character", field.name));
  const absl::StatusOr<std::vector<MustacheToken>> tokens = ParseMustache(source, false);
  if (!tokens.ok()) return tokens.status();
  return EmitSlots(std::move(header), *tokens);
}

absl::Status HeaderCompiler::EmitSlots(HeaderSlots header, const std::vector<MustacheToken>& tokens) {
  if (header.kind != HeaderSlots::Kind::kAddresses) {
    absl::StatusOr<std::vector<HeaderPiece>> pieces = PiecesOf(tokens);
    if (!pieces.ok()) return pieces.status();
    header.pieces = *std::move(pieces);
    if (header.kind == HeaderSlots::Kind::kUrls) MarkUrlStarts(header.pieces);
  } else if (absl::Status status = ReadAddresses(tokens, header); !status.ok()) {
    return status;
  }
  const bool has_tags =
      std::ranges::any_of(tokens, [](const MustacheToken& token) { return token.kind != Kind::kText; });
  if (!has_tags) {
    std::string written;
    const Template::Row nobody{};
    ContextStack contexts(writer_.program().slots, nobody, false);
    if (absl::Status status = header.Write(writer_.program().slots, contexts, &written); !status.ok()) {
      return TemplateError(header.line, std::string(status.message()));
    }
    writer_.Literal(written);
    return absl::OkStatus();
  }
  writer_.AddHeader(std::move(header));
  return absl::OkStatus();
}

absl::Status HeaderCompiler::ReadAddresses(const std::vector<MustacheToken>& tokens, HeaderSlots& header) {
  const absl::StatusOr<std::vector<AddressTokens>> list = ParseAddressList(tokens, texts_);
  if (!list.ok()) {
    return TemplateError(header.line,
                         fmt::format("the header {}: {}", header.name, std::string(list.status().message())));
  }
  if (list->empty()) return TemplateError(header.line, fmt::format("the header {} has no address", header.name));
  if (list->size() > 1 && EqualsIgnoreCase(header.name, "From")) {
    return TemplateError(header.line, "the header From has more than one address: receivers refuse that");
  }
  for (const AddressTokens& entry : *list) {
    AddressPieces& pieces = header.addresses.emplace_back();
    absl::StatusOr<std::vector<HeaderPiece>> name = PiecesOf(entry.name);
    if (!name.ok()) return name.status();
    absl::StatusOr<std::vector<HeaderPiece>> address = PiecesOf(entry.address);
    if (!address.ok()) return address.status();
    pieces.name = *std::move(name);
    pieces.address = *std::move(address);
    if (pieces.address.size() == 1 && pieces.address[0].kind == HeaderPiece::Kind::kText) {
      const absl::StatusOr<Mailbox> mailbox = ParseMailbox(Trimmed(pieces.address[0].text));
      if (!mailbox.ok()) {
        return TemplateError(header.line, fmt::format("the header {}: an address is wrong: {}", header.name,
                                                      std::string(mailbox.status().message())));
      }
      if (NeedsSmtpUtf8(mailbox->local)) {
        return TemplateError(header.line, fmt::format("the header {}: an address is beyond ASCII before its @, which "
                                                      "few servers take: give one that is not",
                                                      header.name));
      }
      pieces.fixed = mailbox->ToString();
    }
  }
  return absl::OkStatus();
}

void HeaderCompiler::EmitCopy(const HeaderField& field) {
  const std::string line = fmt::format("{}:{}", field.name, field.raw);
  bool as_it_is = IsSevenBit(line);
  for (std::string_view rest = field.raw; as_it_is;) {  // a line of white space alone would end the headers for some
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
    as_it_is = !Trimmed(rest.substr(0, rest.find('\n'))).empty();
  }
  if (as_it_is) {
    writer_.Lines(line);
    writer_.Literal("\r\n");
    return;
  }
  std::string text = fmt::format("{}: ", field.name);
  size_t column = text.size();
  const absl::StatusOr<ParameterizedValue> disposition = ParseParameterizedValue(field.value);
  if (field.Is("Content-Disposition") && disposition.ok()) {
    text += disposition->ToString();
  } else {
    AppendHeaderText(field.value, column, text);
  }
  writer_.Literal(text);
  writer_.Literal("\r\n");
}

absl::StatusOr<std::vector<HeaderPiece>> HeaderCompiler::PiecesOf(const std::vector<MustacheToken>& tokens) {
  std::vector<HeaderPiece> pieces;
  std::vector<size_t> open;
  for (const MustacheToken& token : tokens) {
    if (token.kind == Kind::kClose) {
      const size_t begin = open.back();
      open.pop_back();
      if (pieces[begin].kind == HeaderPiece::Kind::kIf) {
        writer_.LeaveSection();
        HeaderPiece& end = pieces.emplace_back();
        end.kind = HeaderPiece::Kind::kEnd;
        end.after = static_cast<uint32_t>(begin);
      }
      pieces[begin].after = static_cast<uint32_t>(pieces.size());
      continue;
    }
    HeaderPiece& piece = pieces.emplace_back();
    if (token.kind == Kind::kText) {
      piece.text = token.text;
      continue;
    }
    const absl::StatusOr<uint32_t> slot = writer_.SlotOf(token);
    if (!slot.ok()) return slot.status();
    piece.slot = *slot;
    switch (token.kind) {
      case Kind::kSection:
        piece.kind = HeaderPiece::Kind::kIf;
        open.push_back(pieces.size() - 1);
        writer_.EnterSection(*slot);
        break;
      case Kind::kInverted:
        piece.kind = HeaderPiece::Kind::kUnless;
        open.push_back(pieces.size() - 1);
        break;
      case Kind::kValue:
        piece.kind = HeaderPiece::Kind::kValue;
        break;
      default:
        piece.kind = HeaderPiece::Kind::kRawValue;
        break;
    }
  }
  return pieces;
}

}  // namespace sealift::engine
