#include "queue/store.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <utility>

#include "fmt/format.h"
#include "queue/beside.h"
#include "queue/bodies.h"
#include "queue/campaign_table.h"
#include "queue/cancellation.h"
#include "queue/claim_epoch.h"
#include "queue/committer.h"
#include "queue/damage.h"
#include "queue/database.h"
#include "queue/due_horizon.h"
#include "queue/due_move.h"
#include "queue/event_log.h"
#include "queue/expiries.h"
#include "queue/failure.h"
#include "queue/key_ring.h"
#include "queue/keys.h"
#include "queue/load_context.h"
#include "queue/lookups.h"
#include "queue/message_id.h"
#include "queue/notes.h"
#include "queue/order_book.h"
#include "queue/readers.h"
#include "queue/reading.h"
#include "queue/received.h"
#include "queue/reconciliation.h"
#include "queue/retention.h"
#include "queue/rocks.h"
#include "queue/roll.h"
#include "queue/row_mover.h"
#include "queue/row_sweep.h"
#include "queue/suppression_list.h"
#include "queue/wire.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {

// In the order in which they need each other; destroyed in the other.
struct Store::Parts {
  explicit Parts(Options from) : options(std::move(from)), failure(options.on_failure) {}

  // Whoever changes something waits for a disk that has stopped writes, but not without an end.
  absl::Status AwaitWrites() const {
    if (failure.stopped()) return failure.status();
    return database->AwaitEndOfStall(options.stall_patience, Stall::kSlowed);
  }

  // What was erased, and what earlier keys have wrapped, on the disk too. A checkpoint that a backup is made from now
  // goes when that ends.
  absl::Status MakeUnreadable() {
    if (absl::Status status = ScrubKeys(database.get()); !status.ok()) return status;
    if (const std::unique_lock lock(backup, std::try_to_lock); lock.owns_lock()) {
      if (absl::Status status = database->RemoveCheckpoint(); !status.ok()) return status;
    }
    return ring->Scrubbed();
  }

  // Readers tell of what they could not read, whose rows wait.
  template <typename T>
  absl::StatusOr<T> Noted(absl::StatusOr<T> read) {
    NoteDamage(read.status());
    return read;
  }
  void NoteDamage(const absl::Status& status) {
    if (!absl::IsDataLoss(status)) return;
    const std::lock_guard lock(damage_mutex);
    if (damage.ok()) damage = status;
  }

  const Options options;
  Failure failure;
  std::mutex damage_mutex;
  absl::Status damage;  // the first that was found
  DueHorizon horizon;
  ClaimEpoch epoch;
  Expiries expiries;
  std::atomic<uint64_t> loaded_rows = 0;
  std::unique_ptr<Database> database;
  std::unique_ptr<KeyRing> ring;
  std::unique_ptr<CampaignTable> campaigns;
  std::unique_ptr<SuppressionList> suppressions;
  std::unique_ptr<Committer> committer;
  std::unique_ptr<Readers> readers;
  std::optional<Restored> restored;    // as it was opened
  std::atomic<bool> released = false;  // since
  std::mutex backup;                   // held while one is made
  std::mutex erasure;                  // held while a key is forgotten and made unreadable
  std::mutex late_bounces;             // held while one is settled
};

Store::Store(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Store::~Store() {
  if (parts_->failure.full()) GiveUpOnRoom();
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(Options options) {
  auto parts = std::make_unique<Parts>(std::move(options));
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open({.path = parts->options.path,
                                                                       .memory_bytes = parts->options.memory_bytes,
                                                                       .reserve_bytes = parts->options.reserve_bytes,
                                                                       .file_system = parts->options.file_system,
                                                                       .failure = &parts->failure});
  if (!database.ok()) return database.status();
  parts->database = *std::move(database);

  absl::StatusOr<std::unique_ptr<KeyRing>> ring =
      KeyRing::Open(parts->database->get(), Secret(parts->options.kek), absl::Now());
  if (!ring.ok()) return ring.status();
  parts->ring = *std::move(ring);

  if (parts->ring->scrub()) {
    if (absl::Status status = parts->MakeUnreadable(); !status.ok()) return status;
  }
  absl::StatusOr<std::optional<Restored>> restored = ReadRestored(parts->database->get());
  if (!restored.ok()) return restored.status();
  parts->restored = *restored;

  parts->campaigns = std::make_unique<CampaignTable>(parts->database.get(), parts->ring.get(), &parts->failure);
  if (absl::Status status = parts->campaigns->Open(); !status.ok()) return status;

  parts->suppressions = std::make_unique<SuppressionList>(parts->database.get(), parts->ring.get());
  if (absl::Status status = parts->suppressions->Open(); !status.ok()) return status;

  const int threads = std::max(parts->options.readers, 1);
  const auto about_rolls = parts->database->is_oldest() ? MakeRolls : CheckRolls;
  std::future<absl::Status> about_lanes = Beside([&] { return CheckLanes(parts->database.get()); });
  const absl::Status rolls =
      about_rolls(parts->database.get(), parts->ring.get(), *parts->campaigns, &parts->expiries, threads);
  const absl::Status lanes = about_lanes.get();
  if (!rolls.ok()) return rolls;
  if (!lanes.ok()) return lanes;

  Committer::Options committing{.shards = parts->options.shards,
                                .inbox_outcomes_max = parts->options.inbox_outcomes_max,
                                .interval = parts->options.commit_interval,
                                .on_durable = parts->options.on_durable,
                                .on_suppressions = parts->options.on_suppressions};
  parts->committer = std::make_unique<Committer>(parts->database.get(), parts->ring.get(), parts->campaigns.get(),
                                                 parts->suppressions.get(), &parts->horizon, &parts->epoch,
                                                 &parts->failure, std::move(committing));
  if (absl::Status status = parts->committer->Start(parts->campaigns.get(), parts->options.key_field); !status.ok()) {
    return status;
  }
  if (absl::Status status = parts->database->reserve().Take(); absl::IsResourceExhausted(status)) {
    parts->failure.Note(status);  // what is there can be looked at; nothing is accepted or sent before there is room
  } else if (!status.ok()) {
    return status;
  }
  parts->readers = std::make_unique<Readers>(parts->ring.get(), parts->options.readers);
  return std::unique_ptr<Store>(new Store(std::move(parts)));
}

bool Store::Settle(int shard, uint64_t last, std::vector<Outcome>& batch, std::vector<Intent>& intents) {
  return parts_->committer->Settle(shard, last, batch, intents);
}

absl::Status Store::failure() const { return parts_->failure.status(); }

void Store::GiveUpOnRoom() { parts_->database->room().End(); }

absl::Status Store::damage() const {
  {
    const std::lock_guard lock(parts_->damage_mutex);
    if (!parts_->damage.ok()) return parts_->damage;
  }
  // What RocksDB's own threads could not read has stopped the queue.
  absl::Status stopped = parts_->failure.status();
  return absl::IsDataLoss(stopped) ? stopped : absl::OkStatus();
}

bool Store::writable() const { return !parts_->failure.stopped(); }

absl::Time Store::RoundDue(absl::Time due, absl::Time from) { return queue::RoundDue(due, from); }

void Store::ReadRows(std::vector<LaneRead> reads, std::move_only_function<void(std::vector<LaneWindow>)> done,
                     ReadTurn turn) {
  parts_->readers->Do(
      [parts = parts_.get(), reads = std::move(reads), done = std::move(done)](Unsealer& unsealer) mutable {
        std::vector<LaneWindow> windows = ReadWindows(parts->database.get(), &parts->horizon, parts->epoch,
                                                      *parts->suppressions, *parts->ring, &unsealer, reads);
        for (const LaneWindow& window : windows) parts->NoteDamage(window.status);
        done(std::move(windows));
      },
      turn);
}

void Store::ReadLanes(CampaignId campaign, std::string cursor, int max, int shard, int shards,
                      std::move_only_function<void(LanesPage)> done, ReadTurn turn) {
  parts_->readers->Do(
      [=, parts = parts_.get(), cursor = std::move(cursor), done = std::move(done)](Unsealer& unsealer) mutable {
        LanesPage page = ReadLanesPage(parts->database.get(), &unsealer, campaign, cursor, max, shard, shards);
        parts->NoteDamage(page.status);
        done(std::move(page));
      },
      turn);
}

void Store::ReadPiece(CampaignId campaign, BodyId body, uint32_t piece,
                      std::move_only_function<void(absl::StatusOr<std::string>)> done, ReadTurn turn) {
  parts_->readers->Do(
      [=, parts = parts_.get(), done = std::move(done)](Unsealer& unsealer) mutable {
        done(parts->Noted(ReadBodyPiece(parts->database.get(), &unsealer, campaign, body, piece)));
      },
      turn);
}

void Store::ReadReceived(std::string stream, std::string recipient, absl::Time since, size_t max,
                         std::move_only_function<void(absl::StatusOr<std::vector<absl::Time>>)> done, ReadTurn turn) {
  parts_->readers->Do(
      [parts = parts_.get(), stream = std::move(stream), recipient = std::move(recipient), since, max,
       done = std::move(done)](Unsealer&) mutable {
        std::string scratch;
        const AddressHash of = HashName(*parts->ring, stream, &scratch);
        done(Receipts(parts->database.get()).Of(of, HashAddress(*parts->ring, recipient, &scratch), since, max));
      },
      turn);
}

absl::StatusOr<std::string> Store::ReadPiece(CampaignId campaign, BodyId body, uint32_t piece) {
  Unsealer unsealer(parts_->ring.get());
  return parts_->Noted(ReadBodyPiece(parts_->database.get(), &unsealer, campaign, body, piece));
}

void Store::MoveDue(LaneId lane, std::string_view after, absl::Time due,
                    std::move_only_function<void(absl::StatusOr<uint64_t> rows)> done) {
  DueMove::Start(parts_->committer.get(), lane, after, due, std::move(done));
}

absl::StatusOr<Campaign> Store::CreateCampaign(CampaignSpec spec, absl::Time now) {
  absl::Status stalled = parts_->database->AwaitEndOfStall(parts_->options.stall_patience);
  if (!stalled.ok()) return stalled;
  return parts_->campaigns->Create(std::move(spec), now);
}

absl::StatusOr<Campaign> Store::AdoptCampaign(CampaignId id, CampaignSpec spec, absl::Time now) {
  const absl::StatusOr<Campaign> created = parts_->campaigns->Create(std::move(spec), now, id);
  if (!created.ok()) return created.status();
  if (absl::Status cancelled = Cancel(id, /*erase=*/false, now).status(); !cancelled.ok()) return cancelled;
  return GetCampaign(id);
}

absl::StatusOr<Campaign> Store::FindCampaign(std::string_view name) {
  const absl::StatusOr<CampaignId> id = parts_->campaigns->Find(name);
  if (!id.ok()) return id.status();
  return GetCampaign(*id);
}

absl::StatusOr<Campaign> Store::GetCampaign(CampaignId id) { return parts_->Noted(parts_->campaigns->Get(id)); }

absl::StatusOr<std::vector<Campaign>> Store::ListCampaigns() { return parts_->Noted(parts_->campaigns->List()); }

absl::Status Store::SetEnded(CampaignId id, absl::Time ended) { return parts_->campaigns->SetEnded(id, ended); }

absl::Status Store::SetState(CampaignId id, CampaignState state, absl::Time now) {
  if (state == CampaignState::kCancelled) {
    return absl::InvalidArgumentError("a campaign is cancelled by Cancel, which also settles its rows");
  }
  if (absl::Status stopped = parts_->AwaitWrites(); !stopped.ok()) return stopped;
  return parts_->campaigns->SetState(id, state, now);
}

absl::StatusOr<Counters> Store::Cancel(CampaignId id, bool erase, absl::Time now) {
  if (absl::Status stopped = parts_->AwaitWrites(); !stopped.ok()) return stopped;
  absl::StatusOr<std::shared_ptr<CampaignGate>> gate = parts_->campaigns->Gate(id);
  if (!gate.ok()) return gate.status();
  std::promise<absl::StatusOr<Counters>> cancelled;
  {
    const std::lock_guard lock((*gate)->mutex);
    const std::unique_lock erasing = erase ? std::unique_lock(parts_->erasure) : std::unique_lock<std::mutex>();
    parts_->committer->Do([&](CommitContext& context) {
      cancelled.set_value(CancelCampaign(context, parts_->campaigns.get(), id, erase, now));
    });
    absl::StatusOr<Counters> counters = cancelled.get_future().get();
    if (!counters.ok()) return counters;
    (*gate)->cancelled = true;
    if (!erase) return counters;
    if (absl::Status status = parts_->MakeUnreadable(); !status.ok()) return status;
    if (absl::Status status = DropBodyFiles(parts_->database.get(), id); !status.ok()) return status;
    return counters;
  }
}

absl::StatusOr<ParkedSome> Store::ParkCancelled(CampaignId id, std::string_view after) {
  std::promise<absl::StatusOr<ParkedSome>> parked;
  parts_->committer->Do([&](CommitContext& context) {
    parked.set_value(queue::ParkCancelled(context, parts_->campaigns.get(), id, after));
  });
  return parts_->Noted(parked.get_future().get());
}

absl::Status Store::Reopen(CampaignId id, absl::Time cancelled, absl::Time now) {
  if (absl::Status stopped = parts_->AwaitWrites(); !stopped.ok()) return stopped;
  const absl::StatusOr<std::shared_ptr<CampaignGate>> gate = parts_->campaigns->Gate(id);
  if (!gate.ok()) return gate.status();
  const std::lock_guard lock((*gate)->mutex);
  std::promise<absl::Status> reopened;
  parts_->committer->Do([&](CommitContext& context) {
    reopened.set_value(ReopenCampaign(context, parts_->campaigns.get(), id, cancelled, now));
  });
  const absl::Status status = reopened.get_future().get();
  parts_->NoteDamage(status);
  if (status.ok()) (*gate)->cancelled = false;
  return status;
}

absl::StatusOr<std::unique_ptr<Load>> Store::BeginLoad(CampaignId id, absl::Time now, bool transactional) {
  absl::StatusOr<std::shared_ptr<CampaignGate>> gate = parts_->campaigns->Gate(id);
  if (!gate.ok()) return gate.status();
  if (!parts_->campaigns->BeginLoading(gate->get())) {
    return absl::FailedPreconditionError("this campaign is being loaded already: wait for that load to end");
  }
  absl::StatusOr<Campaign> campaign = parts_->campaigns->Get(id);
  if (campaign.ok() && campaign->state == CampaignState::kCancelled) {
    campaign = absl::FailedPreconditionError("this campaign is cancelled: load it under another name");
  }
  if (!campaign.ok()) {
    parts_->campaigns->EndLoading(gate->get());
    return campaign.status();
  }
  Roll roll;
  if (absl::Status status = parts_->campaigns->ReadCounts(nullptr, &*campaign, &roll); !status.ok()) {
    parts_->campaigns->EndLoading(gate->get());
    return status;
  }
  const absl::Duration expires_in = campaign->spec.expires_in;
  Mailing mailing{.campaign = campaign->spec.name,
                  .stream = campaign->spec.stream,
                  .transactional = transactional,
                  .sink = campaign->spec.mode == "sink"};
  auto context = std::unique_ptr<LoadContext>(new LoadContext{.database = parts_->database.get(),
                                                              .ring = parts_->ring.get(),
                                                              .campaigns = parts_->campaigns.get(),
                                                              .suppressions = parts_->suppressions.get(),
                                                              .failure = &parts_->failure,
                                                              .expiries = &parts_->expiries,
                                                              .loaded_rows = &parts_->loaded_rows,
                                                              .gate = *std::move(gate),
                                                              .campaign = *std::move(campaign),
                                                              .roll = roll.loaded,
                                                              .mailing = std::move(mailing),
                                                              .accepted = now,
                                                              .expires = now + expires_in,
                                                              .stall_patience = parts_->options.stall_patience,
                                                              .pieces = Sealer(parts_->ring.get()),
                                                              .sealer = Sealer(parts_->ring.get()),
                                                              .unsealer = Unsealer(parts_->ring.get())});
  return std::unique_ptr<Load>(new Load(std::move(context)));
}

absl::StatusOr<uint64_t> Store::SweepRows(CampaignId campaign, std::optional<DestinationId> destination,
                                          const RowJudge& judge, const std::atomic<bool>* stop) {
  const absl::StatusOr<Swept> swept = parts_->Noted(queue::SweepRows(
      parts_->database.get(), parts_->ring.get(), parts_->committer.get(), campaign, destination, judge, stop));
  if (!swept.ok()) return swept.status();
  return swept->rows;
}

absl::StatusOr<LateBounce> Store::SettleLateBounce(const MessageKey& message, Outcome outcome) {
  const std::lock_guard lock(parts_->late_bounces);
  return queue::SettleLateBounce(parts_->database.get(), parts_->ring.get(), parts_->campaigns.get(),
                                 parts_->committer.get(), message, std::move(outcome));
}

std::vector<CampaignId> Store::Expiring(absl::Time now) const { return parts_->expiries.Until(now); }

absl::StatusOr<uint64_t> Store::Expire(CampaignId campaign, absl::Time now,
                                       const std::function<Outcome(const Pack&, const Row&)>& outcome,
                                       const std::atomic<bool>* stop) {
  parts_->expiries.Take(campaign);
  const absl::StatusOr<Campaign> head = parts_->campaigns->Head(campaign);
  if (!head.ok()) return head.status();
  if (head->state == CampaignState::kCancelled) return uint64_t{0};
  absl::Time next = absl::InfiniteFuture();
  const RowJudge judge = [&](const Pack& pack, const Row& row) -> std::optional<Outcome> {
    if (pack.expires() <= now) return outcome(pack, row);
    next = std::min(next, pack.expires());
    return std::nullopt;
  };
  const absl::StatusOr<Swept> expired = parts_->Noted(queue::SweepRows(
      parts_->database.get(), parts_->ring.get(), parts_->committer.get(), campaign, std::nullopt, judge, stop));
  parts_->expiries.Note(campaign, expired.ok() && !expired->overtaken ? next : now);
  if (!expired.ok()) return expired.status();
  return expired->rows;
}

absl::StatusOr<EventsPage> Store::ReadEvents(std::string_view after, int max, const EventFilter& filter) {
  Unsealer unsealer(parts_->ring.get());
  return parts_->Noted(ReadEventsPage(parts_->database.get(), &unsealer, after, max, filter));
}

absl::StatusOr<Trace> Store::TraceMessage(const MessageKey& message) {
  Unsealer unsealer(parts_->ring.get());
  absl::StatusOr<std::vector<Event>> events = parts_->Noted(EventsOf(parts_->database.get(), &unsealer, message));
  if (!events.ok()) return events.status();
  Trace trace;
  trace.events = *std::move(events);
  const absl::StatusOr<Campaign> head = parts_->campaigns->Head(message.lane.campaign);
  if (!head.ok() || head->erased) return trace;
  absl::StatusOr<std::optional<StoredRow>> row = parts_->Noted(FindRow(parts_->database.get(), &unsealer, message));
  if (!row.ok()) return row.status();
  trace.row = *std::move(row);
  return trace;
}

absl::StatusOr<std::optional<LaneRecord>> Store::FindLane(LaneId lane) {
  Unsealer unsealer(parts_->ring.get());
  return parts_->Noted(ReadLane(parts_->database.get(), &unsealer, lane));
}

absl::StatusOr<RowsPage> Store::ListRows(CampaignId campaign, const RowFilter& filter, std::string_view cursor,
                                         int max) {
  Unsealer unsealer(parts_->ring.get());
  return parts_->Noted(ListRowsPage(parts_->database.get(), &unsealer, campaign, filter, cursor, max));
}

absl::StatusOr<StoredRow> Store::ReadRow(CampaignId campaign, RowId row) {
  Unsealer unsealer(parts_->ring.get());
  absl::StatusOr<std::optional<StoredRow>> found =
      parts_->Noted(FindRow(parts_->database.get(), &unsealer, campaign, row));
  if (!found.ok()) return found.status();
  if (!*found) {
    return absl::NotFoundError(
        fmt::format("row {} is not kept: it was delivered, was not accepted, or is past its retention",
                    static_cast<uint32_t>(row)));
  }
  return **std::move(found);
}

namespace {

// Of an entry of `seen`.
absl::StatusOr<MessageKey> DecodeSeen(CampaignId campaign, std::string_view value) {
  WireReader in(value);
  MessageKey message;
  message.row = RowId{in.ReadFixed32()};
  message.lane = {campaign, DestinationId{in.ReadFixed64()}};
  if (!in.done()) return Damage("an entry of the queue's address index is cut short");
  return message;
}

}  // namespace

absl::StatusOr<std::optional<MessageKey>> Store::FindRecipient(CampaignId campaign, std::string_view recipient) {
  const std::string key = SeenKey(campaign, AddressOf(recipient));
  const std::unique_ptr<rocksdb::Iterator> it(
      parts_->database->get()->NewIterator({}, parts_->database->handle(Column::kSeen)));
  it->Seek(key);
  using Found = std::optional<MessageKey>;
  if (!it->Valid() || !it->key().starts_with(key)) {
    if (it->status().ok()) return std::nullopt;
    return parts_->Noted<Found>(FromRocks(it->status(), "look for an address"));
  }
  const absl::StatusOr<MessageKey> message = parts_->Noted(DecodeSeen(campaign, ToView(it->value())));
  if (!message.ok()) return message.status();
  return *message;
}

absl::StatusOr<std::vector<MessageKey>> Store::FindNamed(std::string_view name, size_t max) const {
  std::string scratch;
  const AddressHash hash = HashName(*parts_->ring, name, &scratch);
  std::vector<MessageKey> found;
  const absl::StatusOr<std::vector<Campaign>> campaigns = parts_->campaigns->List();
  if (!campaigns.ok()) return campaigns.status();
  for (const Campaign& campaign : *campaigns) {
    const std::string prefix = SeenKey(campaign.id, hash);
    const std::string end = PrefixEnd(prefix);
    const rocksdb::Slice upper(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> it(
        parts_->database->get()->NewIterator(options, parts_->database->handle(Column::kSeen)));
    for (it->Seek(prefix); it->Valid(); it->Next()) {
      const absl::StatusOr<MessageKey> message = DecodeSeen(campaign.id, ToView(it->value()));
      if (!message.ok()) return message.status();
      found.push_back(*message);
      if (found.size() == max) return found;
    }
    if (!it->status().ok()) return FromRocks(it->status(), "look for a name");
  }
  return found;
}

absl::StatusOr<std::vector<MessageKey>> Store::FindMessagesTo(CampaignId campaign, std::string_view recipient) {
  const absl::StatusOr<Campaign> head = parts_->campaigns->Head(campaign);
  if (!head.ok()) return head.status();
  if (head->erased) {
    const size_t at = recipient.rfind('@');
    if (at == std::string_view::npos) return std::vector<MessageKey>();
    Unsealer unsealer(parts_->ring.get());
    const AddressHash address = AddressOf(recipient);
    return parts_->Noted(MessagesInEvents(parts_->database.get(), &unsealer,
                                          {campaign, DestinationOf(recipient.substr(at + 1))},
                                          [&](std::string_view other) { return AddressOf(other) == address; }));
  }
  const std::string key = SeenKey(campaign, AddressOf(recipient)), end = PrefixEnd(key);
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> it(
      parts_->database->get()->NewIterator(options, parts_->database->handle(Column::kSeen)));
  std::vector<MessageKey> messages;
  for (it->Seek(key); it->Valid(); it->Next()) {
    WireReader in(ToView(it->value()));
    MessageKey message;
    message.row = RowId{in.ReadFixed32()};
    message.lane = {campaign, DestinationId{in.ReadFixed64()}};
    if (!in.done())
      return parts_->Noted<std::vector<MessageKey>>(Damage("an entry of the queue's address index is cut short"));
    messages.push_back(message);
  }
  if (it->status().ok()) return messages;
  return parts_->Noted<std::vector<MessageKey>>(FromRocks(it->status(), "look for an address"));
}

absl::StatusOr<uint64_t> Store::ChangeSuppressions(std::vector<SuppressionChange> changes, bool announce) {
  std::promise<absl::StatusOr<uint64_t>> changed;
  parts_->committer->Do([&](CommitContext& context) {
    rocksdb::WriteBatch batch;
    SuppressionNews news;
    absl::StatusOr<uint64_t> recorded =
        context.suppressions->Change(changes, &context.sealer, &context.unsealer, &batch, &news);
    if (recorded.ok() && *recorded > 0) {
      if (absl::Status status = context.Write(&batch); !status.ok()) recorded = status;
    }
    if (recorded.ok() && *recorded > 0 && announce && parts_->options.on_suppressions) {
      parts_->options.on_suppressions(news);
    }
    changed.set_value(std::move(recorded));
  });
  return changed.get_future().get();
}

absl::Status Store::WriteOrders(const std::vector<Order>& orders) {
  std::promise<absl::Status> written;
  parts_->committer->Do([&](CommitContext& context) {
    rocksdb::WriteBatch batch;
    absl::Status status;
    for (const Order& order : orders) {
      if (status.ok()) status = AddOrder(context.database, &context.sealer, order, &batch);
    }
    if (status.ok()) status = context.Write(&batch);
    written.set_value(std::move(status));
  });
  return written.get_future().get();
}

absl::StatusOr<SettledRows> Store::SettleSome(SettleStep step) {
  std::promise<absl::StatusOr<SettledRows>> settled;
  parts_->committer->Do([&](CommitContext& context) { settled.set_value(SettleRows(context, step)); });
  return settled.get_future().get();
}

absl::StatusOr<ReplayedRows> Store::ReplaySome(ReplayStep step) {
  std::promise<absl::StatusOr<ReplayedRows>> promise;
  parts_->committer->Do([&](CommitContext& context) {
    absl::StatusOr<ReplayedRows> rows = ReplayRows(context, step);
    context.horizon->Publish();
    promise.set_value(std::move(rows));
  });
  absl::StatusOr<ReplayedRows> replayed = promise.get_future().get();
  for (const ReplayStep::Row& row : step.rows) parts_->expiries.Note(step.campaign, row.expires);
  return replayed;
}

absl::StatusOr<ParkedPage> Store::ListParked(CampaignId campaign, RowId after, int max) {
  Unsealer unsealer(parts_->ring.get());
  return parts_->Noted(ReadParked(parts_->database.get(), &unsealer, campaign, after, max));
}

absl::StatusOr<std::vector<Order>> Store::ReadOrders(OrderKind kind) {
  Unsealer unsealer(parts_->ring.get());
  return queue::ReadOrders(parts_->database.get(), &unsealer, kind);
}

absl::StatusOr<std::optional<SuppressionRecord>> Store::FindSuppressions(std::string_view address) {
  Unsealer unsealer(parts_->ring.get());
  return parts_->Noted(parts_->suppressions->Find(&unsealer, AddressOf(address)));
}

absl::StatusOr<SuppressionsPage> Store::ListSuppressions(std::string_view cursor, int max) {
  Unsealer unsealer(parts_->ring.get());
  return parts_->Noted(parts_->suppressions->Read(&unsealer, cursor, max));
}

absl::Status Store::PutNotes(std::vector<Note> notes) {
  if (absl::Status stopped = parts_->AwaitWrites(); !stopped.ok()) return stopped;
  std::promise<absl::Status> put;
  parts_->committer->Do([&](CommitContext& context) {
    rocksdb::WriteBatch batch;
    absl::Status status = Notes(context.database, context.ring).Add(notes, &context.sealer, &batch);
    if (status.ok()) status = context.Write(&batch);
    put.set_value(std::move(status));
  });
  return put.get_future().get();
}

absl::StatusOr<std::vector<Note>> Store::ReadNotes(NoteKind kind, size_t max) {
  Unsealer unsealer(parts_->ring.get());
  return Notes(parts_->database.get(), parts_->ring.get()).Read(&unsealer, kind, max);
}

std::string Store::EncodeMessageId(const MessageKey& message) const {
  return queue::EncodeMessageId(parts_->ring->message_id_key(), message);
}

std::optional<MessageKey> Store::DecodeMessageId(std::string_view text) const {
  return queue::DecodeMessageId(parts_->ring->message_id_key(), text);
}

void Store::AppendMessageId(const MessageKey& message, std::string* out) const {
  queue::AppendMessageId(parts_->ring->message_id_key(), message, out);
}

std::string Store::EncodeToken(TokenPurpose purpose, const MessageKey& message) const {
  return parts_->ring->tokens().Encode(purpose, message);
}

void Store::AppendToken(TokenPurpose purpose, const MessageKey& message, std::string* out) const {
  parts_->ring->tokens().Append(purpose, message, out);
}

std::optional<MessageKey> Store::DecodeToken(TokenPurpose purpose, std::string_view text) const {
  return parts_->ring->tokens().Decode(purpose, text);
}

DestinationId Store::DestinationOf(std::string_view domain) const {
  return DestinationId{SipHash64(parts_->ring->destination_key(), domain)};
}

AddressHash Store::AddressOf(std::string_view recipient) const {
  std::string scratch;
  return HashAddress(*parts_->ring, recipient, &scratch);
}

absl::StatusOr<BackupResult> Store::Backup(const BackupRequest& request, const std::atomic<bool>* stop) {
  const std::unique_lock lock(parts_->backup, std::try_to_lock);
  if (!lock.owns_lock()) return absl::UnavailableError("a backup is being made already: wait for it to end");
  if (parts_->failure.stopped()) return parts_->failure.status();
  absl::StatusOr<BackupResult> made = WriteBackup(parts_->database.get(), parts_->ring.get(), request, stop);
  // One of RocksDB's own threads may have met the damage first, which stops the copying too.
  if (absl::Status stopped = parts_->failure.status(); !made.ok() && absl::IsDataLoss(stopped)) made = stopped;
  parts_->NoteDamage(made.status());
  return made;
}

std::optional<Restored> Store::restored() const {
  return parts_->released.load(std::memory_order_acquire) ? std::nullopt : parts_->restored;
}

absl::StatusOr<Reconciled> Store::SettleElsewhere(std::span<const Event> events, bool dry_run) {
  if (!restored()) {
    return absl::FailedPreconditionError("this queue was not restored, or is released already: nothing is reconciled");
  }
  std::promise<absl::StatusOr<Reconciled>> settled;
  parts_->committer->Do([&](CommitContext& context) {
    settled.set_value(queue::SettleElsewhere(context, parts_->campaigns.get(), *restored(), events, dry_run));
  });
  return settled.get_future().get();
}

absl::Status Store::Release() {
  if (!restored()) return absl::OkStatus();
  std::promise<absl::Status> written;
  parts_->committer->Do([&](CommitContext& context) {
    rocksdb::WriteBatch batch;
    batch.Delete(ToSlice(kRestoredKey));
    written.set_value(context.Write(&batch));
  });
  absl::Status status = written.get_future().get();
  if (status.ok()) parts_->released.store(true, std::memory_order_release);
  return status;
}

KeyReport Store::DescribeKeys() const { return parts_->ring->Describe(); }

absl::Status Store::BeginRotation(const std::array<uint8_t, 32>& next) {
  if (parts_->failure.stopped()) return parts_->failure.status();
  return parts_->ring->BeginRotation(Secret(next));
}

absl::Status Store::Sweep(absl::Time now, absl::Duration settled_rows, absl::Duration events,
                          std::span<const absl::Time> kept_of, const std::atomic<bool>* stop) {
  if (parts_->failure.stopped()) return parts_->failure.status();
  if (now - parts_->ring->incarnation_drawn() >= absl::Hours(24)) {
    if (absl::Status status = parts_->ring->Renew(now); !status.ok()) {
      parts_->failure.Note(status);
      return status;
    }
  }
  const auto is_old = [&](absl::Time settled) {
    return settled < now - settled_rows &&
           std::ranges::none_of(
               kept_of, [&](absl::Time then) { return settled <= then && settled >= then - settled_rows; });
  };
  const std::atomic<bool> never = false;
  return ForgetOld(parts_->database.get(), parts_->committer.get(), parts_->campaigns.get(), is_old, now - events, now,
                   stop == nullptr ? never : *stop);
}

StoreStats Store::Stats() const {
  StoreStats stats;
  const Committer::Stats committed = parts_->committer->stats();
  stats.commits = committed.commits;
  stats.rows = committed.rows;
  stats.bytes = committed.bytes;
  stats.seconds_buckets = committed.seconds_buckets;
  stats.seconds_sum = committed.seconds_sum;
  stats.loaded_rows = parts_->loaded_rows.load(std::memory_order_relaxed);
  stats.stall = static_cast<int>(parts_->database->stall());
  stats.block_cache_bytes = parts_->database->BlockCacheBytes();
  rocksdb::DB* const db = parts_->database->get();
  (void)db->GetAggregatedIntProperty("rocksdb.cur-size-all-mem-tables", &stats.memtable_bytes);
  (void)db->GetAggregatedIntProperty("rocksdb.estimate-table-readers-mem", &stats.table_readers_bytes);
  return stats;
}

uint64_t Store::Unflushed() const {
  uint64_t bytes = 0;
  (void)parts_->database->get()->GetAggregatedIntProperty("rocksdb.cur-size-all-mem-tables", &bytes);
  return bytes;
}

DiskSpace Store::Disk() const {
  struct statvfs file_system;
  if (::statvfs(parts_->options.path.c_str(), &file_system) != 0) return {};
  return {.free_bytes = uint64_t{file_system.f_bavail} * file_system.f_frsize,
          .bytes = uint64_t{file_system.f_blocks} * file_system.f_frsize};
}

}  // namespace sealift::queue
