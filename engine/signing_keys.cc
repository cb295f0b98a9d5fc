#include "engine/signing_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/config_place.h"
#include "engine/message/dkim_record.h"
#include "engine/secret_file.h"

namespace sealift::engine {
namespace {

constexpr size_t kFileBytesMax = 16 << 10;

std::string Remake(const DkimIdentity& identity) {
  return fmt::format("make a new one under a new selector: sealift dkim generate FILE --domain {} --selector NEW",
                     identity.domain);
}

absl::Status CheckStrength(const DkimIdentity& identity, std::string_view origin) {
  if (identity.key.algorithm() != DkimAlgorithm::kRsaSha256) return absl::OkStatus();
  const int bits = identity.key.bits();
  if (bits < SigningKeys::kRsaBitsMin) {
    return absl::InvalidArgumentError(fmt::format(
        "the key of {} ({}) is RSA with {} bits: receivers do not trust less than {} (RFC 8301); {}",
        DkimRecordName(identity.selector, identity.domain), origin, bits, SigningKeys::kRsaBitsMin, Remake(identity)));
  }
  if (bits > SigningKeys::kRsaBitsMax) {
    return absl::InvalidArgumentError(fmt::format(
        "the key of {} ({}) is RSA with {} bits: many receivers verify none over {}, and signing takes many "
        "times longer; {}",
        DkimRecordName(identity.selector, identity.domain), origin, bits, SigningKeys::kRsaBitsMax, Remake(identity)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DkimKey> ReadSigningKey(const std::string& path, std::string_view origin, uid_t daemon) {
  const std::string name = fmt::format("the DKIM key file {} ({})", path, origin);
  const absl::StatusOr<SecretFile> file = SecretFile::Open(
      path, {.origin = name,
             .if_absent = fmt::format("mail would go out unsigned. Restore it, or make one: sealift dkim generate {} "
                                      "--domain DOMAIN --selector SELECTOR",
                                      path),
             .if_shared = fmt::format(
                 "others than its owner can use it, and could sign mail in your name; chmod 0600 {}", path)});
  if (!file.ok()) return file.status();
  if (absl::Status status = file->CheckPrivate(daemon); !status.ok()) return status;
  const absl::StatusOr<Secret> secret = file->Read(kFileBytesMax + 1);
  if (!secret.ok()) return secret.status();
  if (secret->full()) {
    return absl::InvalidArgumentError(
        fmt::format("{} has more than {} bytes, which no key has; name the key's own file", name, kFileBytesMax));
  }
  absl::StatusOr<DkimKey> key = DkimKey::Parse(secret->bytes());
  if (key.ok()) return key;
  return absl::InvalidArgumentError(fmt::format("{} {}", name, std::string(key.status().message())));
}

absl::StatusOr<std::shared_ptr<const SigningKeys>> SigningKeys::Load(const Options& options) {
  auto keys = std::make_shared<SigningKeys>();
  const uid_t daemon = DaemonOf(options.node.data_dir);
  for (size_t i = 0; i < options.dkim.size(); ++i) {
    const DkimOptions& dkim = options.dkim[i];
    const std::string name = fmt::format("dkim[{}].key_file", i);
    const std::string origin = fmt::format("{}, set at {}", name, PlaceOf(options, name));
    absl::StatusOr<DkimKey> key = ReadSigningKey(dkim.key_file, origin, daemon);
    if (!key.ok()) return key.status();
    Entry entry{.identity = {dkim.domain, dkim.selector, *std::move(key)}};
    if (absl::Status status = CheckStrength(entry.identity, origin); !status.ok()) return status;
    entry.signs = std::ranges::none_of(keys->entries_, [&](const Entry& other) {
      return other.identity.domain == entry.identity.domain &&
             other.identity.key.algorithm() == entry.identity.key.algorithm();
    });
    keys->entries_.push_back(std::move(entry));
  }
  for (const StreamOptions& stream : options.streams) {
    std::vector<DkimIdentity> identities;
    for (const std::string& domain : stream.dkim) {
      for (const Entry& entry : keys->entries_) {
        if (entry.signs && entry.identity.domain == domain) identities.push_back(entry.identity);
      }
    }
    if (!identities.empty()) keys->signers_[stream.name] = std::make_shared<DkimSigner>(std::move(identities));
  }
  return keys;
}

std::shared_ptr<const DkimSigner> SigningKeys::SignerOf(std::string_view stream) const {
  const auto found = signers_.find(stream);
  return found == signers_.end() ? nullptr : found->second;
}

std::vector<std::string> ReplacedKeys(const SigningKeys& before, const SigningKeys& after) {
  std::vector<std::string> replaced;
  for (const SigningKeys::Entry& entry : after.entries()) {
    const DkimIdentity& now = entry.identity;
    for (const SigningKeys::Entry& other : before.entries()) {
      const DkimIdentity& was = other.identity;
      if (was.domain != now.domain || was.selector != now.selector) continue;
      if (was.key.public_key() == now.key.public_key()) continue;
      replaced.push_back(fmt::format("{}: another key than before", DkimRecordName(now.selector, now.domain)));
    }
  }
  return replaced;
}

}  // namespace sealift::engine
