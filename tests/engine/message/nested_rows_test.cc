// Templates whose rows hold lists and objects: what the specification's own tests leave open, and what hostile values
// may try.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/message/name_check.h"
#include "engine/message/nested_value.h"
#include "engine/message/recipient_reader.h"
#include "engine/message/template.h"
#include "tests/engine/message/wire.h"
#include "tests/scenario/harness/hostile_values.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kFrom = "From: Clinic <news@example.com>\n";

using Defaults = std::vector<std::pair<std::string, std::string>>;

// What becomes of a row, given as the members of an NDJSON object, that a load would take: the message; or the load's
// error, or why the row is rejected.
std::string MessageOf(std::string_view eml, std::string_view members, Defaults defaults = {}) {
  RecipientReader reader(RecipientFormat::kNdjson);
  const std::string line = "{\"email\":\"jane@d1.test\"," + std::string(members) + "}\n";
  reader.Feed(line);
  const absl::StatusOr<RecipientReader::Step> step = reader.Next();
  if (!step.ok()) return std::string(step.status().message());
  if (*step != RecipientReader::Step::kRecipient) return "row: " + reader.rejection().reason;
  const absl::StatusOr<Template> compiled = Template::Compile(
      eml, {.columns = reader.columns(), .defaults = std::move(defaults), .names = Template::Names::kPaths});
  if (!compiled.ok()) return std::string(compiled.status().message());
  const std::span<const std::string_view> fields = reader.recipient().fields;
  const absl::Status checked = compiled->Check({.email = "jane@d1.test", .fields = fields});
  const absl::StatusOr<std::string> message = Rendered(*compiled, {fields.begin(), fields.end()});
  if (!checked.ok()) return "row: " + std::string(checked.message());
  return message.ok() ? *message : "not rendered: " + std::string(message.status().message());
}

std::string TextOf(std::string_view body, std::string_view members, Defaults defaults = {},
                   std::string_view type = "text/plain") {
  const std::string message =
      MessageOf(std::string(kFrom) + "Content-Type: " + std::string(type) + "\n\n" + std::string(body) + "\n", members,
                std::move(defaults));
  if (!message.starts_with("Date:")) return message;
  const std::string text = Received(message).Text();
  return text.substr(0, text.size() - 1);
}

std::string HeaderOf(std::string_view name, std::string_view value, std::string_view members) {
  const std::string message =
      MessageOf(std::string(kFrom) + std::string(name) + ": " + std::string(value) + "\n\nx\n", members);
  if (!message.starts_with("Date:")) return message;
  const Received received(message);
  EXPECT_EQ(received.entity.fields.size(), name == "To" ? 7U : 8U);
  return DecodeEncodedWords(received.Header(name));
}

TEST(NestedRowsTest, ASectionGoesThroughAList) {
  constexpr std::string_view kVisits =
      R"("name":"Jane","visits":[{"day":"Monday","who":"Dr. May"},{"day":"Friday","who":null}])";
  EXPECT_EQ(TextOf("{{#visits}}\n- {{day}}{{#who}} with {{.}}{{/who}} for {{name}}\n{{/visits}}\nend", kVisits),
            "- Monday with Dr. May for Jane\n- Friday for Jane\nend");
  EXPECT_EQ(TextOf("{{^visits}}none{{/visits}}{{#visits}}{{/visits}}", kVisits), "");
  EXPECT_EQ(TextOf("{{^visits}}none{{/visits}}{{#visits}}{{day}}{{/visits}}", R"("visits":[])"), "none");
}

TEST(NestedRowsTest, NamesAreLookedUpFromTheInsideOut) {
  constexpr std::string_view kRow = R"("a":"top","l":[{"a":"in"},{"b":"x"}],"o":{"l":{"a":"deep"}})";
  EXPECT_EQ(TextOf("{{#l}}({{a}}){{/l}}", kRow), "(in)(top)");
  EXPECT_EQ(TextOf("{{#o}}{{#l}}{{a}}{{/l}}{{/o}} {{o.l.a}} {{#o.l}}{{a}}{{/o.l}}", kRow), "deep deep deep");
  EXPECT_EQ(TextOf("{{#l}}{{email}} {{/l}}", R"("l":[{"email":"x@y.test"},{}])"), "x@y.test jane@d1.test ");
}

TEST(NestedRowsTest, WhatIsFalseIsNothingEmptyAndFalse) {
  for (const std::string_view value : {"false", "null", "\"\"", "[]"}) {
    EXPECT_EQ(TextOf("{{#v}}yes{{/v}}{{^v}}no{{/v}}", "\"v\":" + std::string(value)), "no") << value;
    EXPECT_EQ(TextOf("{{#o}}{{#v}}yes{{/v}}{{^v}}no{{/v}}{{/o}}", R"("o":{"v":)" + std::string(value) + "}"), "no");
  }
  for (const std::string_view value : {"true", "0", "\"false\"", "\"x\"", "{}", "[0]", "[false]", "[[]]"}) {
    EXPECT_EQ(TextOf("{{#v}}yes{{/v}}{{^v}}no{{/v}}", "\"v\":" + std::string(value)), "yes") << value;
  }
}

TEST(NestedRowsTest, NumbersAndTruthsAreTextAsTheyWereWritten) {
  EXPECT_EQ(TextOf("{{#l}}{{.}};{{/l}}", R"("l":[1.50,-0,1e3,"x",true])"), "1.50;-0;1e3;x;true;");
  EXPECT_EQ(TextOf("{{v}} {{#l}}{{.}}{{/l}}", R"("v":false,"l":[false,null])"), "false false");
}

TEST(NestedRowsTest, TheItemIsTheSectionsWithinAnInvertedOneToo) {
  EXPECT_EQ(TextOf("{{#l}}{{^b}}{{.}}{{/b}}{{/l}}", R"("l":[1,2],"b":false)"), "12");
  EXPECT_EQ(TextOf("{{#a}}{{#b}}{{.}}{{/b}}{{.}}{{/a}}", R"("a":[1,2],"b":"x")"), "x1x2");
}

TEST(NestedRowsTest, ADefaultStandsForWhatIsMissingOrEmptyWithinAnItem) {
  EXPECT_EQ(TextOf("{{#l}}{{a}};{{/l}}{{o.b}}", R"("l":[{"a":"x"},{"a":""},{}],"o":{})", {{"a", "-"}, {"o.b", "+"}}),
            "x;-;-;+");
  EXPECT_EQ(TextOf("{{#l}}{{#a}}{{.}}{{/a}}{{^a}}none{{/a}};{{/l}}", R"("l":[{"a":"x"},{}])", {{"a", ""}}), "x;none;");
}

TEST(NestedRowsTest, AMissingNameIsAnErrorOfTheLoadOrOfTheRow) {
  EXPECT_THAT(TextOf("{{nope}}", R"("l":[])"), StartsWith("line 4: {{nope}}: the recipients have no column nope."));
  EXPECT_THAT(TextOf("{{^l}}{{nope}}{{/l}}", R"("l":[])"), StartsWith("line 4: {{nope}}"));
  EXPECT_THAT(TextOf("{{#nope}}{{x}}{{/nope}}", R"("l":[])"), StartsWith("line 4: {{nope}}"));
  EXPECT_THAT(TextOf("{{a.b}}", R"("a.b":"x")"),
              StartsWith("line 4: {{a.b}} is what lies within a, and the recipients have no a: "));
  EXPECT_THAT(TextOf("{{fist_name.b}}", R"("first_name":"x")"),
              HasSubstr("have no column fist_name (did you mean first_name?)"));
  const std::string missing =
      "row: {} (line 4 of the template) is missing: neither a column nor what it stands in has it. Give it a value, "
      "null for none, or a default: --default {}=TEXT";
  const auto named = [&missing](std::string_view name) {
    std::string text = missing;
    for (size_t at = text.find("{}"); at != std::string::npos; at = text.find("{}")) text.replace(at, 2, name);
    return text;
  };
  EXPECT_EQ(TextOf("{{#l}}{{nope}}{{/l}}", R"("l":[{"a":1}])"), named("nope"));
  EXPECT_EQ(TextOf("{{#l}}{{nope}}{{/l}}", R"("l":"text")"), named("nope"));
  EXPECT_EQ(TextOf("{{#l}}{{#nope}}x{{/nope}}{{/l}}", R"("l":[{}])"), named("nope"));
  EXPECT_EQ(TextOf("{{#l}}{{^nope}}x{{/nope}}{{/l}}", R"("l":[{}])"), named("nope"));
  EXPECT_EQ(TextOf("{{a.b.c}}", R"("a":{"b":{}})"), named("a.b.c"));
  EXPECT_EQ(TextOf("{{a.b}}", R"("a":"text")"), named("a.b"));
  EXPECT_EQ(TextOf("{{#l}}{{nope}}{{/l}}fine", R"("l":[])"), "fine");
}

TEST(NestedRowsTest, WhatASectionOfTextNamesMustBeAColumn) {
  const auto error = [](std::string_view body) {
    const std::vector<std::string> text = {"plan"};
    const absl::Status named =
        CheckNames(std::string(kFrom) + "\n" + std::string(body) + "\n",
                   {.columns = {"plan", "l"}, .defaults = {{"d", ""}}, .names = Template::Names::kPaths}, text);
    return named.ok() ? "none" : std::string(named.message());
  };
  EXPECT_THAT(error("{{#plan}}{{nope}}{{/plan}}"), StartsWith("line 3: {{nope}}: the recipients have no column nope."));
  EXPECT_THAT(error("{{#plan}}{{#plan}}{{nope}}{{/plan}}{{/plan}}"), StartsWith("line 3: {{nope}}"));
  EXPECT_THAT(error("{{#email}}{{nope}}{{/email}}"), StartsWith("line 3: {{nope}}"));
  EXPECT_EQ(error("{{#plan}}{{plan}}{{.}}{{d}}{{/plan}}"), "none");
  for (const std::string_view body : {"{{#l}}{{nope}}{{/l}}", "{{#l}}{{#plan}}{{nope}}{{/plan}}{{/l}}",
                                      "{{#plan}}{{#l}}{{nope}}{{/l}}{{/plan}}", "{{#plan.x}}{{nope}}{{/plan.x}}"}) {
    EXPECT_EQ(error(body), "none") << body;
  }
}

TEST(NestedRowsTest, AListWhereTextStandsIsRefused) {
  const std::string_view wrong = "(line 4 of the template) is a list or an object in this row, and stands for text";
  EXPECT_EQ(TextOf("{{l}}", R"("l":["a"])"), "row: l " + std::string(wrong));
  EXPECT_EQ(TextOf("{{{l}}}", R"("l":{})"), "row: l " + std::string(wrong));
  EXPECT_EQ(TextOf("{{#l}}{{.}}{{/l}}", R"("l":[{"a":"secret"}])"),
            "row: {{.}} in the section l " + std::string(wrong));
  EXPECT_THAT(HeaderOf("Subject", "{{l}}", R"("l":["a"])"), HasSubstr("is a list or an object in this row"));
}

TEST(NestedRowsTest, OnlyNdjsonHasPaths) {
  const Template compiled = Compiled(std::string(kFrom) + "\n{{a.b}} {{#l}}{{.}}{{/l}}\n", {"a.b", "l"});
  EXPECT_EQ(Received(*Rendered(compiled, {"x", "1:x,"})).Text(), "x 1:x,\n");
}

TEST(NestedRowsTest, ValuesWithinAreEscapedForWhereTheyStand) {
  constexpr std::string_view kRow = R"("l":[{"v":"<b>&\"","u":"https://x.test/?a=b c"}])";
  EXPECT_EQ(
      TextOf("{{#l}}{{v}}|{{{v}}}|<a href=\"https://x.test/{{v}}\"><a href=\"{{u}}\">{{/l}}", kRow, {}, "text/html"),
      "&lt;b&gt;&amp;&quot;|<b>&\"|<a href=\"https://x.test/%3Cb%3E%26%22\"><a "
      "href=\"https://x.test/?a=b%20c\">");
  EXPECT_EQ(TextOf("{{#l}}{{v}}{{/l}}", R"("l":[{"v":"{{email}}"}])"), "{{email}}");
}

TEST(NestedRowsTest, EveryItemOfALinkIsChecked) {
  const std::string_view body = "{{#l}}<a href=\"{{u}}\">x</a>{{/l}}";
  EXPECT_EQ(TextOf(body, R"("l":[{"u":"https://a.test"},{"u":""}])", {}, "text/html"),
            "<a href=\"https://a.test\">x</a><a href=\"\">x</a>");
  EXPECT_EQ(TextOf(body, R"("l":[{"u":"https://a.test"},{"u":"javascript:x"}])", {}, "text/html"),
            "row: u (line 4 of the template) begins a link and is no http, https, mailto or tel URL");
  EXPECT_THAT(TextOf("{{#l}}<a href=\"https://x/{{{.}}}\">{{/l}}", R"("l":["a","\" onclick=\""])", {}, "text/html"),
              HasSubstr("stands in a URL as it is"));
  EXPECT_THAT(TextOf("{{#l}}<p style=\"color:{{.}}\">{{/l}}", R"("l":["red","x;y"])", {}, "text/html"),
              HasSubstr("stands in a style"));
}

// What stands before a value in a link decides what it may be: a second time through it would be another.
TEST(NestedRowsTest, ASectionThatBeginsALinkIsNotRepeated) {
  for (const std::string_view body :
       {"<a href=\"{{#l}}{{.}}javascript:{{/l}}\">", "<a href=\"{{#l}}https://x.test/{{{.}}}{{/l}}\">",
        "<a href=\"{{#l}}{{.}}{{/l}}\">"}) {
    EXPECT_EQ(
        TextOf(body, R"("l":["https://a.test","https://b.test/%0aalert"])", {}, "text/html"),
        "row: l (line 4 of the template) is a list of several items in this row, and its section stands where a link "
        "begins")
        << body;
    EXPECT_THAT(TextOf(body, R"("l":["https://a.test"])", {}, "text/html"), StartsWith("<a href=\"https://")) << body;
  }
  EXPECT_EQ(
      TextOf("<a href=\"/{{#l}}{{.}}/{{/l}}\" class=\"{{#l}}c{{.}} {{/l}}\">", R"("l":["a:b","c"])", {}, "text/html"),
      "<a href=\"/a%3Ab/c/\" class=\"ca:b cc \">");
}

TEST(NestedRowsTest, HeadersGoThroughListsToo) {
  constexpr std::string_view kRow = R"("n":"J\u00e4ne","l":[{"d":"Monday"},{"d":"Friday"}])";
  EXPECT_EQ(HeaderOf("Subject", "{{n}}: {{#l}}{{d}}, {{/l}}see {{^l}}nobody{{/l}}you", kRow),
            "J\xC3\xA4ne: Monday, Friday, see you");
  EXPECT_EQ(HeaderOf("To", "{{#l}}{{d}} {{/l}}<{{email}}>", kRow), "Monday Friday <jane@d1.test>");
  EXPECT_THAT(HeaderOf("Reply-To", "{{#l}}{{.}}{{/l}}", R"("l":["a@d1.test",", b@d1.test"])"),
              HasSubstr("makes no mail address"));
  EXPECT_THAT(HeaderOf("Subject", "{{#l}}{{.}}{{/l}}", R"("l":["a","b\r\nBcc: x@y.test"])"),
              HasSubstr("has a line end or another control character"));
  EXPECT_THAT(HeaderOf("List-Help", "<{{#l}}{{.}}{{/l}}>", R"("l":["https://a.test/","javascript:x"])"),
              HasSubstr("begins a URL"));
}

TEST(NestedRowsTest, NoHostileValueWithinAListChangesTheShape) {
  const Template compiled = *Template::Compile(
      "From: {{#l}}{{v}}{{/l}} <news@example.com>\nSubject: {{#l}}{{v}}{{/l}}\nX-Tag: a {{o.v}} b\n"
      "List-Unsubscribe: <https://u.example.com/{{o.v}}>\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\n"
      "{{#l}}{{v}}\n{{/l}}\n--b\nContent-Type: text/html\n\n<p>{{#l}}{{v}}{{{v}}}{{/l}}{{o.v}}</p>\n--b--\n",
      {.columns = {"l", "o"}, .defaults = {}, .names = Template::Names::kPaths});
  std::vector<std::string> values = HostileValues();
  for (int c = 0; c < 256; ++c) values.push_back("a" + std::string(1, static_cast<char>(c)) + "b");
  size_t rendered = 0;
  for (const std::string& value : values) {
    std::string object(1, NestedValue::kMark);
    AppendNestedText("v", object);
    AppendNestedText(value, object);
    WrapNestedObject(1, object);
    std::string list = object;
    WrapNestedList(1, list);
    const std::vector<std::string_view> fields = {list, object};
    const bool fine = compiled.Check({.email = "jane@d1.test", .fields = fields}).ok();
    const absl::StatusOr<std::string> message = Rendered(compiled, fields);
    EXPECT_EQ(fine, message.ok());
    if (!message.ok()) continue;
    ++rendered;
    const Received received(*message);
    EXPECT_EQ(received.entity.fields.size(), 9U) << value;
    ASSERT_EQ(received.entity.children.size(), 2U) << value;
    EXPECT_EQ(DecodeEncodedWords(received.Header("Subject")), Trimmed(value));
  }
  EXPECT_GT(rendered, 150U);
}

TEST(NestedRowsTest, WhatARowTakesIsBounded) {
  std::string items;
  for (int i = 0; i < 20'000; ++i) items += i == 0 ? "1" : ",1";
  const std::string list = "\"l\":[" + items + "]";
  EXPECT_EQ(TextOf("{{#l}}x{{/l}}", list).size(), 20'000U);
  EXPECT_THAT(TextOf("{{#l}}{{#l}}{{#l}}x{{/l}}{{/l}}{{/l}}", list), HasSubstr("takes too long"));
  EXPECT_THAT(TextOf("{{#l}}" + std::string(100, 'x') + "{{/l}}", list),
              HasSubstr("makes the message too long: lists may add 1 MiB to a part"));
  EXPECT_THAT(HeaderOf("Subject", "{{#l}}x{{/l}}", list), HasSubstr("too long"));
  std::string members = "\"o\":{";
  for (int i = 0; i < 1000; ++i) members += (i == 0 ? "\"m" : ",\"m") + std::to_string(i) + "\":1";
  EXPECT_THAT(TextOf("{{#o}}{{#l}}{{m999}}{{/l}}{{/o}}", members + "}," + list), HasSubstr("takes too long"));
  std::string deep = std::string(kFrom) + "\n";
  for (int i = 0; i < 33; ++i) deep += "{{#l}}";
  EXPECT_THAT(MessageOf(deep, list), StartsWith("line 3: more than 32 sections are within each other"));
}

TEST(NestedRowsTest, ADamagedFieldIsRefused) {
  const Template compiled = *Template::Compile(std::string(kFrom) + "\n{{#l}}{{.}}{{/l}}\n",
                                               {.columns = {"l"}, .defaults = {}, .names = Template::Names::kPaths});
  for (const std::string_view bytes : {"", "9:x,]", "3:1:x]", "2:zz]"}) {
    const std::string field = std::string(1, NestedValue::kMark) + std::string(bytes);
    const absl::StatusOr<std::string> message = Rendered(compiled, {field});
    EXPECT_THAT(std::string(message.status().message()), HasSubstr("has a value that is damaged")) << bytes;
  }
}

TEST(NestedRowsTest, TheColumnsThatAreNeededAreTheFirstParts) {
  const Template compiled =
      *Template::Compile(std::string(kFrom) + "\n{{a.b}}{{#l}}{{x}}{{top}}{{/l}}{{a.c}}\n",
                         {.columns = {"other", "a", "l", "top"}, .defaults = {}, .names = Template::Names::kPaths});
  EXPECT_THAT(compiled.needed_columns(), ElementsAre("a", "l", "top"));
}

}  // namespace
}  // namespace sealift::engine
