#include "engine/message/entity.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/message/template_error.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

constexpr int kDepthMax = 16;
constexpr int kPartsMax = 1000;
constexpr size_t kFieldNameBytesMax = 76;  // longer ones exist only to break line limits

bool IsTokenCharacter(char c) {  // RFC 2045 5.1
  return c > 0x20 && c < 0x7F && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
}

std::string LowerCased(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), LowerCase);
  return result;
}

std::string_view TakeLine(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

bool IsFieldName(std::string_view name) {  // RFC 5322 3.6.8
  return !name.empty() && name.size() <= kFieldNameBytesMax &&
         std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7F && c != ':'; });
}

std::string Unfolded(std::string_view raw) {
  std::string value;
  for (const char c : raw) {
    if (c != '\n') value += c == '\t' ? ' ' : c;
  }
  return std::string(Trimmed(value));
}

class EntityParser {
 public:
  absl::Status Parse(std::string_view source, int line, int depth, Entity& entity) {
    if (depth > kDepthMax) return TemplateError(line, fmt::format("parts are nested deeper than {}", kDepthMax));
    if (++parts_ > kPartsMax) return TemplateError(line, fmt::format("the message has more than {} parts", kPartsMax));
    if (absl::Status status = ParseFields(source, line, depth, entity); !status.ok()) return status;
    if (absl::Status status = ReadFields(entity); !status.ok()) return status;
    entity.body = source;
    entity.body_line = line;
    if (!entity.type.value.starts_with("multipart/")) return absl::OkStatus();
    return ParseChildren(depth, entity);
  }

 private:
  static absl::Status ParseFields(std::string_view& source, int& line, int depth, Entity& entity) {
    while (!source.empty()) {
      const char* begin = source.data();
      const int first_line = line;
      std::string_view text = TakeLine(source);
      ++line;
      if (text.empty()) return absl::OkStatus();
      const size_t colon = text.find(':');
      if (colon == std::string_view::npos || !IsFieldName(text.substr(0, colon))) {
        if (text.starts_with("From ") && entity.fields.empty()) {
          return TemplateError(first_line, "this is a mailbox's \"From \" line, not a header: remove it");
        }
        if (text.front() == ' ' || text.front() == '\t') {
          return TemplateError(first_line, "a folded line stands where a header must begin");
        }
        return TemplateError(
            first_line, "this is not a header (Name: value): if the text begins here, put an empty line before it");
      }
      while (source.starts_with(' ') || source.starts_with('\t')) {
        const std::string_view more = TakeLine(source);
        text = std::string_view(begin, static_cast<size_t>(more.data() + more.size() - begin));
        ++line;
      }
      HeaderField field;
      field.name = text.substr(0, colon);
      field.raw = text.substr(colon + 1);
      field.value = Unfolded(field.raw);
      field.line = first_line;
      if (HasControl(field.value)) return TemplateError(first_line, "the header has a control character");
      entity.fields.push_back(std::move(field));
    }
    if (depth == 0) return TemplateError(line, "the headers are not followed by an empty line and a body");
    return absl::OkStatus();
  }

  static absl::Status ReadFields(Entity& entity) {
    entity.type.value = "text/plain";
    if (const HeaderField* field = entity.Find("Content-Type"); field != nullptr) {
      absl::StatusOr<ParameterizedValue> type = ParseParameterizedValue(field->value);
      if (!type.ok()) return TemplateError(field->line, std::string(type.status().message()));
      if (type->value.find('/') == std::string::npos)
        return TemplateError(field->line, "Content-Type has no type/subtype");
      entity.type = *std::move(type);
    }
    if (const HeaderField* field = entity.Find("Content-Transfer-Encoding"); field != nullptr) {
      entity.encoding = LowerCased(field->value);
    }
    if (const HeaderField* field = entity.Find("Content-Disposition"); field != nullptr) {
      absl::StatusOr<ParameterizedValue> disposition = ParseParameterizedValue(field->value);
      if (!disposition.ok()) return TemplateError(field->line, std::string(disposition.status().message()));
      entity.attachment = disposition->value == "attachment";
    }
    return absl::OkStatus();
  }

  absl::Status ParseChildren(int depth, Entity& entity) {
    const std::string* boundary = entity.type.Find("boundary");
    if (boundary == nullptr || boundary->empty() || boundary->size() > 70) {
      return TemplateError(entity.body_line,
                           fmt::format("{} has no boundary of 1 to 70 characters", entity.type.value));
    }
    const std::string delimiter = "--" + *boundary;
    std::string_view rest = entity.body;
    entity.body = {};
    int line = entity.body_line;
    const char* part_begin = nullptr;
    bool closed = false;
    int part_line = 0;
    while (!rest.empty()) {
      const char* line_begin = rest.data();
      const std::string_view text = TakeLine(rest);
      ++line;
      if (!text.starts_with(delimiter)) continue;
      const std::string_view behind = Trimmed(text.substr(delimiter.size()));
      if (!behind.empty() && behind != "--") continue;  // a longer boundary, of a part within
      if (part_begin != nullptr) {
        // The line end before a delimiter belongs to it.
        const auto size = static_cast<size_t>(line_begin - part_begin);
        const std::string_view part(part_begin, size == 0 ? 0 : size - 1);
        entity.children.emplace_back();
        if (absl::Status status = Parse(part, part_line, depth + 1, entity.children.back()); !status.ok())
          return status;
      }
      part_begin = rest.data();
      part_line = line;
      if (behind == "--") {
        if (!entity.children.empty()) return absl::OkStatus();
        closed = true;
        break;
      }
    }
    if (part_begin == nullptr || closed) {
      return TemplateError(entity.body_line,
                           fmt::format("the {} has no parts: no line is its boundary", entity.type.value));
    }
    return TemplateError(line,
                         fmt::format("the {} that begins on line {} is not closed by its boundary and two hyphens",
                                     entity.type.value, entity.body_line));
  }

  int parts_ = 0;
};

}  // namespace

bool HeaderField::Is(std::string_view other) const { return EqualsIgnoreCase(name, other); }

const std::string* ParameterizedValue::Find(std::string_view name) const {
  for (const auto& [key, parameter] : parameters) {
    if (key == name) return &parameter;
  }
  return nullptr;
}

void ParameterizedValue::Set(std::string_view name, std::string_view parameter) {
  for (auto& [key, present] : parameters) {
    if (key != name) continue;
    present = parameter;
    return;
  }
  parameters.emplace_back(name, parameter);
}

std::string ParameterizedValue::ToString() const {
  std::string text = value;
  for (const auto& [name, parameter] : parameters) {
    text += ";\r\n ";
    if (!IsAscii(parameter)) {
      text += name + "*=utf-8''";
      for (const char c : parameter) {
        const bool plain = IsTokenCharacter(c) && c != '*' && c != '\'' && c != '%';
        text += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
      }
    } else if (!parameter.empty() && std::ranges::all_of(parameter, IsTokenCharacter)) {
      text += fmt::format("{}={}", name, parameter);
    } else {
      text += name + "=\"";
      for (const char c : parameter) {
        if (c == '"' || c == '\\') text += '\\';
        text += c;
      }
      text += '"';
    }
  }
  return text;
}

const HeaderField* Entity::Find(std::string_view name) const {
  for (const HeaderField& field : fields) {
    if (field.Is(name)) return &field;
  }
  return nullptr;
}

bool Entity::IsText() const { return type.value.starts_with("text/") && !attachment; }

bool Entity::IsHtml() const { return type.value == "text/html" || type.value == "text/x-amp-html"; }

bool Entity::IsRecord() const {
  return type.value == "text/calendar" || type.value == "text/vcard" || type.value == "text/x-vcard" ||
         type.value == "text/directory";
}

absl::StatusOr<Entity> ParseEntity(std::string_view source, int line) {
  Entity entity;
  if (absl::Status status = EntityParser().Parse(source, line, 0, entity); !status.ok()) return status;
  return entity;
}

absl::StatusOr<ParameterizedValue> ParseParameterizedValue(std::string_view text) {
  ParameterizedValue result;
  size_t at = std::min(text.find(';'), text.size());
  result.value = LowerCased(Trimmed(text.substr(0, at)));
  if (result.value.empty() || !IsAscii(result.value)) return absl::InvalidArgumentError("the header has no value");
  const auto skip_white = [&] { at = std::min(text.find_first_not_of(' ', at), text.size()); };
  while (at < text.size()) {
    ++at;  // the semicolon
    skip_white();
    if (at == text.size()) break;
    const size_t equals = text.find('=', at);
    if (equals == std::string_view::npos) return absl::InvalidArgumentError("a parameter of the header has no value");
    const std::string name = LowerCased(Trimmed(text.substr(at, equals - at)));
    if (name.empty() || !std::ranges::all_of(name, IsTokenCharacter)) {
      return absl::InvalidArgumentError("a parameter of the header has no proper name");
    }
    at = equals + 1;
    skip_white();
    std::string parameter;
    if (at < text.size() && text[at] == '"') {
      for (++at; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) ++at;
        parameter += text[at];
      }
      if (at == text.size())
        return absl::InvalidArgumentError("a parameter of the header has a quote that is not closed");
      at = std::min(text.find(';', at), text.size());
    } else {
      const size_t end = std::min(text.find(';', at), text.size());
      parameter = Trimmed(text.substr(at, end - at));
      at = end;
    }
    result.parameters.emplace_back(name, std::move(parameter));
  }
  return result;
}

}  // namespace sealift::engine
