// Databases of every format that was ever released are opened, and everything in them is found.
#include <cstdlib>

#include "tests/queue/stored_database.h"

namespace sealift::queue {
namespace {

class UpgradeTest : public StoreTest, public testing::WithParamInterface<const char*> {
 protected:
  UpgradeTest() {
    const std::string archive = std::string(SEALIFT_SOURCE_DIR) + "/tests/queue/databases/" + GetParam() + ".tar.gz";
    const std::string command =
        "tar --extract --gzip --no-same-owner --file '" + archive + "' --directory '" + root_ + "'";
    EXPECT_EQ(std::system(command.c_str()), 0) << command << "";
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
  }
};

TEST_P(UpgradeTest, EveryRowAndAllThatIsKnownOfThemIsFound) {
  for (int run = 1; run <= 2; ++run) {  // and again, after whatever the first opening has changed
    Open();
    const auto running = store_->FindCampaign("running");
    ASSERT_TRUE(running.ok()) << running.status();
    EXPECT_EQ(running->state, CampaignState::kRunning);
    EXPECT_EQ(running->spec.template_text, "Subject: Hello {{name}}\r\n\r\nBody\r\n");
    EXPECT_EQ(running->spec.columns, (std::vector<std::string>{"name", "note"}));
    EXPECT_EQ(running->started, kNow);
    const Counters& counters = running->counters;
    EXPECT_EQ(counters.accepted, kStoredRows);
    EXPECT_EQ(counters.delivered, 16u);
    EXPECT_EQ(counters.bounced, 16u);
    EXPECT_EQ(counters.expired, 1u);
    EXPECT_EQ(counters.retrying, 16u);
    EXPECT_EQ(counters.deferrals, 16u);

    const auto packs = ReadAll(running->id, kNow + absl::Hours(2));
    EXPECT_EQ(RowIds(packs).size(), kStoredRows - 33);
    size_t retrying = 0;
    for (const auto& pack : packs) {
      for (const Row& row : pack->rows()) {
        const InputRow loaded = MakeRow(static_cast<uint32_t>(row.id));
        EXPECT_EQ(row.recipient, loaded.recipient);
        EXPECT_EQ(row.fields[0], loaded.fields[0]);
        retrying += row.attempts > 0 ? 1 : 0;
      }
    }
    EXPECT_EQ(retrying, 16u);
    const auto events = store_->ReadEvents("", 1000, {});
    ASSERT_TRUE(events.ok()) << events.status();
    ASSERT_EQ(events->events.size(), 49u);
    EXPECT_EQ(events->events[0].reply, "ok");
    const auto found = store_->FindRecipient(running->id, "patient7@d1.test");
    ASSERT_TRUE(found.ok() && found->has_value());
    EXPECT_EQ((*found)->row, RowId{7});
    const auto trace = store_->TraceMessage(events->events[16].message);
    ASSERT_TRUE(trace.ok());
    ASSERT_TRUE(trace->row.has_value()) << "a bounced row is kept";
    EXPECT_TRUE(trace->row->parked);

    const auto cancelled = store_->FindCampaign("cancelled");
    ASSERT_TRUE(cancelled.ok());
    EXPECT_EQ(cancelled->counters.cancelled, 10u);
    EXPECT_TRUE(absl::IsFailedPrecondition(store_->ParkCancelled(cancelled->id, "").status()))
        << "its format kept no roll of what was cancelled";
    const auto suppressed = store_->FindSuppressions("Patient7@D1.test");
    ASSERT_TRUE(suppressed.ok() && suppressed->has_value());
    EXPECT_EQ((*suppressed)->InForce().at(0)->reason, "asked by phone");

    LoadRows(Create("new " + std::to_string(run)), 1, 20);
    store_.reset();
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, UpgradeTest, testing::Values("format-1"));

}  // namespace
}  // namespace sealift::queue
