#pragma once

#include <cstdint>
#include <string>

namespace sealift::queue {

// What operators have ordered and the node must remember: holds and what is like them, and jobs.
enum class OrderKind : char { kHold = 'h', kJob = 'j' };

// One order, as the engine writes it. It may name a recipient, so it is sealed under the node's key.
struct Order {
  OrderKind kind = OrderKind::kHold;
  uint32_t number = 0;  // unique in its kind
  std::string text;     // empty: to be forgotten

  friend bool operator==(const Order&, const Order&) = default;
};

}  // namespace sealift::queue
