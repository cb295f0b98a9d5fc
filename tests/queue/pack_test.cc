#include "queue/pack.h"

#include <array>

#include "gtest/gtest.h"
#include "queue/keys.h"

namespace sealift::queue {
namespace {

const absl::Time kAccepted = absl::FromUnixMillis(1'800'000'000'000);
const RowsKey kKey = {{CampaignId{3}, DestinationId{4}}, 1'800'000'500'000, 5};

std::string ThreeRows() {
  static const std::array<std::string_view, 2> fields = {"Ada", ""};
  std::vector<Row> rows(3);
  for (uint32_t i = 0; i < 3; ++i) {
    rows[i].id = RowId{10 + i};
    rows[i].attempts = static_cast<uint16_t>(i);
    rows[i].recipient = "someone@d1.test";
    rows[i].fields = fields;
  }
  rows[2].date = kAccepted;
  rows[2].fields = {};
  std::string plaintext;
  Pack::Encode(kAccepted, absl::InfiniteFuture(), rows, &plaintext);
  return plaintext;
}

TEST(PackTest, DecodesWhatWasEncoded) {
  const auto pack = Pack::Decode(kKey.Encode(), ThreeRows(), 0);
  ASSERT_TRUE(pack.ok()) << pack.status();
  EXPECT_EQ((*pack)->lane(), kKey.lane);
  EXPECT_EQ((*pack)->due(), absl::FromUnixMillis(1'800'000'500'000));
  EXPECT_EQ((*pack)->accepted(), kAccepted);
  EXPECT_EQ((*pack)->expires(), absl::InfiniteFuture());
  const auto& rows = (*pack)->rows();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[1].id, RowId{11});
  EXPECT_EQ(rows[1].attempts, 1);
  EXPECT_EQ(rows[1].date, absl::InfinitePast());
  EXPECT_EQ(rows[1].recipient, "someone@d1.test");
  ASSERT_EQ(rows[1].fields.size(), 2u);
  EXPECT_EQ(rows[1].fields[0], "Ada");
  EXPECT_EQ(rows[2].date, kAccepted);
  EXPECT_TRUE(rows[2].fields.empty());
}

TEST(PackTest, AFreshPackIsDueSinceEver) {
  const auto pack = Pack::Decode(RowsKey{kKey.lane, RowsKey::kFresh, 10}.Encode(), ThreeRows(), 0);
  ASSERT_TRUE(pack.ok());
  EXPECT_EQ((*pack)->due(), absl::InfinitePast());
}

TEST(PackTest, SettledRowsAreLeftOut) {
  const auto pack = Pack::Decode(kKey.Encode(), ThreeRows(), 0b101);
  ASSERT_TRUE(pack.ok());
  ASSERT_EQ((*pack)->rows().size(), 1u);
  EXPECT_EQ((*pack)->rows()[0].id, RowId{11});
  EXPECT_EQ((*pack)->rows()[0].fields[0], "Ada");
}

TEST(PackTest, EveryTruncationIsRefused) {
  const std::string whole = ThreeRows();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(Pack::Decode(kKey.Encode(), whole.substr(0, size), 0).status().code(), absl::StatusCode::kDataLoss)
        << size;
  }
  EXPECT_FALSE(Pack::Decode(kKey.Encode(), whole + "x", 0).ok());
  EXPECT_FALSE(Pack::Decode("no key", whole, 0).ok());
}

}  // namespace
}  // namespace sealift::queue
