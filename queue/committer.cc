#include "queue/committer.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "queue/damage.h"
#include "queue/event_log.h"
#include "queue/keys.h"
#include "queue/order_book.h"
#include "queue/rocks.h"
#include "queue/row_search.h"
#include "queue/store.h"
#include "queue/wire.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

using Clock = std::chrono::steady_clock;

// While the file system is full.
constexpr std::chrono::milliseconds kLookAgain(250);

// So many outcomes are worth a commit of their own without waiting for company.
constexpr size_t kBatchOutcomes = 512;

}  // namespace

absl::Status CommitContext::Open() {
  const absl::StatusOr<absl::Time> newest = NewestBlockTime(database);
  if (!newest.ok()) return newest.status();
  newest_block = *newest;
  std::string value;
  const auto found = database->get()->Get({}, ToSlice(kSequenceKey), &value);
  if (found.IsNotFound()) return absl::OkStatus();
  if (!found.ok()) return FromRocks(found, "read the number of its newest commit");
  WireReader in(value);
  sequence_ = in.ReadFixed64();
  return in.done() ? absl::OkStatus() : Damage("the number of the queue's newest commit is cut short");
}

absl::Status CommitContext::Write(rocksdb::WriteBatch* batch) {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  if (failure->final()) return failure->status();
  absl::Status status = FromRocks(database->get()->Write(synced, batch), "commit");
  if (!status.ok()) failure->Note(status);
  return status;
}

absl::Status CommitContext::Settle(std::span<const Outcome> outcomes, std::span<const Intent> intents, uint64_t* bytes,
                                   const Order* order) {
  rocksdb::WriteBatch batch;
  absl::Status status = batch_.Build(outcomes, intents, NextSequence(), &batch);
  if (status.ok() && order != nullptr) status = AddOrder(database, &sealer, *order, &batch);
  if (absl::Status committed = Commit(status, &batch); !committed.ok()) return committed;
  if (bytes != nullptr) *bytes = batch.GetDataSize();
  const std::vector<Outcome> moved = batch_.TakeMoved();
  return moved.empty() ? absl::OkStatus() : SettleMoved(moved);
}

absl::Status CommitContext::SettleMoved(const std::vector<Outcome>& moved) {
  const auto message_of = [](const Outcome& outcome) {
    return MessageKey{outcome.pack->lane(), outcome.pack->rows()[outcome.index].id};
  };
  std::map<LaneId, std::set<RowId>> wanted;
  for (const Outcome& outcome : moved) wanted[outcome.pack->lane()].insert(message_of(outcome).row);
  RowSearch search(database, &unsealer);
  std::map<MessageKey, RowPlace> places;
  for (const auto& [lane, rows] : wanted) {
    if (absl::Status status = search.Retrying(lane, rows, &places); !status.ok()) {
      failure->Note(status);
      return status;
    }
  }
  std::map<CampaignId, std::vector<Outcome>> queued;
  std::vector<Outcome> settled;  // as the same, or past their retention
  for (const Outcome& outcome : moved) {
    const auto place = places.extract(message_of(outcome));
    if (place.empty()) {
      settled.push_back(outcome);
      continue;
    }
    Outcome& there = queued[outcome.pack->lane().campaign].emplace_back(outcome);
    there.pack = place.mapped().pack;
    there.index = place.mapped().index;
  }
  for (const auto& [campaign, outcomes] : queued) {
    if (absl::Status status = SettleAside(campaign, outcomes); !status.ok()) return status;
  }
  return settled.empty() ? absl::OkStatus() : CommitLate(settled, /*delivered=*/false);
}

absl::Status CommitContext::SettleLate(std::span<const Outcome> outcomes, bool delivered) {
  if (absl::Status status = failure->status(); !status.ok()) return status;
  return CommitLate(outcomes, delivered);
}

absl::Status CommitContext::CommitLate(std::span<const Outcome> outcomes, bool delivered) {
  rocksdb::WriteBatch batch;
  const absl::Status built = batch_.BuildLate(outcomes, delivered, NextSequence(), &batch);
  return Commit(built, &batch);
}

absl::Status CommitContext::Commit(const absl::Status& built, rocksdb::WriteBatch* batch) {
  if (!built.ok()) {
    failure->Note(built);
    return built;
  }
  if (absl::Status written = Write(batch); !written.ok()) return written;
  batch_.Settled();
  horizon->Publish();
  if (!batch_.news().empty() && callbacks_.on_suppressions) callbacks_.on_suppressions(batch_.news());
  return absl::OkStatus();
}

absl::Status CommitContext::SettleAside(CampaignId campaign, std::span<const Outcome> outcomes, const Order* order) {
  for (const Outcome& outcome : outcomes) outcome.pack->set_epoch(epoch->Current());
  if (absl::Status status = Settle(outcomes, {}, nullptr, order); !status.ok()) return status;
  const absl::StatusOr<Tally*> tally = tallies.Of(campaign);
  if (!tally.ok()) return tally.status();
  (*tally)->overtaken = epoch->Advance();
  return absl::OkStatus();
}

absl::Status CommitContext::Probe() {
  std::string number;
  PutFixed64(sequence_, &number);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return FromRocks(database->get()->Put(synced, ToSlice(kSequenceKey), ToSlice(number)), "commit");
}

Committer::Committer(Database* database, KeyRing* ring, const CampaignTable* campaigns, SuppressionList* suppressions,
                     DueHorizon* horizon, ClaimEpoch* epoch, Failure* failure, Options options)
    : options_(std::move(options)),
      failure_(failure),
      context_(database, ring, campaigns, suppressions, horizon, epoch, failure,
               {.on_suppressions = options_.on_suppressions}),
      inboxes_(static_cast<size_t>(options_.shards)) {
  failure_->OnFull([this] {
    {
      const std::lock_guard lock(mutex_);
    }  // whoever is about to wait has seen it, or waits
    wake_.notify_all();
  });
}

Committer::~Committer() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  context_.database->room().End();
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

absl::Status Committer::Start(CampaignTable* campaigns, const KeyFieldOf& key_field) {
  if (absl::Status status = context_.Open(); !status.ok()) return status;
  if (absl::Status status = HoldInDoubt(context_, campaigns, key_field, absl::Now()); !status.ok()) return status;
  context_.database->room().Begin();
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

bool Committer::Settle(int shard, uint64_t last, std::vector<Outcome>& batch, std::vector<Intent>& intents) {
  if (failure_->final()) return false;
  {
    const std::lock_guard lock(mutex_);
    Inbox& inbox = inboxes_[static_cast<size_t>(shard)];
    // A batch larger than the inbox must still get in at some time.
    if (!inbox.outcomes.empty() && inbox.outcomes.size() + batch.size() > options_.inbox_outcomes_max) return false;
    waiting_ += batch.size();
    if (inbox.outcomes.empty()) {
      inbox.outcomes.swap(batch);
    } else {
      std::move(batch.begin(), batch.end(), std::back_inserter(inbox.outcomes));
    }
    batch.clear();
    std::move(intents.begin(), intents.end(), std::back_inserter(inbox.intents));
    intents.clear();
    inbox.last = last;
    inbox.touched = true;
  }
  wake_.notify_one();
  return true;
}

void Committer::Do(std::move_only_function<void(CommitContext&)> work) {
  {
    const std::lock_guard lock(mutex_);
    works_.push_back(std::move(work));
  }
  wake_.notify_one();
}

Committer::Stats Committer::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

bool Committer::Take(Taken* taken) {
  std::unique_lock lock(mutex_);
  const auto something = [this] {
    return stop_ || !works_.empty() ||
           std::any_of(inboxes_.begin(), inboxes_.end(), [](const Inbox& inbox) { return inbox.touched; });
  };
  if (failure_->full()) {
    wake_.wait_for(lock, kLookAgain, something);
  } else {
    wake_.wait(lock, [&] { return something() || failure_->full(); });
  }
  // A sync costs the same for one outcome as for hundreds, and nobody waits for it: let some gather.
  if (options_.interval > absl::ZeroDuration()) {
    wake_.wait_for(lock, absl::ToChronoNanoseconds(options_.interval),
                   [this] { return stop_ || !works_.empty() || waiting_ >= kBatchOutcomes; });
  }
  for (size_t shard = 0; shard < inboxes_.size(); ++shard) {
    Inbox& inbox = inboxes_[shard];
    if (!inbox.touched) continue;
    taken->numbers.emplace_back(static_cast<int>(shard), inbox.last);
    const auto take = [](auto& from, auto& to) {
      if (to.empty()) {
        to.swap(from);
      } else {
        std::move(from.begin(), from.end(), std::back_inserter(to));
      }
      from.clear();
    };
    take(inbox.outcomes, taken->outcomes);
    take(inbox.intents, taken->intents);
    inbox.touched = false;
  }
  waiting_ = 0;
  taken->works.swap(works_);
  return !(stop_ && taken->numbers.empty() && taken->works.empty());
}

void Committer::Run() {
  BeginThread("committer");
  Taken taken;
  while (Take(&taken)) {
    if (!taken.numbers.empty() && !failure_->final()) Commit(taken);
    for (auto& work : taken.works) work(context_);
    if (failure_->full()) GoOn();
    taken.outcomes.clear();
    taken.intents.clear();
    taken.numbers.clear();
    taken.works.clear();
  }
}

void Committer::Commit(const Taken& taken) {
  if (!taken.outcomes.empty() || !taken.intents.empty()) {
    const Clock::time_point begin = Clock::now();
    uint64_t bytes = 0;
    if (!context_.Settle(taken.outcomes, taken.intents, &bytes).ok()) return;
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const std::lock_guard lock(mutex_);
    ++stats_.commits;
    stats_.rows += taken.outcomes.size();
    stats_.bytes += bytes;
    stats_.seconds_sum += seconds;
    const auto& bounds = StoreStats::kSecondsBounds;
    ++stats_.seconds_buckets[static_cast<size_t>(std::lower_bound(bounds.begin(), bounds.end(), seconds) -
                                                 bounds.begin())];
  }
  for (const auto& [shard, last] : taken.numbers) {
    if (options_.on_durable) options_.on_durable(shard, last);
  }
}

// The end of a stop: all that waited for room has found it, there is room for the reserve, and a write becomes durable.
void Committer::GoOn() {
  if (context_.database->room().waits()) return;
  absl::Status status = context_.database->reserve().Take();
  if (status.ok()) status = context_.Probe();
  if (!status.ok()) return failure_->Note(status);
  // Whoever found no room meanwhile, the probe itself perhaps, was given the reserve.
  if (context_.database->reserve().held() && !context_.database->room().waits()) failure_->Clear();
}

}  // namespace sealift::queue
