#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "queue/campaign.h"

namespace sealift::queue {

// A campaign's record has four parts, each with one writer, so that none is read to be written:
//   head      name, state, times: what operators change. Sealed under the node's key: it outlives an erasure.
//   body      template, columns, defaults, settings. Sealed under the campaign's key: it is erased.
//   progress  what loads have counted and how far they are, committed with each chunk. Sealed under the node's key.
//   tally     what the committer has settled, committed with it. Sealed under the node's key.
// The last two have the campaign's roll (roll.h), each its part.

void EncodeHead(const Campaign& campaign, std::string* out);
[[nodiscard]] bool DecodeHead(std::string_view from, Campaign* campaign);

void EncodeBody(const CampaignSpec& spec, std::string* out);
[[nodiscard]] bool DecodeBody(std::string_view from, CampaignSpec* spec);

void EncodeProgress(const Campaign& campaign, uint64_t roll, std::string* out);
[[nodiscard]] bool DecodeProgress(std::string_view from, Campaign* campaign, uint64_t* roll);

void EncodeTally(const Counters& counters, uint64_t roll, std::string* out);
[[nodiscard]] bool DecodeTally(std::string_view from, Counters* counters, uint64_t* roll);

// As they were when there was no roll, and a tally was not sealed.
[[nodiscard]] bool DecodeProgressOfFormat1(std::string_view from, Campaign* campaign);
[[nodiscard]] bool DecodeTallyOfFormat1(std::string_view from, Counters* counters);

}  // namespace sealift::queue
