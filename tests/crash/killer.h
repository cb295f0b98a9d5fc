#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <random>
#include <string_view>

namespace sealift::crash {

// What the daemon is to be doing when it is killed.
// kRetry: rows wait for another try. kMove: `queue retry` is moving them. kReplay: `queue replay` has just begun to.
enum class Moment : uint8_t { kStart, kLoad, kDrain, kRetry, kMove, kReplay, kBackup, kCompaction };
inline constexpr int kMoments = 8;
std::string_view ToString(Moment moment);

// For how long the threads of RocksDB's pool for compactions have run in this process, in nanoseconds.
uint64_t CompactionNanoseconds(pid_t process);

// Killer decides when: it draws moments and delays from a seed, so that a run can be repeated as far as two runs of the
// same processes are alike.
class Killer {
 public:
  explicit Killer(uint64_t seed) : random_(seed) {}

  struct Decision {
    Moment moment;
    std::chrono::milliseconds delay;  // behind the moment
  };
  // Each moment comes once in eight kills, in an order of its own.
  Decision Next();

  // Looks every millisecond, at most for `patience`, whether it is so far.
  static bool Await(std::chrono::milliseconds patience, const std::function<bool()>& condition);
  static void Wait(std::chrono::milliseconds delay);

 private:
  std::mt19937_64 random_;
  Moment round_[kMoments] = {Moment::kStart, Moment::kLoad,   Moment::kDrain,  Moment::kRetry,
                             Moment::kMove,  Moment::kReplay, Moment::kBackup, Moment::kCompaction};
  int next_ = kMoments;
};

}  // namespace sealift::crash
