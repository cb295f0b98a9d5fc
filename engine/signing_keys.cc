#include "engine/signing_keys.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/message/dkim_record.h"

namespace sealift::engine {
namespace {

constexpr size_t kFileBytesMax = 16 << 10;

struct Closer {
  int fd;
  ~Closer() { ::close(fd); }
};

// The bytes of a key file; wiped when done with.
struct Secret {
  std::array<char, kFileBytesMax + 1> bytes{};
  size_t size = 0;
  ~Secret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

absl::Status CheckFile(const struct stat& about, const std::string& file, const std::string& path) {
  if (!S_ISREG(about.st_mode)) return absl::PermissionDeniedError(fmt::format("{} is not a regular file", file));
  if (about.st_uid != ::geteuid() && about.st_uid != 0) {
    return absl::PermissionDeniedError(fmt::format(
        "{} belongs to user {}, who could change it; chown it to the user that runs sealiftd", file, about.st_uid));
  }
  if ((about.st_mode & 0177) != 0) {
    return absl::PermissionDeniedError(
        fmt::format("{} has mode {:04o}: others than its owner can use it, and could sign mail in your name; chmod "
                    "0600 {}",
                    file, about.st_mode & 07777, path));
  }
  return absl::OkStatus();
}

absl::Status Read(int fd, Secret& secret, const std::string& file) {
  while (secret.size < secret.bytes.size()) {
    const ssize_t n = ::read(fd, secret.bytes.data() + secret.size, secret.bytes.size() - secret.size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::UnavailableError(fmt::format("{} cannot be read ({})", file, std::strerror(errno)));
    if (n == 0) return absl::OkStatus();
    secret.size += static_cast<size_t>(n);
  }
  return absl::InvalidArgumentError(
      fmt::format("{} has more than {} bytes, which no key has; name the key's own file", file, kFileBytesMax));
}

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

absl::StatusOr<DkimKey> ReadSigningKey(const std::string& path, std::string_view origin) {
  const std::string file = fmt::format("the DKIM key file {} ({})", path, origin);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) {
    const int error = errno;
    if (error == ENOENT) {
      return absl::NotFoundError(fmt::format(
          "{} does not exist: mail would go out unsigned. Restore it, or make one: sealift dkim generate {} --domain "
          "DOMAIN --selector SELECTOR",
          file, path));
    }
    if (error == ELOOP) {
      return absl::PermissionDeniedError(fmt::format("{} is a symbolic link; name the file itself", file));
    }
    return absl::PermissionDeniedError(fmt::format(
        "{} cannot be opened ({}); make it readable for the user that runs sealiftd", file, std::strerror(error)));
  }
  const Closer closer{fd};
  struct stat about{};
  if (::fstat(fd, &about) != 0) {
    return absl::UnavailableError(fmt::format("{} cannot be examined ({})", file, std::strerror(errno)));
  }
  if (absl::Status status = CheckFile(about, file, path); !status.ok()) return status;
  Secret secret;
  if (absl::Status status = Read(fd, secret, file); !status.ok()) return status;
  absl::StatusOr<DkimKey> key = DkimKey::Parse({secret.bytes.data(), secret.size});
  if (key.ok()) return key;
  return absl::InvalidArgumentError(fmt::format("{} {}", file, std::string(key.status().message())));
}

absl::StatusOr<std::shared_ptr<const SigningKeys>> SigningKeys::Load(const Options& options) {
  auto keys = std::make_shared<SigningKeys>();
  for (size_t i = 0; i < options.dkim.size(); ++i) {
    const DkimOptions& dkim = options.dkim[i];
    const std::string name = fmt::format("dkim[{}].key_file", i);
    const std::string origin = fmt::format("{}, set at {}", name, options.WhereSet(name));
    absl::StatusOr<DkimKey> key = ReadSigningKey(dkim.key_file, origin);
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
