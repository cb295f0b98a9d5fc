#pragma once

#include <cstdint>
#include <string_view>

#include "absl/time/time.h"
#include "queue/wire.h"

namespace sealift::queue {

// The due time up to which a lane's retries have been read, by the cursor where the next read starts
// (LaneWindow::retry). InfinitePast: it starts at the first.
inline absl::Time ReadUntil(std::string_view retry_cursor) {
  if (retry_cursor.size() != 16) return absl::InfinitePast();
  return absl::FromUnixMillis(static_cast<int64_t>(WireReader(retry_cursor).ReadFixed64()));
}

}  // namespace sealift::queue
