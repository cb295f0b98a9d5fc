#include "queue/roll.h"

#include <algorithm>
#include <array>
#include <future>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "fmt/format.h"
#include "queue/beside.h"
#include "queue/campaign_records.h"
#include "queue/campaign_table.h"
#include "queue/damage.h"
#include "queue/database.h"
#include "queue/expiries.h"
#include "queue/key_ring.h"
#include "queue/keys.h"
#include "queue/reading.h"
#include "queue/rocks.h"
#include "queue/sealer.h"
#include "queue/wire.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

constexpr size_t kReadAhead = 256 << 10;  // of each file: those of many chunks are read together

struct Queued {
  uint64_t roll = 0, rows = 0;
  absl::Time expires = absl::InfiniteFuture();  // the first of them
};

std::string Named(const CampaignTable& campaigns, CampaignId id) {
  const absl::StatusOr<Campaign> head = campaigns.Head(id);
  return fmt::format("campaign '{}' ({:08x})", head.ok() ? head->spec.name : "?", static_cast<uint32_t>(id));
}

// Whose rows they are that are damaged: what is wrong with them tells of files and keys only.
absl::Status Naming(const CampaignTable& campaigns, CampaignId id, const absl::Status& damage) {
  return {damage.code(), fmt::format("a row of {} cannot be read, so none is sent: {}", Named(campaigns, id),
                                     std::string(damage.message()))};
}

// Of each campaign, the rows of the destinations [first, last].
absl::StatusOr<std::vector<Queued>> ReadQueued(Database* database, KeyRing* ring, const CampaignTable& campaigns,
                                               const std::vector<CampaignId>& of, DestinationId first,
                                               DestinationId last) {
  Unsealer unsealer(ring);
  std::vector<Queued> queued(of.size());
  for (size_t i = 0; i < of.size(); ++i) {
    const std::string end = PrefixEnd(LaneKey({of[i], last}));
    const rocksdb::Slice upper(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper;
    options.fill_cache = false;
    options.readahead_size = kReadAhead;
    const std::unique_ptr<rocksdb::Iterator> it(database->get()->NewIterator(options, database->handle(Column::kRows)));
    for (it->Seek(LaneKey({of[i], first})); it->Valid(); it->Next()) {
      const absl::StatusOr<std::shared_ptr<Pack>> pack = OpenPack(&unsealer, ToView(it->key()), ToView(it->value()));
      if (!pack.ok()) return Naming(campaigns, of[i], pack.status());
      const bool in_doubt = (*pack)->due() == absl::InfiniteFuture();
      for (const Row& row : (*pack)->rows()) queued[i].roll += RollMark(ring->roll_key(), of[i], row.id, in_doubt);
      if ((*pack)->rows().empty()) continue;
      queued[i].rows += (*pack)->rows().size();
      queued[i].expires = std::min(queued[i].expires, (*pack)->expires());
    }
    if (!it->status().ok()) return Naming(campaigns, of[i], FromRocks(it->status(), "look through its rows"));
  }
  return queued;
}

// The same of all destinations: each thread has its share of them.
absl::StatusOr<std::vector<Queued>> ReadQueued(Database* database, KeyRing* ring, const CampaignTable& campaigns,
                                               const std::vector<CampaignId>& of, int threads) {
  const uint64_t share = std::numeric_limits<uint64_t>::max() / static_cast<uint64_t>(threads);
  std::vector<std::future<absl::StatusOr<std::vector<Queued>>>> shares;
  for (int i = 0; i < threads; ++i) {
    const uint64_t first = share * static_cast<uint64_t>(i);
    const uint64_t last = i + 1 < threads ? first + share - 1 : std::numeric_limits<uint64_t>::max();
    shares.push_back(Beside([=, &campaigns, &of] {
      return ReadQueued(database, ring, campaigns, of, DestinationId{first}, DestinationId{last});
    }));
  }
  std::vector<Queued> sum(of.size());
  absl::Status status;
  for (auto& part : shares) {
    const absl::StatusOr<std::vector<Queued>> queued = part.get();
    if (!queued.ok()) status = queued.status();
    for (size_t i = 0; queued.ok() && i < of.size(); ++i) {
      sum[i].roll += (*queued)[i].roll;
      sum[i].rows += (*queued)[i].rows;
      sum[i].expires = std::min(sum[i].expires, (*queued)[i].expires);
    }
  }
  if (!status.ok()) return status;
  return sum;
}

absl::Status Changed(CampaignId campaign) {
  return Damage(
      fmt::format("the queue has a record of campaign {:08x} that its format does not: somebody put an older one in "
                  "its place. Nothing was changed",
                  static_cast<uint32_t>(campaign)));
}

}  // namespace

uint64_t RollMark(const SipKey& key, CampaignId campaign, RowId row, bool in_doubt) {
  std::array<char, 9> input;
  const uint32_t numbers[] = {static_cast<uint32_t>(campaign), static_cast<uint32_t>(row)};
  for (size_t i = 0; i < 8; ++i) input[i] = static_cast<char>(numbers[i / 4] >> (8 * (i % 4)));
  input[8] = in_doubt ? 1 : 0;
  return SipHash64(key, {input.data(), input.size()});
}

uint64_t CancelMark(const SipKey& key, CampaignId campaign) {
  std::string input;  // shorter than a row's
  PutFixed32(static_cast<uint32_t>(campaign), &input);
  return SipHash64(key, input);
}

absl::Status CheckRolls(Database* database, KeyRing* ring, const CampaignTable& campaigns, Expiries* expiries,
                        int threads) {
  const absl::StatusOr<std::vector<Campaign>> all = campaigns.List();
  if (!all.ok()) return all.status();
  std::vector<CampaignId> of;
  std::vector<const Campaign*> heads;
  for (const Campaign& campaign : *all) {
    if (campaign.state == CampaignState::kCancelled) continue;
    of.push_back(campaign.id);
    heads.push_back(&campaign);
  }
  const absl::StatusOr<std::vector<Queued>> queued = ReadQueued(database, ring, campaigns, of, threads);
  if (!queued.ok()) return queued.status();
  for (size_t i = 0; i < of.size(); ++i) {
    expiries->Note(of[i], (*queued)[i].expires);
    Campaign counted;
    counted.id = of[i];
    Roll roll;
    if (absl::Status status = campaigns.ReadCounts(nullptr, &counted, &roll); !status.ok()) return status;
    if (roll.queued() == (*queued)[i].roll) continue;
    return Damage(
        fmt::format("the rows of {} are not those that were committed ({} are there, {} should be): "
                    "somebody put settled rows back, or rows were taken away. Nothing was changed, and nothing is sent",
                    Named(campaigns, of[i]), (*queued)[i].rows, counted.counters.queued()));
  }
  return absl::OkStatus();
}

absl::Status MakeRolls(Database* database, KeyRing* ring, const CampaignTable& campaigns, Expiries* expiries,
                       int threads) {
  rocksdb::ColumnFamilyHandle* const column = database->handle(Column::kCampaigns);
  Sealer sealer(ring);
  Unsealer unsealer(ring);
  std::vector<Campaign> loaded;
  std::map<CampaignId, Counters> tallies;
  const std::unique_ptr<rocksdb::Iterator> it(database->get()->NewIterator({}, column));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string_view key = ToView(it->key());
    if (key.size() != 5) continue;
    Campaign campaign;
    campaign.id = CampaignId{Fixed32(it->key().data())};
    if (key[4] == static_cast<char>(CampaignPart::kProgress)) {
      absl::StatusOr<std::string> progress = unsealer.Open(KeyName::Node(), Seal::kCampaign, key, ToView(it->value()));
      if (!progress.ok()) return progress.status();
      if (!DecodeProgressOfFormat1(*progress, &campaign)) return Changed(campaign.id);
      loaded.push_back(std::move(campaign));
    } else if (key[4] == static_cast<char>(CampaignPart::kTally)) {
      Counters& counters = tallies[campaign.id];
      if (!DecodeTallyOfFormat1(ToView(it->value()), &counters)) return Changed(campaign.id);
    }
  }
  if (!it->status().ok()) return FromRocks(it->status(), "read its campaigns");

  std::vector<CampaignId> of;
  of.reserve(loaded.size());
  for (const Campaign& campaign : loaded) of.push_back(campaign.id);
  const absl::StatusOr<std::vector<Queued>> queued = ReadQueued(database, ring, campaigns, of, threads);
  if (!queued.ok()) return queued.status();
  rocksdb::WriteBatch batch;
  const auto put = [&](CampaignId campaign, CampaignPart part, const std::string& plaintext) {
    const std::string key = CampaignKey(campaign, part);
    std::string sealed;
    absl::Status status = sealer.Seal(KeyName::Node(), Seal::kCampaign, key, plaintext, &sealed);
    if (status.ok()) batch.Put(column, key, sealed);
    return status;
  };
  std::string plaintext;
  for (size_t i = 0; i < loaded.size(); ++i) {
    const absl::StatusOr<Campaign> head = campaigns.Head(of[i]);
    if (!head.ok()) return head.status();
    expiries->Note(of[i], (*queued)[i].expires);
    plaintext.clear();
    // The rows of a cancelled campaign are not queued any more, though they are kept.
    EncodeProgress(loaded[i], head->state == CampaignState::kCancelled ? 0 : (*queued)[i].roll, &plaintext);
    if (absl::Status status = put(of[i], CampaignPart::kProgress, plaintext); !status.ok()) return status;
  }
  for (const auto& [campaign, counters] : tallies) {
    plaintext.clear();
    EncodeTally(counters, 0, &plaintext);
    if (absl::Status status = put(campaign, CampaignPart::kTally, plaintext); !status.ok()) return status;
  }
  return database->TakeFormat(&batch);
}

}  // namespace sealift::queue
