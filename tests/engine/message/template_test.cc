#include "engine/message/template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/engine/message/wire.h"
#include "tests/scenario/harness/hostile_values.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kFrom = "From: Clinic <news@example.com>\n";

std::string TextOf(std::string_view body, std::vector<std::string> columns, std::vector<std::string_view> fields,
                   std::string_view type = "text/plain") {
  const Template compiled = Compiled(
      std::string(kFrom) + "Content-Type: " + std::string(type) + "\n\n" + std::string(body), std::move(columns));
  const absl::StatusOr<std::string> message = Rendered(compiled, std::move(fields));
  EXPECT_TRUE(message.ok()) << message.status();
  return message.ok() ? Received(*message).Text() : "";
}

TEST(TemplateTest, AWholeMessageIsAsExpected) {
  const Template compiled = Compiled(
      "From: Clinic <news@example.com>\nTo: {{name}} <{{email}}>\nSubject: Hello {{name}}\n\nDear {{name}},\nall "
      "well?\n",
      {"name"});
  const absl::StatusOr<std::string> message = Rendered(compiled, {"J\xC3\xA4ne"});
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(*message,
            "Date: Sat, 21 Nov 2026 21:44:41 +0000\r\n"
            "Message-ID: <0123abc@mta1.example.com>\r\n"
            "From: Clinic <news@example.com>\r\n"
            "To: =?utf-8?Q?J=C3=A4ne?= <jane@d1.test>\r\n"
            "Subject: =?utf-8?Q?Hello_J=C3=A4ne?=\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain;\r\n charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n"
            "\r\n"
            "Dear J=C3=A4ne,\r\nall well?\r\n");
}

TEST(TemplateTest, RenderAppends) {
  const Template compiled = Compiled(std::string(kFrom) + "\nx\n");
  std::string out = "before";
  ASSERT_TRUE(
      compiled.Render({.email = "jane@d1.test", .fields = {}}, {.message_id = "<a@b>", .date = absl::UnixEpoch()}, out)
          .ok());
  EXPECT_THAT(out, StartsWith("beforeDate: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <a@b>\r\n"));
}

TEST(TemplateTest, PlainAsciiTextWithoutFieldsIsSentAsItIs) {
  const Template compiled = Compiled(std::string(kFrom) + "\na = b  \n.\nlast");
  const absl::StatusOr<std::string> message = Rendered(compiled, {});
  EXPECT_THAT(*message, HasSubstr("Content-Transfer-Encoding: 7bit\r\n\r\na = b  \r\n.\r\nlast\r\n"));
}

TEST(TemplateTest, TextBeyondSevenBitOrTooLongIsQuotedPrintable) {
  for (const std::string& body :
       {std::string("gr\xC3\xBC\xC3\x9F dich\n"), std::string(2000, 'x') + "\n", std::string("From here\n")}) {
    const Template compiled = Compiled(std::string(kFrom) + "\n" + body);
    const absl::StatusOr<std::string> message = Rendered(compiled, {});
    const Received received(*message);
    EXPECT_EQ(received.entity.encoding, "quoted-printable");
    EXPECT_EQ(received.Text(), body);
  }
}

TEST(TemplateTest, EveryKindOfLineEndBecomesCrLf) {
  for (const std::string_view eml :
       {"From: a@d1.test\r\n\r\nx\r\ny\r\n", "From: a@d1.test\n\nx\ny\n", "From: a@d1.test\r\rx\ry\r",
        "\xEF\xBB\xBF"
        "From: a@d1.test\n\nx\ny\n"}) {
    EXPECT_EQ(Received(*Rendered(Compiled(eml), {})).Text(), "x\ny\n");
  }
}

TEST(TemplateTest, ValuesAreEscapedForWhereTheyStand) {
  EXPECT_EQ(TextOf("{{v}} {{{v}}} {{&v}}\n", {"v"}, {"<a href=\"x\">&'"}),
            "<a href=\"x\">&' <a href=\"x\">&' <a href=\"x\">&'\n");
  EXPECT_EQ(TextOf("{{v}}|{{{v}}}|{{& v }}\n", {"v"}, {"<&\"'>"}, "text/html"),
            "&lt;&amp;&quot;&#39;&gt;|<&\"'>|<&\"'>\n");
}

TEST(TemplateTest, ValuesInLinksAreEscapedForTheirPlaceInTheUrl) {
  const auto html = [](std::string_view body, std::string_view value) {
    return TextOf(std::string(body) + "\n", {"v"}, {value}, "text/html");
  };
  EXPECT_EQ(html("<a href=\"https://x.test/?a={{v}}&b=1\">{{v}}</a>", "a b&c=\"<\xC3\xBC\n"),
            "<a href=\"https://x.test/?a=a%20b%26c%3D%22%3C%C3%BC%0A&b=1\">a b&amp;c=&quot;&lt;\xC3\xBC\n</a>\n");
  EXPECT_EQ(html("<a href=\"https://x.test{{v}}\">", "@evil.test"), "<a href=\"https://x.test%40evil.test\">\n");
  EXPECT_EQ(html("<a href='{{v}}'>", "https://x.test/a?b=c&d='e f\"%20"),
            "<a href='https://x.test/a?b=c&amp;d=&#39;e%20f%22%20'>\n");
  EXPECT_EQ(html("<a href=\"mailto:{{v}}?subject={{v}}\">", "a+b@x.test"),
            "<a href=\"mailto:a%2Bb@x.test?subject=a%2Bb@x.test\">\n");
  EXPECT_EQ(html("<a href=\"https://x.test/{{{v}}}\">", "a/b?c=d"), "<a href=\"https://x.test/a/b?c=d\">\n");
  EXPECT_EQ(html("<a href=\"{{#v}}https://x.test/{{/v}}{{v}}\">", "javascript:x"),
            "<a href=\"https://x.test/javascript%3Ax\">\n");
}

TEST(TemplateTest, AValueThatBeginsALinkIsCheckedWhenItIsLoaded) {
  const auto checked = [](std::string_view body, std::string_view value) {
    const Template compiled =
        Compiled(std::string(kFrom) + "Content-Type: text/html\n\n" + std::string(body) + "\n", {"v"});
    const std::vector<std::string_view> fields = {value};
    return std::string(compiled.Check({.email = "jane@d1.test", .fields = fields}).message());
  };
  for (const std::string_view fine : {"", "https://x.test/", "HTTP://x.test", "mailto:a@x.test", "tel:+1"}) {
    EXPECT_EQ(checked("<a href=\"{{v}}\">", fine), "") << fine;
  }
  for (const std::string_view bad :
       {"javascript:alert(1)", " javascript:alert(1)", "java\nscript:x", "data:text/html,x", "vbscript:x", "x.test",
        "/path", "//x.test", "https", ":", "\x01javascript:x"}) {
    EXPECT_EQ(checked("<a href=\"{{v}}\">", bad),
              "column v: the value begins a link and is no http, https, mailto or tel URL (line 4 of the template)")
        << bad;
    EXPECT_NE(checked("<img src='{{{v}}}'>", bad), "") << bad;
    EXPECT_EQ(checked("<a href=\"https://x.test/{{v}}\" title=\"{{v}}\">{{v}}", bad), "") << bad;
  }
  for (const std::string_view url :
       {"<a href=\"{{{v}}}\">", "<a href=\"https://x.test/{{{v}}}\">", "<a href='mailto:{{{v}}}'>"}) {
    EXPECT_EQ(checked(url, "https://x.test/?a=b&c=d e"), "") << url;
    for (const std::string_view bad : {"https://x\"onclick=\"go()", "https://x'", "https://x><script>", "https://x<"}) {
      EXPECT_EQ(checked(url, bad),
                "column v: the value stands in a URL as it is and has a quote, < or > (line 4 of the template)")
          << url << bad;
    }
  }
  EXPECT_EQ(checked("<p style=\"color: {{v}}\">", "#ff0000"), "");
  for (const std::string_view bad : {"red; background: url(x)", "x:y", "a\\62", "expression(1)", "a\"b", "a/*"}) {
    EXPECT_EQ(
        checked("<style>p { color: {{v}} }</style>", bad),
        "column v: the value stands in a style and has more than letters, digits, blanks and # % . , + - _ (line 4 "
        "of the template)")
        << bad;
  }
}

TEST(TemplateTest, AValueAddsNoPropertyToACalendarOrCard) {
  for (const std::string_view type :
       {"text/calendar; method=REQUEST", "text/vcard", "text/x-vcard", "text/directory"}) {
    const Template compiled = Compiled(
        std::string(kFrom) + "Content-Type: " + std::string(type) + "\n\nSUMMARY:{{v}}\nNOTE:{{{v}}}\n", {"v"});
    const auto checked = [&](std::string_view value) {
      const std::vector<std::string_view> fields = {value};
      return std::string(compiled.Check({.email = "jane@d1.test", .fields = fields}).message());
    };
    EXPECT_EQ(checked("Dr. May, room 1; https://x.test/?a=b"), "");
    for (const std::string_view bad : {"x\nATTACH:y", "x\r\nATTACH:y", "x\rATTACH:y", "x\x01", "x\xC2\x85y"}) {
      EXPECT_EQ(
          checked(bad),
          "column v: the value stands in a calendar or card and has a line end or another control character (line "
          "4 of the template)")
          << bad;
    }
  }
}

TEST(TemplateTest, WhereNoValueIsHarmlessTheTemplateIsRefused) {
  const auto error = [](std::string_view body) {
    return CompileError(std::string(kFrom) + "Content-Type: text/html\n\n" + std::string(body) + "\n", {"v"});
  };
  EXPECT_THAT(error("<p>\n<a href={{v}}>"), StartsWith("line 5: {{v}} is an attribute's value without quotes: write "));
  EXPECT_THAT(error("<p {{v}}>"), StartsWith("line 4: {{v}} stands within a tag"));
  EXPECT_THAT(error("<{{v}}>"), StartsWith("line 4: {{v}} stands within a tag"));
  EXPECT_THAT(error("<a onclick=\"go({{v}})\">"), StartsWith("line 4: {{v}} stands in a script"));
  EXPECT_THAT(error("<script>{{{v}}}</script>"), StartsWith("line 4: {{v}} stands in a script"));
  EXPECT_THAT(error("<a href={{{v}}}>"), StartsWith("line 4: {{v}} is an attribute's value without quotes"));
  EXPECT_THAT(error("<iframe srcdoc=\"{{v}}\">"), StartsWith("line 4: {{v}} stands in a document within an attribute"));
  EXPECT_THAT(error("<iframe srcdoc=\"{{{v}}}\">"), StartsWith("line 4: {{v}} stands in a document"));
  for (const std::string_view url : {"javascript:go({{v}})", "javascript:go({{{v}}})", "java&#115;cript:{{v}}",
                                     "data:text/html,{{v}}", "vbscript:{{v}}"}) {
    EXPECT_THAT(error("<a href=\"" + std::string(url) + "\">"),
                StartsWith("line 4: {{v}} stands in a URL whose scheme may run it"))
        << url;
  }
  for (const std::string_view url :
       {"{{v}}{{{v}}}", "{{{v}}}{{{v}}}", "{{#v}}https://x/{{/v}}{{{v}}}", "java{{{v}}}", "{{#v}}{{v}}{{/v}}{{&v}}"}) {
    EXPECT_THAT(error("<a href=\"" + std::string(url) + "\">"), StartsWith("line 4: {{{v}}} may begin the URL")) << url;
  }
  EXPECT_EQ(error("<a href=\"{{v}}{{v}}\"><a href=\"{{v}}/{{{v}}}\"><a href=\"javascript:history.back()\">"), "none");
  EXPECT_THAT(error("{{#v}}<a href=\"{{/v}}x"), StartsWith("line 4: the section v begins in one place of a tag"));
  EXPECT_EQ(error("<td {{{v}}}>{{#v}}<p class=\"a {{#v}}b{{/v}}\"{{^v}} id=\"c\"{{/v}}>{{/v}}"), "none");
}

TEST(TemplateTest, ValuesAreNotReadAgain) { EXPECT_EQ(TextOf("{{v}}\n", {"v"}, {"{{email}}"}), "{{email}}\n"); }

TEST(TemplateTest, SectionsFollowTheValue) {
  const std::string body = "{{#plan}}on {{plan}}/{{.}}{{/plan}}{{^plan}}none{{/plan}}\n";
  EXPECT_EQ(TextOf(body, {"plan"}, {"gold"}), "on gold/gold\n");
  EXPECT_EQ(TextOf(body, {"plan"}, {""}), "none\n");
  EXPECT_EQ(TextOf("{{#a}}1{{#b}}2{{/b}}3{{/a}}4\n", {"a", "b"}, {"x", ""}), "134\n");
  EXPECT_EQ(TextOf("{{#a}}1{{#b}}2{{/b}}3{{/a}}4\n", {"a", "b"}, {"", "x"}), "4\n");
}

TEST(TemplateTest, TagsAloneOnTheirLinesTakeThemAlong) {
  EXPECT_EQ(TextOf("a\n{{#p}}\nb\n{{/p}}\n{{! note\nmore }}\nc\n", {"p"}, {"x"}), "a\nb\nc\n");
  EXPECT_EQ(TextOf("a {{! note }}\nb\n", {}, {}), "a \nb\n");
}

TEST(TemplateTest, DelimitersCanBeChanged) {
  EXPECT_EQ(TextOf("{{=<% %>=}}<%v%> {{v}} <%&v%>\n", {"v"}, {"x"}), "x {{v}} x\n");
  EXPECT_EQ(TextOf("[{{=[ ]=}}[v]]\n", {"v"}, {"x"}), "[x]\n");
  EXPECT_EQ(TextOf("a\n {{= | | =}} \n|#v|\n|v|\n|/v|\nb\n", {"v"}, {"x"}), "a\nx\nb\n");
  EXPECT_EQ(TextOf("{{=| |=}}|!note||={{ }}=|{{v}}{{{v}}}\n", {"v"}, {"x"}), "xx\n");
}

TEST(TemplateTest, ChangedDelimitersEndWithTheirPartOrHeader) {
  const Template compiled = Compiled(std::string(kFrom) +
                                         "Subject: {{=<% %>=}}<%v%> {{v}}\nX-Tag: {{v}} <%v%>\n"
                                         "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n{{=| |=}}|v|\n--b\n\n"
                                         "{{v}} |v|\n--b--\n",
                                     {"v"});
  const absl::StatusOr<std::string> message = Rendered(compiled, {"x"});
  const Received received(*message);
  EXPECT_EQ(received.Header("Subject"), "x {{v}}");
  EXPECT_EQ(received.Header("X-Tag"), "x <%v%>");
  EXPECT_EQ(Received::Text(received.entity.children[0]), "x");
  EXPECT_EQ(Received::Text(received.entity.children[1]), "x |v|");
}

TEST(TemplateTest, DefaultsStandForAbsentColumnsAndEmptyValues) {
  const Template compiled = Compiled(std::string(kFrom) + "\n{{name}} {{plan}} {{empty}}\n", {"name"},
                                     {{"name", "friend"}, {"plan", "basic"}, {"empty", ""}});
  EXPECT_EQ(Received(*Rendered(compiled, {""})).Text(), "friend basic \n");
  EXPECT_EQ(Received(*Rendered(compiled, {"Jane"})).Text(), "Jane basic \n");
  EXPECT_THAT(compiled.needed_columns(), ElementsAre("name", "plan", "empty"));
}

TEST(TemplateTest, FrontMatterGivesDefaults) {
  const std::string eml =
      "---\n# of who has none\n\ndefault First Name =  dear friend \ndefault plan=a=b\ndefault empty =\n---\n" +
      std::string(kFrom) + "\n{{First Name}}|{{plan}}|{{empty}}|\n";
  EXPECT_EQ(Received(*Rendered(Compiled(eml), {})).Text(), "dear friend|a=b||\n");
  EXPECT_EQ(Received(*Rendered(Compiled(eml, {"First Name"}), {"Jane"})).Text(), "Jane|a=b||\n");
  EXPECT_EQ(Received(*Rendered(Compiled(eml, {"First Name"}), {""})).Text(), "dear friend|a=b||\n");
  EXPECT_EQ(Received(*Rendered(Compiled(eml, {}, {{"plan", "gold"}}), {})).Text(), "dear friend|gold||\n")
      << "what is said on the command line goes before";
  std::string crlf;
  for (const char c : eml) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  EXPECT_EQ(Received(*Rendered(Compiled(crlf), {})).Text(), "dear friend|a=b||\n");
}

TEST(TemplateTest, FrontMatterIsRefusedWithTheLine) {
  const std::string rest = "---\n" + std::string(kFrom) + "\n{{name}}\n";
  const std::pair<std::string, std::string_view> cases[] = {
      {"---\ndefault name = x\n" + std::string(kFrom) + "\n{{name}}\n", "line 3: this is not front matter"},
      {"---\ndefault name = x\n", "line 1: the front matter that begins here is not closed"},
      {"---", "line 1: the front matter that begins here is not closed"},
      {"---\ndefaults name = x\n" + rest, "line 2: this is not front matter"},
      {"---\ndefault\n" + rest, "line 2: this is not front matter"},
      {"---\ndefault name: x\n" + rest, "line 2: this is not front matter"},
      {"---\ndefault = x\n" + rest, "line 2: the default has no name"},
      {"---\ndefault name = x\ndefault name = y\n" + rest, "line 3: name has a default already, on line 2"},
      {"---\ndefault Email = x\n" + rest, "line 2: email needs no default"},
      {"---\ndefault name = a\x01z\n" + rest, "line 2: the default has a control character"},
      {"---\ndefault name = caf\xE9\n" + rest, "line 2: the front matter is not UTF-8"},
      {"---\n\ndefault names = x\n" + rest, "line 3: no tag of the template is named names (did you mean name?)"},
      {"---\ndefault name = x\n" + rest + "{{nope}}\n", "line 7: {{nope}}"},
  };
  for (const auto& [eml, error] : cases)
    EXPECT_THAT(CompileError(eml, {"name"}), StartsWith(std::string(error))) << eml;
}

TEST(TemplateTest, EmailIsAlwaysThere) {
  EXPECT_EQ(TextOf("{{email}} {{Email}}\n", {}, {}), "jane@d1.test jane@d1.test\n");
}

TEST(TemplateTest, ColumnsAreFoundByTheirExactName) {
  EXPECT_EQ(TextOf("{{First Name}}-{{a.b}}\n", {"First Name", "a.b"}, {"x", "y"}), "x-y\n");
}

TEST(TemplateTest, MissingColumnIsAnErrorThatHelps) {
  EXPECT_EQ(
      CompileError(std::string(kFrom) + "Subject: x\n\nDear\n{{fist_name}}\n", {"first_name", "plan"}),
      "line 5: {{fist_name}}: the recipients have no column fist_name (did you mean first_name?). Their columns "
      "are: email, first_name, plan. "
      "Correct the name, add the column, or give a default: --default fist_name=TEXT, or `default fist_name = TEXT` "
      "between lines of --- before the headers");
  EXPECT_THAT(CompileError(std::string(kFrom) + "Subject: {{nope}}\n\nx\n"),
              StartsWith("line 2: {{nope}}: the recipients have no column nope. Their columns are: email."));
  EXPECT_THAT(CompileError(std::string(kFrom) + "\n{{#nope}}x{{/nope}}\n"), StartsWith("line 3: {{nope}}"));
}

TEST(TemplateTest, LinesOfErrorsAreTheSourcesEvenInDecodedParts) {
  EXPECT_THAT(CompileError(std::string(kFrom) + "Content-Transfer-Encoding: quoted-printable\n\na=\nb\nc {{nope}}\n"),
              StartsWith("line 6: "));
}

TEST(TemplateTest, BrokenTagsAreErrorsWithTheLine) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"{{name", "line 3: a tag begins with {{ and is not closed with }}"},
      {"\n{{{name}}", "line 4: a tag begins with {{{ and is not closed with }}}"},
      {"{{}}", "line 3: a tag without a name"},
      {"{{# }}x{{/ }}", "line 3: a tag without a name"},
      {"{{#a}}x", "line 3: the section {{#a}} is not closed in this part: add {{/a}}"},
      {"x{{/a}}", "line 3: {{/a}} closes a section that was not opened here"},
      {"{{#a}}{{#b}}{{/a}}{{/b}}", "line 3: {{/a}} stands where {{/b}} must close the section of line 3"},
      {"{{>part}}", "line 3: partials ({{>name}}) are not supported"},
      {"{{=<% %>}}", "line 3: the delimiters are changed by two words between equals signs"},
      {"{{=<%=}}", "line 3: the delimiters are changed by two words"},
      {"{{=<% %> %>=}}", "line 3: the delimiters are changed by two words"},
      {"{{=<= =>=}}", "line 3: the delimiters are changed by two words"},
      {"{{=<% %>=}}\n<%name", "line 4: a tag begins with <% and is not closed with %>"},
      {"{{=<% %>=}}\n<%>part%>", "line 4: partials ({{>name}}) are not supported"},
      {"{{.}}", "line 3: {{.}} stands outside a section"},
      {"{{a\nb}}", "line 3: a tag's name has a brace or a line end in it"},
      {"{{a {{b}}", "line 3: a tag's name has a brace or a line end in it"},
  };
  for (const auto& [body, error] : cases) {
    EXPECT_THAT(CompileError(std::string(kFrom) + "\n" + std::string(body) + "\n", {"a", "b", "name"}),
                StartsWith(std::string(error)))
        << body;
  }
}

TEST(TemplateTest, ColumnsOfATemplateAreListedInOrder) {
  const auto columns = Template::ColumnsOf(std::string(kFrom) + "Subject: {{b}}\n\n{{a}}{{email}}{{b}}{{#c}}{{/c}}\n");
  ASSERT_TRUE(columns.ok());
  EXPECT_THAT(*columns, ElementsAre("b", "a", "c"));
  EXPECT_FALSE(Template::ColumnsOf("x").ok());
}

constexpr std::string_view kMultipart =
    "From: Clinic <news@example.com>\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; "
    "boundary=\"outer\"\n\nignored\n--outer\n"
    "Content-Type: multipart/alternative; boundary=inner\n\n--inner\nContent-Type: text/plain; "
    "charset=us-ascii\n\nDear {{name}}\n--inner\n"
    "Content-Type: text/html; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable\n\n<p>Gr=C3=BC=C3=9Fe "
    "{{na=\nme}}</p>\n--inner--\n--outer\n"
    "Content-Type: text/plain; name=b\nContent-Disposition: attachment; filename=\"b\xC3\xBC"
    "cher.txt\"\n\n{{name}} stays\n--outer\n"
    "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\nContent-ID: "
    "<x@d1.test>\n\nAAEC\n--outer--\n";

TEST(TemplateTest, MultipartKeepsItsShape) {
  const Template compiled = Compiled(kMultipart, {"name"});
  const absl::StatusOr<std::string> message = Rendered(compiled, {"<J\xC3\xA4ne>"});
  ASSERT_TRUE(message.ok());
  const Received received(*message);
  ASSERT_EQ(received.entity.children.size(), 3U);
  const Entity& alternative = received.entity.children[0];
  ASSERT_EQ(alternative.children.size(), 2U);
  EXPECT_EQ(Received::Text(alternative.children[0]), "Dear <J\xC3\xA4ne>");
  EXPECT_EQ(*alternative.children[0].type.Find("charset"), "utf-8");
  EXPECT_EQ(Received::Text(alternative.children[1]),
            "<p>Gr\xC3\xBC\xC3\x9F"
            "e &lt;J\xC3\xA4ne&gt;</p>");
  EXPECT_EQ(received.entity.children[1].body, "{{name}} stays");
  EXPECT_THAT(received.entity.children[1].Find("Content-Disposition")->value,
              HasSubstr("filename*=utf-8''b%C3%BCcher.txt"));
  EXPECT_EQ(received.entity.children[2].body, "AAEC");
  EXPECT_EQ(received.entity.children[2].encoding, "base64");
  EXPECT_EQ(received.entity.children[2].Find("Content-ID")->value, "<x@d1.test>");
  EXPECT_THAT(compiled.needed_columns(), ElementsAre("name"));
}

TEST(TemplateTest, NoValueCanAddOrEndAPart) {
  const Template compiled = Compiled(kMultipart, {"name"});
  for (const std::string_view value : {"x\r\n--inner--\r\n--outer--\r\n", "\n--outer\nContent-Type: text/html\n\nevil",
                                       "--inner", "--", "\r--inner\r", "-", "x\n.\nMAIL FROM:<a@d1.test>"}) {
    const absl::StatusOr<std::string> message = Rendered(compiled, {value});
    ASSERT_TRUE(message.ok());
    const Received received(*message);
    ASSERT_EQ(received.entity.children.size(), 3U) << value;
    EXPECT_EQ(received.entity.children[0].children.size(), 2U) << value;
  }
}

TEST(TemplateTest, Base64TextIsRead) {
  // "Dear {{name}}\r\n"
  const Template compiled =
      Compiled(std::string(kFrom) + "Content-Transfer-Encoding: base64\n\nRGVhciB7e25h\nbWV9fQ0K\n", {"name"});
  EXPECT_EQ(Received(*Rendered(compiled, {"Jane"})).Text(), "Dear Jane\n");
}

TEST(TemplateTest, EightBitAttachmentBecomesBase64) {
  const Template compiled = Compiled(std::string(kFrom) +
                                     "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\nContent-Type: "
                                     "application/json\nContent-Transfer-Encoding: 8bit\n\n\"\xC3\xBC\"\n--b--\n");
  const absl::StatusOr<std::string> message = Rendered(compiled, {});
  const Received received(*message);
  EXPECT_EQ(received.entity.children[1].encoding, "base64");
  EXPECT_EQ(received.entity.children[1].body, "IsO8Ig==");
}

TEST(TemplateTest, OtherCharsetsAreRefused) {
  EXPECT_EQ(CompileError(std::string(kFrom) + "Content-Type: text/plain; charset=iso-8859-1\n\ncaf\xE9\n"),
            "line 4: the text part that begins here is not UTF-8: save the template as UTF-8");
  EXPECT_EQ(CompileError(std::string(kFrom) + "\ncaf\xE9\n"),
            "line 3: the text part that begins here is not UTF-8: save the template as UTF-8");
  EXPECT_THAT(CompileError(std::string(kFrom) + std::string("\na\0b\n", 5)), StartsWith("line 3: a NUL character"));
}

TEST(TemplateTest, SignedAndUnknownPartsAreRefused) {
  EXPECT_THAT(CompileError(std::string(kFrom) + "Content-Type: multipart/signed; boundary=b\n\n--b\n\nx\n--b--\n"),
              HasSubstr("cannot be rendered without breaking it"));
  EXPECT_THAT(CompileError(std::string(kFrom) + "Content-Transfer-Encoding: uuencode\n\nx\n"),
              HasSubstr("Content-Transfer-Encoding is unknown"));
}

TEST(TemplateTest, TemplateIsCopiedCheaplyAndRendersTheSame) {
  const Template compiled = Compiled(kMultipart, {"name"});
  const Template copy = compiled;
  EXPECT_EQ(*Rendered(compiled, {"x"}), *Rendered(copy, {"x"}));
}

TEST(TemplateTest, NoHostileValueChangesTheShapeOfAMessage) {
  std::vector<std::string> values = HostileValues();
  for (int c = 0; c < 256; ++c) values.push_back("a" + std::string(1, static_cast<char>(c)) + "b");
  size_t rendered = 0;
  for (const std::string& value : values) rendered += ExpectShapeKept(value) ? 1 : 0;
  EXPECT_GT(rendered, 150U);
}

TEST(TemplateTest, AnyValueGivesOneMessageOfTheSameShape) {
  std::mt19937 random(12);
  const Template compiled = Compiled(kMultipart, {"name"});
  const std::string_view atoms[] = {"a",
                                    "\r\n",
                                    "\n",
                                    "\r",
                                    "--outer",
                                    "--inner--",
                                    ".",
                                    " ",
                                    "\t",
                                    "=",
                                    "\xC3\xBC",
                                    "\xFF",
                                    "{{name}}",
                                    "From ",
                                    std::string_view("\0", 1),
                                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
                                    "<b>"};
  for (int round = 0; round < 3000; ++round) {
    std::string value;
    for (size_t count = random() % 30; count > 0; --count) value += atoms[random() % std::size(atoms)];
    const absl::StatusOr<std::string> message = Rendered(compiled, {value});
    ASSERT_TRUE(message.ok());
    const Received received(*message);
    ASSERT_EQ(received.entity.fields.size(), 7U);
    ASSERT_EQ(received.entity.children.size(), 3U);
    ASSERT_EQ(received.entity.children[0].children.size(), 2U);
    std::string expected = "Dear ";
    for (size_t i = 0; i < value.size(); ++i) {
      if (value[i] == '\r' && i + 1 < value.size() && value[i + 1] == '\n') continue;
      expected += value[i] == '\r' ? '\n' : value[i];
    }
    ASSERT_EQ(Received::Text(received.entity.children[0].children[0]), expected);
  }
}

}  // namespace
}  // namespace sealift::engine
