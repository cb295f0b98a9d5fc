#pragma once

#include "tests/queue/store_fixture.h"

namespace sealift::queue {

// A database as every version of the queue must find it: what it holds is made here, once a format and then kept in
// databases/ for good, and what must be found in it stands in upgrade_test.cc. Never change what a number means;
// what a newer version adds, a newer database has.
//
// To keep the next: `queue_database_writer DIR`, then
//   tar --create --gzip --sort=name --mtime=@0 --owner=0 --group=0 --file tests/queue/databases/NAME.tar.gz -C DIR
//   queue
// and a line for NAME in upgrade_test.cc.
inline constexpr uint32_t kStoredRows = 200;
inline constexpr uint8_t kStoredKek = 7;

// Fills the store of `test`: a campaign that is running, with rows of every fate, one that is cancelled, and
// suppressions.
class StoredDatabase : public StoreTest {
 public:
  void Write(const std::string& directory) {
    path_ = directory + "/queue";
    Open();
    const CampaignId campaign = Create("running");
    LoadRows(campaign, 1, kStoredRows);
    (void)store_->SetState(campaign, CampaignState::kRunning, kNow);
    const std::vector<std::shared_ptr<Pack>> packs = ReadAll(campaign);
    Settle(AllOf(packs.at(0), OutcomeKind::kDelivered));
    Settle(AllOf(packs.at(1), OutcomeKind::kBounced));
    Settle(AllOf(packs.at(2), OutcomeKind::kDeferred, kNow, kNow + absl::Hours(1)));
    Settle({MakeOutcome(packs.at(3), 0, OutcomeKind::kExpired)});  // the others of its pack stay
    const CampaignId cancelled = Create("cancelled");
    LoadRows(cancelled, 1, 10);
    (void)store_->Cancel(cancelled, false, kNow);
    SuppressionChange change{"patient7@d1.test", {.what = {.kind = SuppressionKind::kOptOut}, .time = kNow}};
    change.entry.reason = "asked by phone";
    (void)store_->ChangeSuppressions({change}, false);
    store_.reset();
  }

 private:
  void TestBody() override {}
};

}  // namespace sealift::queue
