#include "engine/pipeline.h"

#include <gtest/gtest.h>

#include <map>

namespace sealift::engine {
namespace {

using Next = Pipeline::Step::Next;

// Steps point at what they were given.
const Reply& Saying(int code) {
  static std::map<int, Reply> replies;
  return replies[code] = {.code = code, .enhanced = {}, .lines = "text"};
}

// Answers all but the last of `codes`, each of which must ask for more.
Pipeline::Step Answered(Pipeline& pipeline, std::initializer_list<int> codes) {
  Pipeline::Step step;
  size_t left = codes.size();
  for (const int code : codes) {
    step = pipeline.OnReply(Saying(code));
    if (--left > 0) EXPECT_EQ(step.next, Next::kMore) << code;
  }
  return step;
}

Pipeline Chunked(bool reset = false) {
  Pipeline pipeline;
  if (reset) pipeline.Sent(Phase::kReset);
  for (const Phase phase : {Phase::kMail, Phase::kRcpt, Phase::kContent}) pipeline.Sent(phase);
  return pipeline;
}

Pipeline WithData() {
  Pipeline pipeline;
  for (const Phase phase : {Phase::kMail, Phase::kRcpt, Phase::kData}) pipeline.Sent(phase);
  return pipeline;
}

TEST(PipelineTest, TheReplyToTheContentDecides) {
  Pipeline pipeline = Chunked();
  const Pipeline::Step step = Answered(pipeline, {250, 250, 250});
  EXPECT_EQ(step.next, Next::kDone);
  EXPECT_EQ(step.phase, Phase::kContent);
  EXPECT_FALSE(step.unfinished);
  EXPECT_FALSE(pipeline.awaits_reply());
}

TEST(PipelineTest, ContentGoesOnlyWhereDataIsAnswered354) {
  Pipeline pipeline = WithData();
  EXPECT_TRUE(pipeline.ends_with_data());
  EXPECT_EQ(Answered(pipeline, {250, 250, 354}).next, Next::kContent);
  EXPECT_FALSE(pipeline.ends_with_data());
  pipeline.Sent(Phase::kContent);
  EXPECT_EQ(Answered(pipeline, {250}).phase, Phase::kContent);
}

TEST(PipelineTest, TheFirstRefusalIsTheOutcomeWhateverIsSaidLater) {
  Pipeline pipeline = Chunked();
  const Pipeline::Step step = Answered(pipeline, {450, 550, 503});
  EXPECT_EQ(step.next, Next::kDone);
  EXPECT_EQ(step.phase, Phase::kMail);
  EXPECT_EQ(step.reply->code, 450);
  EXPECT_TRUE(step.unfinished);
}

TEST(PipelineTest, ARefusalIsOfItsOwnTransactionOnly) {
  Pipeline pipeline = Chunked();
  for (const Phase phase : {Phase::kReset, Phase::kMail, Phase::kRcpt, Phase::kContent}) pipeline.Sent(phase);
  EXPECT_EQ(Answered(pipeline, {250, 550, 503}).phase, Phase::kRcpt);
  const Pipeline::Step second = Answered(pipeline, {250, 250, 250, 250});
  EXPECT_EQ(second.next, Next::kDone);
  EXPECT_EQ(second.phase, Phase::kContent);
}

TEST(PipelineTest, ContentThatNobodyIsToGetIsALoneDot) {
  Pipeline pipeline = WithData();
  EXPECT_EQ(Answered(pipeline, {250, 550, 354}).next, Next::kLoneDot);
  pipeline.Sent(Phase::kContent);
  const Pipeline::Step step = Answered(pipeline, {250});
  EXPECT_EQ(step.next, Next::kDone);
  EXPECT_EQ(step.phase, Phase::kRcpt);
  EXPECT_EQ(step.reply->code, 550);
  EXPECT_FALSE(step.unfinished) << "the lone dot ended it";
}

TEST(PipelineTest, AServerThatTakesAMessageForNobodyHasLostItsPlace) {
  Pipeline pipeline = Chunked();
  const Pipeline::Step step = Answered(pipeline, {250, 550, 250});
  EXPECT_EQ(step.next, Next::kBroken);
  EXPECT_EQ(step.reply->code, 550) << "what was refused is not taken for delivered";
}

TEST(PipelineTest, GoodbyeEndsItAtAnyPoint) {
  for (int said = 0; said < 4; ++said) {
    Pipeline pipeline = Chunked(/*reset=*/true);
    for (int i = 0; i < said; ++i) EXPECT_EQ(pipeline.OnReply(Saying(250)).next, Next::kMore);
    const Pipeline::Step step = pipeline.OnReply(Saying(421));
    EXPECT_EQ(step.next, Next::kBye);
    EXPECT_EQ(step.reply->code, 421);
  }
}

TEST(PipelineTest, ARefusalBeforeTheGoodbyeStands) {
  Pipeline pipeline = Chunked();
  const Pipeline::Step step = Answered(pipeline, {250, 550, 421});
  EXPECT_EQ(step.next, Next::kBye);
  EXPECT_EQ(step.reply->code, 550);
}

TEST(PipelineTest, ARefusedResetMakesEverythingBehindItUnclear) {
  Pipeline pipeline = Chunked(/*reset=*/true);
  EXPECT_EQ(pipeline.OnReply(Saying(500)).next, Next::kBroken);
}

TEST(PipelineTest, OneByOneARefusalEndsTheTransaction) {
  Pipeline pipeline;
  pipeline.Sent(Phase::kMail);
  EXPECT_EQ(pipeline.OnReply(Saying(250)).next, Next::kMore);
  pipeline.Sent(Phase::kRcpt);
  const Pipeline::Step step = pipeline.OnReply(Saying(550));
  EXPECT_EQ(step.next, Next::kDone);
  EXPECT_TRUE(step.unfinished);
}

TEST(PipelineTest, APositiveReplyToDataIsNoLeaveToSendContent) {
  Pipeline pipeline = WithData();
  const Pipeline::Step step = Answered(pipeline, {250, 250, 250});
  EXPECT_EQ(step.next, Next::kDone);
  EXPECT_EQ(step.phase, Phase::kData);
}

TEST(PipelineTest, RepliesSayWhatTheyAnswer) {
  const auto fits = [](Phase phase, int code, std::optional<EnhancedCode> enhanced) {
    Pipeline pipeline;
    pipeline.Sent(phase);
    return pipeline.Fits({.code = code, .enhanced = enhanced, .lines = ""});
  };
  for (const Phase phase : {Phase::kMail, Phase::kRcpt}) {
    EXPECT_TRUE(fits(phase, 250, EnhancedCode{2, 1, 5}));
    EXPECT_FALSE(fits(phase, 250, EnhancedCode{2, 0, 0}));
  }
  for (const Phase phase : {Phase::kReset, Phase::kContent}) {
    EXPECT_TRUE(fits(phase, 250, EnhancedCode{2, 6, 0}));
    EXPECT_FALSE(fits(phase, 250, EnhancedCode{2, 1, 0}));
  }
  for (const Phase phase : {Phase::kReset, Phase::kMail, Phase::kRcpt, Phase::kContent}) {
    EXPECT_FALSE(fits(phase, 250, std::nullopt));
    EXPECT_TRUE(fits(phase, 550, std::nullopt)) << "a refusal may say anything";
    EXPECT_TRUE(fits(phase, 450, EnhancedCode{4, 7, 1}));
  }
  EXPECT_TRUE(fits(Phase::kData, 354, std::nullopt));
}

TEST(PipelineTest, WhatWasRefusedStandsWhenTheConnectionIsLost) {
  Pipeline pipeline = Chunked();
  Answered(pipeline, {250, 550});
  const std::optional<Pipeline::Step> cut = pipeline.Cut();
  ASSERT_TRUE(cut.has_value());
  EXPECT_EQ(cut->reply->code, 550);

  Pipeline undecided = Chunked();
  Answered(undecided, {250, 250});
  EXPECT_FALSE(undecided.Cut().has_value());
}

}  // namespace
}  // namespace sealift::engine
