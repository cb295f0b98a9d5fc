#include "tools/sealift/progress_line.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace sealift::tools {
namespace {

using nlohmann::json;

constexpr absl::Duration kRateSpan = absl::Seconds(5);

uint64_t Count(const json& campaign, const char* member) { return campaign.value(member, uint64_t{0}); }

uint64_t Settled(const json& campaign) { return Count(campaign, "loaded") - Count(campaign, "queued"); }

}  // namespace

std::string ProgressLine::Text(const json& campaign, double per_second) {
  const uint64_t loaded = Count(campaign, "loaded");
  const uint64_t settled = Settled(campaign);
  std::string text = fmt::format("{} {}: {} of {} delivered", CellText(campaign.value("name", json(""))),
                                 campaign.value("state", ""), Count(campaign, "delivered"), loaded);
  if (loaded > 0) text += fmt::format(" ({}%)", Count(campaign, "delivered") * 100 / loaded);
  for (const char* member : {"deferred", "held", "bounced", "expired", "suppressed", "cancelled"}) {
    if (Count(campaign, member) > 0) text += fmt::format(", {} {}", Count(campaign, member), member);
  }
  const uint64_t fresh = Count(campaign, "queued") -
                         std::min(Count(campaign, "queued"), Count(campaign, "deferred") + Count(campaign, "held"));
  if (fresh > 0) text += fmt::format(", {} to go", fresh);
  if (campaign.contains("paused")) text += fmt::format(", paused {}", CellText(campaign["paused"]));
  if (per_second >= 0.5) text += fmt::format(", {:.0f}/s", per_second);
  return settled == loaded && loaded > 0 ? text + ", all settled" : text;
}

void ProgressLine::Show(const json& campaign, absl::Time now) {
  const uint64_t settled = Settled(campaign);
  if (mark_ == absl::InfinitePast()) {
    mark_ = now;
    mark_settled_ = settled;
  } else if (now > mark_) {
    per_second_ = static_cast<double>(settled - std::min(settled, mark_settled_)) / absl::ToDoubleSeconds(now - mark_);
    if (now - mark_ > kRateSpan) {
      mark_ = now;
      mark_settled_ = settled;
    }
  }
  const std::string text = Text(campaign, per_second_);
  if (in_place_) {
    console_.out() << "\r" << text << std::string(width_ > text.size() ? width_ - text.size() : 0, ' ') << std::flush;
    width_ = text.size();
  } else {
    console_.out() << text << "\n" << std::flush;
  }
  shown_ = true;
}

void ProgressLine::End() {
  if (shown_ && in_place_) console_.out() << "\n" << std::flush;
  shown_ = false;
}

}  // namespace sealift::tools
