#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "queue/sealing.h"

namespace rocksdb {
class DB;
class WriteBatch;
}  // namespace rocksdb

namespace sealift::queue {

// A data key with its place in the database: "key/node", "key/c/....".
struct NamedKey {
  std::string name;
  Secret secret;
};

// KeyWrap seals data keys under a key encryption key: AES-256-GCM with a random nonce, bound to the key's place.
//
// Threads: one at a time.
class KeyWrap {
 public:
  explicit KeyWrap(const Secret& kek) : seal_(kek, Cipher::Direction::kSeal), open_(kek, Cipher::Direction::kOpen) {}

  std::string Wrap(std::string_view name, const Secret& secret);
  // False: it was not wrapped by this key, or not for this place.
  [[nodiscard]] bool Unwrap(std::string_view name, std::string_view wrapped, Secret* secret);

 private:
  Cipher seal_, open_;
};

// Every data key of the database. DataLoss: one does not open.
absl::StatusOr<std::vector<NamedKey>> ReadKeys(rocksdb::DB* db, KeyWrap* wrap);

// Adds all of them, wrapped by `kek`, and what tells which key that is.
void WrapAll(const std::vector<NamedKey>& keys, const Secret& kek, rocksdb::WriteBatch* batch);

// Names a key encryption key and says nothing of it: 16 hexadecimal digits.
std::string Fingerprint(const Secret& kek);

}  // namespace sealift::queue
