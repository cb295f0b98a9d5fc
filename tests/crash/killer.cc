#include "tests/crash/killer.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>
#include <system_error>

#include "tests/scenario/harness/temp_dir.h"

namespace sealift::crash {

std::string_view ToString(Moment moment) {
  switch (moment) {
    case Moment::kStart:
      return "start";
    case Moment::kLoad:
      return "load";
    case Moment::kDrain:
      return "drain";
    case Moment::kRetry:
      return "retry";
    case Moment::kMove:
      return "move";
    case Moment::kReplay:
      return "replay";
    case Moment::kBackup:
      return "backup";
    case Moment::kCompaction:
      return "compaction";
  }
  return "";
}

uint64_t CompactionNanoseconds(pid_t process) {
  uint64_t sum = 0;
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", process), gone)) {
    if (!scenario::ReadFile(thread.path() / "comm").starts_with("rocksdb:low")) continue;
    sum += std::strtoull(scenario::ReadFile(thread.path() / "schedstat").c_str(), nullptr, 10);
  }
  return sum;
}

Killer::Decision Killer::Next() {
  if (next_ == kMoments) {
    std::shuffle(std::begin(round_), std::end(round_), random_);
    next_ = 0;
  }
  const Moment moment = round_[next_++];
  const bool is_short = moment == Moment::kMove || moment == Moment::kReplay;
  const uint64_t most = moment == Moment::kCompaction ? 20 : is_short ? 60 : 200;
  return {moment, std::chrono::milliseconds(random_() % most)};
}

bool Killer::Await(std::chrono::milliseconds patience, const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    Wait(std::chrono::milliseconds(1));
  }
  return true;
}

void Killer::Wait(std::chrono::milliseconds delay) { poll(nullptr, 0, static_cast<int>(delay.count())); }

}  // namespace sealift::crash
