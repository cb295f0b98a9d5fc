// Rows that an operator wants to be tried sooner, or again.
#include <algorithm>
#include <future>
#include <map>
#include <set>
#include <utility>

#include "engine/campaign_settings.h"
#include "engine/log.h"
#include "engine/node_impl.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kFindProvidersWithin = absl::Seconds(15);

}  // namespace

absl::StatusOr<uint64_t> NodeImpl::MakeDue(queue::CampaignId id, const std::vector<queue::LaneRecord>& lanes,
                                           absl::Time due) {
  std::vector<std::future<absl::StatusOr<uint64_t>>> answers;
  const auto answer = [&] {
    auto result = std::make_shared<std::promise<absl::StatusOr<uint64_t>>>();
    answers.push_back(result->get_future());
    return [result](const absl::StatusOr<uint64_t>& count) { result->set_value(count); };
  };
  const std::shared_ptr<ActiveCampaign> active = campaigns_->Active(id);
  if (active == nullptr || !active->sending) {
    for (const queue::LaneRecord& lane : lanes) store_->MoveDue(lane.lane, {}, due, answer());
  } else {
    // The shard that has a lane knows what is claimed; one that nobody has is taken up where its domain begins.
    std::vector<Shard*> owners;
    owners.reserve(lanes.size());
    for (const queue::LaneRecord& lane : lanes) owners.push_back(&HomeOf(lane.lane));
    for (const std::unique_ptr<Shard>& shard : shards_) {
      shard->Ask([&](Scheduler& scheduler) {
        for (size_t i = 0; i < lanes.size(); ++i) {
          if (scheduler.lanes().Find(lanes[i].lane) != nullptr) owners[i] = shard.get();
        }
      });
    }
    for (const std::unique_ptr<Shard>& shard : shards_) {
      shard->Ask([&](Scheduler& scheduler) {
        for (size_t i = 0; i < lanes.size(); ++i) {
          if (owners[i] == shard.get()) scheduler.MakeDue(lanes[i], active, due, answer());
        }
      });
    }
  }
  uint64_t moved = 0;
  absl::Status failure;
  for (std::future<absl::StatusOr<uint64_t>>& done : answers) {
    const absl::StatusOr<uint64_t> rows = done.get();
    if (rows.ok()) {
      moved += *rows;
    } else {
      failure = rows.status();
    }
  }
  if (!failure.ok()) return failure;
  return moved;
}

Shard& NodeImpl::HomeOf(const queue::LaneId& lane) {
  return *shards_[static_cast<uint64_t>(lane.destination) % shards_.size()];
}

absl::StatusOr<uint64_t> NodeImpl::MakeRowsDue(queue::CampaignId id, const queue::LaneId& lane, bool in_doubt,
                                               const JobNode::DueJudge& judge, const std::atomic<bool>* stop) {
  const absl::StatusOr<queue::Campaign> campaign = store_->GetCampaign(id);
  if (!campaign.ok()) return campaign.status();
  const std::optional<size_t> key = KeyFieldOf(*campaign);
  const auto evidence = std::make_shared<queue::Evidence>(queue::Evidence{.stream = campaign->spec.stream});
  const absl::Time now = absl::Now();
  const auto moved = [&](const queue::Pack& pack, const queue::Row& row) -> std::optional<queue::Outcome> {
    const std::optional<absl::Time> due = judge(pack, row);
    if (!due.has_value()) return std::nullopt;
    queue::Outcome outcome;
    outcome.kind = queue::OutcomeKind::kDeferred;
    outcome.time = now;
    outcome.due = *due;
    outcome.date = row.date;
    outcome.attempt = row.attempts;
    outcome.reason_class = "operator";
    outcome.keeps_class = !in_doubt;  // a doubt is over, and it is not to be taken for one again
    if (key.has_value() && *key < row.fields.size()) outcome.key = row.fields[*key];
    outcome.evidence = evidence;
    return outcome;
  };
  const absl::StatusOr<uint64_t> rows = store_->SweepRows(id, lane.destination, moved, stop);
  if (!rows.ok() || *rows == 0) return rows;
  const absl::StatusOr<std::optional<queue::LaneRecord>> record = store_->FindLane(lane);
  const absl::Time due = record.ok() && record->has_value() ? (*record)->next_due : now;
  // Rows in doubt were in no shard's count.
  const int64_t more = in_doubt ? static_cast<int64_t>(*rows) : 0;
  AskShards([&](Scheduler& scheduler) { scheduler.Revise(lane, more, more, due); });
  return rows;
}

void NodeImpl::Returned(queue::CampaignId id, const std::vector<queue::ReplayedRows::Lane>& lanes) {
  const std::shared_ptr<ActiveCampaign> active = campaigns_->Active(id);
  if (active == nullptr || !active->sending) {
    if (const absl::Status sent = campaigns_->Refilled(id); !sent.ok()) {
      LogError("replayed rows wait for the next start of the node", {{"why", sent}});
    }
    return;
  }
  std::set<queue::LaneId> known;
  AskShards([&](Scheduler& scheduler) {
    for (const queue::ReplayedRows::Lane& lane : lanes) {
      if (scheduler.lanes().Find(lane.lane) == nullptr) continue;
      known.insert(lane.lane);
      const auto rows = static_cast<int64_t>(lane.rows);
      scheduler.Revise(lane.lane, rows, rows, lane.due);
    }
  });
  // One that nobody has is taken up where its domain begins.
  std::map<Shard*, std::vector<queue::LaneRecord>> by_shard;
  for (const queue::ReplayedRows::Lane& lane : lanes) {
    if (known.contains(lane.lane)) continue;
    absl::StatusOr<std::optional<queue::LaneRecord>> record = store_->FindLane(lane.lane);
    if (!record.ok() || !record->has_value()) continue;
    by_shard[&HomeOf(lane.lane)].push_back(**std::move(record));
  }
  for (auto& [shard, records] : by_shard) {
    shard->Ask([&](Scheduler& scheduler) {
      for (const queue::LaneRecord& record : records) scheduler.TakeUp(record, active);
    });
  }
}

absl::StatusOr<RowCount> NodeImpl::ReleaseInDoubt(const QueueFilter& filter) {
  if (absl::Status may = restoration_->MaySend(); !may.ok()) return may;
  const absl::StatusOr<RowMatcher> matcher = RowMatcher::Of(filter, *store_);
  if (!matcher.ok()) return matcher.status();
  std::map<queue::CampaignId, std::vector<queue::LaneId>> lanes;
  const absl::StatusOr<uint64_t> unplaced = ForEachLane(
      filter, absl::Now() + kFindProvidersWithin,
      [&](const queue::Campaign& campaign, const queue::LaneRecord& lane) {
        if (lane.in_doubt > 0) lanes[campaign.id].push_back(lane.lane);
      },
      &queue::LaneRecord::in_doubt);
  if (!unplaced.ok()) return unplaced.status();
  const absl::Time now = absl::Now();
  const auto judge = [&](const queue::Pack& pack, const queue::Row& row) -> std::optional<absl::Time> {
    if (pack.due() != absl::InfiniteFuture()) return std::nullopt;
    const RowFacts facts{.id = row.id,
                         .attempts = row.attempts,
                         .reason_class = row.reason_class,
                         .recipient = row.recipient,
                         .accepted = pack.accepted(),
                         .in_doubt = true};
    return matcher->Means(facts, now) ? std::optional(now) : std::nullopt;
  };
  RowCount released{.unplaced = *unplaced};
  for (const auto& [id, doubted] : lanes) {
    absl::Status failure;
    uint64_t moved = 0;
    for (const queue::LaneId& lane : doubted) {
      const absl::StatusOr<uint64_t> rows = MakeRowsDue(id, lane, true, judge, nullptr);
      if (!rows.ok()) {
        failure = rows.status();
        break;
      }
      moved += *rows;
    }
    // A lane that had nothing else is in no shard: they look through the campaign's again.
    if (moved > 0) {
      if (const absl::Status sent = campaigns_->Refilled(id); !sent.ok()) failure.Update(sent);
    }
    if (!failure.ok()) return failure;
    released.rows += moved;
  }
  return released;
}

}  // namespace sealift::engine
