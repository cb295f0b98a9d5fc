#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "dns/cache.h"

namespace sealift::dns {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

std::vector<std::string> Names(int64_t count) {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) names.push_back(fmt::format("d{}.example", i));
  return names;
}

std::shared_ptr<const MxAnswer> Answer(const std::string& name) {
  MxAnswer answer;
  answer.verdict = Verdict::kFound;
  answer.hosts = {{10, "mx1." + name}, {20, "mx2." + name}};
  answer.expires = kNow + absl::Hours(1);
  return std::make_shared<const MxAnswer>(std::move(answer));
}

// A domain that was resolved before, among `range` of them, asked for by as many threads as there are shards.
void AnswerFromTheCache(benchmark::State& state) {
  static std::unique_ptr<Cache> cache;
  static std::vector<std::string> names;
  if (state.thread_index() == 0) {
    names = Names(state.range(0));
    cache = std::make_unique<Cache>(Cache::Options());
    for (const std::string& name : names) cache->Put(QueryType::kMx, name, Answer(name));
  }
  size_t at = static_cast<size_t>(state.thread_index()) * 7919;
  for (auto _ : state) {
    benchmark::DoNotOptimize(cache->Find<MxAnswer>(QueryType::kMx, names[at % names.size()], kNow));
    at += 7919;  // a prime: no two look-ups that follow each other are neighbours
  }
}
BENCHMARK(AnswerFromTheCache)->Arg(1000)->Arg(100'000)->Threads(1)->Threads(2);

// One more than it holds: each answer that is put in drives one out.
void AnswerIntoAFullCache(benchmark::State& state) {
  Cache cache({.bytes_max = size_t{4} << 20});
  const std::vector<std::string> names = Names(20'000);
  std::vector<std::shared_ptr<const MxAnswer>> answers;
  answers.reserve(names.size());
  for (const std::string& name : names) answers.push_back(Answer(name));
  size_t at = 0;
  for (auto _ : state) {
    cache.Put(QueryType::kMx, names[at], answers[at]);
    at = (at + 1) % names.size();
  }
}
BENCHMARK(AnswerIntoAFullCache);

}  // namespace
}  // namespace sealift::dns
