// Rows that wait, or leave another way, because an operator says so: hold_set.h says when that is asked.
#include <utility>

#include "engine/scheduler.h"

namespace sealift::engine {

void Scheduler::Place(Lane& lane, Site& site) {
  const LaneFacts facts = FactsOf(lane, &site);
  lane.hold = services_.holds->OnLane(facts);
  lane.holds_rows = services_.holds->OfRows(facts) != nullptr;
  lane.queue = &QueueOf(site, lane);
  ++lane.queue->lanes;
}

void Scheduler::OnRewound(Lane& lane) {
  if (lane.queue != nullptr) {
    Site& site = *lane.queue->site;
    Leave(lane);
    Place(lane, site);
    return;
  }
  const LaneFacts facts = FactsOf(lane, nullptr);
  lane.hold = services_.holds->OnLane(facts);
  lane.holds_rows = services_.holds->OfRows(facts) != nullptr;
}

void Scheduler::AdoptHolds(std::shared_ptr<const HoldSet> holds) {
  if (holds == services_.holds || holds->generation() < services_.holds->generation()) return;
  services_.holds = std::move(holds);
  HoldAgain();
}

void Scheduler::HoldAgain() {
  const HoldSet& now = *services_.holds;
  lanes_.HoldsChanged([&](Lane& lane) {
    const LaneFacts facts = FactsOf(lane, lane.queue == nullptr ? nullptr : lane.queue->site);
    const bool rows = now.OfRows(facts) != nullptr;
    // Which rows a hold keeps is not compared: whoever has such holds reads again.
    const bool concerned = rows || lane.holds_rows || now.OnLane(facts) != lane.hold ||
                           (lane.queue != nullptr && now.PlacementOf(facts) != lane.queue->placement);
    if (concerned) lane.hold = now.OnLane(facts);  // from now on, also while it still has something under way
    lane.holds_rows = rows;
    return concerned;
  });
}

void Scheduler::KeepHeld(const Assignment& assignment) {
  Lane& lane = *assignment.lane;
  ReturnPermits(assignment, services_.Now());
  settler_.Return(lane);
  lanes_.Want(lane);
}

bool Scheduler::MayHaveClaimed(const queue::LaneId& id) {
  const Lane* const lane = lanes_.Find(id);
  return lane != nullptr && (lane->discarded || (lane->hold != nullptr && !lane->Idle()));
}

void Scheduler::TakeUp(const queue::LaneRecord& record, std::shared_ptr<ActiveCampaign> campaign) {
  lanes_.TakeUp(record, std::move(campaign));
}

void Scheduler::Revise(const queue::LaneId& id, int64_t queued, int64_t retrying, absl::Time due) {
  Lane* const lane = lanes_.Find(id);
  if (lane == nullptr) return;
  lane->queued += queued;
  lane->retrying += retrying;
  if (lane->sated > 0) lane->recount = true;  // some of them may have been among these
  lanes_.DueAt(*lane, due);
  lanes_.Want(*lane);
}

}  // namespace sealift::engine
