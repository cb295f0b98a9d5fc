#include "dns/reading.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "tests/dns/packet.h"

namespace sealift::dns {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Question kMx = {.id = 7, .name = "clinic.test", .type = kTypeMx};
const Question kA = {.id = 7, .name = "mx1.clinic.test", .type = kTypeA};

Reading<MxAnswer> Mx(const Packet& packet) { return ReadMx(*DecodeMessage(packet.Build()), "clinic.test"); }

Reading<AddressAnswer> Addresses(const Packet& packet) {
  return ReadAddresses(*DecodeMessage(packet.Build()), "mx1.clinic.test", AF_INET);
}

TEST(ReadMxTest, HostsComeByPreference) {
  const auto reading = Mx(Packet(kMx)
                              .Mx("clinic.test", 20, "c.test", 100)
                              .Mx("clinic.test", 10, "B.test", 50)
                              .Mx("clinic.test", 20, "a.test", 200));
  EXPECT_EQ(reading.answer.verdict, Verdict::kFound);
  EXPECT_THAT(reading.answer.hosts, ElementsAre(MxHost{10, "b.test"}, MxHost{20, "c.test"}, MxHost{20, "a.test"}));
  EXPECT_FALSE(reading.answer.implicit);
  EXPECT_FALSE(reading.answer.null_mx);
  EXPECT_EQ(reading.ttl, absl::Seconds(50));
}

TEST(ReadMxTest, AHostNamedTwiceIsOneAtItsBest) {
  const auto reading = Mx(Packet(kMx).Mx("clinic.test", 20, "a.test").Mx("clinic.test", 10, "A.test"));
  EXPECT_THAT(reading.answer.hosts, ElementsAre(MxHost{10, "a.test"}));
}

TEST(ReadMxTest, NoMxIsTheDomainItself) {
  const auto reading = Mx(Packet(kMx).Soa("test", 900, 120));
  EXPECT_EQ(reading.answer.verdict, Verdict::kFound);
  EXPECT_TRUE(reading.answer.implicit);
  EXPECT_THAT(reading.answer.hosts, ElementsAre(MxHost{0, "clinic.test"}));
  EXPECT_EQ(reading.ttl, absl::Seconds(120));
}

TEST(ReadMxTest, TheNullMxTakesNoMail) {
  const auto reading = Mx(Packet(kMx).Mx("clinic.test", 0, ""));
  EXPECT_EQ(reading.answer.verdict, Verdict::kFound);
  EXPECT_TRUE(reading.answer.null_mx);
  EXPECT_FALSE(reading.answer.implicit);
  EXPECT_THAT(reading.answer.hosts, IsEmpty());
}

TEST(ReadMxTest, ANullMxAmongHostsIsLeftOut) {
  const auto reading = Mx(Packet(kMx).Mx("clinic.test", 0, "").Mx("clinic.test", 10, "a.test"));
  EXPECT_FALSE(reading.answer.null_mx);
  EXPECT_THAT(reading.answer.hosts, ElementsAre(MxHost{10, "a.test"}));
}

TEST(ReadMxTest, MxRecordsWithoutAnyHostAreNoReasonToTryTheDomain) {
  for (const char* host : {"127.0.0.1", "a b.test", "*.test"}) {
    const auto reading = Mx(Packet(kMx).Mx("clinic.test", 10, host));
    EXPECT_EQ(reading.answer.verdict, Verdict::kUnusable) << host;
    EXPECT_THAT(reading.answer.hosts, IsEmpty());
    EXPECT_FALSE(reading.answer.implicit);
  }
  EXPECT_EQ(Mx(Packet(kMx).Mx("clinic.test", 0, "").Mx("clinic.test", 0, "")).answer.verdict, Verdict::kUnusable);
}

TEST(ReadMxTest, ANulInALabelIsNoHost) {
  const auto reading = Mx(Packet(kMx)
                              .Record("clinic.test", kTypeMx, 60, {0, 1, 4, 'e', 'v', 'i', 0, 4, 't', 'e', 's', 't', 0})
                              .Mx("clinic.test", 10, "a.test"));
  EXPECT_THAT(reading.answer.hosts, ElementsAre(MxHost{10, "a.test"}));
}

TEST(ReadMxTest, HundredsOfHostsAreCutToTheBest) {
  Packet packet(kMx);
  for (int i = 499; i >= 0; --i) packet.Mx("clinic.test", static_cast<uint16_t>(i), fmt::format("mx{}.test", i));
  const auto reading = Mx(packet);
  ASSERT_EQ(reading.answer.hosts.size(), kMxHostsMax);
  EXPECT_EQ(reading.answer.hosts.front(), (MxHost{0, "mx0.test"}));
  EXPECT_EQ(reading.answer.hosts.back(), (MxHost{kMxHostsMax - 1, "mx31.test"}));
}

TEST(ReadMxTest, ResponseCodesAreToldApart) {
  EXPECT_EQ(Mx(Packet(kMx).Rcode(3).Soa("test", 60, 600)).answer.verdict, Verdict::kNxDomain);
  EXPECT_EQ(Mx(Packet(kMx).Rcode(3).Soa("test", 60, 600)).ttl, absl::Seconds(60));
  EXPECT_EQ(Mx(Packet(kMx).Rcode(2)).answer.verdict, Verdict::kServFail);
  EXPECT_EQ(Mx(Packet(kMx).Rcode(4)).answer.verdict, Verdict::kRefused);
  EXPECT_EQ(Mx(Packet(kMx).Rcode(5)).answer.verdict, Verdict::kRefused);
  EXPECT_EQ(Mx(Packet(kMx).Rcode(1)).answer.verdict, Verdict::kBadAnswer);
  EXPECT_EQ(Mx(Packet(kMx).Rcode(9)).answer.verdict, Verdict::kBadAnswer);
}

TEST(ReadMxTest, AliasesAreFollowedWithinTheAnswer) {
  const auto reading = Mx(
      Packet(kMx).Mx("c.test", 10, "mx.c.test", 300).Cname("b.test", "c.test", 40).Cname("clinic.test", "B.test", 70));
  EXPECT_THAT(reading.answer.hosts, ElementsAre(MxHost{10, "mx.c.test"}));
  EXPECT_EQ(reading.ttl, absl::Seconds(40));
}

TEST(ReadMxTest, AliasesInACircleAreABadAnswer) {
  EXPECT_EQ(Mx(Packet(kMx).Cname("clinic.test", "clinic.test")).answer.verdict, Verdict::kBadAnswer);
  EXPECT_EQ(Mx(Packet(kMx).Cname("clinic.test", "b.test").Cname("b.test", "clinic.test")).answer.verdict,
            Verdict::kBadAnswer);
}

TEST(ReadMxTest, AliasesHaveAnEnd) {
  for (const int aliases : {kAliasesMax, kAliasesMax + 1}) {
    Packet packet(kMx);
    std::string name = "clinic.test";
    for (int i = 0; i < aliases; ++i) {
      const std::string next = fmt::format("a{}.test", i);
      packet.Cname(name, next);
      name = next;
    }
    packet.Mx(name, 10, "mx.test");
    EXPECT_EQ(Mx(packet).answer.verdict, aliases == kAliasesMax ? Verdict::kFound : Verdict::kBadAnswer);
  }
}

TEST(ReadMxTest, RecordsOfOtherNamesCountForNothing) {
  EXPECT_TRUE(Mx(Packet(kMx).Mx("elsewhere.test", 10, "mx.elsewhere.test")).answer.implicit);
}

TEST(ReadMxTest, AnAnswerToAnotherQuestionIsBad) {
  const Question other = {.id = 7, .name = "other.test", .type = kTypeMx};
  EXPECT_EQ(Mx(Packet(other).Mx("clinic.test", 10, "mx.test")).answer.verdict, Verdict::kBadAnswer);
  EXPECT_EQ(Mx(Packet(kA).Mx("clinic.test", 10, "mx.test")).answer.verdict, Verdict::kBadAnswer);
}

TEST(ReadAddressesTest, AddressesComeInOrderAndOnce) {
  const auto reading = Addresses(Packet(kA)
                                     .A("mx1.clinic.test", "192.0.2.2", 90)
                                     .A("mx1.clinic.test", "192.0.2.1", 80)
                                     .A("mx1.clinic.test", "192.0.2.2", 70));
  EXPECT_EQ(reading.answer.verdict, Verdict::kFound);
  EXPECT_THAT(reading.answer.addresses, ElementsAre(Address::Parse("192.0.2.2"), Address::Parse("192.0.2.1")));
  EXPECT_EQ(reading.ttl, absl::Seconds(70));
}

TEST(ReadAddressesTest, AHostThatIsAnAliasIsFollowed) {
  const auto reading = Addresses(Packet(kA).Cname("mx1.clinic.test", "b.test").A("b.test", "192.0.2.1"));
  EXPECT_THAT(reading.answer.addresses, ElementsAre(Address::Parse("192.0.2.1")));
}

TEST(ReadAddressesTest, NoneIsNoData) {
  EXPECT_EQ(Addresses(Packet(kA).Soa("test", 60, 60)).answer.verdict, Verdict::kNoData);
}

TEST(ReadAddressesTest, ListsAreBounded) {
  Packet packet(kA);
  for (int i = 0; i < 250; ++i) packet.A("mx1.clinic.test", fmt::format("192.0.2.{}", i));
  EXPECT_EQ(Addresses(packet).answer.addresses.size(), kAddressesMax);
}

TEST(ReadAddressesTest, TheNameAtTheEndOfTheAliasesIsTold) {
  EXPECT_EQ(Addresses(Packet(kA).A("mx1.clinic.test", "192.0.2.1")).answer.canonical, "mx1.clinic.test");
  EXPECT_EQ(Addresses(Packet(kA).Cname("mx1.clinic.test", "a.test").Cname("a.test", "b.test").A("b.test", "192.0.2.1"))
                .answer.canonical,
            "b.test");
  EXPECT_EQ(Addresses(Packet(kA).Rcode(2)).answer.canonical, "");
}

TEST(ReadTlsaTest, RecordsComeWithTheWordOfTheResolver) {
  const Question question = {.id = 7, .name = "_25._tcp.mx1.clinic.test", .type = kTypeTlsa};
  const auto read = [&](const Packet& packet) { return ReadTlsa(*DecodeMessage(packet.Build()), question.name); };
  const auto vouched = read(Packet(question).Flag(kAuthenticated).Tlsa(question.name, 3, 1, 1, {9}, 60));
  EXPECT_EQ(vouched.answer.verdict, Verdict::kFound);
  EXPECT_TRUE(vouched.answer.authenticated);
  EXPECT_THAT(vouched.answer.records, ElementsAre(Tlsa{3, 1, 1, {9}}));
  EXPECT_EQ(vouched.ttl, absl::Seconds(60));
  EXPECT_FALSE(read(Packet(question).Tlsa(question.name, 3, 1, 1, {9})).answer.authenticated);
  EXPECT_EQ(read(Packet(question).Rcode(3)).answer.verdict, Verdict::kNxDomain);
  EXPECT_EQ(read(Packet(question).Soa("test", 900, 120)).answer.verdict, Verdict::kNoData);
  EXPECT_EQ(read(Packet(question).Rcode(2)).answer.verdict, Verdict::kServFail);
  Packet many(question);
  for (uint8_t i = 0; i < 100; ++i) many.Tlsa(question.name, 3, 1, 1, {i});
  EXPECT_EQ(read(many).answer.records.size(), kTlsaRecordsMax);
}

TEST(ReadTxtTest, TextsComeInTheirOrder) {
  const Question question = {.id = 7, .name = "_mta-sts.clinic.test", .type = kTypeTxt};
  const auto read = [&](const Packet& packet) { return ReadTxt(*DecodeMessage(packet.Build()), question.name).answer; };
  EXPECT_THAT(read(Packet(question).Txt(question.name, {"a", "b"}).Txt(question.name, {"c"})).texts,
              ElementsAre("ab", "c"));
  EXPECT_EQ(read(Packet(question).Rcode(3)).verdict, Verdict::kNxDomain);
}

}  // namespace
}  // namespace sealift::dns
