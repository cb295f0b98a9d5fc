// RSA-2048 signatures of eight messages at once, in the AVX-512 IFMA instructions: arithmetic, and nothing else.
//
// A register holds the same digit of eight numbers, so that every operation is done for eight messages in the time of
// one, and no carry crosses numbers. This header and its .cc use nothing of the standard library: the linker could
// choose an inline function that was compiled with these instructions for callers on processors that lack them.
#pragma once

#include <cstdint>

namespace sealift::engine::ifma {

inline constexpr int kLanes = 8;           // numbers at once
inline constexpr int kDigitBits = 52;      // of a digit, as the instructions multiply them
inline constexpr int kPrimeDigits = 20;    // of a prime of 1,024 bits
inline constexpr int kModulusDigits = 40;  // of a product of two of them
inline constexpr int kWindowBits = 4;      // of an exponent that are dealt with at a time
inline constexpr int kWindows = 1024 / kWindowBits;
inline constexpr int kPowers = 1 << kWindowBits;

// One digit of eight numbers.
struct alignas(64) Lanes {
  uint64_t of[kLanes];
};

// What Montgomery's multiplication takes of an odd modulus. Its R is 2^(52 kDigits), at least 2^16 times the modulus:
// products of numbers up to four times the modulus are below twice the modulus, and nothing need be subtracted.
template <int kDigits>
struct Modulus {
  uint64_t digits[kDigits];
  uint64_t square[kDigits];  // R^2 mod the modulus
  uint64_t factor;           // -1 / the modulus, mod 2^52
};

// A prime of the key and the private exponent modulo it.
struct Prime {
  Modulus<kPrimeDigits> modulus;
  uint64_t cube[kPrimeDigits];  // R^3 mod the prime
  uint8_t windows[kWindows];    // of the exponent, the highest first
};

// A private key whose public exponent is 65537 (RFC 8017 3.2, the second representation). Secret.
struct PrivateKey {
  Prime p, q;
  uint64_t coefficient[kPrimeDigits];  // R^2 / q, mod p
  Modulus<kModulusDigits> n;
};

// Where it computes. What is left here is secret: the caller wipes it.
struct Workspace {
  Lanes powers[kPowers][kPrimeDigits];
  Lanes power[kPrimeDigits], chosen[kPrimeDigits];
  Lanes of_p[kPrimeDigits], of_q[kPrimeDigits];
  Lanes columns[kModulusDigits + 1];
};

// RSASP1 (RFC 8017 5.2.1) of eight encoded messages by the Chinese remainder theorem. Returns a bit for each lane whose
// signature, raised to the public exponent, gave its message again: a fault in any step shows there, and a signature
// without its bit must leave nobody's hands.
//
// Calls `pause` about fifteen times, at even intervals.
//
// Time: neither a branch nor an address depends on the key or on a message.
uint8_t Sign(const PrivateKey& key, const Lanes (&messages)[kModulusDigits], Lanes (&signatures)[kModulusDigits],
             Workspace& work, void (*pause)());

}  // namespace sealift::engine::ifma
