// How much memory the queue takes does not depend on how long it is.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

constexpr uint32_t kRows = 2'000'000;  // four whole chunks: as many as are in memory at once, and files to compact
constexpr uint32_t kSettled = 100'000;
constexpr uint32_t kDomains = 100;

double PeakMiB() {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kib = 0;
  while (status >> word) {
    if (word == "VmHWM:") status >> kib;
  }
  return kib / 1024;
}

struct Peaks {
  double loading, sending, cached;
};

// Each measurement has a process of its own, for memory that was once taken is rarely given back.
class MemoryTest : public StoreTest {
 protected:
  static Peaks* Shared() {
    void* const shared = ::mmap(nullptr, sizeof(Peaks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? nullptr : new (shared) Peaks{};
  }

  // False: the process failed, and has printed why.
  template <typename Work>
  static bool Apart(const Work& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      work();
      ::_exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  void Load(uint32_t rows) {
    const CampaignId campaign = Create();
    auto load = store_->BeginLoad(campaign, kNow);
    ASSERT_TRUE(load.ok()) << load.status();
    for (uint32_t id = 1; id <= rows; ++id) {
      if ((*load)->full()) ASSERT_TRUE((*load)->CommitBehind(id, "digest").ok());
      ASSERT_TRUE(Add(**load, MakeRow(id, kDomains)).ok());
    }
    ASSERT_TRUE((*load)->Commit(rows, "digest", true).ok());
  }

  // Delivers kSettled rows, of every lane as many.
  void Send() {
    const CampaignId campaign = store_->FindCampaign("spring")->id;
    for (const LaneRecord& lane : Lanes(campaign)) {
      LaneRead read{.lane = lane.lane, .fresh = {}, .retry = {}, .now = kNow, .packs_max = 8};
      for (uint32_t settled = 0; settled < kSettled / kDomains;) {
        const LaneWindow window = ReadOne(read);
        ASSERT_TRUE(window.status.ok()) << window.status;
        ASSERT_FALSE(window.packs.empty());
        std::vector<Outcome> outcomes;
        for (const auto& pack : window.packs) {
          for (Outcome& outcome : AllOf(pack, OutcomeKind::kDelivered)) outcomes.push_back(std::move(outcome));
        }
        settled += static_cast<uint32_t>(outcomes.size());
        Settle(std::move(outcomes));
        read.fresh = window.fresh;
      }
    }
  }

  Peaks Measure(uint32_t rows) {
    Peaks* const peaks = Shared();
    EXPECT_TRUE(peaks != nullptr);
    EXPECT_TRUE(Apart([&] {
      Open();
      Load(rows);
      peaks->loading = PeakMiB();
      peaks->cached = static_cast<double>(store_->Stats().block_cache_bytes) / (1 << 20);
      store_.reset();
    }));
    EXPECT_TRUE(Apart([&] {
      Open();
      Send();
      peaks->sending = PeakMiB();
      store_.reset();
    }));
    std::filesystem::remove_all(path_);
    return *peaks;
  }
};

TEST_F(MemoryTest, ThreeTimesTheRowsTakeNoMoreMemory) {
  const Peaks one = Measure(kRows), three = Measure(3 * kRows);
  RecordProperty("loading_mib", static_cast<int>(one.loading));
  RecordProperty("sending_mib", static_cast<int>(one.sending));
  RecordProperty("cached_kib", static_cast<int>(one.cached * 1024));
  RecordProperty("cached_kib_of_three", static_cast<int>(three.cached * 1024));
  EXPECT_GT(one.sending, 10) << "this does not measure anything";
  // Four million rows more are some hundred MiB; how far a commit and a compaction meet makes a difference, too.
  // Not so the filters of addresses, of which four million more are 8 MiB.
  EXPECT_LE(three.cached, one.cached + 2);
  EXPECT_LE(three.loading, one.loading + 64);
  EXPECT_LE(three.sending, one.sending + 32);
  // The budget, a chunk of rows that is being sorted, one that is being filled, and the program.
  EXPECT_LE(three.loading, 32 + 224);
  EXPECT_LE(three.sending, 32 + 64);
}

}  // namespace
}  // namespace sealift::queue
