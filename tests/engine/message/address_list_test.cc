#include "engine/message/address_list.h"

#include <gtest/gtest.h>

#include <string>

namespace sealift::engine {
namespace {

// "name|address" an entry, tags as {name}.
std::string Split(std::string_view value) {
  SourceText source;
  source.text = value;
  const auto tokens = ParseMustache(source, false);
  if (!tokens.ok()) return std::string(tokens.status().message());
  std::deque<std::string> texts;
  const auto list = ParseAddressList(*tokens, texts);
  if (!list.ok()) return "error: " + std::string(list.status().message());
  std::string result;
  const auto append = [&](const std::vector<MustacheToken>& part) {
    for (const MustacheToken& token : part) {
      result +=
          token.kind == MustacheToken::Kind::kText ? std::string(token.text) : "{" + std::string(token.text) + "}";
    }
  };
  for (const AddressTokens& entry : *list) {
    if (!result.empty()) result += " ; ";
    append(entry.name);
    result += '|';
    append(entry.address);
  }
  return result;
}

TEST(AddressListTest, NamesAndAddressesAreSplit) {
  EXPECT_EQ(Split("a@d1.test"), "|a@d1.test");
  EXPECT_EQ(Split("Jane <a@d1.test>, b@d1.test"), "Jane |a@d1.test ; | b@d1.test");
  EXPECT_EQ(Split("\"Doe, \\\"J\\\" <x>\" <a@d1.test>"), "Doe, \"J\" <x> |a@d1.test");
  EXPECT_EQ(Split("Jane (a comment (nested), \\) ) <a@d1.test> (more)"), "Jane  |a@d1.test");
  EXPECT_EQ(Split("a@d1.test,, b@d1.test,"), "|a@d1.test ; | b@d1.test");
  EXPECT_EQ(Split("=?utf-8?Q?J=C3=A4ne?= <a@d1.test>"), "J\xC3\xA4ne |a@d1.test");
  EXPECT_EQ(Split(""), "");
}

TEST(AddressListTest, FieldsStandWhereTheyAreWritten) {
  EXPECT_EQ(Split("{{name}} <{{email}}>"), "{name}|{email}");
  EXPECT_EQ(Split("\"{{last}}, {{first}}\" <{{email}}>"), "{last}, {first}|{email}");
  EXPECT_EQ(Split("{{email}}"), "|{email}");
  EXPECT_EQ(Split("reply+{{id}}@d1.test"), "|reply+{id}@d1.test");
  EXPECT_EQ(Split("{{#t}}{{t}} {{/t}}{{n}} <a@d1.test>"), "{t}{t} {t}{n}|a@d1.test");
}

TEST(AddressListTest, WhatIsNoAddressListIsRefused) {
  for (const std::string_view text :
       {"\"Jane <a@d1.test>", "Jane <a@d1.test", "a@d1.test>", "Jane (x <a@d1.test>", "<a@d1.test> x",
        "<a@d1.test> <b@d1.test>", "<>", "undisclosed:;", "<a,b@d1.test>", "{{#t}}<{{/t}}a@d1.test>",
        "{{#t}}, {{/t}}a@d1.test", "({{t}}) a@d1.test", "<a@d1.test> {{t}}", "=?utf-8?Q?Hi_{{t}}?= <a@d1.test>"}) {
    EXPECT_EQ(Split(text).substr(0, 6), "error:") << text;
  }
}

}  // namespace
}  // namespace sealift::engine
