#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/key_report.h"
#include "queue/key_wrap.h"
#include "queue/message_token.h"
#include "queue/sealing.h"
#include "queue/siphash.h"
#include "queue/types.h"

namespace rocksdb {
class DB;
class WriteBatch;
}  // namespace rocksdb

namespace sealift::queue {

// Which data key a value is sealed under: the node's, a campaign's, or a month's of events.
struct KeyName {
  enum class Kind : uint8_t { kNode = 0, kCampaign, kEvents };
  Kind kind = Kind::kNode;
  uint32_t id = 0;  // the campaign; the month as yyyymm

  static KeyName Node() { return {}; }
  static KeyName Of(CampaignId campaign) { return {Kind::kCampaign, static_cast<uint32_t>(campaign)}; }
  static KeyName OfEvents(absl::Time time);

  friend auto operator<=>(const KeyName&, const KeyName&) = default;

  template <typename H>
  friend H AbslHashValue(H state, const KeyName& name) {
    return H::combine(std::move(state), name.kind, name.id);
  }
};

// KeyRing holds the data keys, each wrapped on disk by the key encryption key, and the node's incarnations.
//
// A data key never seals a value itself. Each start of the node draws a 128-bit incarnation and commits it before first
// use, and values are sealed under HKDF(data key, incarnation): two runs of the node, also one from a restored backup,
// share no key, so that nonces need only be unique within a run (SP 800-38D, 8.2.1). A campaign is erased by forgetting
// its key.
//
// The key encryption key is changed in two steps, between which either of the two opens the database, so that neither a
// crash nor the order of the operator's steps locks anybody out: BeginRotation leaves the present key wrapped by the
// next one, and the first Open with the next one wraps every data key anew, all of them or none. Values are not
// touched.
//
// Owned by:  Store.
// Threads:   any; keys are looked up under a mutex, once a key and sealer.
// Errors:    FailedPrecondition when the key encryption key is not the one that the database opens with.
class KeyRing {
 public:
  // Opens the keys of `db`; draws and commits this run's incarnation. A new database gets its node key.
  static absl::StatusOr<std::unique_ptr<KeyRing>> Open(rocksdb::DB* db, const Secret& kek, absl::Time now);

  // The key that values under `name` are sealed with in the given incarnation.
  absl::StatusOr<Secret> SealingKey(KeyName name, uint32_t incarnation) const;

  // Makes a key unless there is one; it must be committed with (or before) the first value that it seals.
  void Add(KeyName name, rocksdb::WriteBatch* batch);
  void Forget(KeyName name, rocksdb::WriteBatch* batch);
  // The event keys of months before that of `time`.
  void ForgetEventsBefore(absl::Time time, rocksdb::WriteBatch* batch);

  // Draws a new incarnation and commits it, synced, before anyone seals under it.
  absl::Status Renew(absl::Time now);

  // From here on the database also opens with `next`, and with nothing else once it was. Durable on return.
  // InvalidArgument: it is the one in use.
  absl::Status BeginRotation(const Secret& next);
  // Whether what earlier keys have wrapped, or what was erased, must still be made unreadable; Scrubbed: it is.
  bool scrub() const { return scrub_; }
  absl::Status Scrubbed();

  KeyReport Describe() const;

  // The data keys in another database that opens with the same key encryption key: a copy of this one.
  absl::StatusOr<std::vector<NamedKey>> KeysIn(rocksdb::DB* copy) const;

  uint32_t incarnation() const { return incarnation_.load(std::memory_order_acquire); }
  absl::Time incarnation_drawn() const;
  // Changes whenever a key was forgotten: what was derived from it must go too.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  // No two sealers of a run have the same.
  uint32_t NextSealer();

  // Keys for what must be the same for the node's life.
  const SipKey& destination_key() const { return destination_key_; }
  const SipKey& address_key() const { return address_key_; }
  const SipKey& roll_key() const { return roll_key_; }
  const std::array<uint8_t, 16>& message_id_key() const { return message_id_key_; }
  const MessageTokens& tokens() const { return tokens_; }

 private:
  KeyRing(rocksdb::DB* db, const Secret& kek);

  absl::Status Load();
  absl::Status Make();
  // Takes what the present key has wrapped, or what a rotation to it has left.
  absl::StatusOr<std::vector<NamedKey>> Unwrap(std::string_view wrapped_node);
  void DeriveIndexKeys(const Secret& node);
  static std::string DatabaseKey(KeyName name);

  rocksdb::DB* const db_;
  const Secret kek_;
  bool scrub_ = false;
  SipKey destination_key_{}, address_key_{}, roll_key_{};
  std::array<uint8_t, 16> message_id_key_{};
  MessageTokens tokens_;
  std::atomic<uint64_t> generation_ = 0, sealers_ = 0;
  std::atomic<uint32_t> incarnation_ = 0;

  mutable std::mutex mutex_;
  mutable KeyWrap wrap_;
  std::optional<std::string> next_;  // fingerprint
  absl::flat_hash_map<KeyName, Secret> keys_;
  absl::flat_hash_map<uint32_t, std::string> incarnations_;
  absl::Time drawn_;
};

}  // namespace sealift::queue
