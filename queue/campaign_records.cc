#include "queue/campaign_records.h"

#include "queue/wire.h"

namespace sealift::queue {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kProgressVersion = 2;  // with a roll
constexpr uint8_t kTallyVersion = 3;     // the same; the first has nothing in doubt
constexpr uint8_t kSatedVersion = 4;     // the same, of those that have rows whose recipients have had enough

void PutVersion(std::string* out) { out->push_back(static_cast<char>(kVersion)); }

void ReadProgress(WireReader& in, Campaign* campaign) {
  campaign->counters.accepted = in.Varint();
  campaign->counters.rejected = in.Varint();
  campaign->counters.duplicates = in.Varint();
  campaign->counters.suppressed_at_load = in.Varint();
  campaign->input_offset = in.Varint();
  campaign->input_rows = static_cast<uint32_t>(in.Varint());
  campaign->load_complete = in.Varint() != 0;
  campaign->input_digest = in.Bytes();
}

void ReadTally(WireReader& in, bool with_doubt, Counters* counters) {
  for (uint64_t* count : {&counters->delivered, &counters->bounced, &counters->expired, &counters->suppressed,
                          &counters->cancelled, &counters->retrying, &counters->deferrals}) {
    *count = in.Varint();
  }
  counters->in_doubt = with_doubt ? in.Varint() : 0;
}

}  // namespace

void EncodeHead(const Campaign& campaign, std::string* out) {
  PutVersion(out);
  PutBytes(campaign.spec.name, out);
  PutBytes(campaign.spec.stream, out);
  PutBytes(campaign.spec.mode, out);
  PutSigned(absl::ToInt64Milliseconds(campaign.spec.expires_in), out);
  out->push_back(static_cast<char>(campaign.state));
  out->push_back(campaign.erased ? 1 : 0);
  PutTime(campaign.created, out);
  PutTime(campaign.started, out);
  PutTime(campaign.ended, out);
}

bool DecodeHead(std::string_view from, Campaign* campaign) {
  WireReader in(from);
  if (in.Byte() != kVersion) return false;
  campaign->spec.name = in.Bytes();
  campaign->spec.stream = in.Bytes();
  campaign->spec.mode = in.Bytes();
  campaign->spec.expires_in = absl::Milliseconds(in.Signed());
  const uint8_t state = in.Byte();
  campaign->state = static_cast<CampaignState>(state);
  campaign->erased = in.Byte() != 0;
  campaign->created = in.Time();
  campaign->started = in.Time();
  campaign->ended = in.Time();
  return in.done() && state <= static_cast<uint8_t>(CampaignState::kCancelled);
}

void EncodeBody(const CampaignSpec& spec, std::string* out) {
  PutVersion(out);
  PutBytes(spec.template_text, out);
  PutVarint(spec.columns.size(), out);
  for (const std::string& column : spec.columns) PutBytes(column, out);
  PutVarint(spec.defaults.size(), out);
  for (const auto& [column, value] : spec.defaults) {
    PutBytes(column, out);
    PutBytes(value, out);
  }
  PutBytes(spec.settings_json, out);
  if (spec.finished) out->push_back(1);
}

bool DecodeBody(std::string_view from, CampaignSpec* spec) {
  WireReader in(from);
  if (in.Byte() != kVersion) return false;
  spec->template_text = in.Bytes();
  spec->columns.clear();
  for (uint64_t left = in.Varint(); left > 0 && in.ok(); --left) spec->columns.emplace_back(in.Bytes());
  spec->defaults.clear();
  for (uint64_t left = in.Varint(); left > 0 && in.ok(); --left) {
    std::string column(in.Bytes());
    spec->defaults.emplace_back(std::move(column), std::string(in.Bytes()));
  }
  spec->settings_json = in.Bytes();
  spec->finished = in.left() > 0 && in.Byte() == 1;
  return in.done();
}

void EncodeProgress(const Campaign& campaign, uint64_t roll, std::string* out) {
  out->push_back(static_cast<char>(kProgressVersion));
  for (const uint64_t count : {campaign.counters.accepted, campaign.counters.rejected, campaign.counters.duplicates,
                               campaign.counters.suppressed_at_load, campaign.input_offset,
                               uint64_t{campaign.input_rows}, uint64_t{campaign.load_complete}}) {
    PutVarint(count, out);
  }
  PutBytes(campaign.input_digest, out);
  PutFixed64(roll, out);
}

bool DecodeProgress(std::string_view from, Campaign* campaign, uint64_t* roll) {
  WireReader in(from);
  if (in.Byte() != kProgressVersion) return false;
  ReadProgress(in, campaign);
  *roll = in.ReadFixed64();
  return in.done();
}

bool DecodeProgressOfFormat1(std::string_view from, Campaign* campaign) {
  WireReader in(from);
  if (in.Byte() != kVersion) return false;
  ReadProgress(in, campaign);
  return in.done();
}

void EncodeTally(const Counters& counters, uint64_t roll, std::string* out) {
  out->push_back(static_cast<char>(counters.sated == 0 ? kTallyVersion : kSatedVersion));
  for (const uint64_t count : {counters.delivered, counters.bounced, counters.expired, counters.suppressed,
                               counters.cancelled, counters.retrying, counters.deferrals, counters.in_doubt}) {
    PutVarint(count, out);
  }
  if (counters.sated != 0) PutVarint(counters.sated, out);
  PutFixed64(roll, out);
}

bool DecodeTally(std::string_view from, Counters* counters, uint64_t* roll) {
  WireReader in(from);
  const uint8_t version = in.Byte();
  if (version != kTallyVersion && version != kSatedVersion) return false;
  ReadTally(in, /*with_doubt=*/true, counters);
  counters->sated = version == kSatedVersion ? in.Varint() : 0;
  *roll = in.ReadFixed64();
  return in.done();
}

bool DecodeTallyOfFormat1(std::string_view from, Counters* counters) {
  WireReader in(from);
  const uint8_t version = in.Byte();
  if (version != 1 && version != 2) return false;
  ReadTally(in, /*with_doubt=*/version == 2, counters);
  return in.done();
}

}  // namespace sealift::queue
