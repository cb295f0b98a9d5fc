#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/address_hash.h"

namespace sealift::queue {

// Why an address gets no mail any more. It decides what is withheld: who unsubscribes from a newsletter still wants to
// hear of an appointment, while a mailbox that is not there takes neither.
enum class SuppressionKind : uint8_t {
  kOptOut = 0,  // opt_out: unsubscribed; binds marketing
  kComplaint,   // complaint: reported as spam; binds marketing
  kHardBounce,  // hard_bounce: no such mailbox; binds everything
  kManual,      // manual: an operator says so; binds everything
  kSuspected,   // suspected: said to be no mailbox, in a way that is not believed yet; binds nothing. Said again on
                // another day (UTC) it becomes a hard bounce
};

std::string_view ToString(SuppressionKind kind);
std::optional<SuppressionKind> ParseSuppressionKind(std::string_view text);

// Where a suppression holds: everywhere, in one stream or in one campaign. Streams and campaigns are meant by name, so
// that a list can be there before what it binds.
struct SuppressionScope {
  enum class Of : uint8_t { kGlobal = 0, kStream, kCampaign };
  Of of = Of::kGlobal;
  std::string name;  // empty when global

  friend bool operator==(const SuppressionScope&, const SuppressionScope&) = default;
};

// What a message is sent as.
struct Mailing {
  std::string campaign, stream;
  bool transactional = false;  // the stream's kind now
  bool sink = false;           // it goes to the sink, not to the world
};

// A suppression that is in force. An address has at most one of each.
struct Suppression {
  SuppressionKind kind = SuppressionKind::kManual;
  SuppressionScope scope;
  bool sink = false;  // learnt from the sink: it says nothing of the real mailbox and binds only what goes to the sink

  bool Binds(const Mailing& mailing) const;

  friend bool operator==(const Suppression&, const Suppression&) = default;
};

// One act in the history of an address: a suppression was added, or taken back.
struct SuppressionEntry {
  Suppression what;
  bool added = true;
  absl::Time time;
  std::string reason;  // what was given
  std::string by;      // the operator; empty: delivery itself
  // The evidence of a hard bounce: what was heard, redacted, where, and in whose name.
  std::string source, provider, reason_class, reply;

  friend bool operator==(const SuppressionEntry&, const SuppressionEntry&) = default;
};

// All that is known of one address, oldest first. Nothing is ever deleted from it.
struct SuppressionRecord {
  AddressHash key{};
  std::string address;  // as it was given first; domain as A-label
  std::vector<SuppressionEntry> history;

  // The entries that are in force, oldest first: of each suppression the last one, if that added it. They point into
  // `history`.
  std::vector<const SuppressionEntry*> InForce() const;
};

// A change to make. One that would change nothing (to add what is in force, to take back what is not) is not recorded;
// an operator's addition of what delivery has added is, where he gives another reason.
struct SuppressionChange {
  std::string address;  // domain as lower-case A-label
  SuppressionEntry entry;
};

// What commits have changed: all that is in force now of each address that was touched.
using SuppressionNews = std::vector<std::pair<AddressHash, std::vector<Suppression>>>;

// The form that is sealed.
void EncodeSuppressions(const SuppressionRecord& record, std::string* out);
absl::StatusOr<SuppressionRecord> DecodeSuppressions(std::string_view from);

}  // namespace sealift::queue
