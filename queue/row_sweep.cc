#include "queue/row_sweep.h"

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "queue/keys.h"
#include "queue/reading.h"
#include "queue/rocks.h"
#include "rocksdb/snapshot.h"

namespace sealift::queue {
namespace {

constexpr size_t kRowsACommit = 4096;

// On the committer's thread: nothing is settled between the look at a pack and its commit.
absl::StatusOr<uint64_t> SettleFound(CommitContext& context, CampaignId campaign, const std::vector<std::string>& keys,
                                     const RowJudge& judge) {
  if (absl::Status status = context.failure->status(); !status.ok()) return status;
  std::vector<Outcome> outcomes;
  for (const std::string& key : keys) {
    std::string value;
    const rocksdb::Status found =
        context.database->get()->Get({}, context.database->handle(Column::kRows), key, &value);
    if (found.IsNotFound()) continue;  // settled or moved meanwhile
    if (!found.ok()) return FromRocks(found, "read a row");
    const absl::StatusOr<std::shared_ptr<Pack>> pack = OpenPack(&context.unsealer, key, value);
    if (!pack.ok()) return pack.status();
    for (size_t i = 0; i < (*pack)->rows().size(); ++i) {
      std::optional<Outcome> outcome = judge(**pack, (*pack)->rows()[i]);
      if (!outcome.has_value()) continue;
      outcome->pack = *pack;
      outcome->index = static_cast<uint8_t>(i);
      outcomes.push_back(*std::move(outcome));
    }
  }
  if (outcomes.empty()) return uint64_t{0};
  if (absl::Status status = context.SettleAside(campaign, outcomes); !status.ok()) return status;
  return outcomes.size();
}

}  // namespace

absl::StatusOr<Swept> SweepRows(Database* database, KeyRing* ring, Committer* committer, CampaignId campaign,
                                std::optional<DestinationId> destination, const RowJudge& judge,
                                const std::atomic<bool>* stop) {
  Unsealer unsealer(ring);
  const std::string prefix = destination ? LaneKey({campaign, *destination}) : CampaignPrefix(campaign);
  const std::string end = PrefixEnd(prefix);
  const rocksdb::Slice upper(end);
  rocksdb::ManagedSnapshot snapshot(database->get());  // a row that moves meanwhile is where it was
  rocksdb::ReadOptions options;
  options.snapshot = snapshot.snapshot();
  options.iterate_upper_bound = &upper;
  options.fill_cache = false;  // what the schedule reads must not make room for it
  Swept swept;
  std::string from = prefix;
  for (bool more = true; more;) {
    std::vector<std::string> keys;
    size_t rows = 0;
    {
      const std::unique_ptr<rocksdb::Iterator> it(
          database->get()->NewIterator(options, database->handle(Column::kRows)));
      for (it->Seek(from); it->Valid() && rows < kRowsACommit; it->Next()) {
        if (stop != nullptr && *stop) return swept;
        const absl::StatusOr<std::shared_ptr<Pack>> pack = OpenPack(&unsealer, ToView(it->key()), ToView(it->value()));
        if (!pack.ok()) return pack.status();
        size_t meant = 0;
        for (const Row& row : (*pack)->rows()) meant += judge(**pack, row).has_value() ? 1 : 0;
        if (meant == 0) continue;
        rows += meant;
        keys.push_back(it->key().ToString());
      }
      if (!it->status().ok()) return FromRocks(it->status(), "look through rows");
      more = it->Valid();
      if (more) from = it->key().ToString();
    }
    if (keys.empty()) continue;
    std::promise<absl::StatusOr<uint64_t>> done;
    committer->Do([&](CommitContext& context) { done.set_value(SettleFound(context, campaign, keys, judge)); });
    const absl::StatusOr<uint64_t> count = done.get_future().get();
    if (!count.ok()) return count.status();
    swept.rows += *count;
    swept.overtaken = swept.overtaken || *count < rows;
  }
  return swept;
}

}  // namespace sealift::queue
