#include "queue/seen_filter.h"

#include <algorithm>

namespace sealift::queue {
namespace {

constexpr size_t kFirstBlocks = 5 << 10;  // 320 KiB: a quarter of a million addresses
constexpr size_t kGrowth = 4;
constexpr size_t kAddressesABlock = 51;  // of 512 bits
constexpr int kBits = 6;                 // of an address

}  // namespace

// The hash of an address is as good as random: its first word places it, the others say which bits are its own.
SeenFilter::Block SeenFilter::MaskOf(const AddressHash& address, BodyId message) {
  uint64_t bits = uint64_t{address[1]} << 32 | address[2];
  bits ^= static_cast<uint64_t>(message) * 0x9e3779b97f4a7c15;
  Block mask;
  for (int i = 0; i < kBits; ++i, bits >>= 9) mask.words[bits >> 6 & 7] |= uint64_t{1} << (bits & 63);
  return mask;
}

size_t SeenFilter::PlaceOf(const AddressHash& address, size_t blocks) {
  return static_cast<size_t>(uint64_t{address[0]} * blocks >> 32);
}

bool SeenFilter::MayHave(const AddressHash& address, BodyId message) const {
  if (over_) return true;
  const Block mask = MaskOf(address, message);
  return std::ranges::any_of(parts_, [&](const Part& part) {
    const Block& block = part.blocks[PlaceOf(address, part.blocks.size())];
    uint64_t missing = 0;
    for (size_t i = 0; i < std::size(mask.words); ++i) missing |= mask.words[i] & ~block.words[i];
    return missing == 0;
  });
}

void SeenFilter::Add(const AddressHash& address, BodyId message) {
  if (parts_.empty() || parts_.back().room == 0) Grow();
  if (over_) return;
  Part& part = parts_.back();
  --part.room;
  const Block mask = MaskOf(address, message);
  Block& block = part.blocks[PlaceOf(address, part.blocks.size())];
  for (size_t i = 0; i < std::size(mask.words); ++i) block.words[i] |= mask.words[i];
}

void SeenFilter::Grow() {
  const size_t wanted = parts_.empty() ? kFirstBlocks : kGrowth * parts_.back().blocks.size();
  const size_t blocks = std::min(wanted, (kBytesMax - bytes_) / sizeof(Block));
  over_ = over_ || blocks < kFirstBlocks;
  if (over_) {
    parts_ = {};
    bytes_ = 0;
    return;
  }
  bytes_ += blocks * sizeof(Block);
  parts_.push_back({.blocks = std::vector<Block>(blocks), .room = blocks * kAddressesABlock});
}

}  // namespace sealift::queue
