#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/backup.h"
#include "queue/campaign.h"
#include "queue/event.h"
#include "queue/intent.h"
#include "queue/key_report.h"
#include "queue/late_bounce.h"
#include "queue/load.h"
#include "queue/notes.h"
#include "queue/order.h"
#include "queue/outcome.h"
#include "queue/pack.h"
#include "queue/restored.h"
#include "queue/row_moves.h"
#include "queue/suppression.h"
#include "queue/suppression_list.h"
#include "queue/types.h"

namespace rocksdb {
class FileSystem;
}

namespace sealift::queue {

// Asks for a lane's next rows. A cursor is what the last window of this lane returned; empty: the lane's start.
struct LaneRead {
  LaneId lane;
  std::string fresh, retry;
  absl::Time now;  // retries due up to now are read
  int packs_max = 16;
  bool fresh_too = true;    // false: only retries; `fresh` and what is known of it stay as they are
  bool count_rows = false;  // how many it has, too
  Mailing mailing;          // what the rows are sent as: who of them is suppressed
  // Who has received so many of this stream since then is sated. 0: nobody asks.
  std::string sated_of;
  absl::Time sated_since;
  size_t sated_by = 0;
};

// A lane's next rows. Each is returned once for a sequence of cursors, however much is settled in between.
struct LaneWindow {
  LaneId lane;
  absl::Status status;                       // not Ok: nothing was claimed and the cursors are those asked with
  std::vector<std::shared_ptr<Pack>> packs;  // retries that are due first, then fresh ones
  // Of each pack, a bit a row: its recipient is suppressed. Empty when nobody is.
  std::vector<uint16_t> suppressed;
  // Rows whose recipients are sated, and when they received the first message of those that count.
  struct Sated {
    size_t pack, row;
    absl::Time first;
  };
  std::vector<Sated> sated;
  std::string fresh, retry;
  bool fresh_done = false;  // no fresh pack beyond these is committed
  // The earliest retry beyond these that is committed. A deferral counts from the moment it is durable.
  absl::Time next_due = absl::InfiniteFuture();
  uint64_t queued = 0, retrying = 0, rows_sated = 0;  // with count_rows: of the lane, without those in doubt
};

struct LaneRecord {
  LaneId lane;
  std::string domain;
  uint64_t queued = 0, retrying = 0, in_doubt = 0;  // the latter two are parts of the first, and none of each other
  uint64_t sated = 0;                               // of retrying: their recipients have had enough
  absl::Time next_due = absl::InfiniteFuture();     // of the retries: not later than the first, possibly earlier
};

struct LanesPage {
  absl::Status status;
  std::vector<LaneRecord> lanes;
  std::string cursor;
  bool done = false;
};

struct RowFilter {
  std::optional<DestinationId> destination;
  std::optional<RowState> state;
  bool fields = false;  // copy merge fields too
};

struct RowsPage {
  std::vector<StoredRow> rows;
  std::string cursor;
  bool done = false;
};

struct StoreStats {
  static constexpr std::array<double, 10> kSecondsBounds = {0.0005, 0.001, 0.002, 0.005, 0.01,
                                                            0.025,  0.05,  0.1,   0.5,   2};
  uint64_t commits = 0, rows = 0, bytes = 0;  // of the committer; bytes as handed to the write-ahead log
  std::array<uint64_t, kSecondsBounds.size() + 1> seconds_buckets{};  // not cumulative; the last: beyond every bound
  double seconds_sum = 0;
  uint64_t loaded_rows = 0;
  int stall = 0;  // 1: RocksDB slows writes; 2: it stops them
  uint64_t block_cache_bytes = 0, memtable_bytes = 0, table_readers_bytes = 0;
};

// The file system that the queue is on; nothing of it where that cannot be asked.
struct DiskSpace {
  uint64_t free_bytes = 0, bytes = 0;
};

// Store is the encrypted, crash-safe queue: every accepted row, its schedule, what became of it, and the evidence.
//
// A row is read, sent, and settled with a numbered outcome; nothing on disk says that it is being sent, so that a
// restart finds every row that was not settled. docs/formats/queue.md describes the files.
//
// Owned by:  the node; outlives every shard, Load and Pack.
// Threads:   any. Callbacks of reads run on a reader's thread, those of commits on the committer's; they must not block
// and
//            must not call what is marked "blocks".
// Errors:    an absl::Status says what, where and what next, and never contains an address, a name or content. While
//            its file system is full the store accepts nothing, and goes on by itself once there is room; after any
//            other failed write or sync it accepts nothing more until it is opened again. failure() says why.
class Store {
 public:
  struct Options {
    std::string path;                 // a directory of its own, created with mode 0700
    std::array<uint8_t, 32> kek{};    // wraps every data key
    size_t memory_bytes = 128 << 20;  // block cache and write buffers together
    int shards = 1;
    int readers = 2;
    size_t inbox_outcomes_max = 4096;                        // a shard's outcomes that wait for the committer
    absl::Duration commit_interval = absl::Milliseconds(2);  // wait this long for company; zero: commit at once
    std::function<void(int shard, uint64_t durable)> on_durable;
    // What is in force now of the addresses that a commit has touched; rows that were claimed before do not know it.
    std::function<void(const SuppressionNews&)> on_suppressions;
    std::function<void(absl::Status)> on_failure;       // why it stops; and Ok when it goes on after a full disk
    KeyFieldOf key_field;                               // for the events of what a crash leaves in doubt; may be empty
    absl::Duration stall_patience = absl::Seconds(30);  // of who cannot write now
    uint64_t reserve_bytes = 0;                         // of disk, held for the outcomes in flight when it is full
    std::shared_ptr<rocksdb::FileSystem> file_system;   // null: the system's; tests give one that fails
  };

  // FailedPrecondition: in use, readable by others, of a newer format, or under another key. DataLoss: corrupt.
  static absl::StatusOr<std::unique_ptr<Store>> Open(Options options);

  // Commits what was handed over, then closes. No callback runs after it has returned.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // --- Settling: from the shards
  // ---------------------------------------------------------------------------------------

  // Hands over outcomes, in order, and intents; `last` is the number of the newest and comes back through on_durable
  // once all up to it are synced. Empties `batch` and `intents` and returns true; or, while the shard's inbox is full
  // (it is free again at the next on_durable) or after a failure that is final, leaves them and returns false.
  bool Settle(int shard, uint64_t last, std::vector<Outcome>& batch, std::vector<Intent>& intents);
  bool Settle(int shard, uint64_t last, std::vector<Outcome>& batch) {
    std::vector<Intent> none;
    return Settle(shard, last, batch, none);
  }

  // Ok, or why nothing new is accepted.
  absl::Status failure() const;

  // Of a full file system: whoever waits for room, and whoever would, fails from now on. For a stop that cannot wait;
  // what is not durable by then is as after a crash.
  void GiveUpOnRoom();

  // Ok, or the first damage that rows could not be read for since the start: they wait, whatever becomes of others.
  absl::Status damage() const;
  // Whether that is Ok; no transaction begins while it is not, for its outcome could not be committed. No lock.
  bool writable() const;

  // The due time that a deferral at `from` until `due` is committed with, or a later one: what is due together can
  // share a pack. At most 0.1 s later than asked for; after a wait of 100 s and more, 1 s.
  static absl::Time RoundDue(absl::Time due, absl::Time from);

  // --- Reading the schedule: from the shards; callbacks on a reader's thread
  // -------------------------------------------

  void ReadRows(std::vector<LaneRead> reads, std::move_only_function<void(std::vector<LaneWindow>)> done,
                ReadTurn turn = ReadTurn::kInOrder);

  // The lanes of a campaign that have rows queued, in key order, of those with destination % shards == shard.
  void ReadLanes(CampaignId campaign, std::string cursor, int max, int shard, int shards,
                 std::move_only_function<void(LanesPage)> done, ReadTurn turn = ReadTurn::kInOrder);

  // A piece of a finished message, as its load gave it. NotFound: it is not kept.
  void ReadPiece(CampaignId campaign, BodyId body, uint32_t piece,
                 std::move_only_function<void(absl::StatusOr<std::string>)> done, ReadTurn turn = ReadTurn::kInOrder);

  // When the recipient (of an A-label domain) has received messages of the stream since `since`, oldest first, of those
  // that count (Outcome::received); the newest `max` of them. What is committed when this is called is among them.
  // Kept for a day.
  void ReadReceived(std::string stream, std::string recipient, absl::Time since, size_t max,
                    std::move_only_function<void(absl::StatusOr<std::vector<absl::Time>>)> done,
                    ReadTurn turn = ReadTurn::kInOrder);

  // Gives the lane's retries that lie after the cursor `after` (empty: all) and are due later than `due` the new due
  // time. Rows move in chunks; a crash between two leaves the rest where it was. `done` runs on the committer's thread.
  void MoveDue(LaneId lane, std::string_view after, absl::Time due,
               std::move_only_function<void(absl::StatusOr<uint64_t> rows)> done);

  // --- Campaigns: block
  // ------------------------------------------------------------------------------------------------

  // What changes something here and below is refused with ResourceExhausted, and does not wait for the disk without an
  // end, when RocksDB has stopped writes for Options::stall_patience.

  // AlreadyExists: a campaign of this name is there. ResourceExhausted also when writes are only slowed for so long: a
  // load would follow.
  absl::StatusOr<Campaign> CreateCampaign(CampaignSpec spec, absl::Time now);
  absl::StatusOr<Campaign> FindCampaign(std::string_view name);
  absl::StatusOr<Campaign> GetCampaign(CampaignId id);
  // The oldest first; without template, columns, defaults and settings.
  absl::StatusOr<std::vector<Campaign>> ListCampaigns();

  // FailedPrecondition: it is cancelled.
  absl::Status SetState(CampaignId id, CampaignState state, absl::Time now);

  // Remembers since when it is done; InfiniteFuture: it is not.
  absl::Status SetEnded(CampaignId id, absl::Time ended);

  // Settles every queued row as cancelled, at once and however many they are. The engine must have returned its claims;
  // an outcome that still arrives corrects the counts. The rows stay sealed until retention. With `erase` they, the
  // index of addresses and the data key are gone; name, counts and events stay.
  absl::StatusOr<Counters> Cancel(CampaignId id, bool erase, absl::Time now);
  // The way back, see cancellation.h: parks a part of a cancelled campaign's rows; once all are, it can run again.
  absl::StatusOr<ParkedSome> ParkCancelled(CampaignId id, std::string_view after);
  absl::Status Reopen(CampaignId id, absl::Time cancelled, absl::Time now);

  // `transactional`: what its stream is; a load leaves out who is suppressed.
  // FailedPrecondition: another load of this campaign is under way, or it is cancelled.
  absl::StatusOr<std::unique_ptr<Load>> BeginLoad(CampaignId id, absl::Time now, bool transactional = false);

  // --- Rows, whoever has claimed them: block
  // -----------------------------------------------------------------------------

  // See row_sweep.h. The engine then has its lanes read again: what they have claimed may be settled or moved.
  absl::StatusOr<uint64_t> SweepRows(CampaignId campaign, std::optional<DestinationId> destination,
                                     const RowJudge& judge, const std::atomic<bool>* stop = nullptr);

  // See late_bounce.h: a message that a server took came back. Calls wait for each other.
  absl::StatusOr<LateBounce> SettleLateBounce(const MessageKey& message, Outcome outcome);

  // The campaigns of which a row may have expired by `now`; no I/O.
  std::vector<CampaignId> Expiring(absl::Time now) const;
  // Settles the campaign's rows that have expired by `now`, each with what `outcome` says for it.
  absl::StatusOr<uint64_t> Expire(CampaignId campaign, absl::Time now,
                                  const std::function<Outcome(const Pack&, const Row&)>& outcome,
                                  const std::atomic<bool>* stop = nullptr);

  // --- Suppressions: block
  // ---------------------------------------------------------------------------------------------

  // Commits the changes, at most a few thousand, all of them or none; durable on return. `announce`: on_suppressions is
  // told before that. Without it the caller must see to it that rows claimed before are judged again. Returns how many
  // there was something to record of.
  absl::StatusOr<uint64_t> ChangeSuppressions(std::vector<SuppressionChange> changes, bool announce);

  absl::StatusOr<std::optional<SuppressionRecord>> FindSuppressions(std::string_view address);

  absl::StatusOr<SuppressionsPage> ListSuppressions(std::string_view cursor, int max);

  // --- What is known of destinations: block
  // ----------------------------------------------------------------------------

  // Durable on return. ResourceExhausted as above.
  absl::Status PutNotes(std::vector<Note> notes);
  absl::StatusOr<std::vector<Note>> ReadNotes(NoteKind kind, size_t max);

  // --- Orders of operators: block
  // ------------------------------------------------------------------------------------------------------

  // Writes the orders, all of them or none; durable on return. One with an empty text is forgotten.
  absl::Status WriteOrders(const std::vector<Order>& orders);
  absl::StatusOr<std::vector<Order>> ReadOrders(OrderKind kind);

  // --- Rows that an operator moves: block
  // ---------------------------------------------------------------------------------------------

  absl::StatusOr<SettledRows> SettleSome(SettleStep step);
  // The parked rows of a campaign after that one, in the order of their numbers.
  absl::StatusOr<ParkedPage> ListParked(CampaignId campaign, RowId after, int max);
  absl::StatusOr<ReplayedRows> ReplaySome(ReplayStep step);

  // --- Evidence and look-ups: block
  // ------------------------------------------------------------------------------------

  // Empty `after`: from the oldest that is kept. InvalidArgument: not a cursor.
  absl::StatusOr<EventsPage> ReadEvents(std::string_view after, int max, const EventFilter& filter);

  absl::StatusOr<Trace> TraceMessage(const MessageKey& message);

  // One lane; nothing when it has no row queued.
  absl::StatusOr<std::optional<LaneRecord>> FindLane(LaneId lane);

  // The queued rows of a campaign, by lane; a page also ends after a bounded number of rows looked at.
  absl::StatusOr<RowsPage> ListRows(CampaignId campaign, const RowFilter& filter, std::string_view cursor, int max);

  // NotFound: the row was delivered, never accepted, or its retention has passed.
  absl::StatusOr<StoredRow> ReadRow(CampaignId campaign, RowId row);

  // A piece of a finished message, as the call above.
  absl::StatusOr<std::string> ReadPiece(CampaignId campaign, BodyId body, uint32_t piece);

  // Every message to this address that the campaign accepted: several where they arrived finished. Found by its keyed
  // hash while the campaign has its index, and by its events after an erasure.
  absl::StatusOr<std::vector<MessageKey>> FindMessagesTo(CampaignId campaign, std::string_view recipient);

  // The message to this address (domain lower-case A-label), if the campaign accepted it; the first of the finished
  // messages to it.
  absl::StatusOr<std::optional<MessageKey>> FindRecipient(CampaignId campaign, std::string_view recipient);

  // The rows that were loaded under this name, of all campaigns that are not erased; the first `max`.
  absl::StatusOr<std::vector<MessageKey>> FindNamed(std::string_view name, size_t max) const;

  // --- Names: no lock, no wait
  // -----------------------------------------------------------------------------------------

  // 26 characters, lower-case base32; says nothing without the node's key.
  std::string EncodeMessageId(const MessageKey& message) const;
  void AppendMessageId(const MessageKey& message, std::string* out) const;
  std::optional<MessageKey> DecodeMessageId(std::string_view text) const;
  // A name that nobody can make up: see MessageTokens.
  std::string EncodeToken(TokenPurpose purpose, const MessageKey& message) const;
  void AppendToken(TokenPurpose purpose, const MessageKey& message, std::string* out) const;
  std::optional<MessageKey> DecodeToken(TokenPurpose purpose, std::string_view text) const;
  DestinationId DestinationOf(std::string_view domain) const;
  AddressHash AddressOf(std::string_view recipient) const;

  // --- Backups, restores and keys: block
  // ---------------------------------------------------------------------------------

  // One at a time; Unavailable while another is made, and once `stop` is set. The queue goes on meanwhile.
  absl::StatusOr<BackupResult> Backup(const BackupRequest& request, const std::atomic<bool>* stop = nullptr);

  // Since a restore and until Release: every queued row is in doubt, and whoever sends must not. No lock.
  std::optional<Restored> restored() const;
  // See reconciliation.h: for restored queues of which nothing is claimed. FailedPrecondition: this is none.
  absl::StatusOr<Reconciled> SettleElsewhere(std::span<const Event> events, bool dry_run);
  // Stands for a campaign that was loaded since the backup: its name is taken, it is cancelled and has no rows, and
  // what became of those there is kept under its id.
  absl::StatusOr<Campaign> AdoptCampaign(CampaignId id, CampaignSpec spec, absl::Time now);
  absl::Status Release();

  KeyReport DescribeKeys() const;
  // See KeyRing::BeginRotation.
  absl::Status BeginRotation(const std::array<uint8_t, 32>& next);

  // --- Upkeep
  // ----------------------------------------------------------------------------------------------------------

  // Forgets parked rows and cancelled campaigns' rows settled before `now - settled_rows`, the finished messages of
  // campaigns that have no row left, and events before `now - events`; draws a new incarnation once a day. What was
  // kept at one of the times `kept_of`, and settled by then, is kept as well. Blocks; meant hourly. Once `stop` is set
  // it ends, and the next one goes on.
  absl::Status Sweep(absl::Time now, absl::Duration settled_rows, absl::Duration events,
                     std::span<const absl::Time> kept_of = {}, const std::atomic<bool>* stop = nullptr);

  StoreStats Stats() const;
  DiskSpace Disk() const;
  // Bytes that are in memory and in the log, and are yet to be written to tables: the disk needs room for them.
  uint64_t Unflushed() const;

 private:
  struct Parts;
  explicit Store(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace sealift::queue
