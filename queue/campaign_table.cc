#include "queue/campaign_table.h"

#include <algorithm>
#include <cassert>
#include <memory>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include "queue/campaign_records.h"
#include "queue/keys.h"
#include "queue/rocks.h"
#include "queue/sealer.h"
#include "queue/wire.h"
#include "rocksdb/db.h"
#include "rocksdb/snapshot.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

absl::Status Malformed(CampaignId id, std::string_view part) {
  return absl::DataLossError(fmt::format(
      "the {} of campaign {:08x} is in a form that this version does not know. Run the version that wrote it, or "
      "restore the data directory from a backup",
      part, static_cast<uint32_t>(id)));
}

absl::Status NoCampaign(CampaignId id) {
  return absl::NotFoundError(fmt::format("there is no campaign {:08x}", static_cast<uint32_t>(id)));
}

// Nothing: it is another record's key.
std::optional<CampaignId> CampaignOfHead(const rocksdb::Slice& key) {
  if (key.size() != 5 || key[4] != static_cast<char>(CampaignPart::kHead)) return std::nullopt;
  return CampaignId{Fixed32(key.data())};
}

// Adds the counts and the load's progress to *campaign, whose id is known.
absl::Status ReadCountsOf(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* column, const rocksdb::Snapshot* snapshot,
                          Unsealer* unsealer, Campaign* campaign, Roll* roll) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  std::string value;
  const std::string progress = CampaignKey(campaign->id, CampaignPart::kProgress);
  if (auto status = db->Get(options, column, progress, &value); status.ok()) {
    absl::StatusOr<std::string> opened = unsealer->Open(KeyName::Node(), Seal::kCampaign, progress, value);
    if (!opened.ok()) return opened.status();
    if (!DecodeProgress(*opened, campaign, &roll->loaded)) return Malformed(campaign->id, "progress");
  } else if (!status.IsNotFound()) {
    return FromRocks(status, "read a campaign");
  }
  const std::string tally = CampaignKey(campaign->id, CampaignPart::kTally);
  if (auto status = db->Get(options, column, tally, &value); status.ok()) {
    absl::StatusOr<std::string> opened = unsealer->Open(KeyName::Node(), Seal::kCampaign, tally, value);
    if (!opened.ok()) return opened.status();
    if (!DecodeTally(*opened, &campaign->counters, &roll->settled)) return Malformed(campaign->id, "tally");
  } else if (!status.IsNotFound()) {
    return FromRocks(status, "read a campaign");
  }
  return absl::OkStatus();
}

}  // namespace

CampaignTable::~CampaignTable() {
  assert(std::ranges::none_of(campaigns_, [](const auto& entry) { return entry.second.gate->loading; }) &&
         "a load does not outlive its store");
}

absl::Status CampaignTable::Open() {
  const std::lock_guard lock(mutex_);
  Unsealer unsealer(ring_);
  const std::unique_ptr<rocksdb::Iterator> it(
      database_->get()->NewIterator(rocksdb::ReadOptions(), database_->handle(Column::kCampaigns)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::string_view key = ToView(it->key());
    const std::optional<CampaignId> id = CampaignOfHead(it->key());
    if (!id.has_value()) continue;
    absl::StatusOr<std::string> head = unsealer.Open(KeyName::Node(), Seal::kCampaign, key, ToView(it->value()));
    if (!head.ok()) return head.status();
    Campaign campaign;
    campaign.id = *id;
    if (!DecodeHead(*head, &campaign)) return Malformed(campaign.id, "record");
    names_.emplace(campaign.spec.name, campaign.id);
    auto gate = std::make_shared<CampaignGate>();
    gate->cancelled = campaign.state == CampaignState::kCancelled;
    campaigns_.emplace(campaign.id, Entry{campaign, std::move(gate)});
  }
  return FromRocks(it->status(), "read its campaigns");
}

absl::StatusOr<Campaign> CampaignTable::Create(CampaignSpec spec, absl::Time now, std::optional<CampaignId> id) {
  const std::lock_guard alone(changing_);
  Campaign campaign;
  {
    const std::lock_guard lock(mutex_);
    if (names_.contains(spec.name)) {
      return absl::AlreadyExistsError(
          "there is a campaign of this name already. Choose another name, or load the same files");
    }
    if (failure_->stopped()) return failure_->status();
    if (id.has_value() && campaigns_.contains(*id)) return absl::AlreadyExistsError("there is this campaign already");
    campaign.id = id.value_or(CampaignId{});
    while (campaign.id == CampaignId{} || (!id.has_value() && campaigns_.contains(campaign.id))) {
      uint32_t drawn;
      RandomBytes(&drawn, sizeof(drawn));
      campaign.id = CampaignId{drawn};
    }
  }
  campaign.spec = std::move(spec);
  campaign.created = now;

  rocksdb::WriteBatch batch;
  ring_->Add(KeyName::Of(campaign.id), &batch);
  std::string body, sealed;
  EncodeBody(campaign.spec, &body);
  const std::string key = CampaignKey(campaign.id, CampaignPart::kBody);
  Sealer sealer(ring_);
  if (absl::Status status = sealer.Seal(KeyName::Of(campaign.id), Seal::kCampaign, key, body, &sealed); !status.ok()) {
    return status;
  }
  batch.Put(database_->handle(Column::kCampaigns), key, sealed);
  if (absl::Status status = WriteHeadAlone(campaign, &batch); !status.ok()) return status;
  return campaign;
}

absl::Status CampaignTable::WriteHead(const Campaign& campaign, rocksdb::WriteBatch* batch) {
  const std::lock_guard alone(changing_);
  return WriteHeadAlone(campaign, batch);
}

absl::Status CampaignTable::WriteHeadAlone(const Campaign& campaign, rocksdb::WriteBatch* batch) {
  if (failure_->final()) return failure_->status();
  std::string head, sealed;
  EncodeHead(campaign, &head);
  const std::string key = CampaignKey(campaign.id, CampaignPart::kHead);
  Sealer sealer(ring_);
  if (absl::Status status = sealer.Seal(KeyName::Node(), Seal::kCampaign, key, head, &sealed); !status.ok()) {
    return status;
  }
  batch->Put(database_->handle(Column::kCampaigns), key, sealed);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  if (const auto written = database_->get()->Write(synced, batch); !written.ok()) {
    const absl::Status status = FromRocks(written, "commit a campaign's state");
    failure_->Note(status);
    return status;
  }
  // What can be large stays on disk.
  const std::lock_guard lock(mutex_);
  Entry& entry = campaigns_[campaign.id];
  entry.head = campaign;
  entry.head.spec.template_text.clear();
  entry.head.spec.columns.clear();
  entry.head.spec.defaults.clear();
  entry.head.spec.settings_json.clear();
  entry.head.spec.finished = false;
  if (!entry.gate) entry.gate = std::make_shared<CampaignGate>();
  names_.emplace(campaign.spec.name, campaign.id);
  return absl::OkStatus();
}

absl::StatusOr<CampaignId> CampaignTable::Find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(std::string(name));
  if (found == names_.end()) return absl::NotFoundError("there is no campaign of this name");
  return found->second;
}

absl::StatusOr<Campaign> CampaignTable::Head(CampaignId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = campaigns_.find(id);
  if (found == campaigns_.end()) return NoCampaign(id);
  return found->second.head;
}

absl::StatusOr<std::shared_ptr<CampaignGate>> CampaignTable::Gate(CampaignId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = campaigns_.find(id);
  if (found == campaigns_.end()) return NoCampaign(id);
  return found->second.gate;
}

bool CampaignTable::BeginLoading(CampaignGate* gate) {
  const std::lock_guard lock(mutex_);
  return !std::exchange(gate->loading, true);
}

void CampaignTable::EndLoading(CampaignGate* gate) {
  const std::lock_guard lock(mutex_);
  gate->loading = false;
}

absl::Status CampaignTable::ReadCounts(const rocksdb::Snapshot* snapshot, Campaign* campaign, Roll* roll) const {
  Unsealer unsealer(ring_);
  Roll read;
  const absl::Status status =
      ReadCountsOf(database_->get(), database_->handle(Column::kCampaigns), snapshot, &unsealer, campaign, &read);
  if (!status.ok()) return status;
  if (roll != nullptr) *roll = read;
  // Loads do not write the head: a campaign that waits for nothing but the end of its load is ready by it.
  if (campaign->state == CampaignState::kLoading && campaign->load_complete) campaign->state = CampaignState::kReady;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Counters>> CountCampaigns(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* campaigns,
                                                     KeyRing* ring) {
  Unsealer unsealer(ring);
  std::vector<Counters> counts;
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}, campaigns));
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const std::optional<CampaignId> id = CampaignOfHead(it->key());
    if (!id.has_value()) continue;
    Campaign campaign{.id = *id};
    Roll roll;
    const absl::Status status = ReadCountsOf(db, campaigns, nullptr, &unsealer, &campaign, &roll);
    if (!status.ok()) return status;
    counts.push_back(campaign.counters);
  }
  if (!it->status().ok()) return FromRocks(it->status(), "read campaigns");
  return counts;
}

absl::StatusOr<Campaign> CampaignTable::Get(CampaignId id) const {
  absl::StatusOr<Campaign> campaign = Head(id);
  if (!campaign.ok()) return campaign;
  rocksdb::ManagedSnapshot snapshot(database_->get());
  if (absl::Status status = ReadCounts(snapshot.snapshot(), &*campaign); !status.ok()) return status;
  if (campaign->erased) return campaign;

  rocksdb::ReadOptions options;
  options.snapshot = snapshot.snapshot();
  std::string sealed;
  const std::string key = CampaignKey(id, CampaignPart::kBody);
  const auto found = database_->get()->Get(options, database_->handle(Column::kCampaigns), key, &sealed);
  if (!found.ok()) return FromRocks(found, "read a campaign's template");
  Unsealer unsealer(ring_);
  absl::StatusOr<std::string> body = unsealer.Open(KeyName::Of(id), Seal::kCampaign, key, sealed);
  if (!body.ok()) return body.status();
  if (!DecodeBody(*body, &campaign->spec)) return Malformed(id, "template");
  return campaign;
}

absl::StatusOr<std::vector<Campaign>> CampaignTable::List() const {
  std::vector<Campaign> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : campaigns_) all.push_back(entry.head);
  }
  std::ranges::sort(all, {}, [](const Campaign& campaign) { return std::pair(campaign.created, campaign.id); });
  rocksdb::ManagedSnapshot snapshot(database_->get());
  for (Campaign& campaign : all) {
    if (absl::Status status = ReadCounts(snapshot.snapshot(), &campaign); !status.ok()) return status;
  }
  return all;
}

absl::Status CampaignTable::SetState(CampaignId id, CampaignState state, absl::Time now) {
  const std::lock_guard alone(changing_);
  absl::StatusOr<Campaign> changed = Head(id);
  if (!changed.ok()) return changed.status();
  if (changed->state == CampaignState::kCancelled) {
    return absl::FailedPreconditionError(
        fmt::format("campaign {:08x} is cancelled: load it again under another name", static_cast<uint32_t>(id)));
  }
  if (failure_->stopped()) return failure_->status();
  changed->state = state;
  if (state == CampaignState::kRunning && changed->started == absl::InfiniteFuture()) changed->started = now;
  rocksdb::WriteBatch batch;
  return WriteHeadAlone(*changed, &batch);
}

absl::Status CampaignTable::SetEnded(CampaignId id, absl::Time ended) {
  const std::lock_guard alone(changing_);
  absl::StatusOr<Campaign> changed = Head(id);
  if (!changed.ok()) return changed.status();
  if (changed->state == CampaignState::kCancelled || changed->ended == ended) {
    return absl::OkStatus();  // that time stands
  }
  changed->ended = ended;
  rocksdb::WriteBatch batch;
  return WriteHeadAlone(*changed, &batch);
}

}  // namespace sealift::queue
