#include "queue/keys.h"

#include "queue/wire.h"

namespace sealift::queue {
namespace {

void PutCampaign(CampaignId campaign, std::string* out) { PutFixed32(static_cast<uint32_t>(campaign), out); }

void PutLane(const LaneId& lane, std::string* out) {
  PutCampaign(lane.campaign, out);
  PutFixed64(static_cast<uint64_t>(lane.destination), out);
}

}  // namespace

std::string RowsKey::Encode() const {
  std::string key;
  key.reserve(kSize);
  PutLane(lane, &key);
  PutFixed64(due_ms, &key);
  PutFixed64(place, &key);
  return key;
}

std::optional<RowsKey> RowsKey::Decode(std::string_view key) {
  if (key.size() != kSize) return std::nullopt;
  RowsKey decoded;
  decoded.lane = {CampaignId{Fixed32(key.data())}, DestinationId{Fixed64(key.data() + 4)}};
  decoded.due_ms = Fixed64(key.data() + 12);
  decoded.place = Fixed64(key.data() + 20);
  return decoded;
}

absl::Time RowsKey::due() const {
  if (due_ms == kFresh) return absl::InfinitePast();
  if (due_ms >= kInDoubt) return absl::InfiniteFuture();
  return absl::FromUnixMillis(static_cast<int64_t>(due_ms));
}

std::string CampaignPrefix(CampaignId campaign) {
  std::string key;
  PutCampaign(campaign, &key);
  return key;
}

std::string LaneKey(const LaneId& lane) {
  std::string key;
  PutLane(lane, &key);
  return key;
}

std::optional<LaneId> DecodeLaneKey(std::string_view key) {
  if (key.size() != 12) return std::nullopt;
  return LaneId{CampaignId{Fixed32(key.data())}, DestinationId{Fixed64(key.data() + 4)}};
}

std::string PrefixEnd(std::string prefix) {
  const size_t size = prefix.size();
  while (!prefix.empty() && static_cast<uint8_t>(prefix.back()) == 0xff) prefix.pop_back();
  // Nothing sorts after a prefix of 0xff but what is longer than any key of ours.
  if (prefix.empty()) return std::string(size + 64, '\xff');
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

std::string CampaignKey(CampaignId campaign, CampaignPart part) {
  std::string key = CampaignPrefix(campaign);
  key.push_back(static_cast<char>(part));
  return key;
}

std::string SeenKey(CampaignId campaign, const AddressHash& address, BodyId body) {
  std::string key;
  key.reserve(20);
  PutCampaign(campaign, &key);
  for (const uint32_t word : address) PutFixed32(word, &key);
  if (body != BodyId{}) PutFixed32(static_cast<uint32_t>(body), &key);
  return key;
}

std::string SeenNameKey(CampaignId campaign, const AddressHash& name, RowId row) {
  return SeenKey(campaign, name, BodyId{static_cast<uint32_t>(row)});
}

std::string BodyKey(CampaignId campaign, BodyId body, uint32_t piece) {
  std::string key = CampaignPrefix(campaign);
  PutFixed32(static_cast<uint32_t>(body), &key);
  PutFixed32(piece, &key);
  return key;
}

std::string ReceivedPrefix(const AddressHash& stream, const AddressHash& recipient) {
  std::string key;
  key.reserve(kReceivedPrefixSize + 16);
  PutFixed32(stream[0], &key);
  for (const uint32_t word : recipient) PutFixed32(word, &key);
  return key;
}

std::string ReceivedKey(const AddressHash& stream, const AddressHash& recipient, absl::Time when, CampaignId campaign,
                        RowId row) {
  std::string key = ReceivedPrefix(stream, recipient);
  PutFixed64(static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixMillis(when), 0)), &key);
  PutCampaign(campaign, &key);
  PutFixed32(static_cast<uint32_t>(row), &key);
  return key;
}

std::optional<absl::Time> ReceivedAt(std::string_view key) {
  if (key.size() != kReceivedPrefixSize + 16) return std::nullopt;
  return absl::FromUnixMillis(static_cast<int64_t>(Fixed64(key.data() + kReceivedPrefixSize)));
}

std::string NoteKey(char kind, const AddressHash& name) {
  std::string key(1, kind);
  for (const uint32_t word : name) PutFixed32(word, &key);
  return key;
}

std::string SuppressionKey(const AddressHash& address) {
  std::string key;
  key.reserve(12);
  for (const uint32_t word : address) PutFixed32(word, &key);
  return key;
}

std::optional<AddressHash> DecodeSuppressionKey(std::string_view key) {
  if (key.size() != 12) return std::nullopt;
  return AddressHash{Fixed32(key.data()), Fixed32(key.data() + 4), Fixed32(key.data() + 8)};
}

std::string ParkedKey(CampaignId campaign, RowId row) {
  std::string key = CampaignPrefix(campaign);
  PutFixed32(static_cast<uint32_t>(row), &key);
  return key;
}

std::string EventKey(uint64_t sequence) {
  std::string key = "e";
  PutFixed64(sequence, &key);
  return key;
}

std::string TracePrefix(const LaneId& lane) {
  std::string key = "r";
  PutLane(lane, &key);
  return key;
}

std::string TraceKey(const LaneId& lane, uint64_t sequence) {
  std::string key = TracePrefix(lane);
  PutFixed64(sequence, &key);
  return key;
}

std::string NumberedKey(std::string_view prefix, uint32_t number) {
  std::string key(prefix);
  PutFixed32(number, &key);
  return key;
}

std::string OrderPrefix(OrderKind kind) { return std::string("order/") + static_cast<char>(kind) + '/'; }

}  // namespace sealift::queue
