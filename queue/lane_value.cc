#include "queue/lane_value.h"

#include <algorithm>

#include "queue/rocks.h"
#include "queue/wire.h"

namespace sealift::queue {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kDoubtVersion = 2;  // of those that have something in doubt
constexpr uint8_t kSatedVersion = 3;  // ... or rows whose recipients have had enough

template <typename Operands>
bool Sum(const Operands& operands, LaneValue* sum) {
  for (const rocksdb::Slice& operand : operands) {
    LaneValue change;
    if (!change.Parse(ToView(operand))) return false;
    sum->Add(change);
  }
  return true;
}

}  // namespace

void LaneValue::Add(const LaneValue& change) {
  queued += change.queued;
  retrying += change.retrying;
  in_doubt += change.in_doubt;
  sated += change.sated;
  if (change.due_ms != 0) due_ms = due_ms == 0 ? change.due_ms : std::min(due_ms, change.due_ms);
  if (!change.sealed_domain.empty()) sealed_domain = change.sealed_domain;
}

std::string LaneValue::Encode() const {
  std::string value;
  const uint8_t version = sated != 0 ? kSatedVersion : in_doubt != 0 ? kDoubtVersion : kVersion;
  value.push_back(static_cast<char>(version));
  PutSigned(queued, &value);
  PutSigned(retrying, &value);
  PutVarint(due_ms, &value);
  PutBytes(sealed_domain, &value);
  if (version >= kDoubtVersion) PutSigned(in_doubt, &value);
  if (version >= kSatedVersion) PutSigned(sated, &value);
  return value;
}

bool LaneValue::Parse(std::string_view value) {
  WireReader in(value);
  const uint8_t version = in.Byte();
  queued = in.Signed();
  retrying = in.Signed();
  due_ms = in.Varint();
  sealed_domain = in.Bytes();
  in_doubt = version >= kDoubtVersion ? in.Signed() : 0;
  sated = version >= kSatedVersion ? in.Signed() : 0;
  return in.done() && version >= kVersion && version <= kSatedVersion;
}

bool LaneMerge::FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const {
  LaneValue sum;
  if (in.existing_value != nullptr && !sum.Parse(ToView(*in.existing_value))) return false;
  if (!Sum(in.operand_list, &sum)) return false;
  if (sum.queued != 0 && in.existing_value == nullptr && in.operand_list.size() == 1) {  // as a load left it
    out->existing_operand = in.operand_list.front();
    return true;
  }
  // Nothing is queued: a domain is only carried on, and written again, for somebody to read it. Whatever adds rows
  // brings its own.
  if (sum.queued == 0) sum = {};
  out->new_value = sum.Encode();
  return true;
}

bool LaneMerge::PartialMergeMulti(const rocksdb::Slice& /*key*/, const std::deque<rocksdb::Slice>& operands,
                                  std::string* merged, rocksdb::Logger* /*logger*/) const {
  LaneValue sum;
  if (!Sum(operands, &sum)) return false;
  *merged = sum.Encode();
  return true;
}

bool EmptyLaneFilter::Filter(int /*level*/, const rocksdb::Slice& /*key*/, const rocksdb::Slice& value,
                             std::string* /*new_value*/, bool* /*value_changed*/) const {
  LaneValue lane;
  return lane.Parse(ToView(value)) && lane.queued == 0;
}

}  // namespace sealift::queue
