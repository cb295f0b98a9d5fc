#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/message/encoded_word.h"
#include "engine/message/template.h"
#include "tests/engine/message/wire.h"

namespace sealift::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// The header that `line` becomes with {{v}} = value, as a receiver reads it; or the refusal.
std::string Written(std::string_view line, std::string_view value, std::string_view email = "jane@d1.test") {
  const std::string name(line.substr(0, line.find(':')));
  const std::string from = name == "From" ? "" : "From: news@example.com\n";
  const Template compiled = Compiled(from + std::string(line) + "\n\nx\n", {"v"});
  const std::vector<std::string_view> fields = {value};
  const absl::Status checked = compiled.Check({.email = email, .fields = fields});
  const absl::StatusOr<std::string> message = Rendered(compiled, {value}, email);
  EXPECT_EQ(checked.ok(), message.ok());
  if (!message.ok()) return "refused: " + std::string(message.status().message());
  const Received received(*message);
  EXPECT_EQ(received.entity.fields.size(), name == "From" || name == "To" ? 7U : 8U);
  return received.Header(name);
}

TEST(TemplateHeadersTest, UnstructuredValuesAreEncodedWhenTheyMustBe) {
  EXPECT_EQ(Written("Subject: Hello {{v}}!", "Jane"), "Hello Jane!");
  EXPECT_EQ(Written("Subject: Hello {{v}}", "<b> & \"x\""), "Hello <b> & \"x\"");
  EXPECT_EQ(Written("Subject: Hello {{v}}", "J\xC3\xA4ne"), "=?utf-8?Q?Hello_J=C3=A4ne?=");
  EXPECT_EQ(DecodeEncodedWords(Written("Subject: {{v}}", "=?utf-8?Q?evil?=")), "=?utf-8?Q?evil?=");
  EXPECT_EQ(Written("Subject: {{#v}}for {{v}}{{/v}}{{^v}}for all{{/v}}", ""), "for all");
  EXPECT_EQ(Written("Subject: Gr\xC3\xBC\xC3\x9F"
                    "e",
                    ""),
            "=?utf-8?Q?Gr=C3=BC=C3=9Fe?=");
  EXPECT_EQ(Written("Subject: =?utf-8?Q?Hallo_=7B=7Bv}}?=", "Jane"), "Hallo Jane");
}

TEST(TemplateHeadersTest, NoValueAddsALineToAHeader) {
  for (const std::string_view value :
       {"a\r\nBcc: evil@d1.test", "a\nb", "a\rb", "a\tb", "a\x1B", "a\x7F", "a\xC2\x85", "\r\n", "\n.\n"}) {
    for (const std::string_view line : {"Subject: {{v}}", "To: {{v}} <{{email}}>", "Reply-To: {{v}}",
                                        "List-Unsubscribe: <https://u.example.com/{{v}}>", "X-Tag: {{{v}}}"}) {
      const std::string written = Written(line, value);
      EXPECT_THAT(written, StartsWith("refused: column v: the value has a line end or another control character"))
          << line;
    }
  }
  EXPECT_THAT(Written("Subject: {{v}}", std::string_view("\0", 1)), StartsWith("refused: column v"));
  EXPECT_THAT(Written("Subject: {{v}}", "caf\xE9"), StartsWith("refused: column v: the value is not UTF-8"));
}

TEST(TemplateHeadersTest, RefusalsNameTheColumnAndNeverTheValue) {
  const std::string refusal = Written("Subject: {{v}}", "secret\nsecret");
  EXPECT_EQ(refusal,
            "refused: column v: the value has a line end or another control character and stands in the header Subject "
            "(line 2 of the template)");
  EXPECT_THAT(Written("Reply-To: {{v}}", "secret"), Not(HasSubstr("secret")));
}

TEST(TemplateHeadersTest, DisplayNamesAreQuotedOrEncoded) {
  EXPECT_EQ(Written("To: {{v}} <{{email}}>", "Jane Doe"), "Jane Doe <jane@d1.test>");
  EXPECT_EQ(Written("To: \"{{v}}\" <{{email}}>", "Doe, Jane"), "\"Doe, Jane\" <jane@d1.test>");
  EXPECT_EQ(Written("To: {{v}} <{{email}}>", "J\xC3\xA4ne"), "=?utf-8?Q?J=C3=A4ne?= <jane@d1.test>");
  EXPECT_EQ(Written("To: {{v}} <{{email}}>", ""), "jane@d1.test");
  EXPECT_EQ(Written("To: {{v}} <{{email}}>", "\"<evil@d2.test>, \\"), "\"\\\"<evil@d2.test>, \\\\\" <jane@d1.test>");
  EXPECT_EQ(Written("To: {{#v}}Dr. {{v}}{{/v}} <{{email}}>", "Who"), "\"Dr. Who\" <jane@d1.test>");
}

TEST(TemplateHeadersTest, NoValueAddsAnAddress) {
  for (const std::string_view value : {"a@d1.test, b@d1.test", "a@d1.test> <b@d1.test", "x <a@d1.test>",
                                       "a@d1.test (x)", "", " ", "a@d1.test\xC2\xA0", "a"}) {
    EXPECT_THAT(Written("Reply-To: {{v}}", value), StartsWith("refused: column v: the value makes no mail address"))
        << value;
    EXPECT_THAT(Written("Reply-To: x <{{v}}>", value), StartsWith("refused: column v: the value makes no mail address"))
        << value;
  }
  EXPECT_EQ(Written("Reply-To: {{v}}",
                    "A@B\xC3\xBC"
                    "cher.example"),
            "A@xn--bcher-kva.example");
  EXPECT_EQ(Written("Reply-To: reply+{{v}}@example.com", "17"), "reply+17@example.com");
  EXPECT_THAT(Written("Reply-To: reply+{{v}}@example.com", "1 7"), StartsWith("refused: "));
}

TEST(TemplateHeadersTest, UrlsArePercentEncoded) {
  EXPECT_EQ(Written("List-Unsubscribe: <https://u.example.com/?a={{v}}&b=1>", "x y>&\xC3\xBC"),
            "<https://u.example.com/?a=x%20y%3E%26%C3%BC&b=1>");
  EXPECT_EQ(Written("List-Unsubscribe: <https://u.example.com/{{{v}}}>", "a/b?c=d"), "<https://u.example.com/a/b?c=d>");
  EXPECT_THAT(Written("List-Unsubscribe: <https://u.example.com/{{{v}}}>", "a>, <mailto:b"),
              StartsWith("refused: column v: the value has a character that no URL may have"));
}

TEST(TemplateHeadersTest, AWholeUrlIsLeftAsItIsAndMustBeOne) {
  for (const std::string_view line : {"List-Unsubscribe: <{{v}}>", "List-Unsubscribe: < {{{v}}}>"}) {
    EXPECT_THAT(Written(line, "https://u.example.com/a?b=c&d=%20"), HasSubstr("https://u.example.com/a?b=c&d=%20>"));
    EXPECT_THAT(Written(line, "mailto:a@example.com?subject=x"), HasSubstr("mailto:a@example.com?subject=x>"));
    for (const std::string_view bad :
         {"", "x", "javascript:x", "https://a b", "https://a>, <mailto:b", "https://\xC3\xBC"}) {
      EXPECT_THAT(Written(line, bad), StartsWith("refused: column v: the value begins a URL and is no http, https"))
          << bad;
    }
  }
  // What stands before a value that is not encoded may be empty, or but the beginning of a scheme.
  for (const std::string_view line :
       {"List-Help: <{{^v}}https://u.example.com/{{/v}}{{{v}}}>", "List-Help: <java{{{v}}}>",
        "List-Help: <https://u.example.com/{{{v}}}>, <{{^v}}x{{/v}}{{&v}}>"}) {
    for (const std::string_view value : {"javascript:alert(1)", "script:alert(1)", "data:x"}) {
      EXPECT_THAT(Written(line, value), HasSubstr("decides the scheme of a URL")) << line;
    }
  }
  EXPECT_EQ(Written("List-Help: <{{^v}}https://u.example.com/{{/v}}{{{v}}}>", "https://x.test/a:b"),
            "<https://x.test/a:b>");
  EXPECT_EQ(Written("List-Unsubscribe: <mailto:u@example.com>, <{{v}}{{v}}>", "https://x"),
            "<mailto:u@example.com>, <https://xhttps%3A%2F%2Fx>");
  EXPECT_EQ(Written("List-Unsubscribe: <mailto:u@example.com>{{#v}}, <{{v}}>{{/v}}", ""), "<mailto:u@example.com>");
}

TEST(TemplateHeadersTest, OverlongValuesAreRefused) {
  EXPECT_THAT(Written("Subject: {{v}}", std::string(901, 'x')), StartsWith("refused: column v: the value is too long"));
  EXPECT_THAT(Written("To: {{v}} <{{email}}>", std::string(401, 'x')),
              StartsWith("refused: column v: the value is too long"));
  EXPECT_EQ(DecodeEncodedWords(Written("Subject: {{v}}", std::string(900, 'x'))), std::string(900, 'x'));
  EXPECT_EQ(Written("To: {{v}} <{{email}}>", std::string(400, '"')).size(), 800 + 2 + 15U);
}

TEST(TemplateHeadersTest, ToIsTheRecipientWhenTheTemplateHasNone) {
  EXPECT_EQ(Received(*Rendered(Compiled("From: a@d1.test\n\nx\n"), {})).Header("To"), "jane@d1.test");
  EXPECT_EQ(Received(*Rendered(Compiled("From: a@d1.test\nTo: list@d1.test\n\nx\n"), {})).Header("To"), "list@d1.test");
  EXPECT_EQ(Received(*Rendered(Compiled("From: a@d1.test\n\nx\n"), {}, "\"a, b\"@d1.test")).Header("To"),
            "\"a, b\"@d1.test");
}

TEST(TemplateHeadersTest, OnlyARecipientMayBeBeyondAscii) {
  const std::string_view jane = "j\xC3\xA4ne@d1.test";
  for (const std::string_view eml :
       {"From: a@d1.test\n\n{{email}}\n", "From: a@d1.test\nTo: {{email}}\n\n{{email}}\n"}) {
    std::string message;
    ASSERT_TRUE(
        Compiled(eml)
            .Render({.email = jane, .fields = {}}, {.message_id = kTestMessageId, .date = absl::UnixEpoch()}, message)
            .ok());
    EXPECT_THAT(message, HasSubstr("\r\nTo: j\xC3\xA4ne@d1.test\r\n"));
    EXPECT_THAT(message, HasSubstr("\r\n\r\nj=C3=A4ne@d1.test\r\n"));
  }
  EXPECT_THAT(Written("Reply-To: {{v}}", jane),
              StartsWith("refused: column v: the value is a mail address beyond ASCII"));
  EXPECT_THAT(CompileError("From: j\xC3\xA4ne@d1.test\n\nx\n"),
              StartsWith("line 1: the header From: an address is beyond ASCII before its @"));
}

TEST(TemplateHeadersTest, HeadersTheEngineOwnsAreRefused) {
  for (const std::string_view name :
       {"Date", "date", "Message-ID", "Message-Id", "Bcc", "Resent-Bcc", "Return-Path", "Received", "DKIM-Signature"}) {
    EXPECT_THAT(CompileError("From: a@d1.test\n" + std::string(name) + ": x\n\nx\n"),
                AllOf(StartsWith("line 2: a template must not have the header "), HasSubstr(": remove it")))
        << name;
  }
}

TEST(TemplateHeadersTest, AHeadersNameIsNoPlaceForAField) {
  EXPECT_EQ(CompileError("From: a@d1.test\nX-{{v}}: y\n\nx\n", {"v"}),
            "line 2: a merge field cannot stand in a header's name");
}

TEST(TemplateHeadersTest, HeadersThatHoldNoFieldsRefuseThem) {
  for (const std::string_view name : {"Content-Type", "MIME-Version", "References", "In-Reply-To", "List-Id",
                                      "List-Unsubscribe-Post", "Content-Language", "Resent-To"}) {
    EXPECT_NE(CompileError("From: a@d1.test\n" + std::string(name) + ": text/{{v}}\n\nx\n", {"v"}), "none") << name;
  }
  EXPECT_EQ(
      CompileError("From: a@d1.test\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-ID: {{v}}\n\nx\n--b--\n",
                   {"v"}),
      "line 5: a merge field cannot stand in the header Content-ID of a part");
}

TEST(TemplateHeadersTest, FromIsThereOnceAndIsOneAddress) {
  EXPECT_EQ(CompileError("Subject: x\n\nx\n"), "the template has no From header: add a line From: Name <address>");
  EXPECT_EQ(CompileError("From: a@d1.test\nfrom: b@d1.test\n\nx\n"), "line 1: the header From is there more than once");
  EXPECT_THAT(CompileError("From: a@d1.test, b@d1.test\n\nx\n"), HasSubstr("more than one address"));
  EXPECT_THAT(CompileError("From: nobody\n\nx\n"),
              StartsWith("line 1: the header From: an address is wrong: it has no @"));
  EXPECT_THAT(CompileError("From:\n\nx\n"), HasSubstr("has no address"));
}

TEST(TemplateHeadersTest, InternationalSenderDomainIsSentAsAnALabel) {
  EXPECT_EQ(Written("From: B\xC3\xBC"
                    "cher <news@b\xC3\xBC"
                    "cher.example>",
                    ""),
            "=?utf-8?Q?B=C3=BCcher?= <news@xn--bcher-kva.example>");
}

TEST(TemplateHeadersTest, FoldedHeadersStayFolded) {
  const Template compiled = Compiled("From: a@d1.test\nX-Long: one\n two\n\tthree\n\nx\n");
  EXPECT_THAT(*Rendered(compiled, {}), HasSubstr("X-Long: one\r\n two\r\n\tthree\r\n"));
}

TEST(TemplateHeadersTest, LongAddressListsAreFolded) {
  std::string to = "To: ";
  for (int i = 0; i < 50; ++i) to += "Somebody With A Name <address" + std::to_string(i) + "@a-domain.example>, ";
  const absl::StatusOr<std::string> message = Rendered(Compiled("From: a@d1.test\n" + to + "{{email}}\n\nx\n"), {});
  ASSERT_TRUE(message.ok());
  for (std::string_view rest = *message; !rest.empty();) {
    const size_t end = rest.find("\r\n");
    EXPECT_LE(end, 78U);
    rest.remove_prefix(end + 2);
  }
}

TEST(TemplateHeadersTest, CheckLooksAtHeadersOnly) {
  const Template compiled = Compiled("From: a@d1.test\nSubject: {{v}}\n\n{{w}}\n", {"v", "w"});
  const std::vector<std::string_view> good = {"x", "a\r\nb"}, bad = {"a\nb", "x"};
  EXPECT_TRUE(compiled.Check({.email = "jane@d1.test", .fields = good}).ok());
  EXPECT_FALSE(compiled.Check({.email = "jane@d1.test", .fields = bad}).ok());
}

}  // namespace
}  // namespace sealift::engine
