#include "queue/key_wrap.h"

#include <array>
#include <cstring>
#include <memory>

#include "fmt/format.h"
#include "queue/damage.h"
#include "queue/key_report.h"
#include "queue/keys.h"
#include "queue/rocks.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

constexpr std::string_view kWrapPurpose = "sealift key wrap 1";
constexpr size_t kFingerprintBytes = 8;

std::string_view Bytes(const Secret& secret) { return {reinterpret_cast<const char*>(secret.data()), Secret::kSize}; }

}  // namespace

std::string KeyWrap::Wrap(std::string_view name, const Secret& secret) {
  std::string wrapped(Cipher::kNonceSize, '\0');
  RandomBytes(wrapped.data(), wrapped.size());
  const std::string nonce = wrapped;
  seal_.Seal(nonce, {kWrapPurpose, name}, Bytes(secret), &wrapped);
  return wrapped;
}

bool KeyWrap::Unwrap(std::string_view name, std::string_view wrapped, Secret* secret) {
  if (wrapped.size() < Cipher::kNonceSize) return false;
  std::string opened;
  if (!open_.Open(wrapped.substr(0, Cipher::kNonceSize), {kWrapPurpose, name}, wrapped.substr(Cipher::kNonceSize),
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

absl::StatusOr<std::vector<NamedKey>> ReadKeys(rocksdb::DB* db, KeyWrap* wrap) {
  std::vector<NamedKey> keys;
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator({}));
  for (it->Seek(ToSlice(kKeyPrefix)); it->Valid() && it->key().starts_with(ToSlice(kKeyPrefix)); it->Next()) {
    NamedKey& key = keys.emplace_back(NamedKey{it->key().ToString(), {}});
    if (!wrap->Unwrap(key.name, ToView(it->value()), &key.secret)) {
      return Damage("a wrapped data key in the queue does not authenticate: the data directory was damaged or changed");
    }
  }
  if (!it->status().ok()) return FromRocks(it->status(), "read its keys");
  return keys;
}

void WrapAll(const std::vector<NamedKey>& keys, const Secret& kek, rocksdb::WriteBatch* batch) {
  KeyWrap wrap(kek);
  for (const NamedKey& key : keys) batch->Put(key.name, wrap.Wrap(key.name, key.secret));
  batch->Put(ToSlice(kKekFingerprintKey), Fingerprint(kek));
}

std::string Fingerprint(const Secret& kek) {
  const Secret derived = kek.Derive("", "sealift key fingerprint 1");
  std::string hex;
  for (size_t i = 0; i < kFingerprintBytes; ++i) fmt::format_to(std::back_inserter(hex), "{:02x}", derived.data()[i]);
  return hex;
}

std::string FingerprintOf(const std::array<uint8_t, 32>& kek) { return Fingerprint(Secret(kek)); }

}  // namespace sealift::queue
