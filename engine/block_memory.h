#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "engine/site.h"

namespace sealift::engine {

// BlockMemory remembers the blocks of paths whose sites are not in memory: a campaign may meet more dead domains than a
// node can keep sites, and none of them may be tried earlier for it. It knows until when, how often in a row and for
// which lack; what was heard stands in the events.
//
// Owned by:  the paths of a shard.
// Threads:   the shard's.
// Time:      an argument.
// Memory:    40 bytes a block, at most kBlocksMax of them. When it is full of blocks that last, a further one is
//            forgotten: that path is tried again as soon as somebody has mail for it.
class BlockMemory {
 public:
  static constexpr size_t kBlocksMax = 1 << 17;
  // A block that ended is remembered for so long: who fails again then waits longer than the time before.
  static constexpr absl::Duration kRemembered = absl::Hours(6);

  // `site`: its key.
  void Keep(std::string_view site, const Path& path, absl::Time now);
  // Gives the path back what was kept of it, if anything was.
  void Restore(std::string_view site, Path& path, absl::Time now);

  size_t size() const { return blocks_.size(); }

 private:
  struct Record {
    int64_t until = 0;  // unix seconds
    uint16_t failures = 0;
    Lack lack = Lack::kNone;
    ReasonClass reason_class = ReasonClass::kOther;
  };

  void MakeRoom(absl::Time now);

  absl::flat_hash_map<uint64_t, Record> blocks_;  // by a hash of site, source and requirement
  absl::Time full_until_ = absl::InfinitePast();
};

}  // namespace sealift::engine
