#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "rocksdb/compaction_filter.h"
#include "rocksdb/merge_operator.h"

namespace sealift::queue {

// A value of `lanes`, and equally a change to one: loads and the committer each add theirs and never read, so that
// neither waits for the other and no update is lost.
struct LaneValue {
  int64_t queued = 0, retrying = 0, in_doubt = 0;  // the latter two are parts of the first
  int64_t sated = 0;                               // of retrying
  uint64_t due_ms = 0;                             // of the earliest retry, or earlier; 0: none
  std::string_view sealed_domain;                  // any change's; empty in those of the committer

  void Add(const LaneValue& change);
  std::string Encode() const;
  [[nodiscard]] bool Parse(std::string_view value);
};

class LaneMerge : public rocksdb::MergeOperator {
 public:
  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override;
  bool PartialMergeMulti(const rocksdb::Slice& key, const std::deque<rocksdb::Slice>& operands, std::string* merged,
                         rocksdb::Logger* logger) const override;
  const char* Name() const override { return "sealift.lanes.1"; }
};

// Drops lanes that have nothing queued. Rows are settled only after they were loaded, so a whole value (not an operand)
// of zero cannot be waiting for an addition that is older than it.
class EmptyLaneFilter : public rocksdb::CompactionFilter {
 public:
  bool Filter(int level, const rocksdb::Slice& key, const rocksdb::Slice& value, std::string* new_value,
              bool* value_changed) const override;
  const char* Name() const override { return "sealift.lanes.empty.1"; }
};

}  // namespace sealift::queue
