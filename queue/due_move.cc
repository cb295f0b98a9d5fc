#include "queue/due_move.h"

#include <algorithm>
#include <utility>

#include "queue/keys.h"
#include "queue/lane_value.h"
#include "queue/pack.h"
#include "queue/reading.h"
#include "queue/rocks.h"
#include "queue/rows_merge.h"
#include "queue/wire.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

constexpr int kPacksAStep = 256;

}  // namespace

void DueMove::Start(Committer* committer, LaneId lane, std::string_view after, absl::Time due, Done done) {
  std::unique_ptr<DueMove> move(new DueMove(committer, lane, due, std::move(done)));
  move->after_ = RetryKeyAfter(lane, after).Encode();
  committer->Do([move = std::move(move)](CommitContext& context) mutable { Step(std::move(move), context); });
}

void DueMove::Step(std::unique_ptr<DueMove> move, CommitContext& context) {
  const absl::StatusOr<bool> more = move->MoveSome(context);
  context.horizon->Publish();
  if (!more.ok()) return move->done_(more.status());
  if (!*more) return move->done_(move->rows_);
  Committer* const committer = move->committer_;
  committer->Do([move = std::move(move)](CommitContext& next) mutable { Step(std::move(move), next); });
}

absl::StatusOr<bool> DueMove::MoveSome(CommitContext& context) {
  const uint64_t wanted = RoundUpDue(DueMillis(due_));
  const uint64_t due_ms = RoundUpDue(std::max(wanted, context.horizon->Prepare(wanted, DueMillis(absl::Now())) + 1));
  const uint64_t sequence = context.NextSequence();

  const std::string end = PrefixEnd(LaneKey(lane_));
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  rocksdb::ColumnFamilyHandle* const rows = context.database->handle(Column::kRows);
  const std::unique_ptr<rocksdb::Iterator> it(context.database->get()->NewIterator(options, rows));
  rocksdb::WriteBatch batch;
  uint64_t moved = 0, number = 0;
  int looked_at = 0;
  std::string plaintext, sealed;
  for (it->Seek(after_); it->Valid() && looked_at < kPacksAStep; it->Next(), ++looked_at) {
    const std::string key = it->key().ToString();
    after_ = key + '\0';
    const std::optional<RowsKey> from = RowsKey::Decode(key);
    if (!from || from->due_ms <= due_ms || from->due_ms >= RowsKey::kInDoubt) continue;
    absl::StatusOr<std::shared_ptr<Pack>> pack = OpenPack(&context.unsealer, key, ToView(it->value()));
    if (!pack.ok()) return pack.status();
    if ((*pack)->rows().empty()) continue;
    const RowsKey to{lane_, due_ms, PlaceOf(sequence, number++)};
    const std::string to_key = to.Encode();
    plaintext.clear();
    sealed.clear();
    Pack::Encode((*pack)->accepted(), (*pack)->expires(), (*pack)->rows(), &plaintext);
    if (absl::Status status = context.sealer.Seal(KeyName::Of(lane_.campaign), Seal::kRows, to_key, plaintext, &sealed);
        !status.ok()) {
      return status;
    }
    batch.Delete(rows, key);
    batch.Put(rows, to_key, RowsValue(sealed));
    moved += (*pack)->rows().size();
  }
  const bool more = it->Valid();
  if (auto status = it->status(); !status.ok()) return FromRocks(status, "read a lane");
  if (moved > 0) {
    LaneValue change;
    change.due_ms = due_ms;
    batch.Merge(context.database->handle(Column::kLanes), LaneKey(lane_), change.Encode());
    std::string newest;
    PutFixed64(sequence, &newest);
    batch.Put(context.database->handle(Column::kMeta), std::string(kSequenceKey), newest);
    const absl::StatusOr<Tally*> tally = context.tallies.Of(lane_.campaign);
    if (!tally.ok()) return tally.status();
    if (absl::Status status = context.Write(&batch); !status.ok()) return status;
    (*tally)->overtaken = context.epoch->Advance();
  }
  rows_ += moved;
  return more;
}

}  // namespace sealift::queue
