#include "queue/event_block.h"

#include <zstd.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "fmt/format.h"
#include "queue/wire.h"

namespace sealift::queue {
namespace {

constexpr uint8_t kCompressed = 4;  // how long it is, and a block of kVersion as a Zstandard frame
constexpr uint8_t kVersion = 3;
constexpr uint8_t kWithoutRules = 2;  // as it was before; still read
constexpr size_t kReplyMax = 2048;

constexpr int kLevel = 1;  // a higher one takes more time than it saves the disk
constexpr size_t kWorthCompressing = 256;
constexpr uint64_t kBlockBytesMax = 64 << 20;  // far beyond what any commit has

// Appends `block` compressed; false, and nothing, where that does not make it shorter.
bool Compress(std::string_view block, std::string* out) {
  // What it takes is prepared once a thread. Nothing of one block is left in it for the next.
  thread_local const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  if (block.size() < kWorthCompressing || context == nullptr) return false;
  const size_t before = out->size();
  out->push_back(static_cast<char>(kCompressed));
  PutVarint(block.size(), out);
  const size_t head = out->size();
  out->resize(before + block.size());
  const size_t size =
      ZSTD_compressCCtx(context.get(), out->data() + head, out->size() - head, block.data(), block.size(), kLevel);
  out->resize(ZSTD_isError(size) != 0 ? before : head + size);
  return ZSTD_isError(size) == 0;
}

bool Decompress(WireReader* in, std::string* block) {
  const uint64_t size = in->Varint();
  if (!in->ok() || size > kBlockBytesMax) return false;
  block->resize(size);
  return ZSTD_decompress(block->data(), size, in->rest().data(), in->rest().size()) == size;
}

}  // namespace

uint64_t EventBlock::Intern(std::string_view text) {
  const auto [place, added] = strings_.try_emplace(text, strings_.size());
  if (added) PutBytes(text, &string_table_);
  return place->second;
}

uint64_t EventBlock::InternEvidence(const Evidence* evidence) {
  if (evidence == nullptr) return 0;
  const auto [place, added] = evidence_.try_emplace(evidence, evidence_.size() + 1);
  if (added) {
    for (const std::string* text : {&evidence->stream, &evidence->source, &evidence->mx, &evidence->tls_version,
                                    &evidence->cipher, &evidence->verified_name, &evidence->policy}) {
      PutVarint(Intern(*text), &evidence_table_);
    }
  }
  return place->second;
}

void EventBlock::Add(const Outcome& outcome, const Row& row, absl::Time due) {
  const LaneId lane = outcome.pack->lane();
  if (count_ == 0) campaign_ = lane.campaign;
  if (campaign_ != lane.campaign) campaign_.reset();
  PutFixed32(static_cast<uint32_t>(lane.campaign), &records_);
  PutFixed64(static_cast<uint64_t>(lane.destination), &records_);
  PutVarint(static_cast<uint32_t>(row.id), &records_);
  records_.push_back(static_cast<char>(outcome.kind));
  PutTime(outcome.time, &records_);
  PutVarint(outcome.attempt, &records_);
  PutTime(due, &records_);
  PutBytes(row.recipient, &records_);
  PutBytes(outcome.key, &records_);
  PutVarint(Intern(outcome.reason_class), &records_);
  PutVarint(Intern(outcome.rule), &records_);
  PutVarint(static_cast<uint64_t>(std::max(outcome.code, 0)), &records_);
  PutVarint(Intern(outcome.enhanced), &records_);
  PutBytes(std::string_view(outcome.reply).substr(0, kReplyMax), &records_);
  PutVarint(InternEvidence(outcome.evidence.get()), &records_);
  newest_ = std::max(newest_, outcome.time);
  ++count_;
}

void EventBlock::AddCancellation(CampaignId campaign, bool erased, absl::Time time, const Evidence& evidence) {
  if (count_ == 0) campaign_ = campaign;
  if (campaign_ != campaign) campaign_.reset();
  PutFixed32(static_cast<uint32_t>(campaign), &records_);
  PutFixed64(0, &records_);  // destination
  PutVarint(0, &records_);   // row
  records_.push_back(static_cast<char>(OutcomeKind::kCancelled));
  PutTime(time, &records_);
  PutVarint(0, &records_);  // attempt
  PutTime(absl::InfiniteFuture(), &records_);
  PutBytes("", &records_);  // recipient
  PutBytes("", &records_);  // key
  PutVarint(Intern(erased ? kCampaignErased : kCampaignCancelled), &records_);
  PutVarint(Intern(""), &records_);  // rule
  PutVarint(0, &records_);           // code
  PutVarint(Intern(""), &records_);  // enhanced
  PutBytes("", &records_);           // reply
  PutVarint(InternEvidence(&evidence), &records_);
  newest_ = std::max(newest_, time);
  ++count_;
}

void EventBlock::Finish(std::string* out) {
  std::string block(1, static_cast<char>(kVersion));
  PutVarint(strings_.size(), &block);
  block.append(string_table_);
  PutVarint(evidence_.size(), &block);
  block.append(evidence_table_);
  PutVarint(count_, &block);
  block.append(records_);
  if (!campaign_.has_value() || !Compress(block, out)) out->append(block);
  *this = EventBlock();
}

absl::StatusOr<std::vector<Event>> EventBlock::Decode(uint64_t sequence, std::string_view block) {
  const auto malformed = [] {
    return absl::DataLossError("a block of events was sealed in a form that this version does not know");
  };
  WireReader in(block);
  uint8_t version = in.Byte();
  std::string decompressed;
  if (version == kCompressed) {
    if (!Decompress(&in, &decompressed)) return malformed();
    in = WireReader(decompressed);
    version = in.Byte();
  }
  if (version != kVersion && version != kWithoutRules) return malformed();
  // A count is believed only as far as there are bytes for it: each entry takes at least one.
  const uint64_t strings = in.Varint();
  if (strings > in.left()) return malformed();
  std::vector<std::string_view> texts(strings);
  for (std::string_view& text : texts) text = in.Bytes();
  const auto text = [&texts, &in]() -> std::string {
    const uint64_t index = in.Varint();
    return index < texts.size() ? std::string(texts[index]) : std::string();
  };
  const uint64_t evidences = in.Varint();
  if (!in.ok() || evidences > in.left()) return malformed();
  std::vector<Evidence> evidence(evidences + 1);
  for (uint64_t i = 1; i <= evidences; ++i) {
    Evidence& entry = evidence[i];
    for (std::string* field : {&entry.stream, &entry.source, &entry.mx, &entry.tls_version, &entry.cipher,
                               &entry.verified_name, &entry.policy}) {
      *field = text();
    }
  }
  const uint64_t count = in.Varint();
  if (!in.ok() || count > in.left()) return malformed();
  std::vector<Event> events(count);
  for (uint64_t i = 0; i < count; ++i) {
    Event& event = events[i];
    event.cursor = EventCursor{sequence, i + 1}.ToString();
    event.message.lane.campaign = CampaignId{in.ReadFixed32()};
    event.message.lane.destination = DestinationId{in.ReadFixed64()};
    event.message.row = RowId{static_cast<uint32_t>(in.Varint())};
    const uint8_t kind = in.Byte();
    if (kind > static_cast<uint8_t>(OutcomeKind::kCancelled)) return malformed();
    event.kind = static_cast<OutcomeKind>(kind);
    event.time = in.Time();
    event.attempt = static_cast<uint16_t>(in.Varint());
    event.due = in.Time();
    event.recipient = in.Bytes();
    event.key = in.Bytes();
    event.reason_class = text();
    if (version != kWithoutRules) event.rule = text();
    event.code = static_cast<int>(in.Varint());
    event.enhanced = text();
    event.reply = in.Bytes();
    const uint64_t which = in.Varint();
    if (!in.ok() || which >= evidence.size()) return malformed();
    event.evidence = evidence[which];
  }
  if (!in.done()) return malformed();
  return events;
}

std::string EventCursor::ToString() const { return fmt::format("{}-{}", sequence, index); }

std::optional<EventCursor> EventCursor::Parse(std::string_view text) {
  EventCursor cursor;
  if (text.empty()) return cursor;
  const char* const end = text.data() + text.size();
  const auto sequence = std::from_chars(text.data(), text.data() + text.size(), cursor.sequence);
  if (sequence.ec != std::errc() || sequence.ptr == end || *sequence.ptr != '-') return std::nullopt;
  const auto index = std::from_chars(sequence.ptr + 1, end, cursor.index);
  if (index.ec != std::errc() || index.ptr != end) return std::nullopt;
  return cursor;
}

}  // namespace sealift::queue
