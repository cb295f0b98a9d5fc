#include "engine/message/letter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/message/base64.h"
#include "engine/message/entity.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

constexpr std::pair<std::string_view, std::string_view> kMediaTypes[] = {
    {".pdf", "application/pdf"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".gif", "image/gif"},
    {".webp", "image/webp"},
    {".svg", "image/svg+xml"},
    {".txt", "text/plain"},
    {".csv", "text/csv"},
    {".html", "text/html"},
    {".ics", "text/calendar"},
    {".vcf", "text/vcard"},
    {".xml", "application/xml"},
    {".json", "application/json"},
    {".zip", "application/zip"},
    {".doc", "application/msword"},
    {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {".xls", "application/vnd.ms-excel"},
    {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {".ppt", "application/vnd.ms-powerpoint"},
    {".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {".odt", "application/vnd.oasis.opendocument.text"},
    {".ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {".mp3", "audio/mpeg"},
    {".mp4", "video/mp4"},
};

absl::Status CheckHeader(std::string_view what, std::string_view value) {
  if (!IsUtf8(value)) return absl::InvalidArgumentError(fmt::format("{} is not UTF-8", what));
  if (HasControl(value)) {
    return absl::InvalidArgumentError(fmt::format("{} has a line end or another control character", what));
  }
  if (Trimmed(value).empty()) return absl::InvalidArgumentError(fmt::format("{} is empty", what));
  return absl::OkStatus();
}

absl::Status CheckText(std::string_view what, const std::optional<std::string>& text) {
  if (text.has_value() && !IsUtf8(*text)) {
    return absl::InvalidArgumentError(fmt::format("{} is not UTF-8: save it as UTF-8", what));
  }
  return absl::OkStatus();
}

std::string TextPart(std::string_view subtype, std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return fmt::format("Content-Type: text/{}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{}", subtype, text);
}

std::string AttachmentPart(const Letter::Attachment& attachment) {
  ParameterizedValue disposition;
  disposition.value = "attachment";
  disposition.Set("filename", attachment.name);
  return fmt::format("Content-Type: {}\nContent-Disposition: {}\nContent-Transfer-Encoding: base64\n\n{}\n",
                     MediaTypeOf(attachment.name), disposition.ToString(), Base64Lines(attachment.bytes));
}

// A boundary that no part has in it.
std::string Multipart(std::string_view subtype, const std::vector<std::string>& parts) {
  std::string boundary;
  for (int i = 1;; ++i) {
    boundary = fmt::format("=_{}_{}", subtype, i);
    if (std::ranges::none_of(parts, [&](const std::string& part) { return part.find(boundary) != std::string::npos; }))
      break;
  }
  std::string text = fmt::format("Content-Type: multipart/{}; boundary=\"{}\"\n\n", subtype, boundary);
  for (const std::string& part : parts) text += fmt::format("--{}\n{}\n", boundary, part);
  return text + fmt::format("--{}--\n", boundary);
}

}  // namespace

std::string_view MediaTypeOf(std::string_view file_name) {
  for (const auto& [ending, type] : kMediaTypes) {
    if (file_name.size() > ending.size() &&
        EqualsIgnoreCase(file_name.substr(file_name.size() - ending.size()), ending))
      return type;
  }
  return "application/octet-stream";
}

absl::StatusOr<std::string> Letter::Compose() const {
  if (absl::Status status = CheckHeader("the sender", from); !status.ok()) return status;
  if (absl::Status status = CheckHeader("the subject", subject); !status.ok()) return status;
  if (absl::Status status = CheckText("the text", text); !status.ok()) return status;
  if (absl::Status status = CheckText("the HTML", html); !status.ok()) return status;
  std::vector<std::string> versions;
  if (text.has_value()) versions.push_back(TextPart("plain", *text));
  if (html.has_value()) versions.push_back(TextPart("html", *html));
  if (versions.empty()) return absl::InvalidArgumentError("the letter has neither a text nor HTML");
  std::string content = versions.size() == 1 ? versions.front() : Multipart("alternative", versions);
  if (!attachments.empty()) {
    std::vector<std::string> parts = {std::move(content)};
    for (const Attachment& attachment : attachments) {
      if (absl::Status status = CheckHeader("the name of an attachment", attachment.name); !status.ok()) return status;
      parts.push_back(AttachmentPart(attachment));
    }
    content = Multipart("mixed", parts);
  }
  return fmt::format("From: {}\nSubject: {}\nMIME-Version: 1.0\n{}", from, subject, content);
}

}  // namespace sealift::engine
