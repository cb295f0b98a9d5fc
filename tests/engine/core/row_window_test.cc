#include "engine/row_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "queue/keys.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<Claim> Rows(uint64_t due, std::vector<uint8_t> indexes) {
  const queue::RowsKey key{{queue::CampaignId{1}, queue::DestinationId{2}}, due, 10};
  const std::vector<queue::Row> rows(queue::Pack::kRowsMax);
  std::string encoded;
  queue::Pack::Encode(absl::UnixEpoch(), absl::InfiniteFuture(), rows, &encoded);
  auto open = std::make_shared<OpenPack>();
  open->pack = queue::Pack::Decode(key.Encode(), encoded, 0).value();
  std::vector<Claim> claims;
  for (const uint8_t index : indexes) claims.push_back({.open = open, .index = index});
  return claims;
}

std::vector<Claim> Fresh(std::vector<uint8_t> indexes) { return Rows(queue::RowsKey::kFresh, std::move(indexes)); }
std::vector<Claim> Retries(std::vector<uint8_t> indexes) { return Rows(1'800'000'000, std::move(indexes)); }

std::vector<int> IndexesOf(const RowWindow& window) {
  std::vector<int> indexes;
  for (const Claim& claim : window) indexes.push_back(claim.index);
  return indexes;
}

TEST(RowWindowTest, RetriesGoBehindEarlierRetriesAndBeforeFreshRows) {
  RowWindow window;
  window.Add({}, Fresh({1, 2}));
  window.Add(Retries({3, 4}), Fresh({5}));
  EXPECT_THAT(IndexesOf(window), ElementsAre(3, 4, 1, 2, 5));
  window.Add(Retries({6}), {});
  EXPECT_THAT(IndexesOf(window), ElementsAre(3, 4, 6, 1, 2, 5));
}

TEST(RowWindowTest, RowsLeaveInTheirOrderAndOneThatComesBackIsNext) {
  RowWindow window;
  window.Add({}, Fresh({1, 2}));
  Claim first = window.front();
  window.pop_front();
  EXPECT_EQ(window.front().index, 2);
  window.push_front(std::move(first));
  EXPECT_THAT(IndexesOf(window), ElementsAre(1, 2));
  window.pop_front();
  window.pop_front();
  EXPECT_TRUE(window.empty());
  window.Add({}, Fresh({7}));
  window.clear();
  EXPECT_THAT(IndexesOf(window), IsEmpty());
}

}  // namespace
}  // namespace sealift::engine
