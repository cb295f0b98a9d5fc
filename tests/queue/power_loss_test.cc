// The power goes at every sync of a fixed life: what was not synced is gone, or torn, and everything acknowledged is
// there at the next start.
#include "tests/queue/fault_fixture.h"

namespace sealift::queue {
namespace {

using Fault = FaultFileSystem::Fault;
constexpr int kProcesses = 4;  // each has every fourth sync

class PowerLossTest : public ::testing::TestWithParam<int> {
 protected:
  class Life : public FaultTest {
   public:
    // True while there is a sync of this number.
    bool CutAt(uint64_t sync, std::optional<uint64_t> torn) {
      disk_->Arm(Fault::kPower, sync, /*syncs_only=*/true);
      Live();
      store_.reset();
      const bool cut = disk_->hit();
      disk_->Lose(torn);
      Crash();
      return cut;
    }
    uint64_t syncs() const { return disk_->points(); }
    void TestBody() override {}
  };

  void CutEverywhere(bool torn) {
    for (uint64_t sync = static_cast<uint64_t>(GetParam()) + 1;; sync += kProcesses) {
      SCOPED_TRACE(fmt::format("cut at sync {}", sync));
      const bool cut = Life().CutAt(sync, torn ? std::optional(sync) : std::nullopt);
      ASSERT_FALSE(HasFailure());
      if (cut) continue;
      EXPECT_GT(sync, 40u) << "so few syncs prove little";
      return;
    }
  }
};

TEST_P(PowerLossTest, WhatWasAcknowledgedSurvivesTheLossOfEverythingElse) { CutEverywhere(/*torn=*/false); }

TEST_P(PowerLossTest, WhatWasAcknowledgedSurvivesWhenSomeOfTheRestDoesToo) { CutEverywhere(/*torn=*/true); }

INSTANTIATE_TEST_SUITE_P(Syncs, PowerLossTest, ::testing::Range(0, kProcesses));

}  // namespace
}  // namespace sealift::queue
