#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>

#include "queue/sealing.h"

namespace sealift::queue {
namespace {

// A pack of sixteen rows of `range` bytes together.
void SealAPack(benchmark::State& state) {
  Cipher cipher(Secret::Random(), Cipher::Direction::kSeal);
  const std::string nonce(Cipher::kNonceSize, 'n'), key(28, 'k'), rows(static_cast<size_t>(state.range(0)), 'r');
  std::string sealed;
  for (auto _ : state) {
    sealed.clear();
    cipher.Seal(nonce, {key, {}}, rows, &sealed);
  }
  state.SetItemsProcessed(state.iterations() * 16);
}
BENCHMARK(SealAPack)->Arg(1200)->Arg(4000);

void OpenAPack(benchmark::State& state) {
  const Secret secret = Secret::Random();
  const std::string nonce(Cipher::kNonceSize, 'n'), key(28, 'k'), rows(static_cast<size_t>(state.range(0)), 'r');
  std::string sealed, opened;
  Cipher(secret, Cipher::Direction::kSeal).Seal(nonce, {key, {}}, rows, &sealed);
  Cipher cipher(secret, Cipher::Direction::kOpen);
  for (auto _ : state) {
    if (!cipher.Open(nonce, {key, {}}, sealed, &opened)) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * 16);
}
BENCHMARK(OpenAPack)->Arg(1200)->Arg(4000);

}  // namespace
}  // namespace sealift::queue
