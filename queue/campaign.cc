#include "queue/campaign.h"

namespace sealift::queue {

std::string_view ToString(CampaignState state) {
  switch (state) {
    case CampaignState::kLoading:
      return "loading";
    case CampaignState::kReady:
      return "ready";
    case CampaignState::kRunning:
      return "running";
    case CampaignState::kPaused:
      return "paused";
    case CampaignState::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

}  // namespace sealift::queue
