// Questions of who may wait for the answer: commands, and the threads of the API.
#include "dns/lookup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "dns/message.h"
#include "tests/dns/fake_server.h"
#include "tests/dns/packet.h"
#include "tests/dns/poll_reactor.h"

namespace sealift::dns {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint16_t kPtr = 12, kTxt = 16;

// The data of a TXT record: its strings, each behind its length.
Bytes Strings(const std::vector<std::string>& strings) {
  Bytes data;
  for (const std::string& text : strings) {
    data.push_back(static_cast<uint8_t>(text.size()));
    data.insert(data.end(), text.begin(), text.end());
  }
  return data;
}

// The lookup blocks a thread of its own while this one turns the server.
class LookupTest : public testing::Test {
 protected:
  LookupTest() {
    options_.timeout = absl::Milliseconds(200);
    options_.tries = 2;
  }

  template <typename Question>
  auto Ask(Question question) {
    const std::vector<std::string> servers = {server_.address()};
    options_.servers = servers;
    absl::StatusOr<Lookup> lookup = Lookup::Create(options_);
    EXPECT_TRUE(lookup.ok()) << lookup.status();
    decltype(question(*lookup)) answer;
    std::atomic<bool> done{false};
    std::thread asking([&] {
      answer = question(*lookup);
      done = true;
    });
    while (!done) reactor_.Turn(nullptr, absl::Milliseconds(5));
    asking.join();
    return answer;
  }
  TxtAnswer Txt(const std::string& name) {
    return Ask([&](Lookup& lookup) { return lookup.Txt(name); });
  }
  PtrAnswer Ptr(const std::string& address) {
    return Ask([&](Lookup& lookup) { return lookup.Ptr(*Address::Parse(address)); });
  }
  void AnswerWith(std::function<Packet(const Question&)> make) {
    server_.answer = [make](const Question& q) { return std::vector<Bytes>{make(q).Build()}; };
  }

  PollReactor reactor_;
  FakeServer server_{reactor_};
  Lookup::Options options_;
};

TEST_F(LookupTest, TheStringsOfATextAreJoinedAndTextsAreKeptApart) {
  AnswerWith([](const Question& q) {
    return Packet(q)
        .Record(q.name, kTxt, 60, Strings({"v=DKIM1; p=AB", "CD"}))
        .Record(q.name, kTxt, 60, Strings({"v=spf1 -all"}));
  });
  const TxtAnswer answer = Txt("s1._domainkey.clinic.test");
  EXPECT_EQ(answer.verdict, Verdict::kFound);
  EXPECT_THAT(answer.texts, testing::UnorderedElementsAre("v=DKIM1; p=ABCD", "v=spf1 -all"));
  ASSERT_THAT(server_.questions, SizeIs(1));
  EXPECT_EQ(server_.questions[0].name, "s1._domainkey.clinic.test");
  EXPECT_EQ(server_.questions[0].type, kTxt);
}

TEST_F(LookupTest, WhatTheServerSaysInsteadIsAVerdict) {
  const auto verdict_of = [&](int rcode) {
    AnswerWith([rcode](const Question& q) { return Packet(q).Rcode(rcode); });
    return Txt("clinic.test").verdict;
  };
  EXPECT_EQ(verdict_of(0), Verdict::kNoData);
  EXPECT_EQ(verdict_of(2), Verdict::kServFail);
  EXPECT_EQ(verdict_of(3), Verdict::kNxDomain);
  EXPECT_EQ(verdict_of(5), Verdict::kRefused);
  EXPECT_EQ(Txt("a..b").verdict, Verdict::kBadName);
}

TEST_F(LookupTest, ATextTooLargeForADatagramIsAskedForAgainOverTcp) {
  const std::string large(255, 'x');
  AnswerWith([&](const Question& q) {
    Packet packet(q);
    if (!q.over_tcp) return packet.Flag(kTruncated);
    return packet.Record(q.name, kTxt, 60, Strings({large, large, large, large}));
  });
  EXPECT_THAT(Txt("clinic.test").texts, ElementsAre(large + large + large + large));
  ASSERT_THAT(server_.questions, SizeIs(2));
  EXPECT_TRUE(server_.questions[1].over_tcp);
}

TEST_F(LookupTest, MoreTextsThanAnybodyNeedsAreLeftOut) {
  AnswerWith([](const Question& q) {
    Packet packet(q);
    if (!q.over_tcp) return packet.Flag(kTruncated);
    for (int i = 0; i < 100; ++i) packet.Record(q.name, kTxt, 60, Strings({"text"}));
    return packet;
  });
  EXPECT_THAT(Txt("clinic.test").texts, SizeIs(kTextsMax));
}

TEST_F(LookupTest, AReverseNameThatNoHostCanHaveIsABadAnswer) {
  AnswerWith(
      [](const Question& q) { return Packet(q).Record(q.name, kPtr, 60, Packet::Name("no host!.example.com")); });
  const PtrAnswer answer = Ptr("192.0.2.10");
  EXPECT_EQ(answer.verdict, Verdict::kBadAnswer);
  EXPECT_THAT(answer.names, testing::IsEmpty());
}

TEST_F(LookupTest, AnAddressIsAskedForByItsReverseName) {
  AnswerWith([](const Question& q) { return Packet(q).Record(q.name, kPtr, 60, Packet::Name("Mta1.Example.com")); });
  const PtrAnswer answer = Ptr("192.0.2.10");
  EXPECT_EQ(answer.verdict, Verdict::kFound);
  EXPECT_THAT(answer.names, ElementsAre("mta1.example.com"));
  Ptr("2001:db8::25");
  ASSERT_THAT(server_.questions, SizeIs(2));
  EXPECT_EQ(server_.questions[0].name, "10.2.0.192.in-addr.arpa");
  EXPECT_EQ(server_.questions[0].type, kPtr);
  EXPECT_EQ(server_.questions[1].name, "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

TEST_F(LookupTest, HostsAndAddressesAreReadAsTheResolverReadsThem) {
  AnswerWith([](const Question& q) {
    if (q.type == kTypeMx) return Packet(q).Mx(q.name, 20, "mx2.clinic.test").Mx(q.name, 10, "mx1.clinic.test");
    return Packet(q).A(q.name, "192.0.2.7");
  });
  const MxAnswer hosts = Ask([](Lookup& lookup) { return lookup.Mx("Clinic.TEST"); });
  EXPECT_THAT(hosts.hosts, ElementsAre(MxHost{10, "mx1.clinic.test"}, MxHost{20, "mx2.clinic.test"}));
  const AddressAnswer addresses = Ask([](Lookup& lookup) { return lookup.Addresses("mx1.clinic.test", AF_INET); });
  EXPECT_THAT(addresses.addresses, ElementsAre(*Address::Parse("192.0.2.7")));
  EXPECT_EQ(Ask([](Lookup& lookup) { return lookup.Mx("not a name"); }).verdict, Verdict::kBadName);
  EXPECT_THAT(server_.questions, SizeIs(2)) << "what is no name is not asked for";
}

TEST_F(LookupTest, ASilentServerIsGivenUpAfterItsTries) {
  server_.answer = [](const Question&) { return std::vector<Bytes>(); };
  options_.timeout = absl::Milliseconds(20);
  EXPECT_EQ(Txt("clinic.test").verdict, Verdict::kTimeout);
  EXPECT_THAT(server_.questions, SizeIs(2));
}

TEST_F(LookupTest, AfterTheDeadlineAndOnceItIsStoppedNothingIsAsked) {
  options_.deadline = absl::Now() - absl::Seconds(1);
  EXPECT_EQ(Txt("clinic.test").verdict, Verdict::kTimeout);
  options_.deadline = absl::InfiniteFuture();
  const std::atomic<bool> stop{true};
  options_.stop = &stop;
  EXPECT_EQ(Ptr("192.0.2.10").verdict, Verdict::kTimeout);
  EXPECT_THAT(server_.questions, IsEmpty());
}

TEST_F(LookupTest, AStopEndsAQuestionThatIsUnderWay) {
  std::atomic<bool> stop{false};
  server_.answer = [&](const Question&) {
    stop = true;
    return std::vector<Bytes>();
  };
  options_.timeout = absl::Milliseconds(100);
  options_.tries = 1000;
  options_.stop = &stop;
  EXPECT_EQ(Txt("clinic.test").verdict, Verdict::kTimeout);
  EXPECT_THAT(server_.questions, SizeIs(testing::Lt(10u)));
}

TEST_F(LookupTest, AnAnswerThatIsNoneIsABadOne) {
  server_.answer = [](const Question& q) {
    Bytes bytes = Packet(q).Record(q.name, kTxt, 60, Bytes{200, 'x'}).Build();  // a string longer than its record
    return std::vector<Bytes>{bytes};
  };
  const TxtAnswer answer = Txt("clinic.test");
  EXPECT_EQ(answer.verdict, Verdict::kBadAnswer);
  EXPECT_THAT(answer.texts, IsEmpty());
}

}  // namespace
}  // namespace sealift::dns
