#include "dns/resolver.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <optional>

#include "absl/time/clock.h"
#include "dns/message.h"
#include "tests/dns/fake_server.h"
#include "tests/dns/packet.h"
#include "tests/dns/poll_reactor.h"

namespace sealift::dns {
namespace {

using testing::ElementsAre;

class ResolverTest : public testing::Test {
 protected:
  std::unique_ptr<Resolver> MakeResolver(Resolver::Options options = {}) {
    if (options.servers.empty()) options.servers = {server_.address()};
    return Resolver::Create(options, reactor_, cache_).value();
  }

  MxAnswer Mx(Resolver& resolver, const std::string& domain) {
    std::optional<MxAnswer> answer;
    resolver.ResolveMx(domain, [&](const MxAnswer& a) { answer = a; });
    EXPECT_TRUE(reactor_.RunUntil(resolver, [&] { return answer.has_value(); }));
    return answer.value_or(MxAnswer{});
  }

  AddressAnswer Addresses(Resolver& resolver, const std::string& host, int family) {
    std::optional<AddressAnswer> answer;
    resolver.ResolveAddresses(host, family, [&](const AddressAnswer& a) { answer = a; });
    EXPECT_TRUE(reactor_.RunUntil(resolver, [&] { return answer.has_value(); }));
    return answer.value_or(AddressAnswer{});
  }

  // The server answers each question with one host of its own.
  void AnswerWithOneHost() {
    server_.answer = [](const Question& q) {
      return std::vector<Bytes>{Packet(q).Mx(q.name, 10, "mx." + q.name, 60).Build()};
    };
  }
  void AnswerWithRcode(int rcode) {
    server_.answer = [rcode](const Question& q) { return std::vector<Bytes>{Packet(q).Rcode(rcode).Build()}; };
  }

  PollReactor reactor_;
  FakeServer server_{reactor_};
  std::shared_ptr<Cache> cache_ = std::make_shared<Cache>(Cache::Options{});
};

TEST_F(ResolverTest, HostsAreFoundAndKnownUntilTheirTtl) {
  AnswerWithOneHost();
  const auto resolver = MakeResolver();
  EXPECT_THAT(Mx(*resolver, "Clinic.TEST.").hosts, ElementsAre(MxHost{10, "mx.clinic.test"}));
  EXPECT_EQ(Mx(*resolver, "clinic.test").expires, reactor_.now + absl::Seconds(60));
  EXPECT_EQ(server_.questions.size(), 1u);
  reactor_.now += absl::Seconds(61);
  Mx(*resolver, "clinic.test");
  EXPECT_EQ(server_.questions.size(), 2u);
  const Resolver::Counts counts = resolver->counts();
  EXPECT_EQ(counts.hits[0], 1u);
  EXPECT_EQ(counts.answers[0][static_cast<size_t>(Verdict::kFound)], 2u);
}

TEST_F(ResolverTest, AddressesOfBothFamiliesAreFound) {
  server_.answer = [](const Question& q) {
    Packet packet(q);
    q.type == kTypeA ? packet.A(q.name, "192.0.2.7") : packet.Aaaa(q.name, "2001:db8::7");
    return std::vector<Bytes>{packet.Build()};
  };
  const auto resolver = MakeResolver();
  EXPECT_THAT(Addresses(*resolver, "mx.test", AF_INET).addresses, ElementsAre(*Address::Parse("192.0.2.7")));
  EXPECT_THAT(Addresses(*resolver, "mx.test", AF_INET6).addresses, ElementsAre(*Address::Parse("2001:db8::7")));
}

TEST_F(ResolverTest, FailuresAreToldApartAndShortlyRemembered) {
  const auto resolver = MakeResolver();
  for (const auto& [rcode, verdict] : {std::pair(2, Verdict::kServFail), std::pair(5, Verdict::kRefused),
                                       std::pair(4, Verdict::kRefused), std::pair(1, Verdict::kBadAnswer)}) {
    AnswerWithRcode(rcode);
    server_.questions.clear();
    const std::string domain = fmt::format("rcode{}.test", rcode);
    EXPECT_EQ(Mx(*resolver, domain).verdict, verdict);
    EXPECT_EQ(Mx(*resolver, domain).verdict, verdict);
    EXPECT_EQ(server_.questions.size(), 1u);
    AnswerWithOneHost();
    reactor_.now += absl::Seconds(6);
    EXPECT_EQ(Mx(*resolver, domain).verdict, Verdict::kFound);
  }
}

TEST_F(ResolverTest, ADomainThatDoesNotExistIsRememberedAsItsZoneSays) {
  server_.answer = [](const Question& q) {
    return std::vector<Bytes>{Packet(q).Rcode(3).Soa("test", 900, 120).Build()};
  };
  const auto resolver = MakeResolver();
  const MxAnswer answer = Mx(*resolver, "gone.test");
  EXPECT_EQ(answer.verdict, Verdict::kNxDomain);
  EXPECT_EQ(answer.expires, reactor_.now + absl::Seconds(120));
  EXPECT_TRUE(answer.hosts.empty());
}

TEST_F(ResolverTest, AnImplicitMxLivesAsLongAsItsAbsence) {
  server_.answer = [](const Question& q) { return std::vector<Bytes>{Packet(q).Soa("test", 86400, 86400).Build()}; };
  const auto resolver = MakeResolver();
  const MxAnswer answer = Mx(*resolver, "small.test");
  EXPECT_TRUE(answer.implicit);
  EXPECT_THAT(answer.hosts, ElementsAre(MxHost{0, "small.test"}));
  EXPECT_EQ(answer.expires, reactor_.now + absl::Minutes(15));  // the ceiling of what is missing, not of what is there
}

TEST_F(ResolverTest, ASilentServerIsAskedAgainAndThenTimesOut) {
  server_.answer = [](const Question&) { return std::vector<Bytes>{}; };
  const auto resolver = MakeResolver({.timeout = absl::Milliseconds(40), .tries = 3});
  EXPECT_EQ(Mx(*resolver, "clinic.test").verdict, Verdict::kTimeout);
  EXPECT_EQ(server_.questions.size(), 3u);
  EXPECT_EQ(reactor_.watched(), 0u);
  EXPECT_FALSE(reactor_.timer_set());
}

TEST_F(ResolverTest, ALostAnswerIsAskedForAgain) {
  int asked = 0;
  server_.answer = [&](const Question& q) {
    if (++asked == 1) return std::vector<Bytes>{};
    return std::vector<Bytes>{Packet(q).Mx(q.name, 10, "mx.test").Build()};
  };
  const auto resolver = MakeResolver({.timeout = absl::Milliseconds(40)});
  EXPECT_EQ(Mx(*resolver, "clinic.test").verdict, Verdict::kFound);
}

TEST_F(ResolverTest, AnAnswerThatWaitsIsReadBeforeItIsCalledLate) {
  AnswerWithOneHost();
  const auto resolver = MakeResolver({.timeout = absl::Milliseconds(20), .tries = 1});
  std::optional<Verdict> verdict;
  resolver->ResolveMx("clinic.test", [&](const MxAnswer& answer) { verdict = answer.verdict; });
  const absl::Time late = absl::Now() + absl::Milliseconds(40);
  while (absl::Now() < late)
    reactor_.Turn(nullptr, absl::ZeroDuration());  // the server answers, the resolver's thread is busy
  resolver->OnTimer();
  EXPECT_EQ(verdict, Verdict::kFound);
}

TEST_F(ResolverTest, NobodyListeningIsNoAnswer) {
  std::string nowhere;
  {
    nowhere = FakeServer(reactor_).address();
  }
  const auto resolver = MakeResolver({.servers = {nowhere}, .timeout = absl::Milliseconds(100)});
  EXPECT_EQ(Mx(*resolver, "clinic.test").verdict, Verdict::kTimeout);
}

TEST_F(ResolverTest, AnotherServerIsAskedWhenOneFails) {
  FakeServer second(reactor_);
  second.answer = [](const Question& q) { return std::vector<Bytes>{Packet(q).Mx(q.name, 10, "mx.test").Build()}; };
  const auto resolver =
      MakeResolver({.servers = {server_.address(), second.address()}, .timeout = absl::Milliseconds(40)});
  AnswerWithRcode(2);
  EXPECT_EQ(Mx(*resolver, "a.test").verdict, Verdict::kFound);
  AnswerWithRcode(5);
  EXPECT_EQ(Mx(*resolver, "b.test").verdict, Verdict::kFound);
  server_.answer = [](const Question&) { return std::vector<Bytes>{}; };
  EXPECT_EQ(Mx(*resolver, "c.test").verdict, Verdict::kFound);
  EXPECT_EQ(server_.questions.size(), 3u);
  // A server that was silent is not waited for again.
  EXPECT_EQ(Mx(*resolver, "d.test").verdict, Verdict::kFound);
  EXPECT_EQ(server_.questions.size(), 3u);
}

TEST_F(ResolverTest, OfSeveralFailuresTheTellingOneCounts) {
  FakeServer second(reactor_);
  second.answer = [](const Question&) { return std::vector<Bytes>{}; };
  AnswerWithRcode(2);
  const auto resolver =
      MakeResolver({.servers = {server_.address(), second.address()}, .timeout = absl::Milliseconds(30), .tries = 2});
  EXPECT_EQ(Mx(*resolver, "a.test").verdict, Verdict::kServFail);
  EXPECT_EQ(server_.questions.size(), 1u);  // it has said what it knows
  EXPECT_EQ(second.questions.size(), 2u);
}

TEST_F(ResolverTest, ATruncatedAnswerIsFetchedByTcp) {
  server_.answer = [](const Question& q) {
    Packet packet(q);
    if (!q.over_tcp) return std::vector<Bytes>{packet.Flag(kTruncated).Build()};
    for (int i = 0; i < 500; ++i) packet.Mx(q.name, static_cast<uint16_t>(i), fmt::format("mx{}.clinic.test", i));
    return std::vector<Bytes>{packet.Build()};
  };
  const auto resolver = MakeResolver();
  const MxAnswer answer = Mx(*resolver, "clinic.test");
  EXPECT_EQ(answer.verdict, Verdict::kFound);
  EXPECT_EQ(answer.hosts.size(), kMxHostsMax);
  ASSERT_EQ(server_.questions.size(), 2u);
  EXPECT_TRUE(server_.questions[1].over_tcp);
  EXPECT_EQ(reactor_.watched(), 0u);
}

TEST_F(ResolverTest, QuestionsAskedAtOnceBecomeOne) {
  AnswerWithOneHost();
  const auto resolver = MakeResolver();
  int answers = 0;
  for (int i = 0; i < 50; ++i) {
    resolver->ResolveMx(i % 2 == 0 ? "clinic.test" : "CLINIC.test", [&](const MxAnswer& answer) {
      EXPECT_EQ(answer.hosts.size(), 1u);
      ++answers;
    });
  }
  EXPECT_EQ(resolver->outstanding(), 1u);
  ASSERT_TRUE(reactor_.RunUntil(*resolver, [&] { return answers == 50; }));
  EXPECT_EQ(server_.questions.size(), 1u);
  EXPECT_EQ(resolver->counts().merged[0], 49u);
}

TEST_F(ResolverTest, ManyQuestionsWaitTheirTurn) {
  AnswerWithOneHost();
  const auto resolver = MakeResolver({.queries_max = 10});
  int answers = 0;
  for (int i = 0; i < 1000; ++i) {
    resolver->ResolveMx(fmt::format("d{}.test", i), [&, i](const MxAnswer& answer) {
      ASSERT_EQ(answer.hosts.size(), 1u);
      EXPECT_EQ(answer.hosts[0].name, fmt::format("mx.d{}.test", i));
      ++answers;
    });
  }
  EXPECT_TRUE(reactor_.RunUntil(*resolver, [&] {
    EXPECT_LE(server_.questions.size(), static_cast<size_t>(answers) + 10);
    return answers == 1000;
  }));
  EXPECT_EQ(server_.questions.size(), 1000u);
  EXPECT_EQ(resolver->outstanding(), 0u);
}

TEST_F(ResolverTest, ACallbackMayAskAgain) {
  server_.answer = [](const Question& q) {
    Packet packet(q);
    q.type == kTypeMx ? packet.Mx(q.name, 10, "mx." + q.name) : packet.A(q.name, "192.0.2.1");
    return std::vector<Bytes>{packet.Build()};
  };
  const auto resolver = MakeResolver();
  int done = 0;
  resolver->ResolveMx("a.test", [&](const MxAnswer& mx) {
    resolver->ResolveMx("a.test", [&](const MxAnswer&) { ++done; });  // known by now
    resolver->ResolveMx("b.test", [&](const MxAnswer&) { ++done; });
    resolver->ResolveAddresses(mx.hosts[0].name, AF_INET, [&](const AddressAnswer& answer) {
      EXPECT_EQ(answer.verdict, Verdict::kFound);
      resolver->ResolveAddresses("never..asked", AF_INET, [&](const AddressAnswer& bad) {
        EXPECT_EQ(bad.verdict, Verdict::kBadName);
        ++done;
      });
    });
  });
  EXPECT_TRUE(reactor_.RunUntil(*resolver, [&] { return done == 3; }));
}

TEST_F(ResolverTest, CallbacksNeverRunWithinEachOther) {
  AnswerWithOneHost();
  const auto resolver = MakeResolver();
  bool within = false;
  int done = 0;
  for (const char* domain : {"a.test", "b.test", "c.test"}) {
    resolver->ResolveMx(domain, [&, domain](const MxAnswer&) {
      EXPECT_FALSE(within);
      within = true;
      resolver->ResolveMx(std::string("next.") + domain, [&](const MxAnswer&) {
        EXPECT_FALSE(within);
        ++done;
      });
      within = false;
    });
  }
  // All three answers wait in one socket when the resolver comes to it.
  while (server_.questions.size() < 3) reactor_.Turn(nullptr, absl::Milliseconds(100));
  EXPECT_TRUE(reactor_.RunUntil(*resolver, [&] { return done == 3; }));
}

TEST_F(ResolverTest, WhoeverIsToldOfAFailureMayAskTheSameAgain) {
  cache_ = std::make_shared<Cache>(Cache::Options{.failure_ttl = absl::ZeroDuration()});
  AnswerWithRcode(2);
  const auto resolver = MakeResolver();
  std::optional<Verdict> again;
  resolver->ResolveMx("clinic.test", [&](const MxAnswer& first) {
    EXPECT_EQ(first.verdict, Verdict::kServFail);
    AnswerWithOneHost();
    resolver->ResolveMx("clinic.test", [&](const MxAnswer& second) { again = second.verdict; });
  });
  EXPECT_TRUE(reactor_.RunUntil(*resolver, [&] { return again.has_value(); }));
  EXPECT_EQ(again, Verdict::kFound);
}

TEST_F(ResolverTest, ADestroyedResolverCallsNobody) {
  server_.answer = [](const Question&) { return std::vector<Bytes>{}; };
  auto resolver = MakeResolver({.queries_max = 5});
  const auto held = std::make_shared<int>(1);
  for (int i = 0; i < 20; ++i) {
    resolver->ResolveMx(fmt::format("d{}.test", i), [held](const MxAnswer&) { ADD_FAILURE(); });
  }
  reactor_.Turn(resolver.get(), absl::ZeroDuration());
  EXPECT_GT(held.use_count(), 1);
  resolver.reset();
  EXPECT_EQ(held.use_count(), 1);  // the callbacks are gone with it
  EXPECT_EQ(reactor_.watched(), 0u);
  EXPECT_FALSE(reactor_.timer_set());
}

TEST_F(ResolverTest, BadNamesAreNotAskedFor) {
  const auto resolver = MakeResolver();
  for (const char* name : {"", ".", "a..test", "127.0.0.1", "a b.test"}) {
    bool called = false;
    resolver->ResolveMx(name, [&](const MxAnswer& answer) {
      EXPECT_EQ(answer.verdict, Verdict::kBadName);
      called = true;
    });
    EXPECT_TRUE(called);
  }
  EXPECT_TRUE(server_.questions.empty());
}

TEST_F(ResolverTest, WhatOneResolverLearnsAllKnow) {
  AnswerWithOneHost();
  const auto one = MakeResolver();
  const auto other = MakeResolver();
  Mx(*one, "clinic.test");
  EXPECT_EQ(Mx(*other, "clinic.test").hosts.size(), 1u);
  EXPECT_EQ(server_.questions.size(), 1u);
}

TEST_F(ResolverTest, AServerThatIsNoneIsAnError) {
  const auto resolver = Resolver::Create({.servers = {"resolver.test"}}, reactor_, cache_);
  EXPECT_EQ(resolver.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ResolverTest, TheServersWordForAuthenticityIsPassedOn) {
  server_.answer = [](const Question& q) {
    return std::vector<Bytes>{Packet(q).Flag(kAuthenticated).Mx(q.name, 10, "mx.test").Build()};
  };
  const auto resolver = MakeResolver();
  EXPECT_TRUE(Mx(*resolver, "signed.test").authenticated);
  EXPECT_NE(server_.questions[0].flags & kAuthenticated, 0);  // it was asked for
}

TEST_F(ResolverTest, TlsaRecordsAndTextsAreAskedForOnceAndKept) {
  server_.answer = [](const Question& q) {
    if (q.type == kTypeTlsa) {
      return std::vector<Bytes>{Packet(q).Flag(kAuthenticated).Tlsa(q.name, 3, 1, 1, {7}, 60).Build()};
    }
    return std::vector<Bytes>{Packet(q).Txt(q.name, {"v=STSv1; id=1;"}, 60).Build()};
  };
  const auto resolver = MakeResolver();
  for (int time = 0; time < 2; ++time) {
    std::optional<TlsaAnswer> tlsa;
    std::optional<TxtAnswer> txt;
    resolver->ResolveTlsa("_25._tcp.mx.test", [&](const TlsaAnswer& a) { tlsa = a; });
    resolver->ResolveTxt("_mta-sts.a.test", [&](const TxtAnswer& a) { txt = a; });
    ASSERT_TRUE(reactor_.RunUntil(*resolver, [&] { return tlsa.has_value() && txt.has_value(); }));
    EXPECT_TRUE(tlsa->authenticated);
    EXPECT_THAT(tlsa->records, ElementsAre(Tlsa{3, 1, 1, {7}}));
    EXPECT_THAT(txt->texts, ElementsAre("v=STSv1; id=1;"));
  }
  EXPECT_EQ(server_.questions.size(), 2u);
  EXPECT_EQ(resolver->counts().hits[static_cast<size_t>(QueryType::kTlsa)], 1u);
  for (const Question& question : server_.questions) EXPECT_NE(question.flags & kAuthenticated, 0) << question.name;
}

TEST_F(ResolverTest, ABogusAnswerIsAFailureAndNotTheLackOfRecords) {
  AnswerWithRcode(2);  // what a validating resolver says of it
  const auto resolver = MakeResolver();
  std::optional<TlsaAnswer> tlsa;
  resolver->ResolveTlsa("_25._tcp.mx.test", [&](const TlsaAnswer& a) { tlsa = a; });
  ASSERT_TRUE(reactor_.RunUntil(*resolver, [&] { return tlsa.has_value(); }));
  EXPECT_EQ(tlsa->verdict, Verdict::kServFail);
  EXPECT_TRUE(IsTemporary(tlsa->verdict));
}

}  // namespace
}  // namespace sealift::dns
