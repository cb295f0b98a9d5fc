#include "queue/outcome.h"

namespace sealift::queue {

std::string_view ToString(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kDelivered:
      return "delivered";
    case OutcomeKind::kDeferred:
      return "deferred";
    case OutcomeKind::kBounced:
      return "bounced";
    case OutcomeKind::kExpired:
      return "expired";
    case OutcomeKind::kSuppressed:
      return "suppressed";
    case OutcomeKind::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

}  // namespace sealift::queue
