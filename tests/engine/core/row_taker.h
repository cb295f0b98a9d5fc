#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <set>

#include "tests/engine/core/shard_world.h"

namespace sealift::engine {

// RowTaker makes of a world one whose shard opens no session to d1.test: the test takes the rows instead, as a session
// would. Everything but TakeAll and Numbers is called on the shard's thread.
template <typename World>
class RowTaker : public World {
 protected:
  RowTaker() {
    this->options_.smtp.connections = 0;
    this->AddDomain("d1.test");
  }
  void TearDown() override { this->Stop(absl::ZeroDuration()); }

  std::optional<Assignment> Take(Refusal* refusal = nullptr) {
    Refusal ignored;
    return World::NextFor(this->scheduler(), World::PathTo(this->scheduler(), "d1.test"),
                          refusal != nullptr ? *refusal : ignored);
  }
  void Deliver(const Assignment& assignment) {
    this->scheduler().Conclude(assignment, {.verdict = {.action = Action::kDeliver}, .code = 250, .date = absl::Now()});
  }
  // What must hold of every row that TakeAll takes.
  virtual void Expect(const Assignment&) {}

  // Takes and delivers rows as they come, until there were `rows`. Their numbers, as often as they came.
  std::multiset<uint32_t> TakeAll(size_t rows) {
    std::multiset<uint32_t> taken;
    EXPECT_TRUE(this->Eventually([&] {
      while (const std::optional<Assignment> next = Take()) {
        Expect(*next);
        taken.insert(static_cast<uint32_t>(next->claim.row().id));
        Deliver(*next);
      }
      return taken.size() >= rows;
    }));
    return taken;
  }
  static std::multiset<uint32_t> Numbers(uint32_t first, uint32_t last) {
    std::multiset<uint32_t> numbers;
    for (uint32_t i = first; i <= last; ++i) numbers.insert(i);
    return numbers;
  }
};

}  // namespace sealift::engine
