#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "queue/pack.h"

namespace sealift::queue {

enum class OutcomeKind : uint8_t { kDelivered = 0, kDeferred, kBounced, kExpired, kSuppressed, kCancelled };

// "delivered", "deferred", ...: the words of the events.
std::string_view ToString(OutcomeKind kind);

// The reason class of a deferral without end: nobody knows whether the message arrived, and it is held until somebody
// decides.
inline constexpr std::string_view kInDoubtClass = "in_doubt";

// The reason class of a deferral whose recipient has had enough: what is counted as sated.
inline constexpr std::string_view kSatedClass = "recipient_cap";

// How an attempt was made: the same for every message of a session, and shared by them.
struct Evidence {
  std::string stream, source;
  std::string mx;  // host [ip]
  std::string tls_version, cipher, verified_name, policy;

  friend bool operator==(const Evidence&, const Evidence&) = default;
};

// What became of one row of a claimed pack. Every row of a pack gets exactly one outcome a claim, or none when the
// claim is given back: it is queued where it was and is read again after a restart or from an earlier cursor.
struct Outcome {
  std::shared_ptr<Pack> pack;
  uint8_t index = 0;  // in pack->rows()
  OutcomeKind kind = OutcomeKind::kDelivered;
  absl::Time time;  // when it was known
  // kDeferred: not before; committed as Store::RoundDue of it and `time`, or later. InfiniteFuture: in doubt, see
  // Intent.
  absl::Time due;
  absl::Time date = absl::InfinitePast();  // the Date header that was or will be sent
  uint16_t attempt = 0;                    // counted from 1; 0 when none was made
  std::string reason_class;
  // kDeferred: no attempt was made. The class is the event's; the row's stays that of its last attempt.
  bool keeps_class = false;
  std::string rule;                          // that gave the class, by name
  int code = 0;                              // of the reply; 0 when there was none
  std::string enhanced;                      // x.y.z
  std::string reply;                         // redacted by the caller: it is kept longer than the recipient
  std::string_view key;                      // the sender's own name for the row, a view into the pack's; empty: none
  std::shared_ptr<const Evidence> evidence;  // may be null
  // kBounced: there is no such mailbox. The recipient is suppressed with this as the evidence, in the same commit.
  bool bad_mailbox = false;
  bool doubtful = false;  // ... if that was said before, on another day
  bool sink = false;      // ... as the sink said, not the world
  std::string provider;   // ... of the hosts that said it
  bool intended = false;  // the row has an Intent, which ends with this
  // kDelivered: it counts among what its recipient has received of the stream of its evidence (Store::ReadReceived).
  bool received = false;
  std::shared_ptr<const void> kept;  // the engine's; nothing to the store

  bool in_doubt() const { return kind == OutcomeKind::kDeferred && due == absl::InfiniteFuture(); }
};

// What becomes of a queued row, whoever has claimed it: an outcome without pack and index; nothing: it stays.
using RowJudge = std::function<std::optional<Outcome>(const Pack&, const Row&)>;

}  // namespace sealift::queue
