#include "engine/preflight/spf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <map>
#include <string>
#include <vector>

namespace sealift::engine {
namespace {

using dns::Verdict;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

dns::Address Ip(const std::string& text) { return *dns::Address::Parse(text); }

// The records of a small world; what is not in it does not exist.
class Zone final : public SpfRecords {
 public:
  dns::TxtAnswer Txt(const std::string& name) override {
    ++asked;
    if (failing == name) return {.verdict = Verdict::kServFail, .texts = {}};
    if (!texts.contains(name)) return {.verdict = Verdict::kNxDomain, .texts = {}};
    return {.verdict = Verdict::kFound, .texts = texts[name]};
  }
  dns::MxAnswer Mx(const std::string& domain) override {
    ++asked;
    dns::MxAnswer answer;
    answer.verdict = hosts.contains(domain) ? Verdict::kFound : Verdict::kNxDomain;
    for (const std::string& host : hosts[domain]) answer.hosts.push_back({10, host});
    return answer;
  }
  dns::AddressAnswer Addresses(const std::string& host, int family) override {
    ++asked;
    dns::AddressAnswer answer;
    answer.verdict = Verdict::kNxDomain;
    for (const std::string& address : addresses[host]) {
      answer.verdict = Verdict::kNoData;
      if (Ip(address).family == family) answer.addresses.push_back(Ip(address));
    }
    if (!answer.addresses.empty()) answer.verdict = Verdict::kFound;
    return answer;
  }

  std::map<std::string, std::vector<std::string>> texts, hosts, addresses;
  std::string failing;
  int asked = 0;
};

class SpfTest : public testing::Test {
 protected:
  SpfResult Of(const std::string& record, const std::string& address = "192.0.2.10") {
    zone.texts["d.test"] = {record};
    finding = EvaluateSpf("d.test", Ip(address), zone);
    return finding.result;
  }
  Zone zone;
  SpfFinding finding;
};

TEST_F(SpfTest, NetworksAreComparedByTheirPrefix) {
  EXPECT_EQ(Of("v=spf1 ip4:192.0.2.10 -all"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 ip4:192.0.2.0/28 -all"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 ip4:192.0.2.0/29 -all"), SpfResult::kFail);
  EXPECT_EQ(Of("v=spf1 ip4:10.0.0.0/0 -all"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 ip6:2001:db8::/33 -all", "2001:db8:7fff::1"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 ip6:2001:db8::/33 -all", "2001:db8:8000::1"), SpfResult::kFail);
  EXPECT_EQ(Of("v=spf1 ip4:192.0.2.10 -all", "2001:db8::1"), SpfResult::kFail);
}

TEST_F(SpfTest, TheFirstTermThatHoldsDecidesWithItsQualifier) {
  EXPECT_EQ(Of("v=spf1 ~ip4:192.0.2.10 +all"), SpfResult::kSoftFail);
  EXPECT_EQ(Of("V=SPF1 ?ALL"), SpfResult::kNeutral);
  EXPECT_EQ(Of("v=spf1"), SpfResult::kNeutral);
  EXPECT_EQ(Of("v=spf1   -all  ip4:192.0.2.10"), SpfResult::kFail);
}

TEST_F(SpfTest, HostsAndMxHostsAreLookedUp) {
  zone.addresses["out.test"] = {"192.0.2.10", "2001:db8::10"};
  zone.addresses["d.test"] = {"192.0.2.77"};
  zone.hosts["d.test"] = {"out.test"};
  EXPECT_EQ(Of("v=spf1 a:out.test -all"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 a -all"), SpfResult::kFail);
  EXPECT_EQ(Of("v=spf1 a/24 -all"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 mx -all"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 mx//64 -all", "2001:db8::99"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 exists:out.test -all"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 exists:gone.test -all"), SpfResult::kFail);
}

TEST_F(SpfTest, AnIncludeHoldsOnlyWhenItsRecordPasses) {
  zone.texts["inner.test"] = {"v=spf1 ip4:192.0.2.10 -all"};
  EXPECT_EQ(Of("v=spf1 include:inner.test -all"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 include:inner.test ~all", "192.0.2.11"), SpfResult::kSoftFail);
  EXPECT_EQ(Of("v=spf1 include:gone.test +all"), SpfResult::kPermError);
  EXPECT_THAT(finding.why, HasSubstr("gone.test"));
  EXPECT_EQ(Of("v=spf1 redirect=inner.test"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 redirect=inner.test", "192.0.2.11"), SpfResult::kFail);
  EXPECT_EQ(Of("v=spf1 redirect=gone.test"), SpfResult::kPermError);
  EXPECT_EQ(Of("v=spf1 ?all redirect=inner.test"), SpfResult::kNeutral);
}

TEST_F(SpfTest, WithoutARecordOrWithTwoThereIsNone) {
  EXPECT_EQ(EvaluateSpf("gone.test", Ip("192.0.2.10"), zone).result, SpfResult::kNone);
  zone.texts["d.test"] = {"google-site-verification=x", "v=spf10 +all"};
  EXPECT_EQ(EvaluateSpf("d.test", Ip("192.0.2.10"), zone).result, SpfResult::kNone);
  zone.texts["d.test"] = {"v=spf1 +all", "v=spf1 +all"};
  EXPECT_EQ(EvaluateSpf("d.test", Ip("192.0.2.10"), zone).result, SpfResult::kPermError);
}

TEST_F(SpfTest, AMistakeAnywhereSpoilsTheWholeRecord) {
  for (const char* term : {"ip4:192.0.2.300", "ip4:192.0.2.0/33", "ip4", "ip6:192.0.2.1", "a:", "mx/99",
                           "include:", "include", "all:x", "ipv4:192.0.2.1", "redirect=", "-", "="}) {
    EXPECT_EQ(Of(std::string("v=spf1 ip4:192.0.2.10 ") + term), SpfResult::kPermError) << term;
  }
  EXPECT_EQ(Of("v=spf1 include:.. -all"), SpfResult::kPermError);
}

TEST_F(SpfTest, WhatHangsOnAMacroIsUnclear) {
  EXPECT_EQ(Of("v=spf1 exists:%{i}.spf.d.test -all"), SpfResult::kUnclear);
  EXPECT_EQ(Of("v=spf1 ptr -all"), SpfResult::kUnclear);
  EXPECT_EQ(Of("v=spf1 redirect=%{d}.test"), SpfResult::kUnclear);
  // Whatever the macro says, the address passes.
  EXPECT_EQ(Of("v=spf1 exists:%{i}.spf.d.test ip4:192.0.2.10 -all"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 -exists:%{i}.spf.d.test ip4:192.0.2.10 -all"), SpfResult::kUnclear);
}

TEST_F(SpfTest, ARecordThatIncludesItselfEndsAtTenLookups) {
  EXPECT_EQ(Of("v=spf1 include:d.test include:d.test -all"), SpfResult::kPermError);
  EXPECT_LE(zone.asked, 11);
  EXPECT_EQ(Of("v=spf1 redirect=d.test"), SpfResult::kPermError);
}

TEST_F(SpfTest, TooManyTermsThatNameNothingAreAnError) {
  EXPECT_EQ(Of("v=spf1 a:x1.test a:x2.test ip4:192.0.2.10 -all"), SpfResult::kPass);
  EXPECT_EQ(Of("v=spf1 a:x1.test a:x2.test a:x3.test ip4:192.0.2.10 -all"), SpfResult::kPermError);
}

TEST_F(SpfTest, HostileRecordsAreCapped) {
  EXPECT_EQ(Of("v=spf1 " + std::string(kSpfTextBytesMax, 'a')), SpfResult::kPermError);
  for (int i = 0; i < 11; ++i) zone.hosts["many.test"].push_back("h" + std::to_string(i) + ".test");
  EXPECT_EQ(Of("v=spf1 mx:many.test +all"), SpfResult::kPermError);
}

TEST_F(SpfTest, ADnsFailureIsNoVerdict) {
  zone.failing = "inner.test";
  EXPECT_EQ(Of("v=spf1 include:inner.test -all"), SpfResult::kTempError);
  EXPECT_THAT(finding.why, HasSubstr("servfail"));
  EXPECT_EQ(Of("v=spf1 ip4:192.0.2.10 include:inner.test -all"), SpfResult::kPass);
  EXPECT_THAT(finding.why, IsEmpty());
}

}  // namespace
}  // namespace sealift::engine
