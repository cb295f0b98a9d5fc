#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "engine/options.h"
#include "engine/queue_filter.h"
#include "queue/campaign.h"

namespace sealift::engine {

// Whether somebody has the names that an operator wrote: one that is mistyped would mean no rows, in silence. Usage: a
// sentence that says which there are.

// A stream that the configuration has no more is known for as long as one of the campaigns is of it.
absl::Status CheckNames(const QueueFilter& filter, const Options& options,
                        const std::vector<queue::Campaign>& campaigns = {});
absl::Status CheckProvider(std::string_view provider, const Options& options);
// Of a row's last attempt.
absl::Status CheckClass(std::string_view reason_class);

}  // namespace sealift::engine
