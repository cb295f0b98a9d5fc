#include "engine/message/nested_value.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sealift::engine {
namespace {

using Kind = NestedValue::Kind;

std::string Field(std::string_view bytes) { return std::string(1, NestedValue::kMark) + std::string(bytes); }

TEST(NestedValueTest, TextIsTextWhateverItHolds) {
  for (const std::string_view text : {"", "5:false!", "0:]", "[1,2]", "x\0y"}) {
    const NestedValue value = NestedValue::OfField(text);
    EXPECT_EQ(value.kind(), Kind::kText);
    EXPECT_EQ(value.text(), text);
    EXPECT_EQ(value.IsFalse(), text.empty());
  }
}

TEST(NestedValueTest, WhatIsWrittenIsRead) {
  std::string bytes(1, NestedValue::kMark);
  const size_t begin = bytes.size();
  AppendNestedText("items", bytes);
  const size_t list = bytes.size();
  AppendNestedText("J\xC3\xA4ne, 3:x,", bytes);
  AppendNestedNumber("-1.50", bytes);
  AppendNestedNumber("12", bytes);
  AppendNestedTruth(true, bytes);
  AppendNestedTruth(false, bytes);
  AppendNestedNull(bytes);
  WrapNestedList(list, bytes);
  AppendNestedText("none", bytes);
  const size_t empty = bytes.size();
  WrapNestedList(empty, bytes);
  WrapNestedObject(begin, bytes);

  const NestedValue value = NestedValue::OfField(bytes);
  ASSERT_EQ(value.kind(), Kind::kObject);
  EXPECT_FALSE(value.IsFalse());
  size_t passed = 0;
  EXPECT_FALSE(value.Member("nobody", passed).has_value());
  EXPECT_EQ(passed, 2U);
  EXPECT_TRUE(value.Member("none", passed)->IsFalse());
  const NestedValue items = *value.Member("items", passed);
  EXPECT_EQ(passed, 5U);
  ASSERT_EQ(items.kind(), Kind::kList);
  std::vector<std::string> texts;
  for (std::string_view rest = items.items(); !rest.empty();) {
    const NestedValue item = NestedValue::Take(rest);
    texts.push_back(std::string(item.text()) + (item.IsFalse() ? " is false" : ""));
  }
  EXPECT_EQ(texts,
            (std::vector<std::string>{"J\xC3\xA4ne, 3:x,", "-1.50", "12", "true", "false is false", " is false"}));
}

TEST(NestedValueTest, WhatIsDamagedIsFoundOut) {
  for (const std::string_view bytes :
       {"", "5", ":", "1:", "1:x", "2:x,", "1:x,1:y,", "-1:x,", "+1:x,", "1 :x,", "x:x,", "1:x?", "99999999:x,",
        "999999999999999999999999:x,", "18446744073709551615:x,", "0:"}) {
    EXPECT_EQ(NestedValue::OfField(Field(bytes)).kind(), Kind::kDamaged) << bytes;
  }
  size_t passed = 0;
  for (const std::string_view members : {"1:a,", "1:a", "0:]1:x,", "1:a,9:x,"}) {
    std::string bytes = Field(members);
    WrapNestedObject(1, bytes);
    EXPECT_EQ(NestedValue::OfField(bytes).Member("a", passed)->kind(), Kind::kDamaged) << members;
  }
}

// Nothing is read from where no value is, and every walk ends.
TEST(NestedValueTest, RubbishIsWalkedToItsEnd) {
  std::mt19937 random(7);
  const std::string_view atoms[] = {"0", "1", "2", "3", "12", ":", ",", "]", "}", "!", "~", "#", "x", "false", "\0"};
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = Field("");
    for (size_t count = random() % 12; count > 0; --count) bytes += atoms[random() % std::size(atoms)];
    const std::string kept(bytes.data(), bytes.size());  // its end is where the address sanitizer looks
    std::vector<NestedValue> left = {NestedValue::OfField(kept)};
    size_t passed = 0;
    while (!left.empty()) {
      const NestedValue value = left.back();
      left.pop_back();
      if (value.kind() == Kind::kObject) value.Member("x", passed);
      if (value.kind() != Kind::kList) continue;
      for (std::string_view rest = value.items(); !rest.empty();) left.push_back(NestedValue::Take(rest));
    }
    EXPECT_LE(passed, kept.size());
  }
}

}  // namespace
}  // namespace sealift::engine
