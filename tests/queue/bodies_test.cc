#include "queue/body_files.h"
#include "rocksdb/db.h"
#include "tests/queue/store_fixture.h"

namespace sealift::queue {
namespace {

const absl::Duration kTwoWeeks = absl::Hours(24 * 14), kYear = absl::Hours(24 * 400);

class BodiesTest : public StoreTest {
 protected:
  void SetUp() override {
    Open();
    campaign_ = Create();
  }

  std::unique_ptr<Load> Begin() {
    auto load = store_->BeginLoad(campaign_, kNow);
    EXPECT_TRUE(load.ok()) << load.status();
    return load.ok() ? *std::move(load) : nullptr;
  }

  static std::string PieceOf(uint32_t body, uint32_t piece) {
    return fmt::format("{}/{}:", body, piece) + std::string(Load::kPieceBytesMax - 20, static_cast<char>('a' + body));
  }

  // A message of so many pieces, and a row for each of the addresses.
  static void AddMessage(Load& load, uint32_t body, uint32_t pieces, uint32_t first_row,
                         const std::vector<std::string>& locals) {
    ASSERT_TRUE(load.BeginBody(BodyId{body}).ok());
    for (uint32_t i = 0; i < pieces; ++i) ASSERT_TRUE(load.AddPiece(PieceOf(body, i)).ok());
    ASSERT_TRUE(load.KeepBody().ok());
    AddRows(load, body, first_row, locals);
  }

  static void AddRows(Load& load, uint32_t body, uint32_t first_row, const std::vector<std::string>& locals) {
    const std::string_view field = "reference";
    for (const std::string& local : locals) {
      const std::string address = local + "@d.test";
      auto added = load.Add({RowId{first_row++}, address, "d.test", {&field, 1}, BodyId{body}});
      ASSERT_TRUE(added.ok()) << added.status();
    }
  }

  bool Has(uint32_t body, uint32_t piece) {
    const auto read = store_->ReadPiece(campaign_, BodyId{body}, piece);
    if (!read.ok()) return false;
    EXPECT_EQ(*read, PieceOf(body, piece));
    return true;
  }

  size_t IncomingFiles() {
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_ + "/incoming")) files += entry.is_regular_file();
    return files;
  }

  CampaignId campaign_{};
};

TEST_F(BodiesTest, PiecesOfSmallAndLargeMessagesAreReadAsTheyWereGiven) {
  {
    const auto load = Begin();
    AddMessage(*load, 1, 1, 1, {"a"});
    AddMessage(*load, 2, 40, 2, {"b"});
    AddMessage(*load, 3, 2, 3, {"c"});
    AddMessage(*load, 7, 9, 4, {"d"});
    ASSERT_TRUE(load->Commit(100, "", true).ok());
  }
  for (int open = 0; open < 2; ++open) {
    EXPECT_TRUE(Has(1, 0));
    for (uint32_t i = 0; i < 40; ++i) EXPECT_TRUE(Has(2, i));
    EXPECT_TRUE(Has(3, 1));
    EXPECT_TRUE(Has(7, 8));
    EXPECT_EQ(store_->ReadPiece(campaign_, BodyId{2}, 40).status().code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(RowIds(ReadAll(campaign_)), Range(1, 4));
    std::promise<absl::StatusOr<std::string>> read;
    store_->ReadPiece(campaign_, BodyId{2}, 39, [&](absl::StatusOr<std::string> piece) { read.set_value(piece); });
    EXPECT_EQ(*read.get_future().get(), PieceOf(2, 39));
    Reopen();
  }
  EXPECT_EQ(IncomingFiles(), 0u);
}

TEST_F(BodiesTest, AMessageThatIsDroppedNearItsEndLeavesNothing) {
  const auto load = Begin();
  AddMessage(*load, 1, 2, 1, {"a"});
  for (const uint32_t pieces : {1u, 30u}) {
    ASSERT_TRUE(load->BeginBody(BodyId{pieces + 1}).ok());
    for (uint32_t i = 0; i < pieces; ++i) ASSERT_TRUE(load->AddPiece(PieceOf(1, i)).ok());
    load->DropBody();
  }
  AddMessage(*load, 40, 30, 2, {"b"});
  ASSERT_TRUE(load->Commit(100, "", true).ok());
  EXPECT_TRUE(Has(1, 0));
  EXPECT_FALSE(store_->ReadPiece(campaign_, BodyId{2}, 0).ok());
  EXPECT_FALSE(store_->ReadPiece(campaign_, BodyId{31}, 0).ok());
  EXPECT_TRUE(Has(40, 29));
}

TEST_F(BodiesTest, ALoadThatIsInterruptedBetweenPiecesAndRowsLeavesNeither) {
  {
    const auto load = Begin();
    AddMessage(*load, 1, 20, 1, {"a"});
    ASSERT_TRUE(load->Commit(100, "one", false).ok());
    AddMessage(*load, 2, 20, 2, {"b"});
    EXPECT_GT(IncomingFiles(), 0u) << "what arrives is on the disk, not in memory";
  }
  EXPECT_EQ(IncomingFiles(), 0u);
  EXPECT_TRUE(Has(1, 19));
  EXPECT_FALSE(store_->ReadPiece(campaign_, BodyId{2}, 0).ok());
  EXPECT_EQ(RowIds(ReadAll(campaign_)), Range(1, 1));
  const auto load = Begin();
  EXPECT_EQ(load->offset(), 100u);
  AddMessage(*load, 2, 20, 2, {"b"});
  ASSERT_TRUE(load->Commit(200, "two", true).ok());
  EXPECT_TRUE(Has(2, 19));
  EXPECT_EQ(CountersOf(campaign_).accepted, 2u);
}

TEST_F(BodiesTest, AChunkIsFullBySizeOfItsMessages) {
  const auto load = Begin();
  uint32_t body = 0;
  while (!load->full()) {
    ++body;
    AddMessage(*load, body, 100, body, {fmt::format("a{}", body)});
  }
  EXPECT_LE(body * 100 * Load::kPieceBytesMax, 2 * Load::kChunkBytesMax);
}

TEST_F(BodiesTest, AnAddressGetsEveryMessageToItAndEachOnce) {
  const auto load = Begin();
  AddMessage(*load, 1, 1, 1, {"a", "b", "a"});
  AddMessage(*load, 2, 1, 4, {"a"});
  ASSERT_TRUE(load->Commit(100, "", false).ok());
  AddMessage(*load, 3, 1, 5, {"A"});
  ASSERT_TRUE(load->Commit(200, "", true).ok());
  EXPECT_EQ(load->counters().accepted, 4u);
  EXPECT_EQ(load->counters().duplicates, 1u);
  const auto found = store_->FindRecipient(campaign_, "a@d.test");
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->row, RowId{1});
  EXPECT_TRUE(store_->FindRecipient(campaign_, "b@d.test")->has_value());
  EXPECT_FALSE(store_->FindRecipient(campaign_, "c@d.test")->has_value());
}

TEST_F(BodiesTest, MessagesGoOnceNoRowCanGetThem) {
  {
    const auto load = Begin();
    AddMessage(*load, 1, 12, 1, {"a", "b"});
    ASSERT_TRUE(load->Commit(100, "", true).ok());
  }
  const auto pack = ReadAll(campaign_).at(0);
  Settle({MakeOutcome(pack, 0, OutcomeKind::kDelivered)});
  ASSERT_TRUE(store_->Sweep(kNow, kTwoWeeks, kYear).ok());
  EXPECT_TRUE(Has(1, 11)) << "a row is queued";
  Settle({MakeOutcome(pack, 1, OutcomeKind::kDelivered)});
  ASSERT_TRUE(store_->Sweep(kNow, kTwoWeeks, kYear).ok());
  EXPECT_FALSE(store_->ReadPiece(campaign_, BodyId{1}, 11).ok());
  Reopen();
  EXPECT_FALSE(store_->ReadPiece(campaign_, BodyId{1}, 0).ok());
}

TEST_F(BodiesTest, MessagesStayWhileTheirLoadGoesOn) {
  {
    const auto load = Begin();
    AddMessage(*load, 1, 1, 1, {"a"});
    ASSERT_TRUE(load->Commit(100, "", false).ok());
  }
  Settle(AllOf(ReadAll(campaign_).at(0), OutcomeKind::kDelivered));
  ASSERT_TRUE(store_->Sweep(kNow, kTwoWeeks, kYear).ok());
  EXPECT_TRUE(Has(1, 0));
  ASSERT_TRUE(Begin()->Commit(100, "", true).ok());
  ASSERT_TRUE(store_->Sweep(kNow, kTwoWeeks, kYear).ok());
  EXPECT_FALSE(store_->ReadPiece(campaign_, BodyId{1}, 0).ok());
}

TEST_F(BodiesTest, ACancelledCampaignsMessagesGoWithItsRows) {
  {
    const auto load = Begin();
    AddMessage(*load, 1, 1, 1, {"a"});
    ASSERT_TRUE(load->Commit(100, "", false).ok());
  }
  ASSERT_TRUE(store_->Cancel(campaign_, false, kNow).ok());
  ASSERT_TRUE(store_->Sweep(kNow + kTwoWeeks / 2, kTwoWeeks, kYear).ok());
  EXPECT_TRUE(Has(1, 0)) << "it can still be shown";
  ASSERT_TRUE(store_->Sweep(kNow + kTwoWeeks * 2, kTwoWeeks, kYear).ok());
  EXPECT_FALSE(store_->ReadPiece(campaign_, BodyId{1}, 0).ok());
}

TEST_F(BodiesTest, ABouncedRowKeepsItsMessageForAsLongAsItself) {
  {
    const auto load = Begin();
    AddMessage(*load, 1, 1, 1, {"a"});
    ASSERT_TRUE(load->Commit(100, "", true).ok());
  }
  Settle({MakeOutcome(ReadAll(campaign_).at(0), 0, OutcomeKind::kBounced)});
  ASSERT_TRUE(store_->Sweep(kNow + kTwoWeeks / 2, kTwoWeeks, kYear).ok());
  EXPECT_TRUE(Has(1, 0));
  ASSERT_TRUE(store_->Sweep(kNow + kTwoWeeks * 2, kTwoWeeks, kYear).ok());
  EXPECT_FALSE(store_->ReadPiece(campaign_, BodyId{1}, 0).ok());
}

TEST_F(BodiesTest, ErasingACampaignLeavesNoByteOfItsMessagesAndOthersTheirs) {
  const CampaignId other = Create("summer");
  for (const CampaignId campaign : {campaign_, other}) {
    auto load = store_->BeginLoad(campaign, kNow);
    ASSERT_TRUE(load.ok());
    AddMessage(**load, 1, 30, 1, {"a"});
    ASSERT_TRUE((*load)->Commit(100, "", true).ok());
  }
  ASSERT_TRUE(store_->Cancel(campaign_, true, kNow).ok());
  EXPECT_FALSE(store_->ReadPiece(campaign_, BodyId{1}, 0).ok());
  EXPECT_TRUE(store_->ReadPiece(other, BodyId{1}, 29).ok());
  Reopen();
  EXPECT_FALSE(store_->ReadPiece(campaign_, BodyId{1}, 0).ok());
  EXPECT_TRUE(store_->ReadPiece(other, BodyId{1}, 29).ok());
}

TEST_F(BodiesTest, ADatabaseFromBeforeThereWereMessagesOpens) {
  LoadRows(campaign_, 1, 10);
  store_.reset();
  {
    auto database = Database::Open({.path = path_, .memory_bytes = 32 << 20});
    ASSERT_TRUE(database.ok()) << database.status();
    ASSERT_TRUE((*database)->get()->DropColumnFamily((*database)->handle(Column::kBodies)).ok());
  }
  std::vector<std::string> names;
  ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path_, &names).ok());
  ASSERT_EQ(std::find(names.begin(), names.end(), "bodies"), names.end());
  Open();
  EXPECT_EQ(CountersOf(campaign_).accepted, 10u);
  EXPECT_EQ(RowIds(ReadAll(campaign_)), Range(1, 10));
}

}  // namespace
}  // namespace sealift::queue
