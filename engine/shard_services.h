#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <span>

#include "engine/active_campaign.h"
#include "engine/hold_set.h"
#include "engine/limits.h"
#include "engine/metrics.h"
#include "engine/options.h"
#include "engine/resolver.h"
#include "engine/restraints.h"
#include "engine/runtime/network.h"
#include "engine/runtime/ring.h"
#include "engine/signing_keys.h"
#include "engine/site_identity.h"
#include "engine/spare_buffers.h"
#include "engine/sts_policies.h"
#include "engine/tls_memory.h"
#include "engine/tls_report/tally.h"
#include "engine/warmups.h"
#include "engine/web.h"
#include "queue/store.h"
#include "tls/client_context.h"
#include "tls/session_cache.h"

namespace sealift::engine {

class Signers;

// A lane on its way to the shard that owns its site. It has claimed nothing.
struct LaneHandover {
  queue::LaneRecord record;
  std::shared_ptr<ActiveCampaign> campaign;
  SiteIdentity site;
  std::shared_ptr<const HoldSet> holds;  // those that the lane was found under
};

// What every part of one shard works with. The parts know these, and not the shard.
//
// Owned by:  the shard, which outlives its parts.
// Threads:   the shard's, but for `post`.
struct ShardServices {
  using Message = std::move_only_function<void()>;

  int index = 0;   // of this shard
  int shards = 1;  // of this node
  Ring& ring;
  queue::Store& store;
  Limits& limits;
  Restraints& restraints;
  Warmups& warmups;
  Metrics& metrics;
  Signers& signers;
  Network& network;
  Resolver& resolver;
  Web& web;
  StsPolicies& sts_policies;
  TlsMemory& tls_memory;
  tls::SessionCache& tls_sessions;
  std::shared_ptr<tls::ClientContext> tls;
  std::shared_ptr<const Options> options;
  std::shared_ptr<const SigningKeys> signing_keys;
  std::mt19937_64 random;

  // Runs `message` on this shard's thread; for threads that may wait while the inbox is full.
  std::function<void(Message message)> post;
  // Gives a lane to the shard that owns its site; kept and tried again while that shard's inbox is full.
  std::function<void(int shard, LaneHandover lane)> send_lane;
  // Tells the shard that gave a lane of the campaign away to look for it again at that time; kept likewise.
  std::function<void(int shard, queue::CampaignId campaign, absl::Time when)> send_home;

  std::shared_ptr<const HoldSet> holds = std::make_shared<const HoldSet>();
  TlsTally tls_tally = {};  // what the node has not taken yet
  SpareBuffers spare_buffers = {};

  absl::Time Now() const { return ring.Now(); }
  // By a clock that nobody sets, whatever time it says: for pauses, and for how long something has gone on.
  absl::Time SteadyNow() const { return absl::FromUnixNanos(ring.NowNanos()); }
  // When that is by the clock that is set.
  absl::Time OnTheWall(absl::Time steady) const { return Now() + (steady - SteadyNow()); }
  void ArmAt(Timer& timer, absl::Time when) const {
    // Never more than a day at once: whoever is woken early looks at the clock again.
    const absl::Duration wait = std::clamp(when - ring.Now(), absl::ZeroDuration(), absl::Hours(24));
    ring.timers().Arm(timer, ring.NowNanos() + absl::ToInt64Nanoseconds(wait));
  }
};

}  // namespace sealift::engine
