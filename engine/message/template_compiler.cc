#include "engine/message/template_compiler.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "engine/message/address_list.h"
#include "engine/message/encoded_word.h"
#include "engine/message/quoted_printable.h"
#include "engine/message/suggestion.h"
#include "engine/message/utf8.h"
#include "engine/smtp/mailbox.h"

namespace sealift::engine {
namespace {

using Kind = MustacheToken::Kind;
using StepKind = Program::Step::Kind;

constexpr size_t kTemplateBytesMax = 64 << 20;
constexpr size_t kLineBytesMax = 998;  // RFC 5322 2.1.1
constexpr size_t kColumnsNamedMax = 20;

absl::Status ErrorAt(int line, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("line {}: {}", line, what));
}

absl::Status WithLine(int line, const absl::Status& status) { return ErrorAt(line, std::string(status.message())); }

struct Forbidden {
  std::string_view name, why;
};

constexpr Forbidden kForbidden[] = {
    {"Date", "the engine writes the Date of the first attempt: remove it"},
    {"Message-ID", "the engine gives every message its own Message-ID: remove it"},
    {"Bcc", "a campaign's recipients are the rows of its recipient file: remove it"},
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

bool HasLongLine(std::string_view text) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (end > kLineBytesMax) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

bool CanBeCopied(std::string_view text) { return IsAscii(text) && !HasLongLine(text); }

bool IsIdentity(std::string_view encoding) {
  return encoding.empty() || encoding == "7bit" || encoding == "8bit" || encoding == "binary";
}

// One kind of line end, LF, and no byte order mark.
absl::StatusOr<std::string> Normalized(std::string_view eml) {
  if (eml.size() > kTemplateBytesMax) {
    return absl::InvalidArgumentError(fmt::format("the template is larger than {} MiB", kTemplateBytesMax >> 20));
  }
  if (eml.starts_with("\xEF\xBB\xBF")) eml.remove_prefix(3);
  std::string text;
  text.reserve(eml.size());
  for (size_t i = 0; i < eml.size(); ++i) {
    if (eml[i] == '\0') {
      const auto line = std::count(text.begin(), text.end(), '\n') + 1;
      return ErrorAt(static_cast<int>(line), "a NUL character stands in the template: save it as UTF-8 text");
    }
    if (eml[i] == '\r') {
      if (i + 1 < eml.size() && eml[i + 1] == '\n') ++i;
      text += '\n';
    } else {
      text += eml[i];
    }
  }
  return text;
}

std::string Base64Lines(const std::string& bytes) {
  std::string encoded;
  absl::Base64Escape(bytes, &encoded);
  std::string lines;
  for (size_t i = 0; i < encoded.size(); i += 76) {
    if (i > 0) lines += '\n';
    lines.append(encoded, i, 76);
  }
  return lines;
}

bool DecodeBase64(std::string_view text, std::string& decoded) {
  return absl::Base64Unescape(std::string(text), &decoded);
}

std::string WithCrLf(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\n') result += '\r';
    result += c;
  }
  return result;
}

// A text part's text, its transfer encoding undone.
absl::StatusOr<SourceText> DecodedText(const Entity& entity) {
  SourceText source;
  source.line = entity.body_line;
  if (IsIdentity(entity.encoding)) {
    source.text = entity.body;
    return source;
  }
  if (entity.encoding == "quoted-printable") {
    source.text = DecodeQuotedPrintable(entity.body, &source.lines);
    for (int& line : source.lines) line += entity.body_line;
  } else if (entity.encoding == "base64") {
    if (!DecodeBase64(entity.body, source.text))
      return ErrorAt(entity.body_line, "the part's base64 cannot be decoded");
    source.lines = {entity.body_line};
  } else {
    return ErrorAt(entity.body_line,
                   "the part's Content-Transfer-Encoding is unknown: use 8bit, quoted-printable or base64");
  }
  absl::StatusOr<std::string> text = Normalized(source.text);
  if (!text.ok()) return ErrorAt(entity.body_line, "the decoded part has a NUL character");
  source.text = *std::move(text);
  return source;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Program>> TemplateCompiler::Run(std::string_view eml) {
  const absl::StatusOr<std::string> source = Normalized(eml);
  if (!source.ok()) return source.status();
  absl::StatusOr<Entity> entity = ParseEntity(*source);
  if (!entity.ok()) return entity.status();
  if (absl::Status status = CheckFields(*entity); !status.ok()) return status;
  program_->columns = columns_ == Columns::kGiven ? options_.columns.size() : 0;
  Literal("Date: ");
  Add(StepKind::kDate);
  Literal("\r\nMessage-ID: ");
  Add(StepKind::kMessageId);
  Literal("\r\n");
  if (absl::Status status = EmitEntity(*entity, true); !status.ok()) return status;
  program_->literals.shrink_to_fit();
  program_->fixed_body_hash = program_->HashFixedBody();
  return program_;
}

absl::Status TemplateCompiler::CheckFields(const Entity& entity) const {
  for (const HeaderField& field : entity.fields) {
    for (const Forbidden& forbidden : kForbidden) {
      if (field.Is(forbidden.name)) {
        return ErrorAt(field.line,
                       fmt::format("a template must not have the header {}: {}", forbidden.name, forbidden.why));
      }
    }
    const auto same = [&field](const HeaderField& other) { return other.Is(field.name); };
    if (IsOneOf(field.name, kOnceHeaders) && std::ranges::count_if(entity.fields, same) > 1) {
      return ErrorAt(field.line, fmt::format("the header {} is there more than once", field.name));
    }
    if (!IsUtf8(field.value)) return ErrorAt(field.line, fmt::format("the header {} is not UTF-8", field.name));
  }
  if (entity.Find("From") == nullptr) {
    return absl::InvalidArgumentError("the template has no From header: add a line From: Name <address>");
  }
  return absl::OkStatus();
}

absl::Status TemplateCompiler::EmitEntity(Entity& entity, bool top) {
  if (!entity.children.empty()) return EmitMultipart(entity, top);
  return entity.IsText() ? EmitText(entity, top) : EmitAttachment(entity, top);
}

// Every header but Content-Transfer-Encoding, which follows from what becomes of the body.
absl::Status TemplateCompiler::EmitFields(const Entity& entity, bool top) {
  for (const HeaderField& field : entity.fields) {
    if (field.Is("Content-Transfer-Encoding")) continue;
    if (field.Is("Content-Type")) {
      const std::string type = entity.type.ToString();
      if (type.find("{{") != std::string::npos) {
        return ErrorAt(field.line, "a merge field cannot stand in the header Content-Type");
      }
      if (HasLongLine(type)) return ErrorAt(field.line, "a parameter of Content-Type is too long");
      Literal(fmt::format("Content-Type: {}\r\n", type));
      continue;
    }
    if (top) {
      if (absl::Status status = EmitField(field); !status.ok()) return status;
      continue;
    }
    if (field.value.find("{{") != std::string::npos) {
      return ErrorAt(field.line, fmt::format("a merge field cannot stand in the header {} of a part", field.name));
    }
    if (!IsUtf8(field.value)) return ErrorAt(field.line, fmt::format("the header {} is not UTF-8", field.name));
    EmitCopy(field);
  }
  if (!top) return absl::OkStatus();
  if (entity.Find("To") == nullptr) {
    HeaderSlots header;
    header.kind = HeaderSlots::Kind::kAddresses;
    header.name = "To";
    if (absl::Status status = EmitSlots(std::move(header), {{Kind::kValue, "email", 1}}); !status.ok()) return status;
  }
  if (entity.Find("MIME-Version") == nullptr) Literal("MIME-Version: 1.0\r\n");
  if (entity.Find("Content-Type") == nullptr) Literal(fmt::format("Content-Type: {}\r\n", entity.type.ToString()));
  return absl::OkStatus();
}

absl::Status TemplateCompiler::EmitField(const HeaderField& field) {
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
      return ErrorAt(field.line, fmt::format("a merge field cannot stand in the header {}", field.name));
    }
    if (IsOneOf(field.name, kUrlHeaders)) {
      header.kind = HeaderSlots::Kind::kUrls;
      if (!IsAscii(decoded)) return ErrorAt(field.line, fmt::format("the header {} is not ASCII", field.name));
    }
  }
  if (HasControl(source.text))
    return ErrorAt(field.line, fmt::format("the header {} has a control character", field.name));
  const absl::StatusOr<std::vector<MustacheToken>> tokens = ParseMustache(source, false);
  if (!tokens.ok()) return tokens.status();
  return EmitSlots(std::move(header), *tokens);
}

absl::Status TemplateCompiler::EmitSlots(HeaderSlots header, const std::vector<MustacheToken>& tokens) {
  if (header.kind != HeaderSlots::Kind::kAddresses) {
    absl::StatusOr<std::vector<HeaderPiece>> pieces = PiecesOf(tokens);
    if (!pieces.ok()) return pieces.status();
    header.pieces = *std::move(pieces);
  } else {
    const absl::StatusOr<std::vector<AddressTokens>> list = ParseAddressList(tokens, texts_);
    if (!list.ok()) {
      return ErrorAt(header.line, fmt::format("the header {}: {}", header.name, std::string(list.status().message())));
    }
    if (list->empty()) return ErrorAt(header.line, fmt::format("the header {} has no address", header.name));
    if (list->size() > 1 && EqualsIgnoreCase(header.name, "From")) {
      return ErrorAt(header.line, "the header From has more than one address: receivers refuse that");
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
          return ErrorAt(header.line, fmt::format("the header {}: an address is wrong: {}", header.name,
                                                  std::string(mailbox.status().message())));
        }
        pieces.fixed = mailbox->ToString();
      }
    }
  }
  const bool has_tags =
      std::ranges::any_of(tokens, [](const MustacheToken& token) { return token.kind != Kind::kText; });
  if (!has_tags) {
    std::string written;
    const Template::Row nobody{};
    if (absl::Status status = header.Write(program_->slots, nobody, &written); !status.ok()) {
      return WithLine(header.line, status);
    }
    Literal(written);
    return absl::OkStatus();
  }
  Program::Step& step = Add(StepKind::kHeader);
  step.index = static_cast<uint32_t>(program_->headers.size());
  program_->headers.push_back(std::move(header));
  return absl::OkStatus();
}

void TemplateCompiler::EmitCopy(const HeaderField& field) {
  const std::string line = fmt::format("{}:{}", field.name, field.raw);
  bool as_it_is = CanBeCopied(line);
  for (std::string_view rest = field.raw; as_it_is;) {  // a line of white space alone would end the headers for some
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
    as_it_is = !Trimmed(rest.substr(0, rest.find('\n'))).empty();
  }
  if (as_it_is) {
    Lines(line);
    Literal("\r\n");
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
  Literal(text);
  Literal("\r\n");
}

absl::Status TemplateCompiler::EmitMultipart(Entity& entity, bool top) {
  if (entity.type.value == "multipart/signed" || entity.type.value == "multipart/encrypted") {
    return ErrorAt(entity.body_line,
                   fmt::format("a {} part cannot be rendered without breaking it", entity.type.value));
  }
  if (absl::Status status = EmitFields(entity, top); !status.ok()) return status;
  const std::string boundary = *entity.type.Find("boundary");
  Literal("\r\n");
  if (top) BeginBody();
  for (Entity& child : entity.children) {
    Literal(fmt::format("{}--{}\r\n", &child == &entity.children.front() ? "" : "\r\n", boundary));
    if (absl::Status status = EmitEntity(child, false); !status.ok()) return status;
  }
  Literal(fmt::format("\r\n--{}--\r\n", boundary));
  return absl::OkStatus();
}

absl::Status TemplateCompiler::EmitText(Entity& entity, bool top) {
  const absl::StatusOr<SourceText> source = DecodedText(entity);
  if (!source.ok()) return source.status();
  const absl::StatusOr<std::vector<MustacheToken>> tokens = ParseMustache(*source, true);
  if (!tokens.ok()) return tokens.status();
  const std::string_view text = source->text;
  const bool untouched = tokens->empty() || (tokens->size() == 1 && tokens->front().kind == Kind::kText &&
                                             tokens->front().text.size() == text.size());
  const bool from_line = text.starts_with("From ") || text.find("\nFrom ") != std::string_view::npos;
  const bool copied = untouched && IsIdentity(entity.encoding) && CanBeCopied(text) && !from_line;
  if (!copied || entity.Find("Content-Type") == nullptr) {
    const std::string* charset = entity.type.Find("charset");
    const bool is_utf8 = charset == nullptr || EqualsIgnoreCase(*charset, "utf-8") ||
                         EqualsIgnoreCase(*charset, "utf8") || EqualsIgnoreCase(*charset, "us-ascii");
    if (!IsAscii(text) && (!is_utf8 || !IsUtf8(text))) {
      return ErrorAt(entity.body_line, "the text part that begins here is not UTF-8: save the template as UTF-8");
    }
    entity.type.Set("charset", "utf-8");
  }
  const bool typed = entity.Find("Content-Type") != nullptr || top;
  if (absl::Status status = EmitFields(entity, top); !status.ok()) return status;
  if (!typed && !copied) Literal(fmt::format("Content-Type: {}\r\n", entity.type.ToString()));
  Literal(fmt::format("Content-Transfer-Encoding: {}\r\n\r\n", copied ? "7bit" : "quoted-printable"));
  if (top) BeginBody();
  if (copied) {
    Lines(text);
    if (top && !text.empty() && !text.ends_with('\n')) Literal("\r\n");
    return absl::OkStatus();
  }
  Add(StepKind::kBeginText);
  if (absl::Status status = EmitTokens(*tokens, entity.IsHtml()); !status.ok()) return status;
  Add(top ? StepKind::kEndTextLines : StepKind::kEndText);
  return absl::OkStatus();
}

absl::Status TemplateCompiler::EmitAttachment(const Entity& entity, bool top) {
  std::string encoding = entity.encoding;
  std::string recoded;
  std::string_view body = entity.body;
  if (!CanBeCopied(body)) {
    if (encoding == "binary" || entity.type.value.starts_with("message/")) {
      return ErrorAt(entity.body_line, "this part is not 7-bit and cannot be recoded: attach it as base64");
    }
    std::string bytes = WithCrLf(body);
    if (encoding == "base64" && !DecodeBase64(body, bytes)) {
      return ErrorAt(entity.body_line, "the part's base64 cannot be decoded");
    }
    if (encoding != "base64" && !IsIdentity(encoding)) {
      return ErrorAt(entity.body_line, "the part has a line over 998 bytes or 8-bit bytes in spite of its encoding");
    }
    recoded = Base64Lines(bytes);
    body = recoded;
    encoding = "base64";
  }
  if (absl::Status status = EmitFields(entity, top); !status.ok()) return status;
  Literal(fmt::format("Content-Transfer-Encoding: {}\r\n\r\n", IsIdentity(encoding) ? "7bit" : encoding));
  if (top) BeginBody();
  Lines(body);
  if (top && !body.ends_with('\n')) Literal("\r\n");
  return absl::OkStatus();
}

absl::Status TemplateCompiler::EmitTokens(const std::vector<MustacheToken>& tokens, bool html) {
  std::vector<size_t> open;
  for (const MustacheToken& token : tokens) {
    if (token.kind == Kind::kClose) {
      program_->steps[open.back()].index = static_cast<uint32_t>(program_->steps.size());
      open.pop_back();
      continue;
    }
    if (token.kind == Kind::kText) {
      const QuotedPrintableLiteral literal = QuotedPrintableWriter::Encode(token.text);
      Program::Step& step = Add(StepKind::kTextLiteral);
      step.begin = program_->literals.size();
      step.head = literal.head.size();
      step.size = literal.head.size() + literal.rest.size();
      step.column = literal.column;
      program_->literals += literal.head;
      program_->literals += literal.rest;
      continue;
    }
    const absl::StatusOr<uint32_t> slot = SlotOf(token);
    if (!slot.ok()) return slot.status();
    switch (token.kind) {
      case Kind::kSection:
      case Kind::kInverted:
        open.push_back(program_->steps.size());
        Add(token.kind == Kind::kSection ? StepKind::kIf : StepKind::kUnless).slot = *slot;
        break;
      default:
        Add(html && token.kind == Kind::kValue ? StepKind::kHtmlValue : StepKind::kTextValue).slot = *slot;
        break;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<HeaderPiece>> TemplateCompiler::PiecesOf(const std::vector<MustacheToken>& tokens) {
  std::vector<HeaderPiece> pieces;
  std::vector<size_t> open;
  for (const MustacheToken& token : tokens) {
    if (token.kind == Kind::kClose) {
      pieces[open.back()].after = static_cast<uint32_t>(pieces.size());
      open.pop_back();
      continue;
    }
    HeaderPiece& piece = pieces.emplace_back();
    if (token.kind == Kind::kText) {
      piece.text = token.text;
      continue;
    }
    const absl::StatusOr<uint32_t> slot = SlotOf(token);
    if (!slot.ok()) return slot.status();
    piece.slot = *slot;
    switch (token.kind) {
      case Kind::kSection:
        piece.kind = HeaderPiece::Kind::kIf;
        open.push_back(pieces.size() - 1);
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

absl::StatusOr<uint32_t> TemplateCompiler::SlotOf(const MustacheToken& token) {
  const bool is_email = EqualsIgnoreCase(token.text, "email");
  const std::string name = is_email ? "email" : std::string(token.text);
  for (size_t i = 0; i < program_->slots.size(); ++i) {
    if (program_->slots[i].name == name) return static_cast<uint32_t>(i);
  }
  Slot slot;
  slot.name = name;
  bool known = is_email || columns_ == Columns::kAny;
  if (is_email) slot.column = Slot::kEmail;
  for (size_t i = 0; i < options_.columns.size() && !is_email; ++i) {
    if (options_.columns[i] != name) continue;
    slot.column = static_cast<int>(i);
    known = true;
    break;
  }
  for (const auto& [default_name, value] : options_.defaults) {
    if (default_name != name || is_email) continue;
    slot.fallback = value;
    known = true;
  }
  if (!known) {
    std::vector<std::string> columns = {"email"};
    columns.insert(columns.end(), options_.columns.begin(), options_.columns.end());
    const std::string suggestion = Suggestion(name, columns);
    std::string there;
    for (size_t i = 0; i < columns.size() && i < kColumnsNamedMax; ++i) there += (i == 0 ? "" : ", ") + columns[i];
    if (columns.size() > kColumnsNamedMax) there += fmt::format(" and {} more", columns.size() - kColumnsNamedMax);
    return ErrorAt(token.line,
                   fmt::format("{{{{{0}}}}}: the recipients have no column {0}{1}. Their columns are: {2}. "
                               "Correct the name, add the column, or give a default: --default {0}=TEXT",
                               name, suggestion.empty() ? "" : fmt::format(" (did you mean {}?)", suggestion), there));
  }
  if (!is_email) program_->needed_columns.push_back(name);
  program_->slots.push_back(std::move(slot));
  return static_cast<uint32_t>(program_->slots.size() - 1);
}

void TemplateCompiler::Literal(std::string_view bytes) {
  if (bytes.empty()) return;
  const bool new_step = program_->steps.empty() || program_->steps.back().kind != StepKind::kLiteral ||
                        program_->steps.size() == program_->body_begin;
  if (new_step) {
    Add(StepKind::kLiteral).begin = program_->literals.size();
  }
  program_->literals += bytes;
  program_->steps.back().size += bytes.size();
}

void TemplateCompiler::BeginBody() { program_->body_begin = program_->steps.size(); }

void TemplateCompiler::Lines(std::string_view text) { Literal(WithCrLf(text)); }

Program::Step& TemplateCompiler::Add(StepKind kind) {
  Program::Step& step = program_->steps.emplace_back();
  step.kind = kind;
  return step;
}

}  // namespace sealift::engine
