#include "queue/late_bounce.h"

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "queue/campaign_table.h"
#include "queue/committer.h"
#include "queue/database.h"
#include "queue/event_log.h"
#include "queue/key_ring.h"
#include "queue/keys.h"
#include "queue/lookups.h"
#include "queue/pack.h"
#include "queue/parked_row.h"
#include "queue/row_sweep.h"

namespace sealift::queue {
absl::StatusOr<LateBounce> SettleLateBounce(Database* database, KeyRing* ring, CampaignTable* campaigns,
                                            Committer* committer, const MessageKey& message, Outcome outcome) {
  Unsealer unsealer(ring);
  const absl::StatusOr<std::vector<Event>> events = EventsOf(database, &unsealer, message);
  if (!events.ok()) return events.status();
  if (events->empty()) return LateBounce::kUnknown;
  const Event& last = events->back();
  if (last.kind == OutcomeKind::kBounced) return LateBounce::kKnown;
  const absl::StatusOr<Campaign> campaign = campaigns->Head(message.lane.campaign);
  if (absl::IsNotFound(campaign.status())) return LateBounce::kUnknown;
  if (!campaign.ok()) return campaign.status();
  std::optional<StoredRow> row;
  if (!campaign->erased) {
    absl::StatusOr<std::optional<StoredRow>> found = FindRow(database, &unsealer, message);
    if (!found.ok()) return found.status();
    row = *std::move(found);
  }
  outcome.key = last.key;
  if (row && !row->parked) {
    const RowJudge judge = [&](const Pack&, const Row& other) {
      return other.id == message.row ? std::optional(outcome) : std::nullopt;
    };
    const absl::StatusOr<Swept> swept =
        SweepRows(database, ring, committer, message.lane.campaign, message.lane.destination, judge, nullptr);
    if (!swept.ok()) return swept.status();
    if (swept->rows > 0) return LateBounce::kSettled;
    row.reset();  // it was settled meanwhile, or its campaign is cancelled
  }
  const bool delivered = !row && last.kind == OutcomeKind::kDelivered;
  if (!row) {
    row.emplace();
    row->recipient = last.recipient;
    row->attempts = last.attempt;
    row->accepted = row->expires = last.time;
  }
  absl::StatusOr<std::shared_ptr<Pack>> pack = PackOf(message, *row);
  if (!pack.ok()) return pack.status();
  outcome.pack = *std::move(pack);
  std::promise<absl::Status> done;
  committer->Do([&](CommitContext& context) { done.set_value(context.SettleLate({&outcome, 1}, delivered)); });
  if (absl::Status status = done.get_future().get(); !status.ok()) return status;
  return LateBounce::kSettled;
}

}  // namespace sealift::queue
