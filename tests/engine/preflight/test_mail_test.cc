// Whom a test may mail, and what stands in it where no row is named.
#include "engine/test_mail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/test_recipients.h"

namespace sealift::engine {
namespace {

bool Allowed(const std::vector<std::string>& list, const std::string& address) {
  NodeOptions node;
  for (const std::string& entry : list) node.test_recipients.push_back(*TestRecipientForm(entry));
  return IsTestRecipient(node, *ParseMailbox(address));
}

TEST(TestRecipientsTest, AreThoseNamedAndNobodyElse) {
  EXPECT_FALSE(Allowed({}, "qa@d1.test"));
  EXPECT_TRUE(Allowed({"QA@D1.test"}, "qa@d1.TEST"));
  EXPECT_FALSE(Allowed({"qa@d1.test"}, "qa2@d1.test"));
  EXPECT_FALSE(Allowed({"qa@d1.test"}, "qa@sub.d1.test"));
  EXPECT_TRUE(Allowed({"@d1.test"}, "anyone@d1.test"));
  EXPECT_FALSE(Allowed({"@d1.test"}, "anyone@sub.d1.test"));
  EXPECT_FALSE(Allowed({"@d1.test"}, "\"x@d1.test\"@d2.test"));
}

TEST(TestRecipientsTest, WhatIsNeitherAnAddressNorADomainIsRefused) {
  for (const char* entry : {"", "@", "qa", "d1.test", "@*", "*@d1.test x", "@a b.test"}) {
    EXPECT_FALSE(TestRecipientForm(entry).ok()) << entry;
  }
}

absl::StatusOr<std::vector<std::string>> ValuesFor(const std::string& eml) {
  const std::vector<std::string> columns = *Template::ColumnsOf(eml);
  const absl::StatusOr<Template> content = Template::Compile(eml, {.columns = columns, .defaults = {}});
  EXPECT_TRUE(content.ok()) << content.status();
  return MadeUpValues(*content, columns, "qa@d1.test");
}

TEST(MadeUpValuesTest, NameTheirColumn) {
  EXPECT_THAT(*ValuesFor("From: a@d1.test\nSubject: Hi {{name}}\n\nYou live in {{city}}, see {{photo_url}}.\n"),
              testing::ElementsAre("Sample name", "Sample city", "https://sample.example/photo_url"));
}

TEST(MadeUpValuesTest, AreAddressesWhereOnlyAnAddressMayStand) {
  EXPECT_THAT(*ValuesFor("From: a@d1.test\nReply-To: {{clinic}}\nSubject: Hi {{name}}\n\nbody\n"),
              testing::ElementsAre("qa@d1.test", "Sample name"));
}

TEST(MadeUpValuesTest, AreWhatEachPlaceTakes) {
  EXPECT_THAT(
      *ValuesFor("From: a@d1.test\nReply-To: {{desk}}@clinic.test, info@{{host}}\nList-Help: <{{help}}>\n"
                 "Content-Type: text/html\n\n<a href=\"{{link}}\" style=\"color: {{colour}}\">{{name}} {{desk}}</a>\n"),
      testing::ElementsAre("sample", "sample.example", "https://sample.example/", "https://sample.example/", "sample",
                           "Sample name"));
}

TEST(MadeUpValuesTest, AreObjectsWhereTheTemplateNamesWhatIsWithin) {
  const std::string eml =
      "From: a@d1.test\nSubject: {{clinic.name}}\nContent-Type: text/html\n\n{{#visits}}<a "
      "href=\"{{link}}\">{{day}}</a> "
      "{{#who}}{{.}}{{title}}{{/who}}{{/visits}}{{#tags}}{{.}}{{/tags}} {{top}}\n";
  const std::vector<std::string> columns = {"clinic", "visits", "tags", "top"};
  const auto values = [&](const std::string& text) {
    const absl::StatusOr<Template> content =
        Template::Compile(text, {.columns = columns, .defaults = {}, .names = Template::Names::kPaths});
    EXPECT_TRUE(content.ok()) << content.status();
    return MadeUpValues(*content, columns, "qa@d1.test");
  };
  const auto nested = [](std::string_view bytes) { return std::string(1, '\0') + std::string(bytes); };
  EXPECT_THAT(std::string(values(eml).status().message()), testing::HasSubstr("made-up values"))
      << "nothing is both a text and an object";
  std::string fine = eml;
  fine.replace(fine.find("{{.}}{{title}}"), 5, "");
  EXPECT_THAT(*values(fine), testing::ElementsAre(nested("22:4:name,11:Sample name,}"),
                                                  nested("88:3:day,10:Sample day,4:link,23:https://sample.example/,3:"
                                                         "who,24:5:title,12:Sample title,}}"),
                                                  "Sample tags", "Sample top"));
}

TEST(MadeUpValuesTest, WhatNoValueFitsIsSaid) {
  const absl::StatusOr<std::vector<std::string>> values =
      ValuesFor("From: a@d1.test\nReply-To: {{x}}\nContent-Type: text/html\n\n<a href=\"{{x}}\">x</a>\n");
  EXPECT_THAT(std::string(values.status().message()), testing::HasSubstr("the template takes none of the made-up"));
}

}  // namespace
}  // namespace sealift::engine
