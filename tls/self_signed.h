#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sealift::tls {

// A certificate that vouches for itself, and its key, both as PEM text: what the sink serves and what tests trust or
// reject.
struct SelfSigned {
  struct Options {
    std::vector<std::string> names = {};            // DNS names, at least one; the first is also the common name
    absl::Time not_before = absl::InfinitePast();   // infinite: an hour ago
    absl::Time not_after = absl::InfiniteFuture();  // infinite: a year from now
  };

  // ECDSA P-256, signed with SHA-256; marked as an authority, so that a client can name the file as its only root.
  static absl::StatusOr<SelfSigned> Make(const Options& options);

  std::string certificate;
  std::string key;
};

}  // namespace sealift::tls
