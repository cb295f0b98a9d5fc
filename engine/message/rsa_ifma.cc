#include "engine/message/rsa_ifma.h"

#include <immintrin.h>

namespace sealift::engine::ifma {
namespace {

using Vector = __m512i;

constexpr uint64_t kDigitMask = (uint64_t{1} << kDigitBits) - 1;
constexpr int kPublicExponentSquares = 16;  // 65537 is 2^16 + 1
constexpr int kWindowsAtOnce = 32;          // between two pauses

Vector Load(const Lanes& lanes) { return _mm512_load_si512(&lanes); }
void Store(Vector vector, Lanes& lanes) { _mm512_store_si512(&lanes, vector); }
Vector Zero() { return _mm512_setzero_si512(); }
Vector All(uint64_t value) { return _mm512_set1_epi64(static_cast<long long>(value)); }
// The halves of the product, 52 bits each, added to `sum`.
Vector AddLow(Vector sum, Vector a, Vector b) { return _mm512_madd52lo_epu64(sum, a, b); }
Vector AddHigh(Vector sum, Vector a, Vector b) { return _mm512_madd52hi_epu64(sum, a, b); }

// The compiler is not to keep what lies there in registers over the rounds of a loop: there are too few, it would spill
// them, and the instructions read their operands from memory as fast.
template <typename T>
const T* Reread(const T* from) {
  asm("" : "+r"(from));
  return from;
}

// Columns of up to 63 bits, signed, become digits. The value is neither negative nor too large for them.
template <int kDigits>
void Carry(const Vector (&columns)[kDigits], Lanes* digits) {
  Vector carry = Zero();
#pragma GCC unroll 40
  for (int i = 0; i < kDigits; ++i) {
    const Vector column = _mm512_add_epi64(columns[i], carry);
    carry = _mm512_srai_epi64(column, kDigitBits);
    Store(_mm512_and_si512(column, All(kDigitMask)), digits[i]);
  }
}

// One round of Montgomery's reduction: adds the multiple of the modulus that clears the lowest column, and shifts the
// columns down by it. `highest` comes in at the top.
template <int kDigits>
void Reduce(const uint64_t* modulus, Vector factor, Vector highest, Vector (&columns)[kDigits]) {
  const Vector q = AddLow(Zero(), columns[0], factor);
  columns[0] = AddLow(columns[0], All(modulus[0]), q);
  columns[1] = _mm512_add_epi64(columns[1], _mm512_srli_epi64(columns[0], kDigitBits));
#pragma GCC unroll 40
  for (int j = 1; j < kDigits; ++j) columns[j] = AddLow(columns[j], All(modulus[j]), q);
#pragma GCC unroll 40
  for (int j = 0; j < kDigits; ++j)
    columns[j] = AddHigh(j + 1 < kDigits ? columns[j + 1] : highest, All(modulus[j]), q);
}

// product = a b / R. It may be one of the two.
template <int kDigits>
[[gnu::noinline]] void Multiply(const Modulus<kDigits>& modulus, const Lanes* a, const Lanes* b, Lanes* product) {
  const Vector factor = All(modulus.factor);
  Vector columns[kDigits];
#pragma GCC unroll 40
  for (int j = 0; j < kDigits; ++j) columns[j] = Zero();
#pragma GCC unroll 1
  for (int i = 0; i < kDigits; ++i) {
    const Lanes* const digits = Reread(a);
    const Vector by = Load(b[i]);
#pragma GCC unroll 40
    for (int j = 0; j < kDigits; ++j) columns[j] = AddLow(columns[j], Load(digits[j]), by);
    Reduce(Reread(modulus.digits), factor, Zero(), columns);
#pragma GCC unroll 40
    for (int j = 0; j < kDigits; ++j) columns[j] = AddHigh(columns[j], Load(digits[j]), by);
  }
  Carry(columns, product);
}

// a = a^2 / R, three quarters of the work: what stands off the diagonal is multiplied once and doubled.
[[gnu::noinline]] void Square(const Modulus<kPrimeDigits>& modulus, Lanes* a) {
  Vector square[2 * kPrimeDigits];
  {
    Vector digits[kPrimeDigits];
#pragma GCC unroll 40
    for (int i = 0; i < kPrimeDigits; ++i) digits[i] = Load(a[i]);
#pragma GCC unroll 80
    for (int k = 0; k < 2 * kPrimeDigits; ++k) {
      Vector low = Zero(), high = Zero();
#pragma GCC unroll 40
      for (int i = 0; i < kPrimeDigits; ++i) {
        if (const int j = k - i; i < j && j < kPrimeDigits) low = AddLow(low, digits[i], digits[j]);
        if (const int j = k - 1 - i; i < j && j < kPrimeDigits) high = AddHigh(high, digits[i], digits[j]);
      }
      const Vector once = _mm512_add_epi64(low, high), twice = _mm512_add_epi64(once, once);
      const Vector diagonal = digits[k / 2];
      square[k] = k % 2 == 0 ? AddLow(twice, diagonal, diagonal) : AddHigh(twice, diagonal, diagonal);
    }
  }
  Vector columns[kPrimeDigits];
#pragma GCC unroll 40
  for (int j = 0; j < kPrimeDigits; ++j) columns[j] = square[j];
#pragma GCC unroll 1
  for (int i = 0; i < kPrimeDigits; ++i)
    Reduce(Reread(modulus.digits), All(modulus.factor), square[i + kPrimeDigits], columns);
  Carry(columns, a);
}

template <int kDigits>
void MultiplyByConstant(const Modulus<kDigits>& modulus, const uint64_t (&constant)[kDigits], const Lanes* a,
                        Lanes* product) {
  Lanes by[kDigits];
  for (int i = 0; i < kDigits; ++i) Store(All(constant[i]), by[i]);
  Multiply(modulus, a, by, product);
}

// product = a / R: out of Montgomery's form, and below the modulus unless a is a multiple of it.
template <int kDigits>
void Leave(const Modulus<kDigits>& modulus, const Lanes* a, Lanes* product) {
  static constexpr uint64_t kOne[kDigits] = {1};
  MultiplyByConstant(modulus, kOne, a, product);
}

// Copies powers[index] without an address that depends on `index`.
void Choose(const Lanes (&powers)[kPowers][kPrimeDigits], uint8_t index, Lanes* chosen) {
  Vector digits[kPrimeDigits];
#pragma GCC unroll 40
  for (int j = 0; j < kPrimeDigits; ++j) digits[j] = Zero();
#pragma GCC unroll 1
  for (int i = 0; i < kPowers; ++i) {
    const __mmask8 is_it = _mm512_cmpeq_epi64_mask(All(static_cast<uint64_t>(i)), All(index));
#pragma GCC unroll 40
    for (int j = 0; j < kPrimeDigits; ++j) digits[j] = _mm512_mask_mov_epi64(digits[j], is_it, Load(powers[i][j]));
  }
#pragma GCC unroll 40
  for (int j = 0; j < kPrimeDigits; ++j) Store(digits[j], chosen[j]);
}

// result = message^exponent mod the prime.
void Exponentiate(const Prime& prime, const Lanes (&message)[kModulusDigits], Lanes (&result)[kPrimeDigits],
                  Workspace& work, void (*pause)()) {
  // The message is lower + R upper; in Montgomery's form lower R + upper R^2.
  Lanes(&base)[kPrimeDigits] = work.powers[1];
  MultiplyByConstant(prime.modulus, prime.modulus.square, message, base);
  MultiplyByConstant(prime.modulus, prime.cube, message + kPrimeDigits, work.power);
  Vector sum[kPrimeDigits];
  for (int j = 0; j < kPrimeDigits; ++j) sum[j] = _mm512_add_epi64(Load(base[j]), Load(work.power[j]));
  Carry(sum, base);

  for (int j = 0; j < kPrimeDigits; ++j) Store(All(prime.modulus.square[j]), work.power[j]);
  Leave(prime.modulus, work.power, work.powers[0]);  // R: one
  for (int i = 2; i < kPowers; ++i) Multiply(prime.modulus, work.powers[i - 1], base, work.powers[i]);

  Choose(work.powers, prime.windows[0], work.power);
  for (int i = 1; i < kWindows; ++i) {
    if (i % kWindowsAtOnce == 0) pause();
    for (int bit = 0; bit < kWindowBits; ++bit) Square(prime.modulus, work.power);
    Choose(work.powers, prime.windows[i], work.chosen);
    Multiply(prime.modulus, work.power, work.chosen, work.power);
  }
  Leave(prime.modulus, work.power, result);
}

// signature = of_q + q ((of_p - of_q) / q mod p).
void Recombine(const PrivateKey& key, Workspace& work, Lanes (&signatures)[kModulusDigits]) {
  Vector difference[kPrimeDigits];  // of_q is below q, which is below 2 p
  for (int j = 0; j < kPrimeDigits; ++j) {
    const Vector above_zero = _mm512_add_epi64(Load(work.of_p[j]), All(2 * key.p.modulus.digits[j]));
    difference[j] = _mm512_sub_epi64(above_zero, Load(work.of_q[j]));
  }
  Carry(difference, work.power);
  MultiplyByConstant(key.p.modulus, key.coefficient, work.power, work.power);
  Leave(key.p.modulus, work.power, work.power);

  for (int j = 0; j <= kModulusDigits; ++j) {
    Store(j < kPrimeDigits ? Load(work.of_q[j]) : Zero(), work.columns[j]);
  }
  for (int i = 0; i < kPrimeDigits; ++i) {
    for (int j = 0; j < kPrimeDigits; ++j) {
      const Vector a = Load(work.power[i]), b = All(key.q.modulus.digits[j]);
      Lanes &low = work.columns[i + j], &high = work.columns[i + j + 1];
      Store(AddLow(Load(low), a, b), low);
      Store(AddHigh(Load(high), a, b), high);
    }
  }
  Vector columns[kModulusDigits];
  for (int j = 0; j < kModulusDigits; ++j) columns[j] = Load(work.columns[j]);
  Carry(columns, signatures);
}

uint8_t Verified(const Modulus<kModulusDigits>& n, const Lanes (&signatures)[kModulusDigits],
                 const Lanes (&messages)[kModulusDigits]) {
  Lanes power[kModulusDigits];
  MultiplyByConstant(n, n.square, signatures, power);
  for (int i = 0; i < kPublicExponentSquares; ++i) Multiply(n, power, power, power);
  Multiply(n, power, signatures, power);  // and out of Montgomery's form
  __mmask8 same = 0xff;
  for (int j = 0; j < kModulusDigits; ++j) same = _mm512_mask_cmpeq_epi64_mask(same, Load(power[j]), Load(messages[j]));
  return same;
}

}  // namespace

uint8_t Sign(const PrivateKey& key, const Lanes (&messages)[kModulusDigits], Lanes (&signatures)[kModulusDigits],
             Workspace& work, void (*pause)()) {
  Exponentiate(key.p, messages, work.of_p, work, pause);
  pause();
  Exponentiate(key.q, messages, work.of_q, work, pause);
  Recombine(key, work, signatures);
  return Verified(key.n, signatures, messages);
}

}  // namespace sealift::engine::ifma
