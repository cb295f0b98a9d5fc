#include "queue/lane_value.h"

#include <deque>

#include "gtest/gtest.h"

namespace sealift::queue {
namespace {

std::string Change(int64_t queued, int64_t retrying, uint64_t due_ms, std::string_view domain = {}) {
  return LaneValue{.queued = queued, .retrying = retrying, .due_ms = due_ms, .sealed_domain = domain}.Encode();
}

LaneValue Full(const std::string* existing, const std::vector<std::string>& operands, std::string* storage) {
  std::vector<rocksdb::Slice> slices(operands.begin(), operands.end());
  const rocksdb::Slice value = existing ? rocksdb::Slice(*existing) : rocksdb::Slice();
  const rocksdb::MergeOperator::MergeOperationInput in("key", existing ? &value : nullptr, slices, nullptr);
  rocksdb::Slice operand;
  rocksdb::MergeOperator::MergeOperationOutput out(*storage, operand);
  EXPECT_TRUE(LaneMerge().FullMergeV2(in, &out));
  LaneValue merged;
  EXPECT_TRUE(merged.Parse(*storage));
  return merged;
}

TEST(LaneValueTest, ChangesAddUp) {
  std::string storage;
  const LaneValue lane =
      Full(nullptr, {Change(100, 0, 0, "sealed"), Change(-3, 0, 0), Change(0, 2, 5000), Change(0, 1, 3000)}, &storage);
  EXPECT_EQ(lane.queued, 97);
  EXPECT_EQ(lane.retrying, 3);
  EXPECT_EQ(lane.due_ms, 3000u);
  EXPECT_EQ(lane.sealed_domain, "sealed");
}

TEST(LaneValueTest, WhatIsInDoubtAndWhoIsSatedIsKept) {
  LaneValue lane;
  ASSERT_TRUE(lane.Parse(LaneValue{.queued = 9, .retrying = 4, .in_doubt = 2}.Encode()));
  EXPECT_EQ(lane.in_doubt, 2);
  EXPECT_EQ(lane.sated, 0);
  ASSERT_TRUE(lane.Parse(LaneValue{.queued = 9, .retrying = 4, .sated = 3}.Encode()));
  EXPECT_EQ(lane.in_doubt, 0);
  EXPECT_EQ(lane.sated, 3);
}

TEST(LaneValueTest, MergingInAnyGroupingIsTheSame) {
  const std::vector<std::string> changes = {Change(10, 0, 0, "sealed"), Change(-1, 1, 700), Change(-2, -1, 0),
                                            Change(5, 0, 0, "sealed"), Change(0, 3, 200)};
  std::string expected;
  Full(nullptr, changes, &expected);
  for (size_t split = 2; split < changes.size(); ++split) {
    std::deque<rocksdb::Slice> later(changes.begin() + static_cast<ptrdiff_t>(split) - 1, changes.end());
    std::string partial;
    ASSERT_TRUE(LaneMerge().PartialMergeMulti("key", later, &partial, nullptr));
    std::vector<std::string> grouped(changes.begin(), changes.begin() + static_cast<ptrdiff_t>(split) - 1);
    grouped.push_back(partial);
    std::string storage;
    Full(nullptr, grouped, &storage);
    EXPECT_EQ(storage, expected) << split;
    const std::string base = grouped[0];
    std::string on_base;
    Full(&base, {grouped.begin() + 1, grouped.end()}, &on_base);
    EXPECT_EQ(on_base, expected) << split;
  }
}

TEST(LaneValueTest, OnlyEmptyLanesAreDropped) {
  const EmptyLaneFilter filter;
  EXPECT_TRUE(filter.Filter(0, "key", Change(0, 0, 100, "sealed"), nullptr, nullptr));
  EXPECT_FALSE(filter.Filter(0, "key", Change(1, 0, 0, "sealed"), nullptr, nullptr));
  EXPECT_FALSE(filter.Filter(0, "key", "damaged", nullptr, nullptr));
}

TEST(LaneValueTest, WhatIsSummedUpToNothingKeepsNoDomainAndTheNextRowsBringTheirs) {
  const std::string loaded = Change(2, 0, 0, "sealed");
  std::string emptied;
  const LaneValue empty = Full(&loaded, {Change(-1, 1, 700), Change(-1, -1, 0)}, &emptied);
  EXPECT_EQ(empty.queued, 0);
  EXPECT_EQ(empty.sealed_domain, "");
  EXPECT_EQ(empty.due_ms, 0u);
  EXPECT_TRUE(EmptyLaneFilter().Filter(0, "key", emptied, nullptr, nullptr));
  std::string storage;
  const LaneValue again = Full(&emptied, {Change(3, 1, 900, "sealed again")}, &storage);
  EXPECT_EQ(again.queued, 3);
  EXPECT_EQ(again.due_ms, 900u);
  EXPECT_EQ(again.sealed_domain, "sealed again");
}

TEST(LaneValueTest, ADamagedChangeIsNotMerged) {
  std::deque<rocksdb::Slice> damaged = {"x", "y"};
  std::string merged;
  EXPECT_FALSE(LaneMerge().PartialMergeMulti("key", damaged, &merged, nullptr));
}

}  // namespace
}  // namespace sealift::queue
