#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "engine/runtime/check.h"
#include "engine/runtime/ring.h"
#include "engine/runtime/task.h"

namespace sealift::engine {

// A ring of the real kernel; a test without io_uring fails with the remedy.
inline std::unique_ptr<Ring> MakeRing(unsigned entries = 64) {
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create({.entries = entries});
  if (!ring.ok()) ADD_FAILURE() << ring.status();
  CHECK(ring.ok(), "the tests need io_uring");
  return *std::move(ring);
}

// The base of tests whose bodies are coroutines: `Run(Body(ring()))`, with EXPECT_* in the body.
class OnRing : public testing::Test {
 protected:
  Ring& ring() { return *ring_; }
  void Run(Task<void> body) { ring_->Run(std::move(body)); }

 private:
  std::unique_ptr<Ring> ring_ = MakeRing();
};

}  // namespace sealift::engine
