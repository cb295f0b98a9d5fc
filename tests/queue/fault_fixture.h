#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/queue/fault_file_system.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {

// A fixed life of a store on a disk that fails: loads through the log and as files, outcomes of each kind, a restart,
// an erasure with its flush and compaction. It keeps what was acknowledged, and what was tried without an answer, and
// compares a store with that.
class FaultTest : public StoreTest {
 protected:
  FaultTest();

  void Configure(Store::Options& options) override;

  // From the first step to the end, or to the first that fails and that `mend_` does not mend.
  void Live();
  // What the power leaves, or a crash, and the next start. Everything acknowledged must be there.
  void Crash();
  void ExpectWhatWasAcknowledged();
  // Whether the life was lived to its end.
  bool whole() const { return step_ == steps_.size(); }

  std::shared_ptr<FaultFileSystem> disk_;
  // Called when the store stops while a step other than SettleNow is under way: that may be what waits for room.
  std::function<void(const absl::Status&)> relieve_ = [](const absl::Status&) {};
  // Asked when a step fails or the store stops. True: try again.
  std::function<bool(const absl::Status&)> mend_ = [](const absl::Status&) { return false; };

  absl::Status Load(uint32_t first, uint32_t last);
  CampaignId campaign_{};
  absl::Status stopped_;   // as last reported; guarded by mutex_
  bool relieved_ = false;  // the last stop; guarded by mutex_

 private:
  struct RowModel {
    bool loaded = false;  // acknowledged; else tried
    std::optional<OutcomeKind> settled, tried;
  };

  absl::Status OpenNow();
  absl::Status CreateNow(const std::string& name, CampaignId* id);
  absl::Status SettleNow(size_t packs, OutcomeKind kind, size_t rows_max = 16);
  absl::Status EraseAnother();

  std::vector<std::function<absl::Status()>> steps_;
  size_t step_ = 0;
  bool settling_ = false;  // guarded by mutex_
  std::map<uint32_t, RowModel> rows_;
};

}  // namespace sealift::queue
