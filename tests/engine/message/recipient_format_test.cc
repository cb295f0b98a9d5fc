#include "engine/message/recipient_format.h"

#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

TEST(RecipientFormatTest, AFileNameSaysTheFormatUnderItsCompression) {
  EXPECT_EQ(RecipientFormatOf("a/people.csv"), RecipientFormat::kCsv);
  EXPECT_EQ(RecipientFormatOf("people.TSV"), RecipientFormat::kTsv);
  EXPECT_EQ(RecipientFormatOf("people.tab.gz"), RecipientFormat::kTsv);
  EXPECT_EQ(RecipientFormatOf("people.ndjson.zst"), RecipientFormat::kNdjson);
  EXPECT_EQ(RecipientFormatOf("people.jsonl"), RecipientFormat::kNdjson);
}

TEST(RecipientFormatTest, WhatSaysNothingIsCsv) {
  for (const char* name : {"-", "", "people", "people.txt", "people.gz", "tsv", "people.tsv.bz2"}) {
    EXPECT_EQ(RecipientFormatOf(name), RecipientFormat::kCsv) << name;
  }
}

TEST(RecipientFormatTest, NamesComeBack) {
  for (const RecipientFormat format : {RecipientFormat::kCsv, RecipientFormat::kTsv, RecipientFormat::kNdjson}) {
    EXPECT_EQ(ParseRecipientFormat(ToString(format)), format);
  }
  EXPECT_EQ(ParseRecipientFormat("xlsx"), std::nullopt);
}

}  // namespace
}  // namespace sealift::engine
