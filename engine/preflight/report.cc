#include "engine/preflight/report.h"

namespace sealift::engine {

std::string_view ToString(Severity severity) {
  switch (severity) {
    case Severity::kOk:
      return "ok";
    case Severity::kSkipped:
      return "skipped";
    case Severity::kWarn:
      return "warn";
    case Severity::kFail:
      return "fail";
  }
  return "fail";
}

std::string_view ToString(Fate fate) {
  switch (fate) {
    case Fate::kSend:
      return "send";
    case Fate::kHold:
      return "hold";
    case Fate::kBounce:
      return "bounce";
    case Fate::kDefer:
      return "defer";
    case Fate::kUnknown:
      return "unknown";
  }
  return "unknown";
}

}  // namespace sealift::engine
