#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/queue_filter.h"
#include "engine/units.h"
#include "queue/outcome.h"
#include "queue/types.h"

namespace sealift::engine {

// Job is a move of rows that an operator ordered: queued rows bounced, expired or made due, or settled rows replayed.
struct Job {
  enum class Kind : uint8_t { kBounce, kExpire, kReplay, kRetry };
  enum class State : uint8_t { kRunning, kDone, kCancelled, kFailed };

  uint32_t number = 0;
  Kind kind = Kind::kBounce;
  State state = State::kRunning;
  QueueFilter filter;
  std::string reason, by;
  absl::Time created;  // rows that were accepted, or settled, later are not its
  absl::Time ended = absl::InfiniteFuture();
  std::string why;  // of a failure; who cancelled it, and why; while it runs, of rows that wait

  Rate rate;  // of a replay, unlimited: a tenth of what binds each destination; of a retry: all at once

  // Of a replay.
  queue::OutcomeKind outcome = queue::OutcomeKind::kBounced;
  std::string matching;  // of the last reply; empty: any
  absl::Time since = absl::InfinitePast();
  std::optional<absl::Duration> expires_in;

  // Its progress, written with the rows that it counts; of a retry, each second.
  uint64_t total = 0;  // counted when it began
  uint64_t moved = 0, suppressed = 0;
  std::set<queue::CampaignId> given_up;     // of a replay: campaigns that were cancelled since it was ordered
  uint64_t gone = 0;                        // of a replay: not settled any more when their time came, or forgotten
  std::map<std::string, absl::Time> paced;  // by domain, the next one's time; of a retry as if nothing had kept it up

  std::string Id() const;  // "j3"
  std::string ToText() const;
  // DataLoss: not what ToText wrote.
  static absl::StatusOr<Job> Parse(uint32_t number, std::string_view text);
};

std::string_view ToString(Job::Kind kind);    // bounce, expire, replay, retry
std::string_view ToString(Job::State state);  // running, done, cancelled, failed

}  // namespace sealift::engine
