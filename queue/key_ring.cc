#include "queue/key_ring.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <vector>

#include "fmt/format.h"
#include "queue/damage.h"
#include "queue/keys.h"
#include "queue/rocks.h"
#include "queue/wire.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

constexpr size_t kIncarnationSize = 16;

constexpr size_t kFingerprintSize = 16;

rocksdb::WriteOptions Synced() {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return synced;
}

SipKey SipKeyOf(const Secret& secret) {
  SipKey key;
  std::memcpy(key.data(), secret.data(), sizeof(key));
  return key;
}

// The other way round than KeyRing::DatabaseKey; nothing for a kind of key that this version does not know.
std::optional<KeyName> NameOf(std::string_view key) {
  if (key == kNodeKey) return KeyName::Node();
  for (const auto& [prefix, kind] :
       {std::pair(kCampaignKeyPrefix, KeyName::Kind::kCampaign), std::pair(kEventKeyPrefix, KeyName::Kind::kEvents)}) {
    if (key.starts_with(prefix) && key.size() == prefix.size() + 4) {
      return KeyName{kind, Fixed32(key.data() + prefix.size())};
    }
  }
  return std::nullopt;
}

}  // namespace

KeyName KeyName::OfEvents(absl::Time time) {
  // An infinite time ("keep everything"), or a damaged one, has no month.
  const absl::Time latest = absl::FromCivil(absl::CivilDay(9999, 12, 31), absl::UTCTimeZone());
  const absl::CivilMonth month = absl::ToCivilMonth(std::clamp(time, absl::UnixEpoch(), latest), absl::UTCTimeZone());
  return {Kind::kEvents, static_cast<uint32_t>(month.year() * 100 + month.month())};
}

KeyRing::KeyRing(rocksdb::DB* db, const Secret& kek) : db_(db), kek_(kek), wrap_(kek) {}

absl::StatusOr<std::unique_ptr<KeyRing>> KeyRing::Open(rocksdb::DB* db, const Secret& kek, absl::Time now) {
  std::unique_ptr<KeyRing> ring(new KeyRing(db, kek));
  if (absl::Status status = ring->Load(); !status.ok()) return status;
  if (absl::Status status = ring->Renew(now); !status.ok()) return status;
  return ring;
}

absl::Status KeyRing::Load() {
  std::string wrapped;
  const rocksdb::Status found = db_->Get({}, ToSlice(kNodeKey), &wrapped);
  if (!found.ok() && !found.IsNotFound()) return FromRocks(found, "read its keys");
  if (found.IsNotFound()) {
    if (absl::Status status = Make(); !status.ok()) return status;
  } else {
    absl::StatusOr<std::vector<NamedKey>> keys = Unwrap(wrapped);
    if (!keys.ok()) return keys.status();
    for (const NamedKey& key : *keys) {
      const std::optional<KeyName> name = NameOf(key.name);
      if (name) keys_.emplace(*name, key.secret);
    }
  }
  DeriveIndexKeys(keys_.at(KeyName::Node()));

  std::string value;
  scrub_ = db_->Get({}, ToSlice(kKekScrubKey), &value).ok();
  if (db_->Get({}, ToSlice(kKekNextKey), &value).ok()) next_ = value.substr(0, kFingerprintSize);
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}));
  for (it->Seek(ToSlice(kIncarnationPrefix)); it->Valid() && it->key().starts_with(ToSlice(kIncarnationPrefix));
       it->Next()) {
    const uint32_t number = Fixed32(it->key().data() + kIncarnationPrefix.size());
    incarnations_.emplace(number, it->value().ToString());
    incarnation_ = std::max(incarnation_.load(), number);
  }
  return FromRocks(it->status(), "read its keys");
}

absl::Status KeyRing::Make() {
  rocksdb::WriteBatch batch;
  Add(KeyName::Node(), &batch);
  batch.Put(ToSlice(kKekFingerprintKey), Fingerprint(kek_));
  return FromRocks(db_->Write(Synced(), &batch), "store its keys");
}

absl::StatusOr<std::vector<NamedKey>> KeyRing::Unwrap(std::string_view wrapped_node) {
  Secret secret;
  if (wrap_.Unwrap(kNodeKey, wrapped_node, &secret)) return ReadKeys(db_, &wrap_);

  std::string next;
  const bool rotating = db_->Get({}, ToSlice(kKekNextKey), &next).ok() && next.size() > kFingerprintSize;
  if (!rotating || !wrap_.Unwrap(kKekNextKey, std::string_view(next).substr(kFingerprintSize), &secret)) {
    std::string fingerprint;
    (void)db_->Get({}, ToSlice(kKekFingerprintKey), &fingerprint);
    return absl::FailedPreconditionError(fmt::format(
        "the key encryption key does not open this queue: it was made with another key. The configured one is {}{}. "
        "Configure the key that this data directory was created with, or rotated to ([keys]; `sealift key show` names "
        "keys), or point data_dir elsewhere",
        Fingerprint(kek_), fingerprint.empty() ? "" : fmt::format(", the queue's is {}", fingerprint)));
  }
  // The rotation to this key ends: every data key is wrapped by it, in one write.
  KeyWrap before(secret);
  absl::StatusOr<std::vector<NamedKey>> keys = ReadKeys(db_, &before);
  if (!keys.ok()) return keys;
  rocksdb::WriteBatch batch;
  WrapAll(*keys, kek_, &batch);
  batch.Delete(ToSlice(kKekNextKey));
  batch.Put(ToSlice(kKekScrubKey), "");
  if (auto status = db_->Write(Synced(), &batch); !status.ok()) return FromRocks(status, "wrap its keys anew");
  return keys;
}

absl::Status KeyRing::BeginRotation(const Secret& next) {
  const std::string fingerprint = Fingerprint(next);
  if (fingerprint == Fingerprint(kek_)) {
    return absl::InvalidArgumentError("the next key is the one in use: nothing would change. Make another one");
  }
  const std::lock_guard lock(mutex_);
  const std::string value = fingerprint + KeyWrap(next).Wrap(kKekNextKey, kek_);
  if (auto status = db_->Put(Synced(), ToSlice(kKekNextKey), value); !status.ok()) {
    return FromRocks(status, "begin the rotation of its key");
  }
  next_ = fingerprint;
  return absl::OkStatus();
}

absl::Status KeyRing::Scrubbed() {
  scrub_ = false;
  return FromRocks(db_->Delete(Synced(), ToSlice(kKekScrubKey)), "end the erasure of keys");
}

KeyReport KeyRing::Describe() const {
  const std::lock_guard lock(mutex_);
  KeyReport report{.kek = Fingerprint(kek_), .next = next_, .incarnation = incarnation(), .drawn = drawn_};
  for (const auto& [name, secret] : keys_) {
    if (name.kind == KeyName::Kind::kCampaign) ++report.campaigns;
    if (name.kind == KeyName::Kind::kEvents) ++report.months;
  }
  return report;
}

absl::StatusOr<std::vector<NamedKey>> KeyRing::KeysIn(rocksdb::DB* copy) const {
  const std::lock_guard lock(mutex_);
  return ReadKeys(copy, &wrap_);
}

absl::Status KeyRing::Renew(absl::Time now) {
  std::string drawn(kIncarnationSize, '\0');
  RandomBytes(drawn.data(), drawn.size());
  const uint32_t number = incarnation_.load() + 1;
  const auto status = db_->Put(Synced(), ToSlice(NumberedKey(kIncarnationPrefix, number)), ToSlice(drawn));
  if (!status.ok()) return FromRocks(status, "commit a new incarnation");
  {
    const std::lock_guard lock(mutex_);
    incarnations_.emplace(number, std::move(drawn));
    drawn_ = now;
  }
  incarnation_.store(number, std::memory_order_release);
  return absl::OkStatus();
}

absl::Time KeyRing::incarnation_drawn() const {
  const std::lock_guard lock(mutex_);
  return drawn_;
}

absl::StatusOr<Secret> KeyRing::SealingKey(KeyName name, uint32_t incarnation) const {
  const std::lock_guard lock(mutex_);
  const auto key = keys_.find(name);
  if (key == keys_.end()) {
    return absl::NotFoundError(
        name.kind == KeyName::Kind::kCampaign
            ? fmt::format("the data key of campaign {:08x} is gone: it was erased", name.id)
            : fmt::format("the data key of the events of {} is gone: past their retention", name.id));
  }
  const auto salt = incarnations_.find(incarnation);
  if (salt == incarnations_.end()) {
    return Damage(fmt::format(
        "a value in the queue names incarnation {}, which this queue never had: it was damaged or comes from elsewhere",
        incarnation));
  }
  return key->second.Derive(salt->second, "sealift value 1");
}

void KeyRing::Add(KeyName name, rocksdb::WriteBatch* batch) {
  const std::lock_guard lock(mutex_);
  const auto [place, added] = keys_.try_emplace(name);
  if (!added) return;
  place->second = Secret::Random();
  const std::string key = DatabaseKey(name);
  batch->Put(ToSlice(key), ToSlice(wrap_.Wrap(key, place->second)));
}

void KeyRing::Forget(KeyName name, rocksdb::WriteBatch* batch) {
  const std::lock_guard lock(mutex_);
  if (keys_.erase(name) == 0) return;
  batch->Delete(ToSlice(DatabaseKey(name)));
  generation_.fetch_add(1, std::memory_order_acq_rel);
}

void KeyRing::ForgetEventsBefore(absl::Time time, rocksdb::WriteBatch* batch) {
  const KeyName first_kept = KeyName::OfEvents(time);
  std::vector<KeyName> old;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, secret] : keys_) {
      if (name.kind == KeyName::Kind::kEvents && name.id < first_kept.id) old.push_back(name);
    }
  }
  for (const KeyName& name : old) Forget(name, batch);
}

uint32_t KeyRing::NextSealer() {
  const uint64_t number = sealers_.fetch_add(1, std::memory_order_relaxed);
  assert(number <= std::numeric_limits<uint32_t>::max());
  return static_cast<uint32_t>(number);
}

void KeyRing::DeriveIndexKeys(const Secret& node) {
  destination_key_ = SipKeyOf(node.Derive("", "sealift destinations 1"));
  address_key_ = SipKeyOf(node.Derive("", "sealift addresses 1"));
  roll_key_ = SipKeyOf(node.Derive("", "sealift rolls 1"));
  std::memcpy(message_id_key_.data(), node.Derive("", "sealift message ids 1").data(), message_id_key_.size());
  tokens_.SetKeys(node, message_id_key_);
}

std::string KeyRing::DatabaseKey(KeyName name) {
  switch (name.kind) {
    case KeyName::Kind::kNode:
      return std::string(kNodeKey);
    case KeyName::Kind::kCampaign:
      return NumberedKey(kCampaignKeyPrefix, name.id);
    case KeyName::Kind::kEvents:
      return NumberedKey(kEventKeyPrefix, name.id);
  }
  assert(false);
  return {};
}

}  // namespace sealift::queue
