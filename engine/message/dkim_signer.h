#pragma once

#include <absl/status/status.h>
#include <absl/types/span.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/message/dkim_canonical.h"
#include "engine/message/dkim_key.h"

namespace sealift::engine {

// A domain's word for a message: d=, s= and the key behind them.
struct DkimIdentity {
  std::string domain;
  std::string selector;
  DkimKey key;
};

// DkimSigner signs messages for one set of identities (RFC 6376, RFC 8463): a signature each, relaxed/relaxed.
//
// It signs every field of kDkimFields as often as it stands in the message, and once more: a field that is added later,
// also one that the message had none of, breaks the signature. There is no l=, no t= and no x=, and both algorithms are
// deterministic: the same message gets the same bytes, so that a preview prints what is sent.
//
// Owned by:  whoever has messages to sign; immutable.
// Threads:   any, several at once.
// Errors:    Internal when OpenSSL cannot sign; then nothing is appended.
class DkimSigner {
 public:
  struct Unsigned {
    std::string_view message;         // its line ends are CRLF; of one whose body hash is known the header is enough
    std::optional<Sha256> body_hash;  // HashRelaxedBody of its body where that is known; else it is computed
    std::string* fields = nullptr;    // to which its DKIM-Signature fields are appended, to go in front of it
    absl::Status status = absl::OkStatus();  // whether they were
  };

  explicit DkimSigner(std::vector<DkimIdentity> identities) : identities_(std::move(identities)) {}

  // What takes long is interrupted by `pause` now and then.
  void Sign(absl::Span<Unsigned> messages, Pause pause = [] {}) const;
  absl::Status Sign(std::string_view message, const std::optional<Sha256>& body_hash, std::string& fields) const;

  // Whether several messages at once take less time than one by one.
  bool SignsTogether() const;

  const std::vector<DkimIdentity>& identities() const { return identities_; }

  // Whether the two make the same signatures.
  bool SignsAs(const DkimSigner& other) const;

 private:
  const std::vector<DkimIdentity> identities_;
};

// RFC 6376 5.4: what receivers show or act on, RFC 2369's and RFC 8058's fields, and Feedback-ID, which Google reads
// only under a signature.
inline constexpr std::string_view kDkimFields[] = {
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Help",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Feedback-ID",
};

// What is hashed and signed (RFC 6376 3.7): the fields that `names` names, each name taking the last one that no name
// before it has taken, and then `signature`, the DKIM-Signature field itself with an empty b=.
Sha256 HashDkimHeader(std::string_view header, const std::vector<std::string_view>& names, std::string_view signature);

}  // namespace sealift::engine
