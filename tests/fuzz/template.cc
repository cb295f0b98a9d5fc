// A template, and the values that are merged into it: no value changes the shape of the message.
#include "engine/message/template.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/nested_value.h"
#include "tests/fuzz/property.h"

namespace sealift::fuzz {
namespace {

using engine::NestedValue;
using engine::Template;

struct Shape {
  size_t header_fields = 0;
  size_t boundaries = 0;  // lines of the body that begin with two hyphens

  bool operator==(const Shape&) const = default;
};

// Checks every line on the way.
Shape ShapeOf(std::string_view message) {
  Shape shape;
  bool body = false;
  while (!message.empty()) {
    const size_t end = message.find('\n');
    Holds(end != std::string_view::npos && end > 0 && message[end - 1] == '\r', "every line ends with CRLF");
    const std::string_view line = message.substr(0, end - 1);
    message.remove_prefix(end + 1);
    Holds(line.size() <= 998, "no line is over 998 bytes");
    Holds(line.find_first_of(std::string_view("\r\0", 2)) == std::string_view::npos, "no bare CR and no NUL");
    Holds(std::ranges::all_of(line, [](char c) { return static_cast<unsigned char>(c) < 0x80; }), "it is 7-bit");
    if (body) {
      shape.boundaries += line.starts_with("--") ? 1 : 0;
    } else if (line.empty()) {
      body = true;
    } else if (line.front() != ' ' && line.front() != '\t') {
      ++shape.header_fields;
    }
  }
  return shape;
}

// What must hold whatever the names mean and the values are.
void Merge(const std::string& eml, Template::Names names, const std::string& name, const std::string& other) {
  const absl::StatusOr<Template> compiled =
      Template::Compile(eml, {.columns = {"name", "other"}, .defaults = {}, .names = names});
  if (!compiled.ok()) return;

  const Template::Identity identity = {.message_id = "<id@mta.test>", .date = absl::FromUnixSeconds(1'800'000'000)};
  const std::vector<std::string_view> plain = {"Jane", "Doe"}, given = {name, other};
  const Template::Row harmless = {.email = "jane@d1.test", .fields = plain};
  const Template::Row hostile = {.email = "jane@d1.test", .fields = given};
  std::string expected, rendered;
  const bool accepted = compiled->Check(hostile).ok();
  const bool made = compiled->Render(hostile, identity, rendered).ok();
  Holds(made || !accepted, "what was accepted when loaded can be rendered");
  if (!made) return;
  const Shape shape = ShapeOf(rendered);
  std::string again;
  Holds(compiled->Render(hostile, identity, again).ok() && again == rendered, "the same row has the same bytes");
  // A template may want an address, a URL or a list of a column, which "Jane" is none of.
  if (!compiled->Check(harmless).ok() || !compiled->Render(harmless, identity, expected).ok()) return;
  // A section that is empty leaves out what stands in it.
  if (!NestedValue::OfField(name).IsFalse() && !NestedValue::OfField(other).IsFalse()) {
    Holds(shape == ShapeOf(expected), "values add no header, no part and no line of a header");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider input(bytes, size);
  const std::string name = input.ConsumeRandomLengthString(200), other = input.ConsumeRandomLengthString(200);
  const std::string eml = input.ConsumeRemainingBytesAsString();
  Merge(eml, Template::Names::kColumns, name, other);
  Merge(eml, Template::Names::kPaths, name, other);
  return 0;
}

}  // namespace sealift::fuzz
