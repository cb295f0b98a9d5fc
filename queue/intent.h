#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "queue/campaign.h"
#include "queue/keys.h"
#include "queue/pack.h"

namespace sealift::queue {

class CampaignTable;
class CommitContext;

// Intent says, before it is so, that the final dot of a message may be sent: what a stream that would rather hold a
// message than send it twice commits first. The outcome's commit deletes it. One that a restart finds is in doubt:
// nobody knows whether the message arrived.
struct Intent {
  std::shared_ptr<Pack> pack;
  uint8_t index = 0;  // in pack->rows()
  uint16_t attempt = 0;
  absl::Time date;  // the Date header that is being sent
};

// intents: campaign, row -> where the row stands, attempt, date. Numbers, not sealed.
std::string IntentKey(CampaignId campaign, RowId row);
std::string IntentValue(std::string_view rows_key, uint16_t attempt, absl::Time date);

// Whether the row has an intent without an outcome. Threads: the committer's.
absl::StatusOr<bool> HasIntent(const CommitContext& context, CampaignId campaign, RowId row);

// Which field of a campaign's rows names them in events.
using KeyFieldOf = std::function<std::optional<size_t>(const Campaign&)>;

// Holds every row whose intent has no outcome: it is in doubt from here on, and no reader finds it. One that was
// settled meanwhile stays so, and no replay takes it. For the start of the committer, before anything is read.
absl::Status HoldInDoubt(CommitContext& context, CampaignTable* campaigns, const KeyFieldOf& key_field, absl::Time now);

}  // namespace sealift::queue
