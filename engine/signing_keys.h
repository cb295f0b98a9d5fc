// The keys of [[dkim]], and which of them sign for which stream.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/message/dkim_signer.h"
#include "engine/options.h"

namespace sealift::engine {

// SigningKeys holds every key that the configuration names, each parsed once.
//
// Of the keys of one domain the first in the file of each algorithm signs, so that one RSA and one Ed25519 key sign
// together. Those behind it stand by: they are read and checked, and `dkim check` compares them with the DNS, so that a
// new selector can be published and seen before it is moved to the front and takes over.
//
// Owned by:  shared_ptr<const SigningKeys>, by everyone who signs; a reload makes a new one.
// Threads:   any; Load blocks on the disk.
// Errors:    Load: a sentence that says what, where, why and what to do next; never a byte of a key.
class SigningKeys {
 public:
  static constexpr int kRsaBitsMin = 2048;  // RFC 8301 3.2
  static constexpr int kRsaBitsMax = 4096;  // longer ones fit no DNS answer, and cost more time than they are worth

  struct Entry {
    DkimIdentity identity;
    bool signs = false;  // false: it stands by
  };

  static absl::StatusOr<std::shared_ptr<const SigningKeys>> Load(const Options& options);

  // Null: the mail of this stream is not signed.
  std::shared_ptr<const DkimSigner> SignerOf(std::string_view stream) const;

  // In the order of the file.
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
  std::map<std::string, std::shared_ptr<const DkimSigner>, std::less<>> signers_;  // by stream
};

// The key in this file, which is a regular one, no symbolic link, the daemon's or root's, and readable by its owner
// alone. `origin` says where it is named: "dkim[0].key_file, set at sealift.toml:12".
absl::StatusOr<DkimKey> ReadSigningKey(const std::string& path, std::string_view origin, uid_t daemon);

// The entries whose key is another than before under the same selector: a sentence each, for the answer of a reload.
std::vector<std::string> ReplacedKeys(const SigningKeys& before, const SigningKeys& after);

}  // namespace sealift::engine
