#include "engine/lane_table.h"

#include <algorithm>
#include <utility>

#include "engine/log.h"
#include "engine/runtime/check.h"
#include "engine/runtime/pooled.h"
#include "engine/site.h"
#include "queue/retry_cursor.h"

namespace sealift::engine {
namespace {

constexpr int kPageLanes = 1024;
constexpr int kReadPacksMax = 64;                         // in one request to a reader
constexpr absl::Duration kReadAgain = absl::Seconds(30);  // after a failed read
constexpr absl::Duration kPassesApart = absl::Milliseconds(250);
constexpr absl::Duration kFullAgain = absl::Seconds(1);  // another shard may have room
constexpr absl::Duration kMakeRoomAfter = absl::Seconds(2);
// Longer than kFullAgain. Passes over many lanes are further apart: to read one costs a reader a microsecond.
constexpr absl::Duration kSoon = absl::Seconds(2), kSoonALane = absl::Microseconds(10);

uint32_t Number(queue::CampaignId id) { return static_cast<uint32_t>(id); }

bool HasFresh(const queue::LaneRecord& record) { return record.queued > record.retrying + record.in_doubt; }

// A lane that has no more rows than a pack holds is read at once, for they may be in several: each chunk of a load
// makes its own.
int PacksToAsk(const Lane& lane) {
  const bool small = lane.queued <= static_cast<int64_t>(queue::Pack::kRowsMax);
  const int all = static_cast<int>(std::clamp<int64_t>(lane.queued, 1, LaneTable::kPacksMax));
  return small ? std::max(all, lane.packs_next) : lane.packs_next;
}

// A row that is due then may lie where the lane does not look again. Only a lane that was read by a clock that ran
// ahead has such rows, and only until the clock is there again (queue/due_horizon.h).
bool IsBehind(const Lane& lane, absl::Time due, absl::Time now) {
  const absl::Time until = queue::ReadUntil(lane.retry_cursor);
  return due < until && now < until;
}

}  // namespace

void Lane::OnDue() { table.OnDue(*this); }

void LaneTable::Pager::OnTimer() {
  const bool within_pass = !done && !reading && !cursor.empty();
  if (within_pass) {
    table.NextPage(*this);
  } else {
    table.Run(campaign);
  }
}

LaneTable::LaneTable(ShardServices& services, Callbacks callbacks)
    : services_(services), callbacks_(std::move(callbacks)), room_timer_(Timer::Calling<&LaneTable::MakeRoom>(this)) {}

void LaneTable::Run(std::shared_ptr<ActiveCampaign> campaign) {
  std::unique_ptr<Pager>& pager = pagers_[Number(campaign->id)];
  if (pager == nullptr) pager = std::make_unique<Pager>(*this);
  pager->campaign = std::move(campaign);
  if (pager->reading || (!pager->done && !pager->cursor.empty())) {
    pager->again = true;
    return;
  }
  pager->cursor.clear();
  pager->done = false;
  pager->next_pass = absl::InfiniteFuture();
  NextPage(*pager);
}

bool LaneTable::IsTransactional(const ActiveCampaign& campaign) const {
  const StreamOptions* const stream = services_.options->FindStream(campaign.stream);
  return stream != nullptr && stream->kind == StreamKind::kTransactional;
}

bool LaneTable::HasRoom(const ActiveCampaign& campaign, size_t lanes) const {
  if (IsTransactional(campaign)) return transactional_ < kTransactionalMax;
  return lanes_.size() - transactional_ + lanes <= kLanesMax;
}

bool LaneTable::Crowded(bool transactional) const {
  return transactional ? transactional_ > kTransactionalMax / 2 : lanes_.size() - transactional_ > kWaitingMax;
}

absl::Duration LaneTable::Soon(const Pager& pager) {
  return std::min(kSoon + static_cast<int64_t>(pager.lanes) * kSoonALane, kAWhile);
}

void LaneTable::NextPage(Pager& pager) {
  if (pager.reading || pager.done || !pager.campaign->sending) return;
  // For a whole page: as many as stay here come from the pages of the others, who would find no room.
  if (!HasRoom(*pager.campaign, kPageLanes)) {
    page_waits_ = true;
    return MakeRoomSoon();
  }
  if (pager.next_page > services_.Now()) return services_.ArmAt(pager.timer, pager.next_page);
  pager.reading = true;
  const queue::CampaignId id = pager.campaign->id;
  services_.store.ReadLanes(
      id, pager.cursor, kPageLanes, services_.index, services_.shards,
      [this, post = services_.post, id](queue::LanesPage page) {
        post([this, id, page = std::move(page)]() mutable { OnPage(id, std::move(page)); });
      },
      queue::TurnOf(IsTransactional(*pager.campaign)));
}

void LaneTable::MakeRoomSoon() {
  if (!room_timer_.armed()) services_.ArmAt(room_timer_, services_.Now() + kMakeRoomAfter);
}

// What keeps a lane may have come after it did, and nothing of it happens then.
void LaneTable::MakeRoom() {
  std::vector<queue::LaneId> ids;
  ids.reserve(lanes_.size());
  for (const auto& [id, lane] : lanes_) ids.push_back(id);
  for (const queue::LaneId& id : ids) {
    if (Lane* const lane = Find(id); lane != nullptr) GivesWayToOthers(*lane);
  }
  if (page_waits_) MakeRoomSoon();
}

void LaneTable::LookAgain() {
  for (const auto& [id, pager] : pagers_) Run(pager->campaign);
}

void LaneTable::PassOver(Pager& pager, absl::Time due) {
  if (due >= pager.next_pass) return;
  pager.next_pass = due;
  if (pager.done) services_.ArmAt(pager.timer, std::max(due, services_.Now() + kPassesApart));
}

void LaneTable::OnPage(queue::CampaignId campaign, queue::LanesPage page) {
  const auto found = pagers_.find(Number(campaign));
  if (found == pagers_.end()) return;
  Pager& pager = *found->second;
  pager.reading = false;
  if (!pager.campaign->sending) {
    pager.cursor.clear();
    CheckStopped();
    return;
  }
  if (!page.status.ok()) {
    LogError("cannot read the lanes of a campaign",
             {{"campaign", pager.campaign->name}, {"why", std::string(page.status.message())}});
    pager.done = true;
    PassOver(pager, services_.Now() + kReadAgain);
    return;
  }
  const absl::Time now = services_.Now();
  for (const queue::LaneRecord& record : page.lanes) {
    if (Lane* const known = Find(record.lane); known != nullptr) {
      Compare(*known, record);
      continue;
    }
    if (record.queued <= record.in_doubt) continue;
    const LaneFacts facts{record.lane, pager.campaign->name, pager.campaign->stream, record.domain};
    if (services_.holds->OnLane(facts) != nullptr) continue;  // found again when the hold has ended
    if (const absl::Time again = lookups_.NotBefore(record.lane); again > now) {
      PassOver(pager, again);
      continue;
    }
    if (!HasFresh(record) && record.next_due > now + Soon(pager) &&
        (pager.crowded || Crowded(IsTransactional(*pager.campaign)))) {
      PassOver(pager, record.next_due);
      continue;
    }
    callbacks_.found(Create(record, pager.campaign));
  }
  pager.cursor = std::move(page.cursor);
  pager.lanes_read += page.lanes.size();
  pager.done = page.done;
  if (!pager.done) {
    NextPage(pager);
    return;
  }
  pager.cursor.clear();
  pager.lanes = std::exchange(pager.lanes_read, 0);
  if (pager.next_pass == absl::InfiniteFuture()) pager.crowded = false;
  if (std::exchange(pager.again, false)) {
    Run(pager.campaign);
  } else if (pager.next_pass != absl::InfiniteFuture()) {
    services_.ArmAt(pager.timer, std::max(pager.next_pass, now + kPassesApart));
  }
}

Lane& LaneTable::Create(const queue::LaneRecord& record, std::shared_ptr<ActiveCampaign> campaign) {
  std::unique_ptr<Lane>& entry = lanes_[record.lane];
  entry = std::make_unique<Lane>(*this);
  Lane& lane = *entry;
  lane.id = record.lane;
  lane.campaign = std::move(campaign);
  lane.domain = record.domain;
  lane.transactional = IsTransactional(*lane.campaign);
  if (lane.transactional) ++transactional_;
  lane.queued = static_cast<int64_t>(record.queued - std::min(record.queued, record.in_doubt));
  lane.retrying = static_cast<int64_t>(record.retrying);
  lane.sated = static_cast<int64_t>(record.sated);
  lookups_.Restore(lane);
  const LaneFacts facts = FactsOf(lane, nullptr);
  lane.hold = services_.holds->OnLane(facts);
  lane.holds_rows = services_.holds->OfRows(facts) != nullptr;
  ++lanes_of_[Number(lane.id.campaign)];
  lane.fresh = HasFresh(record);
  if (!lane.fresh && record.next_due > services_.Now()) {
    lane.more = false;
    lane.next_due = record.next_due;
    ArmDue(lane);
  }
  return lane;
}

Lane* LaneTable::Receive(const queue::LaneRecord& record, std::shared_ptr<ActiveCampaign> campaign) {
  if (HasRoom(*campaign, 1) || HomeOf(record.lane) == services_.index) return &Create(record, std::move(campaign));
  services_.send_home(HomeOf(record.lane), record.lane.campaign, services_.Now() + kFullAgain);
  MakeRoomSoon();
  return nullptr;
}

void LaneTable::TakeUp(const queue::LaneRecord& record, std::shared_ptr<ActiveCampaign> campaign) {
  const auto found = pagers_.find(Number(record.lane.campaign));
  if (found == pagers_.end() || !campaign->sending || Find(record.lane) != nullptr) return;
  const LaneFacts facts{record.lane, campaign->name, campaign->stream, record.domain};
  if (services_.holds->OnLane(facts) != nullptr) return;  // found again when the hold has ended
  if (const absl::Time again = lookups_.NotBefore(record.lane); again > services_.Now()) {
    return PassOver(*found->second, again);
  }
  if (HasRoom(*campaign, 1)) {
    callbacks_.found(Create(record, std::move(campaign)));
    return;
  }
  found->second->crowded = true;
  PassOver(*found->second, record.next_due);
}

void LaneTable::HandedBack(queue::CampaignId campaign, absl::Time when) {
  const auto found = pagers_.find(Number(campaign));
  if (found == pagers_.end()) return;  // it is not sent any more; when it is, every lane is found again
  Pager& pager = *found->second;
  pager.crowded = true;
  if (when <= services_.Now() + kFullAgain) pager.next_page = std::max(pager.next_page, when);
  PassOver(pager, when);
}

int LaneTable::HomeOf(const queue::LaneId& id) const {
  return static_cast<int>(static_cast<uint64_t>(id.destination) % static_cast<uint64_t>(services_.shards));
}

void LaneTable::Compare(Lane& lane, const queue::LaneRecord& record) {
  if (!HasFresh(record)) return;
  // They may all be claimed: the next read tells.
  lane.fresh = lane.more = true;
  if (lane.Idle()) lane.recount = true;
  Want(lane);
}

void LaneTable::OnDue(Lane& lane) {
  if (lane.reading) return;  // what it brings says when the lane is due
  const bool due = lane.next_due <= services_.Now();
  if (due) lane.more = true;
  if (lane.verdict.has_value()) {
    lane.verdict.reset();
    if (!due) ArmDue(lane);  // the look-up had the timer: what was deferred meanwhile has a time of its own
    callbacks_.found(lane);
    return;
  }
  if (!due) return ArmDue(lane);  // woken early
  Want(lane);
}

void LaneTable::OnClockSet() {
  for (const auto& [id, lane] : lanes_) {
    if (lane->due_timer.armed()) ArmDue(*lane);
  }
  for (const auto& [campaign, pager] : pagers_) {
    pager->next_page = std::min(pager->next_page, services_.Now() + kFullAgain);  // a pause, whatever the clock says
    if (pager->timer.armed()) services_.ArmAt(pager->timer, pager->done ? pager->next_pass : pager->next_page);
  }
}

void LaneTable::LookUpAt(Lane& lane, absl::Time when) {
  lane.lookup_at = when;
  ArmDue(lane);
}

void LaneTable::Reread(queue::CampaignId campaign) {
  std::vector<queue::LaneId> ids;
  for (const auto& [id, lane] : lanes_) {
    if (id.campaign == campaign) ids.push_back(id);
  }
  for (const queue::LaneId& id : ids) {
    Lane* const lane = Find(id);
    if (lane == nullptr) continue;
    lane->recount = true;
    if (!lane->Idle()) {
      Discard(*lane);
      MaybeForget(*lane);
    } else if (!lane->discarded) {
      Rewind(*lane);
      Want(*lane);
    }
  }
}

void LaneTable::GiveBack() {
  GiveBack([](const Lane& lane) { return !lane.Idle(); });
}

void LaneTable::GiveBack(const std::function<bool(Lane&)>& concerned) {
  std::vector<queue::LaneId> ids;
  for (const auto& [id, lane] : lanes_) {
    if (concerned(*lane)) ids.push_back(id);
  }
  for (const queue::LaneId& id : ids) {
    if (Lane* const lane = Find(id); lane != nullptr) GiveBack(*lane);
  }
}

void LaneTable::GiveBack(Lane& lane) {
  Discard(lane);
  MaybeForget(lane);
}

void LaneTable::HoldsChanged(const std::function<bool(Lane&)>& concerned) {
  GiveBack(concerned);
  LookAgain();  // lanes that were held are not here
}

queue::Mailing LaneTable::MailingOf(const Lane& lane) const {
  return {.campaign = lane.campaign->name,
          .stream = lane.campaign->stream,
          .transactional = IsTransactional(*lane.campaign),
          .sink = services_.options->delivery == Delivery::kSink};
}

void LaneTable::Rewind(Lane& lane) {
  lane.window.clear();
  lane.withheld.clear();
  lane.held.clear();
  lane.fresh_cursor.clear();
  lane.retry_cursor.clear();
  lane.fresh = lane.more = true;
}

Lane* LaneTable::Find(const queue::LaneId& id) {
  const auto found = lanes_.find(id);
  return found == lanes_.end() ? nullptr : found->second.get();
}

void LaneTable::Want(Lane& lane) {
  if (lane.discarded || lane.reading || lane.frozen) return MaybeForget(lane);
  if (GivesWayToOthers(lane)) return;
  if (!lane.more || lane.hold != nullptr) return MaybeForget(lane);
  // Nobody would take the rows before its site is known.
  if (lane.queue == nullptr && !lane.verdict.has_value()) return callbacks_.found(lane);
  if (lane.AwaitsLookUp() && !lane.recount) return;
  if (!lane.withheld.empty()) return;  // they go first: nothing else bounds them
  if (lane.window.size() <= static_cast<size_t>(lane.packs_next) * queue::Pack::kRowsMax / 2) {
    Read(lane, lane.fresh);
    lane.packs_next = std::min(lane.packs_next * 2, kPacksMax);
  } else if (lane.next_due <= services_.Now() && lane.window.size() <= kWindowMax) {
    Read(lane, /*fresh_too=*/false);  // a retry does not wait behind the fresh rows that are here already
  }
}

void LaneTable::Read(Lane& lane, bool fresh_too) {
  lane.reading = true;
  lane.reading_fresh = fresh_too;
  if (fresh_too) lane.fresh = false;  // what is loaded from here on says so again
  lane.next_due = absl::InfiniteFuture();
  queue::LaneRead read{.lane = lane.id,
                       .fresh = lane.fresh_cursor,
                       .retry = lane.retry_cursor,
                       .now = services_.Now(),
                       .packs_max = PacksToAsk(lane),
                       .fresh_too = fresh_too,
                       .count_rows = lane.recount,
                       .mailing = MailingOf(lane),
                       .sated_of = {}};
  const StreamOptions* const stream = services_.options->FindStream(lane.campaign->stream);
  if (stream != nullptr && !stream->recipient_cap.rate.unlimited()) {
    read.sated_of = stream->name;
    read.sated_since = read.now - stream->recipient_cap.rate.period;
    read.sated_by = static_cast<size_t>(stream->recipient_cap.rate.count);
  }
  (lane.transactional ? urgent_reads_ : reads_).push_back(std::move(read));
}

void LaneTable::FlushReads() {
  Flush(urgent_reads_, queue::ReadTurn::kFirst);
  Flush(reads_, queue::ReadTurn::kInOrder);
}

// In requests that take a reader about as long each, whether their lanes are many or large.
void LaneTable::Flush(std::vector<queue::LaneRead>& reads, queue::ReadTurn turn) {
  while (!reads.empty()) {
    std::vector<queue::LaneRead> batch;
    batch.reserve(std::min(reads.size(), size_t{kReadPacksMax}));
    for (int packs = 0; !reads.empty() && packs + reads.back().packs_max <= kReadPacksMax; reads.pop_back()) {
      packs += reads.back().packs_max;
      batch.push_back(std::move(reads.back()));
    }
    services_.store.ReadRows(
        std::move(batch),
        [this, post = services_.post](std::vector<queue::LaneWindow> windows) {
          post([this, windows = std::move(windows)]() mutable { OnWindows(std::move(windows)); });
        },
        turn);
  }
}

void LaneTable::OnWindows(std::vector<queue::LaneWindow> windows) {
  for (queue::LaneWindow& window : windows) {
    // A lane that is being read is never forgotten, so it is here.
    Lane& lane = *Find(window.lane);
    OnWindow(lane, std::move(window));
  }
}

void LaneTable::OnWindow(Lane& lane, queue::LaneWindow window) {
  lane.reading = false;
  const bool all_fresh = window.status.ok() && window.fresh_done;
  if (std::exchange(lane.reading_fresh, false) && !all_fresh) lane.fresh = true;
  if (!lane.campaign->sending) Discard(lane);
  if (lane.discarded) return MaybeForget(lane);
  if (lane.hold != nullptr) return GiveBack(lane);  // since its site is known
  if (!window.status.ok()) {
    LogError("cannot read rows of the queue",
             {{"campaign", lane.campaign->name}, {"why", std::string(window.status.message())}});
    lane.more = false;
    lane.next_due = std::min(lane.next_due, services_.Now() + kReadAgain);
    return ArmDue(lane);
  }
  if (std::exchange(lane.recount, false)) {
    lane.queued = static_cast<int64_t>(window.queued);
    lane.retrying = static_cast<int64_t>(window.retrying);
    lane.sated = static_cast<int64_t>(window.rows_sated);
  }
  lane.fresh_cursor = std::move(window.fresh);
  lane.retry_cursor = std::move(window.retry);
  lane.next_due = std::min(lane.next_due, window.next_due);
  if (IsBehind(lane, lane.next_due, services_.Now())) return GiveBack(lane);
  lane.more = lane.fresh || lane.next_due <= services_.Now();
  auto sated = window.sated.begin();  // in the order of the rows
  for (size_t pack = 0; pack < window.packs.size(); ++pack) {
    auto open = std::allocate_shared<OpenPack>(Pooled<OpenPack>());
    open->pack = std::move(window.packs[pack]);
    const size_t rows = open->pack->rows().size();
    const uint16_t suppressed = window.suppressed.empty() ? uint16_t{0} : window.suppressed[pack];
    for (size_t i = 0; i < rows; ++i) {
      Claim claim{.open = open, .index = static_cast<uint8_t>(i)};
      std::optional<absl::Time> sated_since;
      if (sated != window.sated.end() && sated->pack == pack && sated->row == i) sated_since = (sated++)->first;
      if ((suppressed >> i & 1) != 0) {
        lane.withheld.push_back({.claim = std::move(claim), .sated_since = std::nullopt});
      } else if (Keep(lane, claim)) {
        continue;
      } else if (sated_since.has_value()) {
        lane.withheld.push_back({.claim = std::move(claim), .sated_since = sated_since});
      } else {
        (claim.waited() ? retries_ : fresh_).push_back(std::move(claim));
      }
    }
  }
  lane.window.Add(std::move(retries_), std::move(fresh_));
  ArmDue(lane);
  if (GivesWayToOthers(lane)) return;
  if (!lane.window.empty() || !lane.withheld.empty()) {
    callbacks_.rows(lane);
  } else {
    Want(lane);
  }
}

bool LaneTable::Keep(Lane& lane, const Claim& claim) {
  if (!lane.holds_rows) return false;
  const LaneFacts facts = FactsOf(lane, lane.queue == nullptr ? nullptr : lane.queue->site);
  std::shared_ptr<const Hold> hold = services_.holds->OnRow(facts, FactsOf(claim), services_.Now());
  if (hold == nullptr) return false;
  auto held = std::ranges::find(lane.held, hold, &HeldRows::hold);
  if (held == lane.held.end()) held = lane.held.insert(held, {.hold = std::move(hold)});
  ++held->rows;
  held->retrying += claim.waited() ? 1 : 0;
  return true;
}

void LaneTable::DueAt(Lane& lane, absl::Time due) {
  if (IsBehind(lane, due, services_.Now())) return Discard(lane);
  if (due >= lane.next_due) return;
  lane.next_due = due;
  if (!lane.reading) ArmDue(lane);
}

void LaneTable::ArmDue(Lane& lane) {
  // Until it has been asked again, the timer of a domain that could not be resolved is the look-up's.
  const absl::Time when = lane.AwaitsLookUp() ? lane.lookup_at : lane.next_due;
  if (when != absl::InfiniteFuture()) services_.ArmAt(lane.due_timer, when);
}

void LaneTable::MakeDue(const queue::LaneRecord& record, std::shared_ptr<ActiveCampaign> campaign, absl::Time due,
                        std::function<void(absl::StatusOr<uint64_t>)> done) {
  Lane* const known = Find(record.lane);
  Lane& lane = known != nullptr ? *known : Create(record, std::move(campaign));
  // What lies before the cursor is claimed; nothing is read until the rest has its new place, so no row is read twice.
  lane.frozen = true;
  if (known == nullptr) callbacks_.found(lane);
  services_.store.MoveDue(
      lane.id, lane.retry_cursor, due,
      [this, id = lane.id, due, post = services_.post, done = std::move(done)](absl::StatusOr<uint64_t> rows) mutable {
        post([this, id, due, rows = std::move(rows), done = std::move(done)]() {
          if (Lane* moved = Find(id); moved != nullptr) {
            moved->frozen = false;
            if (rows.ok() && *rows > 0) DueAt(*moved, due);
            if (moved->queue == nullptr && !moved->verdict.has_value()) {
              callbacks_.found(*moved);
            } else {
              Want(*moved);
            }
          }
          done(rows);
        });
      });
}

void LaneTable::Discard(Lane& lane) {
  if (lane.discarded) return;
  lane.discarded = true;
  lane.window.clear();
  lane.withheld.clear();
  lane.held.clear();
  services_.ring.timers().Disarm(lane.due_timer);
  callbacks_.emptied(lane);
}

void LaneTable::MaybeForget(Lane& lane) {
  if (!lane.Idle()) return;
  if (lane.discarded) {
    if (!lane.campaign->sending) return Forget(lane);
    // It is sent all the same: resumed meanwhile, or only to be judged again.
    lane.discarded = false;
    Rewind(lane);
    callbacks_.rewound(lane);
    if (lane.AwaitsLookUp()) ArmDue(lane);
    return Want(lane);
  }
  // What a hold keeps is found again when it has ended. Who is held by its provider stays, to be counted, while there
  // is room.
  const bool room = lanes_.size() <= kLanesMax / 2;
  if (lane.hold != nullptr) {
    if (!room || !lane.hold->filter.provider.has_value()) Forget(lane);
    return;
  }
  if (lane.more || (!lane.held.empty() && room)) return;
  if (lane.next_due == absl::InfiniteFuture()) return Forget(lane);
  if (!Crowded(lane.transactional)) return;
  const auto pager = pagers_.find(Number(lane.id.campaign));
  const absl::Duration soon = pager == pagers_.end() ? kAWhile : Soon(*pager->second);
  if (lane.next_due > services_.Now() + soon) GiveWay(lane, lane.next_due);
}

bool LaneTable::GiveWay(Lane& lane, absl::Time until) {
  const queue::CampaignId campaign = lane.id.campaign;
  if (HomeOf(lane.id) != services_.index) {
    services_.send_home(HomeOf(lane.id), campaign, until);
  } else if (const auto pager = pagers_.find(Number(campaign)); pager != pagers_.end()) {
    if (lane.AwaitsLookUp()) lookups_.Keep(lane, services_.Now());
    PassOver(*pager->second, until);
  } else {
    return false;
  }
  Discard(lane);
  Forget(lane);
  return true;
}

bool LaneTable::GivesWayToOthers(Lane& lane) {
  if (!Crowded(lane.transactional) || lane.hold != nullptr || lane.discarded) return false;
  if (!lane.withheld.empty() || lane.ahead > 0 || lane.unsettled > 0 || lane.reading || lane.frozen) return false;
  if (lane.queue == nullptr && !lane.AwaitsLookUp()) return false;
  const absl::Time until = lane.AwaitsLookUp() ? lane.lookup_at : callbacks_.blocked_until(lane);
  return until > services_.Now() + kAWhile && GiveWay(lane, until);
}

void LaneTable::Forget(Lane& lane) {
  callbacks_.forgotten(lane);
  services_.ring.timers().Disarm(lane.due_timer);
  const queue::CampaignId campaign = lane.id.campaign;
  if (lane.transactional) --transactional_;
  lanes_.erase(queue::LaneId(lane.id));
  if (--lanes_of_[Number(campaign)] == 0) lanes_of_.erase(Number(campaign));
  CheckStopped();
  if (std::exchange(page_waits_, false)) {
    for (auto& [id, waiting] : pagers_) NextPage(*waiting);
  }
}

void LaneTable::GiveAway(Lane& lane) {
  CHECK(lane.Idle(), "a lane that goes to another shard has claimed nothing here");
  Forget(lane);
}

void LaneTable::Stop(queue::CampaignId campaign, std::function<void()> done) {
  stopping_.push_back({.campaign = campaign, .done = std::move(done)});
  std::vector<queue::LaneId> ids;
  for (const auto& [id, lane] : lanes_) {
    if (id.campaign == campaign) ids.push_back(id);
  }
  for (const queue::LaneId& id : ids) {
    if (Lane* lane = Find(id); lane != nullptr) {
      Discard(*lane);
      MaybeForget(*lane);
    }
  }
  CheckStopped();
}

void LaneTable::CheckStopped() {
  for (size_t i = 0; i < stopping_.size();) {
    const uint32_t campaign = Number(stopping_[i].campaign);
    const auto pager = pagers_.find(campaign);
    const bool reading = pager != pagers_.end() && pager->second->reading;
    if (reading || lanes_of_.contains(campaign)) {
      ++i;
      continue;
    }
    if (pager != pagers_.end() && !pager->second->campaign->sending) {
      services_.ring.timers().Disarm(pager->second->timer);
      pagers_.erase(pager);
      lookups_.Forget(stopping_[i].campaign);
    }
    const std::function<void()> done = std::move(stopping_[i].done);
    stopping_.erase(stopping_.begin() + static_cast<std::ptrdiff_t>(i));
    done();
  }
}

void LaneTable::ForEach(const std::function<void(Lane&)>& visit) {
  for (const auto& [id, lane] : lanes_) visit(*lane);
}

}  // namespace sealift::engine
