#include "engine/tls_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace sealift::engine {

void TlsMemory::Note(const std::string& host, absl::Time now) {
  const std::lock_guard lock(mutex_);
  const auto [entry, added] = seen_.try_emplace(host, now);
  if (!added && now - entry->second < kNoteEvery) return;
  entry->second = now;
  changed_.push_back(host);
  if (added) MakeRoom();
}

bool TlsMemory::Knows(const std::string& host, absl::Time now) const {
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(host);
  return found != seen_.end() && now - found->second < kKept;
}

std::vector<TlsMemory::Written> TlsMemory::TakeChanged() {
  const std::lock_guard lock(mutex_);
  std::vector<Written> written;
  for (std::string& host : changed_) {
    const auto found = seen_.find(host);
    if (found != seen_.end())
      written.push_back({std::move(host), fmt::format("{}", absl::ToUnixSeconds(found->second))});
  }
  changed_.clear();
  return written;
}

void TlsMemory::Restore(const std::string& host, std::string_view value, absl::Time now) {
  int64_t seconds = 0;
  if (std::from_chars(value.data(), value.data() + value.size(), seconds).ec != std::errc()) return;
  const absl::Time seen = absl::FromUnixSeconds(seconds);
  if (now - seen >= kKept) return;
  const std::lock_guard lock(mutex_);
  seen_[host] = seen;
  MakeRoom();
}

// A sixteenth at once, so that looking for the oldest is rare.
void TlsMemory::MakeRoom() {
  if (seen_.size() <= hosts_max_) return;
  std::vector<absl::Time> times;
  times.reserve(seen_.size());
  for (const auto& [host, time] : seen_) times.push_back(time);
  const auto cut = times.begin() + static_cast<std::ptrdiff_t>(hosts_max_ / 16);
  std::ranges::nth_element(times, cut);
  std::erase_if(seen_, [limit = *cut](const auto& entry) { return entry.second <= limit; });
}

}  // namespace sealift::engine
