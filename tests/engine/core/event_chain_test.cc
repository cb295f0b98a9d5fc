#include "engine/event_chain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace sealift::engine {
namespace {

using Cursor = EventChain::Cursor;

// Commits 3, 4, 7 and 9 with events; the backup was taken after commit 4.
const std::vector<std::pair<Cursor, Cursor>> kEvents = {{{0, 0}, {3, 1}}, {{3, 1}, {4, 1}}, {{4, 1}, {4, 2}},
                                                        {{4, 2}, {7, 1}}, {{7, 1}, {7, 2}}, {{7, 2}, {9, 1}}};
constexpr uint64_t kBackup = 4;

TEST(EventChainTest, AllEventsSinceTheBackupHaveNoGapInAnyOrder) {
  std::vector<std::pair<Cursor, Cursor>> events(kEvents);
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i) {
    EventChain chain;
    for (const auto& [after, cursor] : events) EXPECT_TRUE(chain.Add(after, cursor));
    for (const auto& [after, cursor] : events) EXPECT_FALSE(chain.Add(after, cursor)) << "at least once";
    EXPECT_FALSE(chain.Gap(kBackup).has_value());
    std::ranges::shuffle(events, random);
  }
}

TEST(EventChainTest, EachOfThemThatIsMissingIsAGapAndTheNewestAlonesIsNot) {
  for (size_t missing = 0; missing < kEvents.size(); ++missing) {
    EventChain chain;
    for (size_t i = 0; i < kEvents.size(); ++i) {
      if (i != missing) chain.Add(kEvents[i].first, kEvents[i].second);
    }
    const bool in_the_backup = missing < 3, newest = missing == 5;
    EXPECT_EQ(chain.Gap(kBackup).has_value(), !in_the_backup && !newest) << missing;
  }
  EventChain late;
  late.Add({7, 2}, {9, 1});
  ASSERT_TRUE(late.Gap(kBackup).has_value()) << "it begins after the backup";
  EXPECT_EQ(late.Gap(kBackup)->second, (Cursor{7, 2}));
  EXPECT_FALSE(EventChain().Gap(kBackup).has_value());
}

}  // namespace
}  // namespace sealift::engine
