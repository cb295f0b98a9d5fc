#include "engine/tls_report/rua.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::optional<TlsReportRecord> Find(const std::string& text) {
  return TlsReportRecord::Find(std::vector<std::string>{text});
}

TEST(TlsReportRecordTest, NamesMailboxesAndWebServers) {
  const auto record = Find("v=TLSRPTv1;rua=mailto:Tls@Reports.test, https://reports.test/v1/tls?d=1");
  ASSERT_TRUE(record.has_value());
  EXPECT_THAT(record->mailboxes, ElementsAre("Tls@reports.test"));
  EXPECT_THAT(record->webs, ElementsAre(TlsReportRecord::Web{"reports.test", 443, "/v1/tls?d=1"}));
}

TEST(TlsReportRecordTest, SpacesSchemesAndOtherFieldsDoNotMatter) {
  const auto record =
      Find("v=TLSRPTv1 ; ext=x ;\trua= MAILTO:a@d1.test ,HTTPS://W.d1.test:8443 ; rua=mailto:b@d1.test;");
  ASSERT_TRUE(record.has_value());
  EXPECT_THAT(record->mailboxes, ElementsAre("a@d1.test"));
  EXPECT_THAT(record->webs, ElementsAre(TlsReportRecord::Web{"w.d1.test", 8443, "/"}));
}

TEST(TlsReportRecordTest, ThereIsOneRecordOrNone) {
  const std::string one = "v=TLSRPTv1;rua=mailto:a@d1.test";
  EXPECT_TRUE(TlsReportRecord::Find(std::vector<std::string>{"v=spf1 -all", one}).has_value());
  EXPECT_FALSE(TlsReportRecord::Find(std::vector<std::string>{one, one}).has_value());
  EXPECT_FALSE(TlsReportRecord::Find(std::vector<std::string>{one, "v=TLSRPTv1;"}).has_value());
  EXPECT_FALSE(Find("v=TLSRPTv2;rua=mailto:a@d1.test").has_value());
  EXPECT_FALSE(Find("rua=mailto:a@d1.test;v=TLSRPTv1").has_value());
  EXPECT_FALSE(Find("v=TLSRPTv1").has_value());
  EXPECT_FALSE(TlsReportRecord::Find({}).has_value());
}

TEST(TlsReportRecordTest, WhatIsNoPlainAddressIsPassedOver) {
  for (const char* uri : {"mailto:",
                          "mailto:nobody",
                          "mailto:a@d1.test%0d%0aBcc:b@d2.test",
                          "mailto:a%zz@d1.test",
                          "mailto:a@d1.test%2Cb@d1.test",
                          "mailto:\"a b\"@d1.test",
                          "http://d1.test/",
                          "https://",
                          "https://192.0.2.1/",
                          "https://[::1]/",
                          "https://u:p@d1.test/",
                          "https://d1.test:0/",
                          "https://d1.test:65536/",
                          "https://d1.test:x/",
                          "https://d1.test/#f",
                          "https://d1.test/a b",
                          "file:///etc/passwd",
                          "mailto:\xC3\xA4@d1.test",
                          "mailto:%C3%A4@d1.test",
                          "a@d1.test"}) {
    EXPECT_FALSE(Find(std::string("v=TLSRPTv1;rua=") + uri).has_value()) << uri;
  }
  EXPECT_THAT(Find("v=TLSRPTv1;rua=nothing,mailto:a%2Bb@d1.test?subject=x&bcc=c@d2.test")->mailboxes,
              ElementsAre("a+b@d1.test"));
}

TEST(TlsReportRecordTest, OnlyTheFirstFewAreTakenAndEachOnce) {
  std::string text = "v=TLSRPTv1;rua=mailto:a1@d1.test,mailto:a1@d1.test";
  for (int i = 2; i <= 40; ++i) text += ",mailto:a" + std::to_string(i) + "@d1.test";
  const auto record = Find(text);
  ASSERT_TRUE(record.has_value());
  EXPECT_THAT(record->mailboxes, ElementsAre("a1@d1.test", "a2@d1.test", "a3@d1.test", "a4@d1.test"));
  EXPECT_FALSE(Find("v=TLSRPTv1;rua=mailto:a@d1.test;x=" + std::string(TlsReportRecord::kTextBytesMax, 'x')));
  EXPECT_FALSE(Find("v=TLSRPTv1;rua=https://d1.test/" + std::string(2000, 'x')).has_value());
}

}  // namespace
}  // namespace sealift::engine
