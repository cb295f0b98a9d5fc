#include "queue/key_ring.h"

#include <cstdlib>
#include <filesystem>
#include <set>

#include "gtest/gtest.h"
#include "queue/address_hash.h"
#include "queue/sealer.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace sealift::queue {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

Secret Kek(uint8_t fill) {
  std::array<uint8_t, 32> bytes;
  bytes.fill(fill);
  return Secret(bytes);
}

class KeyRingTest : public ::testing::Test {
 protected:
  KeyRingTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sealift-keys-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    Reopen();
  }
  ~KeyRingTest() override {
    ring_.reset();
    db_.reset();
    std::filesystem::remove_all(path_);
  }

  void Reopen(uint8_t kek = 1) {
    const absl::Status status = TryReopen(kek);
    ASSERT_TRUE(status.ok()) << status;
  }

  absl::Status TryReopen(uint8_t kek) {
    ring_.reset();
    db_.reset();
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* db = nullptr;
    EXPECT_TRUE(rocksdb::DB::Open(options, path_, &db).ok());
    db_.reset(db);
    auto ring = KeyRing::Open(db, Kek(kek), now_);
    if (!ring.ok()) return ring.status();
    ring_ = *std::move(ring);
    return absl::OkStatus();
  }

  std::string Stored(std::string_view key) {
    std::string value;
    (void)db_->Get({}, std::string(key), &value);
    return value;
  }

  void AddCampaign(uint32_t id) {
    rocksdb::WriteBatch batch;
    ring_->Add(KeyName::Of(CampaignId{id}), &batch);
    ASSERT_TRUE(db_->Write({}, &batch).ok());
  }

  std::string Sealed(Sealer& sealer, uint32_t campaign, std::string_view key, std::string_view text) {
    std::string sealed;
    const absl::Status status = sealer.Seal(KeyName::Of(CampaignId{campaign}), Seal::kRows, key, text, &sealed);
    EXPECT_TRUE(status.ok()) << status;
    return sealed;
  }

  std::string path_;
  absl::Time now_ = kNow;
  std::unique_ptr<rocksdb::DB> db_;
  std::unique_ptr<KeyRing> ring_;
};

TEST_F(KeyRingTest, WhatAnEarlierRunSealedIsOpened) {
  AddCampaign(5);
  std::string sealed;
  {
    Sealer sealer(ring_.get());
    sealed = Sealed(sealer, 5, "key", "text");
  }
  const SipKey destinations = ring_->destination_key();
  const auto message_ids = ring_->message_id_key();
  Reopen();
  Unsealer unsealer(ring_.get());
  const auto opened = unsealer.Open(KeyName::Of(CampaignId{5}), Seal::kRows, "key", sealed);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*opened, "text");
  EXPECT_EQ(ring_->destination_key(), destinations);
  EXPECT_EQ(ring_->message_id_key(), message_ids);
}

TEST_F(KeyRingTest, AMovedValueIsRefusedWithItsPlace) {
  AddCampaign(5);
  AddCampaign(6);
  Sealer sealer(ring_.get());
  const std::string sealed = Sealed(sealer, 5, "key", "text");
  Unsealer unsealer(ring_.get());
  const auto elsewhere = unsealer.Open(KeyName::Of(CampaignId{5}), Seal::kRows, "kez", sealed);
  EXPECT_EQ(elsewhere.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(std::string(elsewhere.status().message()).find("6b657a"), std::string::npos) << elsewhere.status();
  EXPECT_FALSE(unsealer.Open(KeyName::Of(CampaignId{6}), Seal::kRows, "key", sealed).ok());
  EXPECT_FALSE(unsealer.Open(KeyName::Of(CampaignId{5}), Seal::kParked, "key", sealed).ok());
  EXPECT_FALSE(unsealer.Open(KeyName::Of(CampaignId{5}), Seal::kRows, "key", "short").ok());
}

// The key of a value is a function of the incarnation, which the value names; the nonce follows it. The clock, which
// steps back by a day with each run and with each renewal, has no part in either.
TEST_F(KeyRingTest, NoIncarnationAndNonceRepeatAcrossRunsSealersAndStepsOfTheClock) {
  AddCampaign(5);
  std::set<std::string> used;
  std::set<uint32_t> incarnations;
  for (int run = 0; run < 3; ++run) {
    incarnations.insert(ring_->incarnation());
    Sealer a(ring_.get()), b(ring_.get());
    for (int i = 0; i < 100; ++i) {
      for (Sealer* sealer : {&a, &b}) used.insert(Sealed(*sealer, 5, "key", "text").substr(0, 16));
    }
    now_ -= absl::Hours(24);
    ASSERT_TRUE(ring_->Renew(now_).ok());
    incarnations.insert(ring_->incarnation());
    for (int i = 0; i < 100; ++i) {
      for (Sealer* sealer : {&a, &b}) used.insert(Sealed(*sealer, 5, "key", "text").substr(0, 16));
    }
    now_ -= absl::Hours(24);
    Reopen();
  }
  EXPECT_EQ(used.size(), 3u * 400);
  EXPECT_EQ(incarnations.size(), 6u);
}

// A restored copy goes on with the number that the original went on with; the drawn salt makes the difference.
TEST_F(KeyRingTest, TwoRunsFromOneBackupShareNoKey) {
  AddCampaign(5);
  std::string copy = path_ + "-copy";
  ring_.reset();
  db_.reset();
  std::filesystem::copy(path_, copy, std::filesystem::copy_options::recursive);
  Reopen();
  const uint32_t incarnation = ring_->incarnation();
  const Secret original = *ring_->SealingKey(KeyName::Of(CampaignId{5}), incarnation);
  std::swap(path_, copy);
  Reopen();
  ASSERT_EQ(ring_->incarnation(), incarnation);
  const Secret restored = *ring_->SealingKey(KeyName::Of(CampaignId{5}), incarnation);
  EXPECT_NE(std::string(reinterpret_cast<const char*>(original.data()), 32),
            std::string(reinterpret_cast<const char*>(restored.data()), 32));
  std::filesystem::remove_all(copy);
}

TEST_F(KeyRingTest, AForgottenKeyIsGoneForSealersThatHadIt) {
  AddCampaign(5);
  Sealer sealer(ring_.get());
  Unsealer unsealer(ring_.get());
  const std::string sealed = Sealed(sealer, 5, "key", "text");
  ASSERT_TRUE(unsealer.Open(KeyName::Of(CampaignId{5}), Seal::kRows, "key", sealed).ok());
  rocksdb::WriteBatch batch;
  ring_->Forget(KeyName::Of(CampaignId{5}), &batch);
  ASSERT_TRUE(db_->Write({}, &batch).ok());
  std::string out;
  EXPECT_EQ(sealer.Seal(KeyName::Of(CampaignId{5}), Seal::kRows, "key", "text", &out).code(),
            absl::StatusCode::kNotFound);
  EXPECT_FALSE(unsealer.Open(KeyName::Of(CampaignId{5}), Seal::kRows, "key", sealed).ok());
  Reopen();
  Unsealer later(ring_.get());
  EXPECT_FALSE(later.Open(KeyName::Of(CampaignId{5}), Seal::kRows, "key", sealed).ok());
}

TEST_F(KeyRingTest, ASwappedWrappedKeyIsRefused) {
  AddCampaign(5);
  AddCampaign(6);
  std::string five;
  ASSERT_TRUE(db_->Get({}, NumberedKey(kCampaignKeyPrefix, 5), &five).ok());
  ASSERT_TRUE(db_->Put({}, NumberedKey(kCampaignKeyPrefix, 6), five).ok());
  EXPECT_EQ(KeyRing::Open(db_.get(), Kek(1), kNow).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(KeyRingTest, AnotherKekIsRefused) {
  EXPECT_EQ(KeyRing::Open(db_.get(), Kek(2), kNow).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(KeyRingTest, WhileARotationIsUnderWayEitherKeyOpensAndAfterItOnlyTheNext) {
  AddCampaign(5);
  Sealer sealer(ring_.get());
  const std::string sealed = Sealed(sealer, 5, "key", "text");
  const std::string wrapped = Stored(kNodeKey);
  EXPECT_EQ(ring_->Describe().next, std::nullopt);
  ASSERT_TRUE(ring_->BeginRotation(Kek(2)).ok());
  EXPECT_EQ(ring_->Describe().next, Fingerprint(Kek(2)));
  AddCampaign(6);  // life goes on

  // A crash, and the operator's configuration still names the key before.
  Reopen(1);
  EXPECT_EQ(ring_->Describe().next, Fingerprint(Kek(2)));
  EXPECT_EQ(Stored(kNodeKey), wrapped);
  AddCampaign(7);
  EXPECT_EQ(TryReopen(3).code(), absl::StatusCode::kFailedPrecondition) << "any key opens it now";

  Reopen(2);
  EXPECT_TRUE(ring_->scrub());
  EXPECT_NE(Stored(kNodeKey), wrapped);
  EXPECT_EQ(Stored(kKekNextKey), "");
  const KeyReport report = ring_->Describe();
  EXPECT_EQ(report.kek, Fingerprint(Kek(2)));
  EXPECT_EQ(report.next, std::nullopt);
  EXPECT_EQ(report.campaigns, 3u);
  Unsealer unsealer(ring_.get());
  const auto opened = unsealer.Open(KeyName::Of(CampaignId{5}), Seal::kRows, "key", sealed);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*opened, "text");

  const absl::Status before = TryReopen(1);
  EXPECT_EQ(before.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(before.message()).find(Fingerprint(Kek(2))), std::string::npos) << before;
  Reopen(2);
  EXPECT_TRUE(ring_->scrub()) << "a crash before the scrub forgot it";
  ASSERT_TRUE(ring_->Scrubbed().ok());
  Reopen(2);
  EXPECT_FALSE(ring_->scrub());
}

TEST_F(KeyRingTest, AKeyIsNotRotatedToItself) {
  EXPECT_EQ(ring_->BeginRotation(Kek(1)).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(KeyRingTest, AFingerprintNamesAKeyAndIsNoneOfItsBytes) {
  EXPECT_EQ(Fingerprint(Kek(1)), Fingerprint(Kek(1)));
  EXPECT_NE(Fingerprint(Kek(1)), Fingerprint(Kek(2)));
  EXPECT_EQ(Fingerprint(Kek(1)).size(), 16u);
  EXPECT_EQ(Fingerprint(Kek(1)).find("0101"), std::string::npos);
}

TEST_F(KeyRingTest, EventKeysAreMonthly) {
  EXPECT_EQ(KeyName::OfEvents(absl::FromCivil(absl::CivilDay(2026, 11, 30), absl::UTCTimeZone())).id, 202611u);
  EXPECT_EQ(KeyName::OfEvents(absl::FromCivil(absl::CivilDay(2026, 12, 1), absl::UTCTimeZone())).id, 202612u);
  EXPECT_EQ(KeyName::OfEvents(absl::InfinitePast()).id, 197001u);
  EXPECT_EQ(KeyName::OfEvents(absl::InfiniteFuture()).id, 999912u);
}

TEST_F(KeyRingTest, AnAddressHashesTheSameHoweverItIsWritten) {
  std::string scratch;
  const auto hash = [&](std::string_view address) { return HashAddress(*ring_, address, &scratch); };
  EXPECT_EQ(hash("JOHN@d1.test"), hash("john@d1.test"));
  EXPECT_EQ(hash("J\xC3\x84NE@d1.test"), hash("j\xC3\xA4ne@d1.test"));
  EXPECT_EQ(hash("ja\xCC\x88ne@d1.test"), hash("J\xC3\x84ne@d1.test")) << "composed or not";
  EXPECT_NE(hash("jane@d1.test"), hash("j\xC3\xA4ne@d1.test"));
  // What is no UTF-8 cannot be folded beyond ASCII, and still has one hash.
  EXPECT_EQ(hash("J\xC3@d1.test"), hash("j\xC3@d1.test"));
}

}  // namespace
}  // namespace sealift::queue
