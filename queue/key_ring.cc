#include "queue/key_ring.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <limits>
#include <vector>

#include "fmt/format.h"
#include "queue/keys.h"
#include "queue/rocks.h"
#include "queue/wire.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

constexpr std::string_view kWrapPurpose = "sealift key wrap 1";
constexpr size_t kIncarnationSize = 16;

std::string_view Bytes(const Secret& secret) { return {reinterpret_cast<const char*>(secret.data()), Secret::kSize}; }

SipKey SipKeyOf(const Secret& secret) {
  SipKey key;
  std::memcpy(key.data(), secret.data(), sizeof(key));
  return key;
}

}  // namespace

KeyName KeyName::OfEvents(absl::Time time) {
  // An infinite time ("keep everything"), or a damaged one, has no month.
  const absl::Time latest = absl::FromCivil(absl::CivilDay(9999, 12, 31), absl::UTCTimeZone());
  const absl::CivilMonth month = absl::ToCivilMonth(std::clamp(time, absl::UnixEpoch(), latest), absl::UTCTimeZone());
  return {Kind::kEvents, static_cast<uint32_t>(month.year() * 100 + month.month())};
}

KeyRing::KeyRing(rocksdb::DB* db, const Secret& kek)
    : db_(db), wrap_(kek, Cipher::Direction::kSeal), unwrap_(kek, Cipher::Direction::kOpen) {}

absl::StatusOr<std::unique_ptr<KeyRing>> KeyRing::Open(rocksdb::DB* db, const Secret& kek, absl::Time now) {
  std::unique_ptr<KeyRing> ring(new KeyRing(db, kek));
  if (absl::Status status = ring->Load(); !status.ok()) return status;
  if (absl::Status status = ring->Renew(now); !status.ok()) return status;
  return ring;
}

absl::Status KeyRing::Load() {
  std::string wrapped;
  const rocksdb::Status found = db_->Get({}, ToSlice(kNodeKey), &wrapped);
  if (found.IsNotFound()) {
    rocksdb::WriteBatch batch;
    Add(KeyName::Node(), &batch);
    rocksdb::WriteOptions synced;
    synced.sync = true;
    if (auto status = db_->Write(synced, &batch); !status.ok()) return FromRocks(status, "store its keys");
  } else if (!found.ok()) {
    return FromRocks(found, "read its keys");
  } else {
    Secret node;
    if (!Unwrap(kNodeKey, wrapped, &node)) {
      return absl::FailedPreconditionError(
          "the key encryption key does not open this queue: it was made with another key. Configure the key that this "
          "data "
          "directory was created with ([keys]), or point data_dir elsewhere");
    }
    keys_.emplace(KeyName::Node(), node);
  }
  DeriveIndexKeys(keys_.at(KeyName::Node()));

  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}));
  for (const auto& [prefix, kind] :
       {std::pair(kCampaignKeyPrefix, KeyName::Kind::kCampaign), std::pair(kEventKeyPrefix, KeyName::Kind::kEvents)}) {
    for (it->Seek(ToSlice(prefix)); it->Valid() && it->key().starts_with(ToSlice(prefix)); it->Next()) {
      const std::string_view key = ToView(it->key());
      Secret secret;
      if (key.size() != prefix.size() + 4 || !Unwrap(key, ToView(it->value()), &secret)) {
        return absl::DataLossError(
            "a wrapped data key in the queue does not authenticate: the data directory was damaged or changed. Restore "
            "it "
            "from a backup");
      }
      keys_.emplace(KeyName{kind, Fixed32(key.data() + prefix.size())}, secret);
    }
    if (!it->status().ok()) return FromRocks(it->status(), "read its keys");  // the next Seek would forget it
  }
  for (it->Seek(ToSlice(kIncarnationPrefix)); it->Valid() && it->key().starts_with(ToSlice(kIncarnationPrefix));
       it->Next()) {
    const uint32_t number = Fixed32(it->key().data() + kIncarnationPrefix.size());
    incarnations_.emplace(number, it->value().ToString());
    incarnation_ = std::max(incarnation_.load(), number);
  }
  return FromRocks(it->status(), "read its keys");
}

absl::Status KeyRing::Renew(absl::Time now) {
  std::string drawn(kIncarnationSize, '\0');
  RandomBytes(drawn.data(), drawn.size());
  const uint32_t number = incarnation_.load() + 1;
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const auto status = db_->Put(synced, ToSlice(NumberedKey(kIncarnationPrefix, number)), ToSlice(drawn));
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
    return absl::DataLossError(
        fmt::format("a value in the queue names incarnation {}, which this queue never had: it was damaged or comes "
                    "from elsewhere. "
                    "Restore the data directory from a backup",
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
  batch->Put(ToSlice(key), ToSlice(Wrap(key, place->second)));
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

std::string KeyRing::Wrap(std::string_view key, const Secret& secret) {
  std::string wrapped(Cipher::kNonceSize, '\0');
  RandomBytes(wrapped.data(), wrapped.size());
  const std::string nonce = wrapped;
  wrap_.Seal(nonce, {kWrapPurpose, key}, Bytes(secret), &wrapped);
  return wrapped;
}

bool KeyRing::Unwrap(std::string_view key, std::string_view wrapped, Secret* secret) {
  if (wrapped.size() < Cipher::kNonceSize) return false;
  std::string opened;
  if (!unwrap_.Open(wrapped.substr(0, Cipher::kNonceSize), {kWrapPurpose, key}, wrapped.substr(Cipher::kNonceSize),
                    &opened) ||
      opened.size() != Secret::kSize) {
    return false;
  }
  std::array<uint8_t, Secret::kSize> bytes;
  std::memcpy(bytes.data(), opened.data(), bytes.size());
  *secret = Secret(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  OPENSSL_cleanse(opened.data(), opened.size());
  return true;
}

void KeyRing::DeriveIndexKeys(const Secret& node) {
  destination_key_ = SipKeyOf(node.Derive("", "sealift destinations 1"));
  address_key_ = SipKeyOf(node.Derive("", "sealift addresses 1"));
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
