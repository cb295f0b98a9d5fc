#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "queue/address_hash.h"
#include "queue/types.h"

namespace sealift::queue {

// SeenFilter knows of most addresses that a load has not had them yet, without asking the disk: who loads ten million
// rows asks for each whether it came before, and almost none did.
//
// It is a Bloom filter in blocks of a cache line, an address in one of them, of 10 bits an address: of those that are
// new it takes one in fifty for one that may have come. It grows by parts, each four times as large as the one before.
// Addresses in their order come by the blocks in theirs.
//
// Owned by:  a Load.
// Threads:   MayHave any; Add one, while nobody asks.
// Memory:    kBytesMax; whatever does not fit ends it: then each may have come.
class SeenFilter {
 public:
  static constexpr size_t kBytesMax = 20 << 20;  // of 16 million addresses

  // False: it was never added, for that message.
  bool MayHave(const AddressHash& address, BodyId message) const;
  void Add(const AddressHash& address, BodyId message);

  size_t bytes() const { return bytes_; }

 private:
  struct alignas(64) Block {
    uint64_t words[8] = {};
  };
  struct Part {
    std::vector<Block> blocks;
    size_t room;  // for so many more addresses
  };

  static Block MaskOf(const AddressHash& address, BodyId message);
  static size_t PlaceOf(const AddressHash& address, size_t blocks);
  void Grow();

  std::vector<Part> parts_;  // the last one is filled
  size_t bytes_ = 0;
  bool over_ = false;
};

}  // namespace sealift::queue
