#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "rocksdb/merge_operator.h"

namespace sealift::queue {

// A value of `rows` is the mask of its settled rows (2 bytes) and the sealed pack. Settling a part of a pack merges two
// bytes into it, instead of sealing and writing what remains again: a session settles a pack row by row.
//
// The mask is outside of the seal: it can only take rows away, as deleting the value could.
std::string RowsValue(std::string_view sealed);
std::string SettledOperand(uint16_t settled);

struct RowsValueView {
  uint16_t settled = 0;
  std::string_view sealed;
};
// False: not such a value.
[[nodiscard]] bool ParseRowsValue(std::string_view value, RowsValueView* view);

// Ors masks. A mask whose pack is gone merges to a value without a pack, which readers report as damage.
class RowsMerge : public rocksdb::MergeOperator {
 public:
  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override;
  bool PartialMergeMulti(const rocksdb::Slice& key, const std::deque<rocksdb::Slice>& operands, std::string* merged,
                         rocksdb::Logger* logger) const override;
  const char* Name() const override { return "sealift.rows.1"; }
};

}  // namespace sealift::queue
