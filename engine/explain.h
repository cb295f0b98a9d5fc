#pragma once

#include <memory>
#include <optional>
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
  uint64_t held = 0;             // no host offers the TLS that they require, or an operator holds them
  uint64_t held_retrying = 0;    // of `held`, those that were tried themselves
};
BlockedRows CountBlocked(Scheduler& scheduler, queue::CampaignId campaign);

// Adds a reason to those that are known, with the rows of an equal one.
void AddWait(WaitReason wait, std::vector<WaitReason>& waits);
// So many of the rows were settled while the shards were asked: those that were going out first.
void TakeSettled(uint64_t rows, std::vector<WaitReason>& waits);
// Who set a key, with the place in the configuration: "node.unsettled_max (/etc/sealift/sealift.toml:4)", "stream news
// retry (default)".
std::string SetBy(const Options& options, std::string_view key);
std::string SetByStream(const Options& options, std::string_view stream, std::string_view key);

// Rows whose recipients have had what the stream's recipient_cap allows.
WaitReason CapReason(const Options& options, const std::string& stream, uint64_t rows);
// Rows that an operator's order keeps; until then, be it by another one, or by what binds besides.
WaitReason HoldReason(const Hold& hold, uint64_t rows, absl::Time until);
// Of rows that wait for another try: "hold h12 keeps those that it names for longer".
std::string KeepsLonger(const Hold& hold);
// What is never, or not known, is none.
std::optional<absl::Time> KnownTime(absl::Time time);

// Adds what this shard knows of a domain: its site, limits, sessions, replies, and what its lanes wait for.
void ExplainDomain(Scheduler& scheduler, const std::string& domain, DomainExplanation& into);

// Why a row of this lane that is due, and that nobody holds, is not sent; nothing when the lane is not in memory here.
// `row`: which it is; nothing: one that will be due.
std::optional<WaitReason> ExplainDueRow(Scheduler& scheduler, const queue::LaneId& id, std::optional<queue::RowId> row);

// Adds what this shard knows of each source: what blocks it, and what it was told last.
void ExplainSources(Scheduler& scheduler, std::vector<SourceStatus>& into);

// Adds the limit on connections to each site that has some open.
void ExplainConnections(Scheduler& scheduler, std::vector<LimitStatus>& into);

// Rows that wait, by reason, provider and limit, of the lanes that this shard has in memory; but for those that a hold
// keeps whatever their site, and those of campaigns that do not run: the node counts them.
struct WaitingRows {
  std::string reason, provider;
  uint64_t rows = 0;
  queue::CampaignId campaign{};
  std::string limit;      // WaitReason::limit
  uint64_t retrying = 0;  // of the rows, those that were tried
};
std::vector<WaitingRows> CountWaiting(Scheduler& scheduler);

}  // namespace sealift::engine
