#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace sealift::queue {

// The primitives that every value of the queue is written with. Big-endian where bytes must sort as the numbers do,
// variable length (7 bits a byte, low first) elsewhere.

void PutFixed32(uint32_t value, std::string* out);
void PutFixed64(uint64_t value, std::string* out);
void PutVarint(uint64_t value, std::string* out);
void PutSigned(int64_t value, std::string* out);          // zigzag
void PutBytes(std::string_view bytes, std::string* out);  // length, bytes
void PutTime(absl::Time time, std::string* out);          // milliseconds; both infinities are kept

uint32_t Fixed32(const char* from);
uint64_t Fixed64(const char* from);

// WireReader takes a value apart. What it reads may be corrupt or forged: a read beyond the end yields zero and is
// remembered, so that a decoder checks ok() once at its end (and before it trusts a count).
class WireReader {
 public:
  explicit WireReader(std::string_view from) : from_(from) {}

  uint8_t Byte();
  uint32_t ReadFixed32();
  uint64_t ReadFixed64();
  uint64_t Varint();
  int64_t Signed();
  std::string_view Bytes();
  absl::Time Time();

  bool ok() const { return ok_; }
  bool done() const { return ok_ && from_.empty(); }
  size_t left() const { return from_.size(); }
  std::string_view rest() const { return from_; }

 private:
  std::string_view Take(size_t n);

  std::string_view from_;
  bool ok_ = true;
};

}  // namespace sealift::queue
