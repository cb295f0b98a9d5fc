#include "engine/tls_report/tally.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

const absl::CivilDay kDay(2026, 11, 27);

ReportedPolicy Sts(const std::string& host) {
  return ReportedPolicy::Sts(fmt::format("version: STSv1\r\nmode: enforce\r\nmx: {}\r\nmax_age: 86400\r\n", host),
                             {host});
}

TlsFailureDetail Expired(const std::string& host) {
  return {.failure = TlsFailure::kCertificateExpired,
          .sending_ip = "192.0.2.1",
          .receiving_host = host,
          .receiving_ip = "198.51.100.1",
          .reason = "certificate has expired"};
}

const TlsTally::Domain& DomainOf(const TlsTally& tally, const std::string& name) {
  return tally.days().at(kDay).domains.find(name)->second;
}

TEST(TlsTallyTest, SessionsAreCountedByDayDomainPolicyAndWayOfFailing) {
  TlsTally tally;
  tally.Succeeded(kDay, "d1.test", Sts("mx.d1.test"));
  tally.Succeeded(kDay, "d1.test", Sts("mx.d1.test"));
  tally.Failed(kDay, "d1.test", Sts("mx.d1.test"), Expired("mx.d1.test"));
  tally.Failed(kDay, "d1.test", Sts("mx.d1.test"), Expired("mx.d1.test"));
  tally.Failed(kDay, "d1.test", {}, Expired("mx2.d1.test"));
  tally.Succeeded(kDay, "d2.test", {});
  tally.Succeeded(kDay + 1, "d1.test", {});
  ASSERT_THAT(tally.days(), SizeIs(2));
  const TlsTally::Domain& d1 = DomainOf(tally, "d1.test");
  ASSERT_THAT(d1.policies, SizeIs(2));
  const TlsTally::Policy& sts = d1.policies.at(Sts("mx.d1.test"));
  EXPECT_EQ(sts.succeeded, 2u);
  EXPECT_EQ(sts.failed, 2u);
  EXPECT_THAT(sts.details, ElementsAre(Pair(Expired("mx.d1.test"), 2u)));
  EXPECT_EQ(d1.policies.at({}).failed, 1u);
  EXPECT_EQ(DomainOf(tally, "d2.test").policies.at({}).succeeded, 1u);
}

TEST(TlsTallyTest, TheCountsOfShardsAddUp) {
  TlsTally one, two, sum;
  one.Succeeded(kDay, "d1.test", Sts("mx.d1.test"));
  one.Failed(kDay, "d1.test", Sts("mx.d1.test"), Expired("mx.d1.test"));
  two.Failed(kDay, "d1.test", Sts("mx.d1.test"), Expired("mx.d1.test"));
  two.Succeeded(kDay, "d2.test", {});
  sum.Add(one);
  sum.Add(two);
  const TlsTally::Policy& sts = DomainOf(sum, "d1.test").policies.at(Sts("mx.d1.test"));
  EXPECT_EQ(sts.succeeded, 1u);
  EXPECT_EQ(sts.failed, 2u);
  EXPECT_THAT(sts.details, ElementsAre(Pair(Expired("mx.d1.test"), 2u)));
  EXPECT_EQ(DomainOf(sum, "d2.test").policies.at({}).succeeded, 1u);
}

TEST(TlsTallyTest, WhatIsBeyondAMaximumIsCountedWhereThereIsRoom) {
  TlsTally tally;
  for (size_t i = 0; i < TlsTally::kDetailsMax + 3; ++i) {
    tally.Failed(kDay, "d1.test", {}, Expired(fmt::format("mx{}.d1.test", i)));
  }
  for (size_t i = 0; i < TlsTally::kPoliciesMax + 2; ++i) {
    tally.Succeeded(kDay, "d1.test", Sts(fmt::format("mx{}.d1.test", i)));
  }
  const TlsTally::Domain& d1 = DomainOf(tally, "d1.test");
  const TlsTally::Policy& none = d1.policies.at({});
  EXPECT_EQ(none.failed, TlsTally::kDetailsMax + 3);
  EXPECT_THAT(none.details, SizeIs(TlsTally::kDetailsMax));
  EXPECT_EQ(none.without_detail, 3u);
  EXPECT_THAT(d1.policies, SizeIs(TlsTally::kPoliciesMax));
  EXPECT_EQ(d1.without_policy, 3u);  // one place had the absence of a policy

  for (size_t i = 0; i < TlsTally::kDomainsMax + 4; ++i) tally.Succeeded(kDay, fmt::format("e{}.test", i), {});
  EXPECT_THAT(tally.days().at(kDay).domains, SizeIs(TlsTally::kDomainsMax));
  EXPECT_EQ(tally.days().at(kDay).without_domain, 5u);

  TlsTally sum;
  sum.Add(tally);
  sum.Add(tally);
  EXPECT_EQ(sum.days().at(kDay).without_domain, 10u);
  EXPECT_EQ(DomainOf(sum, "d1.test").policies.at({}).without_detail, 6u);
  EXPECT_EQ(DomainOf(sum, "d1.test").without_policy, 6u);
}

TEST(TlsTallyTest, LongTextsDoNotGrowItWithoutEnd) {
  TlsTally tally;
  const std::string line(1000, 'x');
  for (int i = 0; i < 9000; ++i) {
    std::string text;
    for (int j = 0; j < 8; ++j) text += line + "\n";
    tally.Succeeded(kDay, fmt::format("d{}.test", i), ReportedPolicy::Sts(text, {}));
  }
  uint64_t bytes = 0, sessions = tally.days().at(kDay).without_domain;
  for (const auto& [name, domain] : tally.days().at(kDay).domains) {
    sessions += domain.without_policy;
    for (const auto& [policy, counted] : domain.policies) {
      sessions += counted.succeeded;
      for (const std::string& one : policy.text) bytes += one.size();
    }
  }
  EXPECT_LE(bytes, TlsTally::kBytesMax);
  EXPECT_EQ(sessions, 9000u);
  tally.Forget(kDay);
  EXPECT_TRUE(tally.empty());
  tally.Succeeded(kDay, "d1.test", Sts("mx.d1.test"));  // there is room again
  EXPECT_THAT(DomainOf(tally, "d1.test").policies, SizeIs(1));
}

TEST(TlsTallyTest, OfManyDaysTheOldestGivesWay) {
  TlsTally tally;
  for (int i = 0; i < 10; ++i) tally.Succeeded(kDay + i, "d1.test", {});
  EXPECT_THAT(tally.days(), SizeIs(TlsTally::kDaysMax));
  EXPECT_EQ(tally.days().rbegin()->first, kDay + 9);
}

TEST(TlsTallyTest, WhatIsKeptOnDiskIsReadAsItWas) {
  TlsTally tally;
  tally.Succeeded(kDay, "d1.test", Sts("mx.d1.test"));
  tally.Succeeded(kDay, "d1.test", ReportedPolicy::Tlsa({"3 1 1 0a0b", "2 0 1 ff00"}));
  for (int i = 0; i < 80; ++i) tally.Failed(kDay, "d1.test", {}, Expired(fmt::format("mx{}.d1.test", i)));
  const TlsTally::Domain& domain = DomainOf(tally, "d1.test");
  const auto read = TlsTally::Domain::Decode(domain.Encode());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, domain);
  for (const char* text : {"", "{}", "[]", "{\"policies\":1}", "{\"policies\":[{}],\"without_policy\":0}",
                           "{\"policies\":[{\"type\":7}],\"without_policy\":0}"}) {
    EXPECT_FALSE(TlsTally::Domain::Decode(text).ok()) << text;
  }
}

TEST(TlsTallyTest, EveryFailureHasAWordOfItsOwn) {
  for (int i = 0; i < kTlsFailures; ++i) {
    const auto failure = static_cast<TlsFailure>(i);
    EXPECT_EQ(ParseTlsFailure(ToString(failure)), failure);
  }
  EXPECT_EQ(ToString(TlsFailure::kStartTlsNotSupported), "starttls-not-supported");
  EXPECT_EQ(ToString(TlsFailure::kStsWebPkiInvalid), "sts-webpki-invalid");
  EXPECT_FALSE(ParseTlsFailure("bad-luck").has_value());
}

TEST(TlsTallyTest, RecordsOfAPolicyStandInOneOrder) {
  EXPECT_EQ(ReportedPolicy::Tlsa({"3 1 1 0a", "2 0 1 ff"}), ReportedPolicy::Tlsa({"2 0 1 ff", "3 1 1 0a"}));
  EXPECT_THAT(Sts("mx.d1.test").text,
              ElementsAre("version: STSv1", "mode: enforce", "mx: mx.d1.test", "max_age: 86400"));
  EXPECT_THAT(ReportedPolicy::Sts("", {}).text, IsEmpty());
}

}  // namespace
}  // namespace sealift::engine
