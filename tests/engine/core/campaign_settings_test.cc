#include "engine/campaign_settings.h"

#include <gtest/gtest.h>

namespace sealift::engine {
namespace {

TEST(CampaignSettingsTest, WhatIsWrittenIsReadBack) {
  CampaignSettings settings;
  settings.limits = {.rate = {.count = 200, .period = absl::Minutes(1)},
                     .a_day = {.count = 5000, .period = absl::Hours(24)},
                     .connections = 4,
                     .connection_rate = {.count = 60, .period = absl::Minutes(1)},
                     .messages_per_connection = 50};
  settings.weight = 3;
  settings.start_at = absl::FromUnixMillis(1'800'000'000'123);
  settings.start = true;
  const absl::StatusOr<CampaignSettings> read = CampaignSettings::Parse(settings.ToText());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->limits, settings.limits);
  EXPECT_EQ(read->weight, 3);
  EXPECT_EQ(read->start_at, settings.start_at);
  EXPECT_TRUE(read->start);
}

TEST(CampaignSettingsTest, NothingIsTheDefaults) {
  for (const std::string& text : {std::string(), CampaignSettings().ToText()}) {
    const absl::StatusOr<CampaignSettings> read = CampaignSettings::Parse(text);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->limits, CampaignLimits());
    EXPECT_EQ(read->weight, 1);
    EXPECT_FALSE(read->start_at.has_value());
    EXPECT_FALSE(read->start);
  }
}

TEST(CampaignSettingsTest, WhatIsNotReadableIsAnError) {
  for (const std::string_view text :
       {"{", "[]", "7", "not json", "{\"rate\":\"200 a second\"}", "{\"rate\":5}", "{\"a_day\":5}",
        "{\"weight\":\"3\"}", "{\"connections\":-1}", "{\"connection_rate\":60}", "{\"start\":\"yes\"}",
        "{\"start_at\":\"tomorrow\"}"}) {
    EXPECT_FALSE(CampaignSettings::Parse(text).ok()) << text;
  }
}

TEST(CampaignSettingsTest, WhatALaterVersionAddsIsPassedOver) {
  const absl::StatusOr<CampaignSettings> read = CampaignSettings::Parse(R"({"rate":"5/s","colour":"red"})");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->limits.rate.count, 5);
}

}  // namespace
}  // namespace sealift::engine
