// What a scrape asks of the node: counts that the store, the resolvers and the kernel keep.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <utility>

#include "engine/node_impl.h"

namespace sealift::engine {
namespace {

double ResidentBytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long total = 0;
  unsigned long resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return read == 2 ? static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace

std::string NodeImpl::MetricsText() { return metrics_text_->Render(); }

void NodeImpl::AddMetrics() {
  using Sample = engine::MetricsText::Sample;
  metrics_text_ = std::make_unique<engine::MetricsText>();
  metrics_text_->Add(&metrics_);
  for (const std::unique_ptr<Shard>& shard : shards_) metrics_text_->Add(&shard->metrics());
  metrics_.gauge(Metric::kDeliveryMode, {Campaigns::ModeName(options_->delivery)})->Set(1);

  metrics_text_->AddCallback(Metric::kQueueMessages, [this] {
    // What waits, below, is of the same count.
    CountQueue();
    const std::lock_guard lock(counted_mutex_);
    struct Held {
      uint64_t fresh = 0, retrying = 0;
    };
    std::map<std::string, Held> held;
    for (const WaitingRows& rows : counted_.waiting) {
      if (rows.reason != "hold" && rows.reason != "no_tls") continue;
      Held& of_stream = held[counted_.stream_of[rows.campaign]];
      of_stream.retrying += std::min(rows.retrying, rows.rows);
      of_stream.fresh += rows.rows - std::min(rows.retrying, rows.rows);
    }
    std::vector<Sample> samples;
    const bool in_doubt = restoration_->pending().has_value();
    for (const auto& [stream, sum] : counted_.streams) {
      // Since a restore everything is in doubt.
      const uint64_t doubted = in_doubt ? sum.accepted : sum.in_doubt, retrying = in_doubt ? 0 : sum.retrying;
      const uint64_t fresh = sum.accepted - doubted - retrying;
      const uint64_t kept_fresh = std::min(held[stream].fresh, fresh);
      const uint64_t kept_retrying = std::min(held[stream].retrying, retrying);
      samples.push_back({{stream, "queued"}, static_cast<double>(fresh - kept_fresh)});
      samples.push_back({{stream, "retrying"}, static_cast<double>(retrying - kept_retrying)});
      samples.push_back({{stream, "held"}, static_cast<double>(kept_fresh + kept_retrying)});
      samples.push_back({{stream, "in_doubt"}, static_cast<double>(doubted)});
    }
    return samples;
  });
  metrics_text_->AddCallback(Metric::kQueueOldest, [this] {
    std::map<std::string, double> oldest;
    const absl::Time now = absl::Now();
    std::set<queue::CampaignId> due;  // who has rows that wait for something else than their next try
    {
      const std::lock_guard lock(counted_mutex_);
      for (const WaitingRows& rows : counted_.waiting) {
        if (rows.rows > 0 && rows.reason != "due" && rows.reason != kRecipientCapClass) due.insert(rows.campaign);
      }
    }
    const absl::StatusOr<std::vector<queue::Campaign>> campaigns = store_->ListCampaigns();
    if (campaigns.ok()) {
      for (const queue::Campaign& campaign : *campaigns) {
        if (campaign.counters.queued() == 0 || campaign.started == absl::InfiniteFuture()) continue;
        double& age = oldest[campaign.spec.stream];
        if (due.contains(campaign.id)) age = std::max(age, absl::ToDoubleSeconds(now - campaign.started));
      }
    }
    std::vector<Sample> samples;
    samples.reserve(oldest.size());
    for (const auto& [stream, age] : oldest) samples.push_back({{stream}, age});
    return samples;
  });
  metrics_text_->AddCallback(Metric::kQueueWaiting, [this] {
    const std::lock_guard lock(counted_mutex_);
    std::map<std::pair<std::string, std::string>, double> sums;
    for (const WaitingRows& rows : counted_.waiting)
      sums[{rows.reason, rows.provider}] += static_cast<double>(rows.rows);
    std::vector<Sample> samples;
    samples.reserve(sums.size());
    for (const auto& [labels, rows] : sums) samples.push_back({{labels.first, labels.second}, rows});
    return samples;
  });
  metrics_text_->AddCallback(Metric::kDnsLookups, [this] {
    std::vector<Sample> samples;
    for (const std::unique_ptr<Shard>& shard : shards_) {
      const dns::Resolver::Counts counts = shard->dns_counts();
      for (int type = 0; type < dns::kQueryTypes; ++type) {
        const std::string name(dns::ToString(static_cast<dns::QueryType>(type)));
        const auto index = static_cast<size_t>(type);
        for (int verdict = 0; verdict < dns::kVerdicts; ++verdict) {
          const uint64_t count = counts.answers[index][static_cast<size_t>(verdict)];
          if (count == 0) continue;
          samples.push_back(
              {{name, std::string(dns::ToString(static_cast<dns::Verdict>(verdict)))}, static_cast<double>(count)});
        }
        if (counts.hits[index] > 0) samples.push_back({{name, "cached"}, static_cast<double>(counts.hits[index])});
      }
    }
    return samples;
  });
  metrics_text_->AddCallback(Metric::kSourceUnavailable, [this] {
    const std::shared_ptr<const Options> options = this->options();
    std::map<std::string, bool> has;  // of those that are in a pool
    for (const PoolOptions& pool : options->pools) {
      for (const std::string& source : pool.sources) has.emplace(source, false);
      for (const int index : pool.source_indexes) has[options->sources[static_cast<size_t>(index)].name] = true;
    }
    std::vector<Sample> samples;
    samples.reserve(has.size());
    for (const auto& [source, available] : has) samples.push_back({{source}, available ? 0.0 : 1.0});
    return samples;
  });
  metrics_text_->AddCallback(Metric::kHolds, [this] {
    return std::vector<Sample>{{{}, static_cast<double>(holds_->List(/*ended=*/false).size())}};
  });
  metrics_text_->AddCallback(
      Metric::kDiskFree, [this] { return std::vector<Sample>{{{}, static_cast<double>(store_->Disk().free_bytes)}}; });
  metrics_text_->AddCallback(Metric::kQueueStalled,
                             [this] { return std::vector<Sample>{{{}, static_cast<double>(store_->Stats().stall)}}; });
  metrics_text_->AddCallback(Metric::kMemory, [this] {
    const queue::StoreStats stats = store_->Stats();
    const uint64_t queue = stats.block_cache_bytes + stats.memtable_bytes + stats.table_readers_bytes;
    return std::vector<Sample>{{{"queue"}, static_cast<double>(queue)}, {{"process"}, ResidentBytes()}};
  });
  metrics_text_->AddHistogram(Metric::kQueueCommitSeconds, [this] {
    const queue::StoreStats stats = store_->Stats();
    return HistogramSnapshot{
        .bounds = {queue::StoreStats::kSecondsBounds.begin(), queue::StoreStats::kSecondsBounds.end()},
        .counts = {stats.seconds_buckets.begin(), stats.seconds_buckets.end()},
        .sum = stats.seconds_sum};
  });
  metrics_text_->AddHistogram(Metric::kQueueCommitRows, [this] {
    const queue::StoreStats stats = store_->Stats();
    return HistogramSnapshot{.bounds = {}, .counts = {stats.commits}, .sum = static_cast<double>(stats.rows)};
  });
}

}  // namespace sealift::engine
