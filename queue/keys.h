#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "queue/address_hash.h"
#include "queue/order.h"
#include "queue/types.h"

namespace sealift::queue {

// The keys of the column families. Numbers are big-endian, so that bytes sort as the schedule does; no key contains a
// name or an address. docs/formats/queue.md lists them.

// Binds a sealed value to its column family: the first byte of its additional data; the key is the rest.
enum class Seal : char {
  kCampaign = 'c',
  kRows = 'r',
  kLane = 'l',
  kEvents = 'e',
  kParked = 'p',
  kSuppression = 's',
  kBody = 'b',
  kNote = 'n',
  kOrder = 'o'
};

// rows: campaign, destination, due (ms; 0: fresh; 2^63: in doubt), place. The place of a fresh pack is its first row; a
// deferred pack's is made of the commit that wrote it, so that no two packs ever have one key.
struct RowsKey {
  static constexpr size_t kSize = 28;
  static constexpr uint64_t kFresh = 0;
  static constexpr uint64_t kInDoubt = uint64_t{1} << 63;  // never due: behind all that readers are granted

  LaneId lane;
  uint64_t due_ms = kFresh;
  uint64_t place = 0;

  std::string Encode() const;
  static std::optional<RowsKey> Decode(std::string_view key);
  // InfinitePast: fresh. InfiniteFuture: in doubt.
  absl::Time due() const;
  RowState state() const {
    if (due_ms == kFresh) return RowState::kFresh;
    return due_ms < kInDoubt ? RowState::kRetrying : RowState::kInDoubt;
  }

  friend auto operator<=>(const RowsKey&, const RowsKey&) = default;
};

// The place of the number-th pack that a commit writes.
inline uint64_t PlaceOf(uint64_t sequence, uint64_t number) { return sequence << 20 | number; }

// Every key of the campaign, or of the lane, is in [prefix, PrefixEnd(prefix)).
std::string CampaignPrefix(CampaignId campaign);
std::string LaneKey(const LaneId& lane);  // of the lanes; the prefix of the lane's rows
std::optional<LaneId> DecodeLaneKey(std::string_view key);
std::string PrefixEnd(std::string prefix);

// campaigns: campaign, part.
enum class CampaignPart : char { kHead = 'h', kBody = 'b', kProgress = 'l', kTally = 'o' };
std::string CampaignKey(CampaignId campaign, CampaignPart part);

// seen: campaign, address; and the finished message, where that is what the row gets.
std::string SeenKey(CampaignId campaign, const AddressHash& address, BodyId body = BodyId{});
// The same for a row that has this name as well: campaign, name, row.
std::string SeenNameKey(CampaignId campaign, const AddressHash& name, RowId row);

// bodies: campaign, finished message, piece (counted from 0).
std::string BodyKey(CampaignId campaign, BodyId body, uint32_t piece);

// suppressions: address.
std::string SuppressionKey(const AddressHash& address);
std::optional<AddressHash> DecodeSuppressionKey(std::string_view key);

// destinations: the kind of note, the name's hash.
std::string NoteKey(char kind, const AddressHash& name);

// received: the stream, the recipient, when (ms), and the message: nothing is in the value. The first two are what is
// asked for.
inline constexpr size_t kReceivedPrefixSize = 4 + 12;
inline constexpr absl::Duration kReceivedKept = absl::Hours(25);
std::string ReceivedPrefix(const AddressHash& stream, const AddressHash& recipient);
std::string ReceivedKey(const AddressHash& stream, const AddressHash& recipient, absl::Time when, CampaignId campaign,
                        RowId row);
std::optional<absl::Time> ReceivedAt(std::string_view key);

// parked: campaign, row.
std::string ParkedKey(CampaignId campaign, RowId row);

// events: 'e', sequence -> the block of one commit; 'r', campaign, destination, sequence -> the rows of that lane in
// the block: finds a message's events.
inline constexpr size_t kTraceKeySize = 1 + 4 + 8 + 8;
std::string EventKey(uint64_t sequence);
std::string TracePrefix(const LaneId& lane);
std::string TraceKey(const LaneId& lane, uint64_t sequence);

// default: format version, wrapped keys, incarnations, the sequence of the newest commit, the newest event that was
// forgotten, orders by kind and number; and what is going on with the key encryption key (key_ring.h) or since a
// restore (restored.h).
inline constexpr std::string_view kFormatKey = "format", kNodeKey = "key/node", kSequenceKey = "sequence",
                                  kForgottenKey = "events/forgotten";
inline constexpr std::string_view kKekFingerprintKey = "kek/fingerprint", kKekNextKey = "kek/next",
                                  kKekScrubKey = "kek/scrub", kRestoredKey = "restored";
inline constexpr std::string_view kKeyPrefix = "key/", kCampaignKeyPrefix = "key/c/", kEventKeyPrefix = "key/e/",
                                  kIncarnationPrefix = "incarnation/";
std::string NumberedKey(std::string_view prefix, uint32_t number);
std::string OrderPrefix(OrderKind kind);

}  // namespace sealift::queue
