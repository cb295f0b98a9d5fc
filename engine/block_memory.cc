#include "engine/block_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "absl/hash/hash.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kFullAgain = absl::Seconds(10);  // how often a full memory is searched for what has ended

uint64_t KeyOf(std::string_view site, const Path& path) {
  const TlsRequirement& asked = path.requirement;
  return absl::HashOf(site, path.source_name, static_cast<int>(asked.policy), asked.domain.mx_authenticated,
                      asked.domain.sts, asked.domain.sts_hosts, asked.requiretls, asked.despite_tls);
}

std::string Describe(const Path& path, int failures) {
  if (path.block.lack >= Lack::kTls) return "no host offered the TLS that is asked for when it was last tried";
  return fmt::format("no host answered as it should, {} {}; the last event has what was found", failures,
                     failures == 1 ? "time" : "times in a row");
}

}  // namespace

void BlockMemory::Keep(std::string_view site, const Path& path, absl::Time now) {
  if (path.block.failures == 0 || path.block.until + kRemembered <= now) return;
  if (blocks_.size() >= kBlocksMax) MakeRoom(now);
  if (blocks_.size() >= kBlocksMax) return;
  blocks_[KeyOf(site, path)] = {
      .until = absl::ToUnixSeconds(path.block.until + absl::Seconds(1) - absl::Nanoseconds(1)),
      .failures = static_cast<uint16_t>(std::min<int>(path.block.failures, std::numeric_limits<uint16_t>::max())),
      .lack = path.block.lack,
      .reason_class = path.block.attempt.verdict.reason_class};
}

void BlockMemory::Restore(std::string_view site, Path& path, absl::Time now) {
  const auto found = blocks_.find(KeyOf(site, path));
  if (found == blocks_.end()) return;
  const Record record = found->second;
  blocks_.erase(found);
  const absl::Time until = absl::FromUnixSeconds(record.until);
  if (until + kRemembered <= now) return;
  // The site was looked up just now.
  const bool over = until <= now;
  path.block = {.until = until, .failures = record.failures, .lack = record.lack, .looked_up = over, .attempt = {}};
  path.block.attempt.verdict = ClassifyFailure(record.reason_class);
  path.block.attempt.text = Describe(path, record.failures);
  auto evidence = std::make_shared<queue::Evidence>();
  evidence->source = path.source_name;
  path.block.attempt.evidence = std::move(evidence);
}

void BlockMemory::MakeRoom(absl::Time now) {
  if (now < full_until_) return;
  full_until_ = now + kFullAgain;
  absl::erase_if(blocks_,
                 [now](const auto& entry) { return absl::FromUnixSeconds(entry.second.until) + kRemembered <= now; });
  if (blocks_.size() < kBlocksMax) return;
  absl::erase_if(blocks_, [now](const auto& entry) { return absl::FromUnixSeconds(entry.second.until) <= now; });
}

}  // namespace sealift::engine
