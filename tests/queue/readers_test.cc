#include "queue/readers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

namespace sealift::queue {
namespace {

TEST(ReadersTest, WhatIsToGoFirstOvertakesWhatWaitsAndKeepsItsOwnOrder) {
  std::promise<void> go_on;
  std::vector<std::string> order;  // the one reader's, until it has ended
  {
    Readers readers(/*ring=*/nullptr, 1);
    readers.Do([&](Unsealer&) { go_on.get_future().wait(); });
    const auto ask = [&](const std::string& name, ReadTurn turn) {
      readers.Do([&order, name](Unsealer&) { order.push_back(name); }, turn);
    };
    ask("bulk 1", ReadTurn::kInOrder);
    ask("bulk 2", ReadTurn::kInOrder);
    ask("code 1", ReadTurn::kFirst);
    ask("code 2", ReadTurn::kFirst);
    go_on.set_value();
  }
  EXPECT_THAT(order, testing::ElementsAre("code 1", "code 2", "bulk 1", "bulk 2"));
}

}  // namespace
}  // namespace sealift::queue
