#include "engine/admin/api_load_body.h"

#include <gtest/gtest.h>

#include "engine/exit_code.h"

namespace sealift::engine {
namespace {

constexpr char kBody[] =
    R"({"stream":"news","template_bytes":11,"defaults":[["city","-"]],"require":[["consent","yes"]],"expires_in":"6h","rate":"200/s","connections":"4","connection_rate":"60/m","messages_per_connection":"50","messages_per_day":"9","weight":"30","start":true,"key_column":"ref"})"
    "\nSubject: x\nemail\na@d1.test\n";

struct Taken {
  LoadRequest request;
  std::string rows;
  int begun = 0;
};

absl::Status Read(std::string_view body, size_t piece, Taken* taken) {
  LoadBody reader(
      "spring",
      [taken](LoadRequest request) {
        taken->request = std::move(request);
        ++taken->begun;
        return absl::OkStatus();
      },
      [taken](std::string_view bytes) {
        taken->rows += bytes;
        return absl::OkStatus();
      });
  for (; !body.empty(); body.remove_prefix(std::min(piece, body.size()))) {
    if (absl::Status added = reader.Add(body.substr(0, piece)); !added.ok()) return added;
  }
  return reader.Finish();
}

class LoadBodyInPiecesTest : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, LoadBodyInPiecesTest, testing::Values(1, 2, 7, 1000));

TEST_P(LoadBodyInPiecesTest, TheCutsBetweenPiecesDoNotMatter) {
  Taken taken;
  const absl::Status read = Read(kBody, GetParam(), &taken);
  ASSERT_TRUE(read.ok()) << read;
  EXPECT_EQ(taken.begun, 1);
  EXPECT_EQ(taken.request.name, "spring");
  EXPECT_EQ(taken.request.stream, "news");
  EXPECT_EQ(taken.request.template_text, "Subject: x\n");
  EXPECT_EQ(taken.request.defaults.at(0).first, "city");
  EXPECT_EQ(taken.request.require.at(0).second, "yes");
  EXPECT_EQ(taken.request.expires_in, absl::Hours(6));
  EXPECT_EQ(taken.request.limits, (CampaignLimits{.rate = {.count = 200, .period = absl::Seconds(1)},
                                                  .a_day = {.count = 9, .period = absl::Hours(24)},
                                                  .connections = 4,
                                                  .connection_rate = {.count = 60, .period = absl::Minutes(1)},
                                                  .messages_per_connection = 50}));
  EXPECT_EQ(taken.request.weight, 30);
  EXPECT_EQ(taken.request.key_column, "ref");
  EXPECT_TRUE(taken.request.start);
  EXPECT_EQ(taken.rows, "email\na@d1.test\n");
}

TEST_P(LoadBodyInPiecesTest, FinishedMessagesFollowTheFirstLineAtOnce) {
  Taken taken;
  const std::string frames("\0\0\0\x01x\0\0\0\0", 9);
  const absl::Status read =
      Read("{\"stream\":\"news\",\"template_bytes\":0,\"messages\":true}\n" + frames, GetParam(), &taken);
  ASSERT_TRUE(read.ok()) << read;
  EXPECT_TRUE(taken.request.messages);
  EXPECT_EQ(taken.request.template_text, "");
  EXPECT_EQ(taken.rows, frames);
}

TEST(LoadBodyTest, AnEmptyRecipientFileStillBeginsTheLoad) {
  Taken taken;
  EXPECT_TRUE(Read("{\"stream\":\"news\",\"template_bytes\":1}\nx", 1000, &taken).ok());
  EXPECT_EQ(taken.begun, 1);
}

TEST(LoadBodyTest, ABodyThatEndsEarlyBeginsNothing) {
  for (const char* body : {"", "{\"stream\":\"news\"", "{\"stream\":\"news\",\"template_bytes\":50}\nshort"}) {
    Taken taken;
    const absl::Status read = Read(body, 1000, &taken);
    EXPECT_EQ(ExitCodeOf(read), ExitCode::kUsage) << body;
    EXPECT_EQ(taken.begun, 0);
  }
}

TEST(LoadBodyTest, WhatCannotBeReadIsRefusedBeforeAnythingBegins) {
  for (const char* head :
       {"nonsense", "[]", R"({"template_bytes":-1})", R"({"template_bytes":1,"stream":5})",
        R"({"template_bytes":1,"defaults":{"a":"b"}})", R"({"template_bytes":1,"expires_in":"soon"})",
        R"({"template_bytes":1,"rate":"fast"})", R"({"template_bytes":1,"weight":"0"})",
        R"({"template_bytes":1,"weight":"101"})", R"({"template_bytes":1,"weight":"2x"})",
        R"({"template_bytes":1,"weight":2})", R"({"template_bytes":1,"connections":"0"})",
        R"({"template_bytes":1,"messages_per_day":"1000000001"})", R"({"template_bytes":1,"connection_rate":"60"})",
        R"({"template_bytes":1,"messages_per_connection":"many"})", R"({"template_bytes":1,"start":"yes"})",
        R"({"template_bytes":1,"messages":1})", R"({"template_bytes":1,"start_at":"noon"})", R"({"stream":"news"})"}) {
    Taken taken;
    const absl::Status read = Read(std::string(head) + "\nx", 1000, &taken);
    EXPECT_EQ(ExitCodeOf(read), ExitCode::kUsage) << head << " " << read;
    EXPECT_EQ(taken.begun, 0) << head;
  }
}

TEST(LoadBodyTest, ATemplateOverTheCapIsBadData) {
  Taken taken;
  const absl::Status read = Read("{\"stream\":\"news\",\"template_bytes\":99999999999}\nx", 1000, &taken);
  EXPECT_EQ(ExitCodeOf(read), ExitCode::kBadData);
}

TEST(LoadBodyTest, AFirstLineWithoutEndIsNotCollectedForEver) {
  Taken taken;
  const absl::Status read = Read(std::string(LoadBody::kHeadBytesMax + 2, 'x'), 4096, &taken);
  EXPECT_EQ(ExitCodeOf(read), ExitCode::kUsage);
}

}  // namespace
}  // namespace sealift::engine
