#include "engine/message/template_compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/message/base64.h"
#include "engine/message/front_matter.h"
#include "engine/message/quoted_printable.h"
#include "engine/message/seven_bit.h"
#include "engine/message/template_error.h"
#include "engine/message/text_compiler.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

using Kind = MustacheToken::Kind;
using StepKind = Program::Step::Kind;

constexpr size_t kTemplateBytesMax = 64 << 20;

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
      return TemplateError(static_cast<int>(line), "a NUL character stands in the template: save it as UTF-8 text");
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
      return TemplateError(entity.body_line, "the part's base64 cannot be decoded");
    source.lines = {entity.body_line};
  } else {
    return TemplateError(entity.body_line,
                         "the part's Content-Transfer-Encoding is unknown: use 8bit, quoted-printable or base64");
  }
  absl::StatusOr<std::string> text = Normalized(source.text);
  if (!text.ok()) return TemplateError(entity.body_line, "the decoded part has a NUL character");
  source.text = *std::move(text);
  return source;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Program>> TemplateCompiler::Run(std::string_view eml) {
  const absl::StatusOr<std::string> source = Normalized(eml);
  if (!source.ok()) return source.status();
  absl::StatusOr<FrontMatter> matter = ReadFrontMatter(*source);
  if (!matter.ok()) return matter.status();
  writer_.SetDefaults(std::move(matter->defaults));
  absl::StatusOr<Entity> entity = ParseEntity(matter->message, matter->message_line);
  if (!entity.ok()) return entity.status();
  if (absl::Status status = HeaderCompiler::Check(*entity); !status.ok()) return status;
  writer_.program().fields = FieldsOf(*entity);
  writer_.Literal("Date: ");
  writer_.Add(StepKind::kDate);
  writer_.Literal("\r\nMessage-ID: ");
  writer_.Add(StepKind::kMessageId);
  writer_.Literal("\r\n");
  writer_.Add(StepKind::kIdentityFields);
  if (absl::Status status = EmitEntity(*entity, true); !status.ok()) return status;
  return writer_.Finish();
}

absl::Status TemplateCompiler::EmitEntity(Entity& entity, bool top) {
  if (!entity.children.empty()) return EmitMultipart(entity, top);
  return entity.IsText() ? EmitText(entity, top) : EmitAttachment(entity, top);
}

absl::Status TemplateCompiler::EmitMultipart(Entity& entity, bool top) {
  if (entity.type.value == "multipart/signed" || entity.type.value == "multipart/encrypted") {
    return TemplateError(entity.body_line,
                         fmt::format("a {} part cannot be rendered without breaking it", entity.type.value));
  }
  if (absl::Status status = headers_.Emit(entity, top); !status.ok()) return status;
  const std::string boundary = *entity.type.Find("boundary");
  writer_.Literal("\r\n");
  if (top) writer_.BeginBody();
  for (Entity& child : entity.children) {
    writer_.Literal(fmt::format("{}--{}\r\n", &child == &entity.children.front() ? "" : "\r\n", boundary));
    if (absl::Status status = EmitEntity(child, false); !status.ok()) return status;
  }
  writer_.Literal(fmt::format("\r\n--{}--\r\n", boundary));
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
  const bool copied = untouched && IsIdentity(entity.encoding) && IsSevenBit(text) && !from_line;
  if (!copied || entity.Find("Content-Type") == nullptr) {
    const std::string* charset = entity.type.Find("charset");
    const bool is_utf8 = charset == nullptr || EqualsIgnoreCase(*charset, "utf-8") ||
                         EqualsIgnoreCase(*charset, "utf8") || EqualsIgnoreCase(*charset, "us-ascii");
    if (!IsAscii(text) && (!is_utf8 || !IsUtf8(text))) {
      return TemplateError(entity.body_line, "the text part that begins here is not UTF-8: save the template as UTF-8");
    }
    entity.type.Set("charset", "utf-8");
  }
  const bool typed = entity.Find("Content-Type") != nullptr || top;
  if (absl::Status status = headers_.Emit(entity, top); !status.ok()) return status;
  if (!typed && !copied) writer_.Literal(fmt::format("Content-Type: {}\r\n", entity.type.ToString()));
  writer_.Literal(fmt::format("Content-Transfer-Encoding: {}\r\n\r\n", copied ? "7bit" : "quoted-printable"));
  if (top) writer_.BeginBody();
  if (copied) {
    writer_.Lines(text);
    if (top && !text.empty() && !text.ends_with('\n')) writer_.Literal("\r\n");
    return absl::OkStatus();
  }
  writer_.Add(StepKind::kBeginText);
  const TextCompiler::Form form = entity.IsHtml()     ? TextCompiler::Form::kHtml
                                  : entity.IsRecord() ? TextCompiler::Form::kRecord
                                                      : TextCompiler::Form::kPlain;
  if (absl::Status status = TextCompiler(writer_, form).Emit(*tokens); !status.ok()) return status;
  writer_.Add(top ? StepKind::kEndTextLines : StepKind::kEndText);
  return absl::OkStatus();
}

absl::Status TemplateCompiler::EmitAttachment(const Entity& entity, bool top) {
  std::string encoding = entity.encoding;
  std::string recoded;
  std::string_view body = entity.body;
  if (!IsSevenBit(body)) {
    if (encoding == "binary" || entity.type.value.starts_with("message/")) {
      return TemplateError(entity.body_line, "this part is not 7-bit and cannot be recoded: attach it as base64");
    }
    std::string bytes = WithCrLf(body);
    if (encoding == "base64" && !DecodeBase64(body, bytes)) {
      return TemplateError(entity.body_line, "the part's base64 cannot be decoded");
    }
    if (encoding != "base64" && !IsIdentity(encoding)) {
      return TemplateError(entity.body_line,
                           "the part has a line over 998 bytes or 8-bit bytes in spite of its encoding");
    }
    recoded = Base64Lines(bytes);
    body = recoded;
    encoding = "base64";
  }
  if (absl::Status status = headers_.Emit(entity, top); !status.ok()) return status;
  writer_.Literal(fmt::format("Content-Transfer-Encoding: {}\r\n\r\n", IsIdentity(encoding) ? "7bit" : encoding));
  if (top) writer_.BeginBody();
  writer_.Lines(body);
  if (top && !body.ends_with('\n')) writer_.Literal("\r\n");
  return absl::OkStatus();
}

}  // namespace sealift::engine
