#include "queue/rows_merge.h"

#include <deque>

#include "gtest/gtest.h"

namespace sealift::queue {
namespace {

TEST(RowsMergeTest, MasksAreOredIntoTheValue) {
  const std::string value = RowsValue("sealed");
  const std::string a = SettledOperand(0x8001), b = SettledOperand(0x0100);
  const rocksdb::Slice existing(value);
  const std::vector<rocksdb::Slice> operands = {a, b};
  std::string merged;
  rocksdb::Slice operand;
  rocksdb::MergeOperator::MergeOperationOutput out(merged, operand);
  ASSERT_TRUE(
      RowsMerge().FullMergeV2(rocksdb::MergeOperator::MergeOperationInput("key", &existing, operands, nullptr), &out));
  RowsValueView view;
  ASSERT_TRUE(ParseRowsValue(merged, &view));
  EXPECT_EQ(view.settled, 0x8101);
  EXPECT_EQ(view.sealed, "sealed");

  std::string partial;
  ASSERT_TRUE(RowsMerge().PartialMergeMulti("key", {a, b}, &partial, nullptr));
  EXPECT_EQ(partial, SettledOperand(0x8101));
}

TEST(RowsMergeTest, AMaskWithoutItsPackIsNoValue) {
  const std::string a = SettledOperand(1);
  const std::vector<rocksdb::Slice> operands = {a};
  std::string merged;
  rocksdb::Slice operand;
  rocksdb::MergeOperator::MergeOperationOutput out(merged, operand);
  ASSERT_TRUE(
      RowsMerge().FullMergeV2(rocksdb::MergeOperator::MergeOperationInput("key", nullptr, operands, nullptr), &out));
  RowsValueView view;
  EXPECT_FALSE(ParseRowsValue(merged, &view));
}

TEST(RowsMergeTest, WhatIsNoMaskIsRefused) {
  std::string merged;
  EXPECT_FALSE(RowsMerge().PartialMergeMulti("key", {"abc", "de"}, &merged, nullptr));
}

}  // namespace
}  // namespace sealift::queue
