#include "queue/retention.h"

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "queue/bodies.h"
#include "queue/event_log.h"
#include "queue/keys.h"
#include "queue/parked_row.h"
#include "queue/rocks.h"
#include "queue/roll.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

constexpr size_t kKeysACommit = 10'000;

absl::Status WriteOn(Committer* committer, std::move_only_function<void(CommitContext&, rocksdb::WriteBatch*)> fill) {
  std::promise<absl::Status> written;
  committer->Do([&fill, &written](CommitContext& context) {
    rocksdb::WriteBatch batch;
    fill(context, &batch);
    written.set_value(batch.Count() == 0 ? absl::OkStatus() : context.Write(&batch));
  });
  return written.get_future().get();
}

using IsOld = std::function<bool(absl::Time settled)>;
using Stop = std::atomic<bool>;

absl::Status ForgetParked(Database* database, Committer* committer, const IsOld& is_old, const Stop& stop) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  rocksdb::ColumnFamilyHandle* const column = database->handle(Column::kParked);
  const std::unique_ptr<rocksdb::Iterator> it(database->get()->NewIterator(options, column));
  it->SeekToFirst();
  while (it->Valid() && !stop) {
    std::vector<std::string> old;
    for (; it->Valid() && old.size() < kKeysACommit && !stop; it->Next()) {
      absl::Time settled;
      if (ParkedTime(ToView(it->value()), &settled) && is_old(settled)) old.push_back(it->key().ToString());
    }
    const absl::Status status = WriteOn(committer, [&](CommitContext&, rocksdb::WriteBatch* batch) {
      for (const std::string& key : old) batch->Delete(column, key);
    });
    if (!status.ok()) return status;
  }
  return FromRocks(it->status(), "read parked rows");
}

absl::Status ForgetCancelled(Database* database, Committer* committer, CampaignTable* campaigns, const IsOld& is_old,
                             const Stop& stop) {
  absl::StatusOr<std::vector<Campaign>> all = campaigns->List();
  if (!all.ok()) return all.status();
  for (const Campaign& campaign : *all) {
    if (stop) break;
    if (campaign.state != CampaignState::kCancelled || !is_old(campaign.ended)) continue;
    const std::string prefix = CampaignPrefix(campaign.id), end = PrefixEnd(prefix);
    rocksdb::ColumnFamilyHandle* const rows = database->handle(Column::kRows);
    const std::unique_ptr<rocksdb::Iterator> it(database->get()->NewIterator({}, rows));
    it->Seek(prefix);
    if (!it->Valid() || !it->key().starts_with(prefix)) continue;
    absl::Status status;
    const absl::Status written = WriteOn(committer, [&](CommitContext& context, rocksdb::WriteBatch* batch) {
      // A replay may have brought it back meanwhile, or have parked a part: what goes, goes from its roll too.
      const absl::StatusOr<Tally*> tally = context.tallies.Of(campaign.id);
      Campaign counted{.id = campaign.id};
      Roll roll;
      status = tally.ok() ? campaigns->ReadCounts(nullptr, &counted, &roll) : tally.status();
      if (!status.ok() || !(*tally)->cancelled) return;
      batch->DeleteRange(rows, prefix, end);
      if (roll.queued() == 0) return;  // cancelled by a version that kept none
      (*tally)->roll = roll.loaded - CancelMark(context.ring->roll_key(), campaign.id);
      (*tally)->changed = true;
      status = context.tallies.Write(batch);
    });
    status.Update(written);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// True where that cannot be read: what is not known to be empty is kept.
bool Has(Database* database, Column column, CampaignId campaign) {
  const std::string prefix = CampaignPrefix(campaign);
  const std::unique_ptr<rocksdb::Iterator> it(database->get()->NewIterator({}, database->handle(column)));
  it->Seek(prefix);
  return !it->status().ok() || (it->Valid() && it->key().starts_with(prefix));
}

bool HasRows(Database* database, CampaignId campaign) {
  return Has(database, Column::kRows, campaign) || Has(database, Column::kParked, campaign);
}

// Forgets all that the column has of the campaign, unless a row is left of it. That is asked on the committer's thread,
// too: a replay may have moved the last one meanwhile. Returns whether it did.
absl::StatusOr<bool> ForgetWithoutRows(Database* database, Committer* committer, Column column, CampaignId campaign) {
  if (!Has(database, column, campaign) || HasRows(database, campaign)) return false;
  bool forgotten = false;
  const absl::Status status = WriteOn(committer, [&](CommitContext&, rocksdb::WriteBatch* batch) {
    if (HasRows(database, campaign)) return;
    const std::string prefix = CampaignPrefix(campaign);
    batch->DeleteRange(database->handle(column), prefix, PrefixEnd(prefix));
    forgotten = true;
  });
  if (!status.ok()) return status;
  return forgotten;
}

// What the rows that are left may still get, or show, stays.
absl::Status ForgetBodies(Database* database, Committer* committer, CampaignTable* campaigns, const Stop& stop) {
  absl::StatusOr<std::vector<Campaign>> all = campaigns->List();
  if (!all.ok()) return all.status();
  for (const Campaign& campaign : *all) {
    if (stop) break;
    if (!campaign.load_complete && campaign.state != CampaignState::kCancelled) continue;
    const absl::StatusOr<bool> forgotten = ForgetWithoutRows(database, committer, Column::kBodies, campaign.id);
    if (!forgotten.ok()) return forgotten.status();
    if (!*forgotten) continue;
    if (absl::Status dropped = DropBodyFiles(database, campaign.id); !dropped.ok()) return dropped;
  }
  return absl::OkStatus();
}

// Whom a campaign was addressed to can be looked up as long as something is known of its messages.
absl::Status ForgetSeen(Database* database, Committer* committer, CampaignTable* campaigns, absl::Time before,
                        const Stop& stop) {
  absl::StatusOr<std::vector<Campaign>> all = campaigns->List();
  if (!all.ok()) return all.status();
  for (const Campaign& campaign : *all) {
    if (stop) break;
    if (campaign.ended >= before) continue;
    const absl::Status status = ForgetWithoutRows(database, committer, Column::kSeen, campaign.id).status();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ForgetEvents(Database* database, Committer* committer, absl::Time before, absl::Time now) {
  const absl::StatusOr<uint64_t> first_kept = FirstBlockKept(database, before, now);
  if (!first_kept.ok()) return first_kept.status();
  database->events_cut().first_kept = *first_kept;
  const std::unique_ptr<rocksdb::Iterator> it(database->get()->NewIterator({}, database->handle(Column::kEvents)));
  it->Seek(EventKey(0));
  const bool any = it->Valid() && it->key().compare(EventKey(*first_kept)) < 0;
  absl::Status status;
  const absl::Status written = WriteOn(committer, [&](CommitContext& context, rocksdb::WriteBatch* batch) {
    Unsealer unsealer(context.ring);
    if (any) status = ForgetEventsBefore(database, &unsealer, *first_kept, batch);
    if (status.ok()) context.ring->ForgetEventsBefore(before, batch);
  });
  status.Update(written);
  return status;
}

}  // namespace

absl::Status ForgetOld(Database* database, Committer* committer, CampaignTable* campaigns, const IsOld& is_old,
                       absl::Time events_before, absl::Time now, const Stop& stop) {
  absl::Status status = ForgetParked(database, committer, is_old, stop);
  if (status.ok()) status = ForgetCancelled(database, committer, campaigns, is_old, stop);
  if (status.ok()) status = ForgetBodies(database, committer, campaigns, stop);
  if (status.ok()) status = ForgetSeen(database, committer, campaigns, events_before, stop);
  if (!status.ok() || stop) return status;
  return ForgetEvents(database, committer, events_before, now);
}

}  // namespace sealift::queue
