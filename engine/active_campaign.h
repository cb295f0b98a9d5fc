#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "engine/campaign_limits.h"
#include "engine/message/template.h"
#include "queue/types.h"

namespace sealift::engine {

// What the shards need of a campaign that is being sent. Never changes but for `sending`.
//
// Owned by:  shared: by the node while the campaign runs, by every lane that has rows of it in memory.
// Threads:   any.
struct ActiveCampaign {
  queue::CampaignId id;
  std::string name;
  std::string stream;
  absl::Time started = absl::InfinitePast();
  CampaignLimits limits;                           // of its load
  std::optional<Template> content;                 // nothing: its messages arrived finished
  std::optional<size_t> key_field = std::nullopt;  // which of a row's fields names it in events (--key-column)
  bool tls_report = false;                         // reports about TLS, which go whatever the TLS
  int weight = 1;                                  // CampaignSettings::weight
  std::atomic<bool> sending{true};  // false: paused or cancelled; what is in flight ends, nothing new begins
};

}  // namespace sealift::engine
