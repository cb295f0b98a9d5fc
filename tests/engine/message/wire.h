#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/encoded_word.h"
#include "engine/message/entity.h"
#include "engine/message/quoted_printable.h"
#include "engine/message/template.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {

// How a receiver reads what was rendered, and what must hold for every message on the wire.

inline void ExpectWireSafe(std::string_view message) {
  EXPECT_TRUE(IsAscii(message)) << "8-bit";
  EXPECT_TRUE(message.ends_with("\r\n"));
  size_t line_begin = 0;
  for (size_t i = 0; i < message.size(); ++i) {
    ASSERT_NE(message[i], '\0');
    if (message[i] == '\r') {
      ASSERT_TRUE(i + 1 < message.size() && message[i + 1] == '\n') << "bare CR at " << i;
    }
    if (message[i] == '\n') {
      ASSERT_TRUE(i > 0 && message[i - 1] == '\r') << "bare LF at " << i;
      ASSERT_LE(i - 1 - line_begin, 998U) << "line too long";
      line_begin = i + 1;
    }
  }
}

inline std::string WithoutCr(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c != '\r') result += c;
  }
  return result;
}

// A rendered message, read back. Keeps the text that the entity points into.
struct Received {
  explicit Received(std::string_view message) : text(WithoutCr(message)) {
    ExpectWireSafe(message);
    absl::StatusOr<Entity> parsed = ParseEntity(text);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    if (parsed.ok()) entity = *std::move(parsed);
  }
  Received(const Received&) = delete;
  Received& operator=(const Received&) = delete;

  std::string Header(std::string_view name) const {
    const HeaderField* field = entity.Find(name);
    return field == nullptr ? "none" : field->value;
  }

  // The text of a part, decoded.
  static std::string Text(const Entity& part) {
    if (part.encoding != "quoted-printable") return std::string(part.body);
    for (std::string_view rest = part.body; !rest.empty();) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      EXPECT_LE(line.size(), 76U);
      EXPECT_FALSE(line.ends_with(' ') || line.ends_with('\t')) << "white space at the end of a line";
      EXPECT_FALSE(line.starts_with('-') || line.starts_with('.') || line.starts_with("From ")) << line;
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    }
    return DecodeQuotedPrintable(part.body);
  }
  std::string Text() const { return Text(entity); }

  std::string text;
  Entity entity;
};

inline constexpr std::string_view kTestMessageId = "<0123abc@mta1.example.com>";

inline absl::StatusOr<std::string> Rendered(const Template& compiled, std::vector<std::string_view> fields,
                                            std::string_view email = "jane@d1.test") {
  std::string message;
  const absl::Status status =
      compiled.Render({.email = email, .fields = fields},
                      {.message_id = kTestMessageId, .date = absl::FromUnixSeconds(1795297481)}, message);
  if (!status.ok()) {
    EXPECT_EQ(message, "");
    return status;
  }
  return message;
}

inline Template Compiled(std::string_view eml, std::vector<std::string> columns = {},
                         std::vector<std::pair<std::string, std::string>> defaults = {}) {
  absl::StatusOr<Template> compiled =
      Template::Compile(eml, {.columns = std::move(columns), .defaults = std::move(defaults)});
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  if (!compiled.ok()) compiled = Template::Compile("From: a@d1.test\n\n", {});
  return *compiled;
}

inline std::string CompileError(std::string_view eml, std::vector<std::string> columns = {}) {
  const absl::StatusOr<Template> compiled = Template::Compile(eml, {.columns = std::move(columns), .defaults = {}});
  return compiled.ok() ? "none" : std::string(compiled.status().message());
}

// Renders a message that has the value in every place where one may stand. False when a header refuses the value; else
// the message is the template's, with the value in it.
inline bool ExpectShapeKept(const std::string& value) {
  static const Template compiled = Compiled(
      "From: {{v}} <news@example.com>\nTo: \"{{v}}\" <{{email}}>\nSubject: {{v}}\nX-Tag: a {{{v}}} b\n"
      "List-Unsubscribe: <https://u.example.com/{{v}}>\n"
      "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n{{v}}\n--b\nContent-Type: text/html\n\n"
      "<p>{{v}}{{{v}}}</p>\n--b--\n",
      {"v"});
  const std::vector<std::string_view> fields = {value};
  const bool fine = compiled.Check({.email = "jane@d1.test", .fields = fields}).ok();
  const absl::StatusOr<std::string> message = Rendered(compiled, fields);
  EXPECT_EQ(fine, message.ok());
  if (!message.ok()) return false;
  const Received received(*message);
  EXPECT_EQ(received.entity.fields.size(), 9U) << value;
  EXPECT_EQ(received.entity.children.size(), 2U) << value;
  if (received.entity.children.size() != 2) return true;
  EXPECT_EQ(DecodeEncodedWords(received.Header("Subject")), Trimmed(value));
  EXPECT_EQ(Received::Text(received.entity.children[0]), value);
  return true;
}

}  // namespace sealift::engine
