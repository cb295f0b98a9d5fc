#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <random>

#include "tests/dns/fake_server.h"
#include "tests/dns/packet.h"
#include "tests/dns/poll_reactor.h"

namespace sealift::dns {
namespace {

class HostileAnswerTest : public testing::Test {
 protected:
  Verdict Ask(const std::string& domain) {
    std::optional<MxAnswer> answer;
    resolver_->ResolveMx(domain, [&](const MxAnswer& a) { answer = a; });
    EXPECT_TRUE(reactor_.RunUntil(*resolver_, [&] { return answer.has_value(); }));
    hosts_ = answer.value_or(MxAnswer{}).hosts;
    return answer.value_or(MxAnswer{}).verdict;
  }

  PollReactor reactor_;
  FakeServer server_{reactor_};
  std::shared_ptr<Cache> cache_ = std::make_shared<Cache>(Cache::Options{});
  std::unique_ptr<Resolver> resolver_ =
      Resolver::Create({.servers = {server_.address()}, .timeout = absl::Milliseconds(40), .tries = 2}, reactor_,
                       cache_)
          .value();
  std::vector<MxHost> hosts_;
};

TEST_F(HostileAnswerTest, AnotherIdIsNotThisAnswer) {
  server_.answer = [](const Question& q) {
    return std::vector<Bytes>{
        Packet(q).Id(static_cast<uint16_t>(q.id + 1)).Mx(q.name, 10, "evil.test").Build(),
        Packet(q).Mx(q.name, 10, "good.test").Build(),
    };
  };
  EXPECT_EQ(Ask("clinic.test"), Verdict::kFound);
  EXPECT_EQ(hosts_[0].name, "good.test");
}

TEST_F(HostileAnswerTest, AnotherQuestionIsNotThisAnswer) {
  server_.answer = [](const Question& q) {
    Question other = q;
    other.name = "other.test";
    return std::vector<Bytes>{Packet(other).Mx(q.name, 10, "evil.test").Build(),
                              Packet(q).Mx(q.name, 10, "good.test").Build()};
  };
  EXPECT_EQ(Ask("clinic.test"), Verdict::kFound);
  EXPECT_EQ(hosts_[0].name, "good.test");
}

TEST_F(HostileAnswerTest, ACircleOfAliasesIsABadAnswer) {
  server_.answer = [](const Question& q) {
    return std::vector<Bytes>{Packet(q).Cname(q.name, "b.test").Cname("b.test", q.name).Build()};
  };
  EXPECT_EQ(Ask("clinic.test"), Verdict::kBadAnswer);
}

TEST_F(HostileAnswerTest, RecordsCutOffAreABadAnswer) {
  server_.answer = [](const Question& q) {
    Bytes packet = Packet(q).Mx(q.name, 10, "mx.test").Build();
    packet.resize(packet.size() - 3);
    return std::vector<Bytes>{packet};
  };
  EXPECT_EQ(Ask("clinic.test"), Verdict::kBadAnswer);
}

TEST_F(HostileAnswerTest, TruncatedByTcpTooIsABadAnswer) {
  server_.answer = [](const Question& q) { return std::vector<Bytes>{Packet(q).Flag(kTruncated).Build()}; };
  EXPECT_EQ(Ask("clinic.test"), Verdict::kBadAnswer);
}

TEST_F(HostileAnswerTest, NoiseEndsInAVerdictAndTheNextQuestionIsAnswered) {
  std::mt19937 random(29);
  for (int i = 0; i < 300; ++i) {
    server_.answer = [&](const Question& q) {
      Packet packet(q);
      if (random() % 8 == 0) packet.Flag(kTruncated);
      Bytes bytes = packet.Mx(q.name, 10, "mx.test").Cname(q.name, "a.test").Soa("test", 1, 1).Build();
      for (int n = static_cast<int>(random() % 6); n >= 0; --n) {
        // Past the question: c-ares drops what does not repeat it, and waits.
        const size_t begin = 12 + q.name.size() + 6;
        bytes[begin + random() % (bytes.size() - begin)] = static_cast<uint8_t>(random());
      }
      return std::vector<Bytes>{bytes};
    };
    Ask(fmt::format("d{}.test", i));
    server_.answer = [](const Question& q) { return std::vector<Bytes>{Packet(q).Mx(q.name, 10, "mx.test").Build()}; };
    ASSERT_EQ(Ask(fmt::format("e{}.test", i)), Verdict::kFound);
  }
}

TEST_F(HostileAnswerTest, NothingAtAllAfterANoisyHeaderTimesOut) {
  server_.answer = [](const Question&) { return std::vector<Bytes>{{}, {0}, Bytes(11, 0xff), Bytes(12, 0xff)}; };
  EXPECT_EQ(Ask("clinic.test"), Verdict::kTimeout);
}

}  // namespace
}  // namespace sealift::dns
