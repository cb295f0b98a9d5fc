// Rendering takes no memory of its own: millions of messages are rendered a run, by threads that also serve sockets.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "engine/message/nested_value.h"
#include "engine/message/template.h"
#include "tests/engine/message/wire.h"

namespace {

thread_local long allocations = 0;

}  // namespace

// What every `new` of this program comes to, so that it can be counted.
void* operator new(std::size_t size) {
  ++allocations;
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace sealift::engine {
namespace {

TEST(AllocationTest, RenderingAMessageAllocatesNothing) {
  std::string eml =
      "---\ndefault greeting = A greeting that is too long for a small string\n---\n"
      "From: Clinic {{city}} <news@example.com>\nTo: {{name}} <{{email}}>\nReply-To: {{office}}\n"
      "Subject: {{greeting}} {{name}}, {{name}} and {{name}}\nList-Unsubscribe: <https://u.example.com/?a={{email}}>\n"
      "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n{{greeting}} {{name}},\n{{#city}}from "
      "{{.}}{{/city}}\n";
  for (int i = 0; i < 100; ++i) eml += "A line of text that is the same for everyone, and {{name}}.\n";
  eml +=
      "--b\nContent-Type: text/html\n\n<p title=\"{{name}}\"><a href=\"{{link}}\">{{name}}</a> <a "
      "href=\"https://example.com/?n={{name}}\" style=\"color:{{colour}}\"></a></p>\n--b--\n";
  const Template compiled = Compiled(eml, {"name", "city", "office", "link", "colour"});
  const std::vector<std::string_view> fields = {
      "J\xC3\xA4ne Doe-M\xC3\xBCller von und zu <Hohenheim> & S\xC3\xB6hne, geborene \"Smith\"", "a city by the sea",
      "the.office.of.the.clinic+patients@a-rather-long-domain.example", "https://example.com/a-link-of-her-own?a=b&c=d",
      "#ff0000"};
  const Template::Row row{.email = "jane.doe.with.a.long.address@a-rather-long-domain.example", .fields = fields};
  const Template::Identity identity{.message_id = kTestMessageId, .date = absl::FromUnixSeconds(1795297481)};
  std::string message;
  for (int i = 0; i < 2; ++i) {  // the first finds how much room it takes
    message.clear();
    const long before = allocations;
    const bool checked = compiled.Check(row).ok();
    const bool rendered = compiled.Render(row, identity, message).ok();
    const long made = allocations - before;
    ASSERT_TRUE(checked && rendered);
    if (i == 0) EXPECT_GT(made, 0);
    if (i > 0) EXPECT_EQ(made, 0);
  }
  EXPECT_GT(message.size(), 7000U);
}

TEST(AllocationTest, RenderingListsAllocatesNothing) {
  const Template compiled = *Template::Compile(
      "From: Clinic <news@example.com>\nSubject: {{#visits}}{{day}} {{/visits}}\nContent-Type: text/html\n\n"
      "{{#visits}}\n<p><a href=\"{{link}}\">{{day}}</a>{{#with}}, {{.}}{{/with}} {{person.name}}</p>\n{{/visits}}\n",
      {.columns = {"visits", "person"}, .defaults = {}, .names = Template::Names::kPaths});
  std::string visits(1, NestedValue::kMark), person = visits;
  for (int i = 0; i < 5; ++i) {
    const size_t begin = visits.size();
    for (const char* text :
         {"day", "a day that is too long for a small string", "link", "https://example.com/visit?id=1"})
      AppendNestedText(text, visits);
    AppendNestedText("with", visits);
    const size_t list = visits.size();
    for (const char* text : {"a doctor with a long name, who has many", "another one"}) AppendNestedText(text, visits);
    WrapNestedList(list, visits);
    WrapNestedObject(begin, visits);
  }
  WrapNestedList(1, visits);
  AppendNestedText("name", person);
  AppendNestedText("J\xC3\xA4ne Doe-M\xC3\xBCller von und zu <Hohenheim>", person);
  WrapNestedObject(1, person);
  const std::vector<std::string_view> fields = {visits, person};
  const Template::Row row{.email = "jane@d1.test", .fields = fields};
  const Template::Identity identity{.message_id = kTestMessageId, .date = absl::FromUnixSeconds(1795297481)};
  std::string message;
  for (int i = 0; i < 2; ++i) {
    message.clear();
    const long before = allocations;
    const bool checked = compiled.Check(row).ok();
    const bool rendered = compiled.Render(row, identity, message).ok();
    const long made = allocations - before;
    ASSERT_TRUE(checked && rendered);
    if (i > 0) EXPECT_EQ(made, 0);
  }
  EXPECT_GT(message.size(), 1000U);
}

}  // namespace
}  // namespace sealift::engine
