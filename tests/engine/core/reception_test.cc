#include "engine/reception.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace sealift::engine {
namespace {

class ReceptionTest : public testing::Test {
 protected:
  bool MayOpen() const { return reception_->MayOpen(now_) <= now_; }
  void Open() { visits_.emplace_back(reception_, now_); }
  void OpenAndLetIn(int count) {
    for (int i = 0; i < count; ++i) {
      Open();
      visits_.back().LetIn();
    }
  }
  // The last one is not let in.
  bool Refuse() {
    const bool first = reception_->Refused(now_);
    visits_.back().End(now_);
    visits_.pop_back();
    return first;
  }
  int OpenedAtOnce() {
    int opened = 0;
    for (; MayOpen(); ++opened) Open();
    return opened;
  }

  absl::Time now_ = absl::UnixEpoch();
  std::shared_ptr<Reception> reception_ = std::make_shared<Reception>();
  std::vector<Reception::Visit> visits_;
};

TEST_F(ReceptionTest, NoOtherIsOpenedBeforeTheLastOneWasGreeted) {
  for (int i = 0; i < 15; ++i) {
    EXPECT_EQ(OpenedAtOnce(), 1) << i << " are open";
    visits_.back().LetIn();
  }
}

TEST_F(ReceptionTest, WhereManyAreLetInAnEighthIsTriedAtOnce) {
  OpenAndLetIn(40);
  EXPECT_EQ(OpenedAtOnce(), 5);
}

TEST_F(ReceptionTest, ASlowGreetingKeepsTheNextOneForASecondOnly) {
  Open();
  EXPECT_EQ(reception_->MayOpen(now_), now_ + Reception::kPatience);
  now_ += Reception::kPatience;
  EXPECT_EQ(OpenedAtOnce(), 1);
}

TEST_F(ReceptionTest, AfterARefusalNoneIsTriedForAWhileAndThenOne) {
  OpenAndLetIn(40);
  Open();
  EXPECT_TRUE(Refuse());
  EXPECT_EQ(reception_->MayOpen(now_), now_ + Reception::kPause);
  now_ += Reception::kPause;
  EXPECT_EQ(OpenedAtOnce(), 1) << "one by one from now on";
  EXPECT_TRUE(Refuse());
  EXPECT_FALSE(MayOpen());
}

TEST_F(ReceptionTest, RefusalsOfWhatWasUnderWayAreOne) {
  OpenAndLetIn(16);
  EXPECT_EQ(OpenedAtOnce(), 2);
  EXPECT_TRUE(Refuse());
  EXPECT_FALSE(Refuse());
}

TEST_F(ReceptionTest, WhatWasLetInMayBeOpenedAgainOnceTheServerHasSeenItEnd) {
  OpenAndLetIn(2);
  Open();
  Refuse();
  visits_.back().End(now_);
  visits_.pop_back();
  EXPECT_EQ(reception_->MayOpen(now_), now_ + Reception::kSettles);
  now_ += Reception::kSettles;
  EXPECT_EQ(OpenedAtOnce(), 1);
}

TEST_F(ReceptionTest, WhereNobodyWasRefusedAsManyAsBeforeAreOpenedAtOnce) {
  OpenAndLetIn(12);
  visits_.clear();
  EXPECT_EQ(OpenedAtOnce(), 12);
}

}  // namespace
}  // namespace sealift::engine
