#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/node.h"
#include "engine/shard.h"
#include "queue/store.h"

namespace sealift::engine {

// Why a reason keeps rows waiting, as the metric's label and the commands say it.
std::string_view ToString(Refusal::Kind kind);

// Rows of one campaign that wait because of a failure, beyond those that were tried themselves.
struct BlockedRows {
  uint64_t behind_failures = 0;  // fresh rows of a site or domain that failed
  uint64_t held = 0;             // no host offers the TLS that they require
  uint64_t held_retrying = 0;    // of `held`, those that were tried themselves
};
BlockedRows CountBlocked(Scheduler& scheduler, queue::CampaignId campaign);

// Adds what this shard knows of a domain: its site, limits, sessions, replies, and what its lanes wait for.
void ExplainDomain(Scheduler& scheduler, const std::string& domain, DomainExplanation& into);

// Rows that wait, by reason and provider, of the lanes that this shard has in memory.
struct WaitingRows {
  std::string reason, provider;
  uint64_t rows = 0;
};
std::vector<WaitingRows> CountWaiting(Scheduler& scheduler);

}  // namespace sealift::engine
