#include "dns/cache.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>
#include <vector>

namespace sealift::dns {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

std::shared_ptr<const MxAnswer> Mx(const std::string& host, absl::Time expires) {
  MxAnswer answer;
  answer.verdict = Verdict::kFound;
  answer.hosts = {{10, host}};
  answer.expires = expires;
  return std::make_shared<const MxAnswer>(answer);
}

std::shared_ptr<const AddressAnswer> At(const char* address, absl::Time expires) {
  AddressAnswer answer;
  answer.verdict = Verdict::kFound;
  answer.addresses = {*Address::Parse(address)};
  answer.expires = expires;
  return std::make_shared<const AddressAnswer>(answer);
}

TEST(CacheTest, AnAnswerIsKnownUntilItExpires) {
  Cache cache({});
  cache.Put(QueryType::kMx, "clinic.test", Mx("mx.test", kNow + absl::Seconds(60)));
  ASSERT_NE(cache.Find<MxAnswer>(QueryType::kMx, "clinic.test", kNow + absl::Seconds(59)), nullptr);
  EXPECT_EQ(cache.Find<MxAnswer>(QueryType::kMx, "clinic.test", kNow)->hosts[0].name, "mx.test");
  EXPECT_EQ(cache.Find<MxAnswer>(QueryType::kMx, "clinic.test", kNow + absl::Seconds(60)), nullptr);
  EXPECT_EQ(cache.size(), 0u);  // what is out of date leaves when it is found
}

TEST(CacheTest, QuestionsOfOneNameAreKeptApart) {
  Cache cache({});
  cache.Put(QueryType::kMx, "a.test", Mx("mx.test", kNow + absl::Hours(1)));
  cache.Put(QueryType::kA, "a.test", At("192.0.2.1", kNow + absl::Hours(1)));
  EXPECT_EQ(cache.Find<AddressAnswer>(QueryType::kAaaa, "a.test", kNow), nullptr);
  cache.Put(QueryType::kAaaa, "a.test", At("2001:db8::1", kNow + absl::Hours(1)));
  EXPECT_EQ(cache.Find<AddressAnswer>(QueryType::kA, "a.test", kNow)->addresses[0].ToString(), "192.0.2.1");
  EXPECT_EQ(cache.Find<AddressAnswer>(QueryType::kAaaa, "a.test", kNow)->addresses[0].ToString(), "2001:db8::1");
  EXPECT_EQ(cache.Find<MxAnswer>(QueryType::kMx, "a.test", kNow)->hosts[0].name, "mx.test");
}

TEST(CacheTest, ANewerAnswerReplacesTheOlder) {
  Cache cache({});
  cache.Put(QueryType::kMx, "a.test", Mx("old.test", kNow + absl::Hours(1)));
  cache.Put(QueryType::kMx, "a.test", Mx("new.test", kNow + absl::Hours(1)));
  EXPECT_EQ(cache.Find<MxAnswer>(QueryType::kMx, "a.test", kNow)->hosts[0].name, "new.test");
  EXPECT_EQ(cache.size(), 1u);
}

TEST(CacheTest, BytesAreBoundedAndWhatIsUsedStays) {
  Cache cache({.bytes_max = 100'000});
  cache.Put(QueryType::kMx, "used.test", Mx("mx.test", kNow + absl::Hours(1)));
  for (int i = 0; i < 10'000; ++i) {
    cache.Put(QueryType::kMx, fmt::format("d{}.test", i), Mx("mx.test", kNow + absl::Hours(1)));
    ASSERT_NE(cache.Find<MxAnswer>(QueryType::kMx, "used.test", kNow), nullptr) << i;
  }
  EXPECT_GT(cache.size(), 160u);
  EXPECT_LT(cache.size(), 320u);
}

TEST(CacheTest, ALargeAnswerTakesTheRoomOfMany) {
  Cache cache({.bytes_max = 160'000});
  for (int i = 0; i < 1'000; ++i) {
    TxtAnswer answer{.verdict = Verdict::kFound, .texts = {std::string(5'000, 'x')}};
    answer.expires = kNow + absl::Hours(1);
    cache.Put(QueryType::kTxt, fmt::format("d{}.test", i), std::make_shared<const TxtAnswer>(std::move(answer)));
  }
  EXPECT_GE(cache.size(), 16u) << "the newest of each stripe";
  EXPECT_LE(cache.size(), 32u);
}

TEST(CacheTest, LifetimesHaveAFloorAndACeiling) {
  const Cache cache({});
  EXPECT_EQ(cache.Lifetime(Verdict::kFound, absl::ZeroDuration()), absl::Seconds(30));
  EXPECT_EQ(cache.Lifetime(Verdict::kFound, absl::Minutes(7)), absl::Minutes(7));
  EXPECT_EQ(cache.Lifetime(Verdict::kFound, absl::Seconds(0x7fffffff)), absl::Hours(24));
  EXPECT_EQ(cache.Lifetime(Verdict::kNxDomain, absl::Minutes(7)), absl::Minutes(7));
  EXPECT_EQ(cache.Lifetime(Verdict::kNxDomain, absl::Hours(24)), absl::Minutes(15));
  EXPECT_EQ(cache.Lifetime(Verdict::kNoData, absl::InfiniteDuration()), absl::Minutes(5));
  for (const Verdict verdict : {Verdict::kServFail, Verdict::kTimeout, Verdict::kRefused, Verdict::kBadAnswer}) {
    EXPECT_EQ(cache.Lifetime(verdict, absl::Hours(1)), absl::Seconds(5));
  }
}

TEST(CacheTest, ClearForgetsEverything) {
  Cache cache({});
  for (int i = 0; i < 100; ++i)
    cache.Put(QueryType::kMx, fmt::format("d{}.test", i), Mx("mx.test", kNow + absl::Hours(1)));
  cache.Clear();
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.Find<MxAnswer>(QueryType::kMx, "d1.test", kNow), nullptr);
}

TEST(CacheTest, ThreadsShareIt) {
  Cache cache({.bytes_max = 160'000});
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&cache, thread] {
      for (int i = 0; i < 5000; ++i) {
        const std::string name = fmt::format("d{}.test", (i * 7 + thread) % 1000);
        if (const std::shared_ptr<const MxAnswer> known = cache.Find<MxAnswer>(QueryType::kMx, name, kNow);
            known != nullptr) {
          EXPECT_EQ(known->hosts[0].name, "mx." + name);
        } else {
          cache.Put(QueryType::kMx, name, Mx("mx." + name, kNow + absl::Hours(1)));
        }
        if (i == 2500 && thread == 0) cache.Clear();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LT(cache.size(), 500u);
}

}  // namespace
}  // namespace sealift::dns
