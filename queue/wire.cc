#include "queue/wire.h"

#include <algorithm>

namespace sealift::queue {
namespace {

// Milliseconds are shifted by these two marks.
constexpr uint64_t kInfinitePast = 0, kInfiniteFuture = 1, kFirstTime = 2;

}  // namespace

void PutFixed32(uint32_t value, std::string* out) {
  const char bytes[4] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
                         static_cast<char>(value)};
  out->append(bytes, sizeof(bytes));
}

void PutFixed64(uint64_t value, std::string* out) {
  char bytes[8];
  for (size_t i = 0; i < sizeof(bytes); ++i) bytes[i] = static_cast<char>(value >> (56 - 8 * i));
  out->append(bytes, sizeof(bytes));
}

void PutVarint(uint64_t value, std::string* out) {
  char bytes[10];
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) bytes[size++] = static_cast<char>(value | 0x80);
  bytes[size++] = static_cast<char>(value);
  out->append(bytes, size);
}

void PutSigned(int64_t value, std::string* out) {
  PutVarint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63), out);
}

void PutBytes(std::string_view bytes, std::string* out) {
  PutVarint(bytes.size(), out);
  out->append(bytes);
}

void PutTime(absl::Time time, std::string* out) {
  if (time == absl::InfinitePast()) return PutVarint(kInfinitePast, out);
  if (time == absl::InfiniteFuture()) return PutVarint(kInfiniteFuture, out);
  PutVarint(static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixMillis(time), 0)) + kFirstTime, out);
}

uint32_t Fixed32(const char* from) {
  const auto byte = [from](int i) { return static_cast<uint32_t>(static_cast<unsigned char>(from[i])); };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}

uint64_t Fixed64(const char* from) { return static_cast<uint64_t>(Fixed32(from)) << 32 | Fixed32(from + 4); }

std::string_view WireReader::Take(size_t n) {
  if (!ok_ || n > from_.size()) {
    ok_ = false;
    from_ = {};
    return {};
  }
  const std::string_view taken = from_.substr(0, n);
  from_.remove_prefix(n);
  return taken;
}

uint8_t WireReader::Byte() {
  const std::string_view taken = Take(1);
  return taken.empty() ? 0 : static_cast<uint8_t>(taken[0]);
}

uint32_t WireReader::ReadFixed32() {
  const std::string_view taken = Take(4);
  return taken.empty() ? 0 : Fixed32(taken.data());
}

uint64_t WireReader::ReadFixed64() {
  const std::string_view taken = Take(8);
  return taken.empty() ? 0 : Fixed64(taken.data());
}

uint64_t WireReader::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = Byte();
    if (!ok_) return 0;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  ok_ = false;
  return 0;
}

int64_t WireReader::Signed() {
  const uint64_t value = Varint();
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

std::string_view WireReader::Bytes() {
  const uint64_t size = Varint();
  if (size > from_.size()) ok_ = false;
  return Take(ok_ ? size : 0);
}

absl::Time WireReader::Time() {
  const uint64_t value = Varint();
  if (value == kInfinitePast) return absl::InfinitePast();
  if (value == kInfiniteFuture) return absl::InfiniteFuture();
  return absl::FromUnixMillis(static_cast<int64_t>(value - kFirstTime));
}

}  // namespace sealift::queue
