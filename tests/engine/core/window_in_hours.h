#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/shaping/send_window.h"

namespace sealift::engine {

// Of a day that begins so many hours from now: it stays open, or closed, for hours, however long a test takes.
inline std::shared_ptr<const SendWindow> WindowInHours(int from, int to) {
  const auto wall = [](int hours) {
    return absl::FormatTime("%H:%M", absl::Now() + absl::Hours(hours), absl::UTCTimeZone());
  };
  const absl::StatusOr<SendWindow> window = SendWindow::Of({}, wall(from), wall(to), "UTC");
  EXPECT_TRUE(window.ok()) << window.status();
  return std::make_shared<const SendWindow>(*window);
}

}  // namespace sealift::engine
