#include "queue/rows_merge.h"

#include "queue/rocks.h"

namespace sealift::queue {
namespace {

constexpr size_t kMaskSize = 2;

void PutMask(uint16_t mask, std::string* out) {
  out->push_back(static_cast<char>(mask >> 8));
  out->push_back(static_cast<char>(mask));
}

uint16_t Mask(std::string_view value) {
  return static_cast<uint16_t>(static_cast<uint8_t>(value[0]) << 8 | static_cast<uint8_t>(value[1]));
}

}  // namespace

std::string RowsValue(std::string_view sealed) {
  std::string value;
  value.reserve(kMaskSize + sealed.size());
  PutMask(0, &value);
  value.append(sealed);
  return value;
}

std::string SettledOperand(uint16_t settled) {
  std::string operand;
  PutMask(settled, &operand);
  return operand;
}

bool ParseRowsValue(std::string_view value, RowsValueView* view) {
  if (value.size() <= kMaskSize) return false;
  view->settled = Mask(value);
  view->sealed = value.substr(kMaskSize);
  return true;
}

bool RowsMerge::FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const {
  uint16_t mask = 0;
  std::string_view sealed;
  if (in.existing_value != nullptr) {
    const std::string_view existing = ToView(*in.existing_value);
    if (existing.size() < kMaskSize) return false;
    mask = Mask(existing);
    sealed = existing.substr(kMaskSize);
  }
  for (const rocksdb::Slice& operand : in.operand_list) {
    if (operand.size() != kMaskSize) return false;
    mask |= Mask(ToView(operand));
  }
  out->new_value.clear();
  PutMask(mask, &out->new_value);
  out->new_value.append(sealed);
  return true;
}

bool RowsMerge::PartialMergeMulti(const rocksdb::Slice& /*key*/, const std::deque<rocksdb::Slice>& operands,
                                  std::string* merged, rocksdb::Logger* /*logger*/) const {
  uint16_t mask = 0;
  for (const rocksdb::Slice& operand : operands) {
    if (operand.size() != kMaskSize) return false;
    mask |= Mask(ToView(operand));
  }
  merged->clear();
  PutMask(mask, merged);
  return true;
}

}  // namespace sealift::queue
