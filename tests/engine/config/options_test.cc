#include "engine/options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engine/config_file.h"

namespace sealift::engine {
namespace {

Options Parsed(const std::string& text) {
  const Config config = ParseConfig("[node]\nhostname = \"mta1.example.com\"\n" + text, "test.toml");
  EXPECT_TRUE(config.status().ok()) << std::string(config.status().message());
  return config.options ? *config.options : Options{};
}

TEST(OptionsTest, HostPatternsMatchNamesBeneathAndNotLookalikes) {
  EXPECT_TRUE(MatchesHostPattern("a.test", "a.test"));
  EXPECT_TRUE(MatchesHostPattern("*.a.test", "mx.a.test"));
  EXPECT_TRUE(MatchesHostPattern("*.a.test", "x.mx.a.test"));
  EXPECT_TRUE(MatchesHostPattern("*", "a.test"));
  EXPECT_FALSE(MatchesHostPattern("*.a.test", "a.test"));
  EXPECT_FALSE(MatchesHostPattern("*.a.test", ".a.test"));
  EXPECT_FALSE(MatchesHostPattern("*.a.test", "mx.ba.test"));
  EXPECT_FALSE(MatchesHostPattern("a.test", "mx.a.test"));
}

TEST(OptionsTest, KnownMxHostsHaveAProviderAndOthersAreOther) {
  const Options options;
  EXPECT_EQ(options.ProviderOf("gmail-smtp-in.l.google.com"), "google");
  EXPECT_EQ(options.ProviderOf("example-com.mail.protection.outlook.com"), "microsoft");
  EXPECT_EQ(options.ProviderOf("mta5.am0.yahoodns.net"), "yahoo");
  EXPECT_EQ(options.ProviderOf("mx01.mail.icloud.com"), "apple");
  EXPECT_EQ(options.ProviderOf("mx1.d1.test"), "other");
  EXPECT_EQ(options.ProviderOf("google.com.d1.test"), "other");
}

TEST(OptionsTest, AProviderOfTheConfigComesFirstAndReplacesTheBuiltInOne) {
  const Options options = Parsed(R"(
[[provider]]
name = "google"
mx = ["*.mx.d1.test"]
[[provider]]
name = "hospital-group"
mx = ["*.d2.test", "mx.d3.test"]
)");
  EXPECT_EQ(options.ProviderOf("a.mx.d1.test"), "google");
  EXPECT_EQ(options.ProviderOf("gmail-smtp-in.l.google.com"), "other");
  EXPECT_EQ(options.ProviderOf("mx.d2.test"), "hospital-group");
  EXPECT_EQ(options.ProviderOf("mx.d3.test"), "hospital-group");
}

TEST(OptionsTest, WithoutADestinationTheDefaultsOfSmtpHold) {
  const Options options = Parsed("[smtp]\nmessages_per_connection = 7\nconnections = 3\n");
  const DestinationSettings settings = options.DestinationFor("d1.test", "mx.d1.test");
  EXPECT_EQ(settings.connections.count, 3);
  EXPECT_EQ(settings.connections.origin, "test.toml:5");
  EXPECT_EQ(settings.messages_per_connection, 7);
  EXPECT_EQ(settings.pipeline_depth, 1);
  EXPECT_TRUE(settings.message_rate.rate.unlimited());
  EXPECT_FALSE(settings.tls.has_value());
  EXPECT_TRUE(settings.blocks.empty());
}

TEST(OptionsTest, TheMostSpecificDestinationDecidesAndTheOthersAreListed) {
  const Options options = Parsed(R"(
[[destination]]
domains = ["*"]
connections = 1
message_rate = "1/s"
tls = "require"
[[destination]]
provider = "google"
connections = 2
message_rate = "2/s"
per = "node"
[[destination]]
mx = ["*.google.com"]
connections = 3
tls = "verify"
[[destination]]
domains = ["*.d1.test"]
connections = 4
[[destination]]
domains = ["mail.d1.test"]
connections = 5
)");
  const auto count = [&](const char* domain, const char* mx) {
    return options.DestinationFor(domain, mx).connections.count;
  };
  EXPECT_EQ(count("d9.test", "mx.d9.test"), 1);
  EXPECT_EQ(count("d9.test", ""), 1);
  EXPECT_EQ(count("d9.test", "alt1.psmtp.com"), 2);
  EXPECT_EQ(count("d9.test", "alt1.google.com"), 3);
  EXPECT_EQ(count("x.d1.test", "alt1.google.com"), 4);
  EXPECT_EQ(count("mail.d1.test", "alt1.google.com"), 5);

  const DestinationSettings settings = options.DestinationFor("mail.d1.test", "alt1.google.com");
  EXPECT_EQ(settings.blocks, (std::vector<int>{4, 3, 2, 1, 0}));
  EXPECT_EQ(settings.message_rate.rate.count, 2);  // of the most specific block that has one
  EXPECT_EQ(settings.per, Per::kSource);           // of the one that has the connections
  EXPECT_EQ(options.DestinationFor("d9.test", "alt1.psmtp.com").per, Per::kNode);
  EXPECT_EQ(settings.tls, TlsPolicy::kVerify);  // the strictest of all
  EXPECT_EQ(settings.connections.origin, options.WhereSet("destination[4].connections"));
}

TEST(OptionsTest, WhatNobodySetIsDefault) {
  const Options options = Parsed("");
  EXPECT_EQ(options.WhereSet("node.hostname"), "test.toml:2");
  EXPECT_EQ(options.WhereSet("node.memory"), "default");
  EXPECT_EQ(options.FindStream("none"), nullptr);
}

// RFC 5321 4.5.3.2: what the defaults may not be shorter than.
TEST(OptionsTest, TimeoutsAreAtLeastTheStandards) {
  const SmtpOptions smtp;
  EXPECT_GE(smtp.greeting_timeout, absl::Minutes(5));
  EXPECT_GE(smtp.mail_timeout, absl::Minutes(5));
  EXPECT_GE(smtp.rcpt_timeout, absl::Minutes(5));
  EXPECT_GE(smtp.data_timeout, absl::Minutes(2));
  EXPECT_GE(smtp.block_timeout, absl::Minutes(3));
  EXPECT_GE(smtp.final_dot_timeout, absl::Minutes(10));
}

}  // namespace
}  // namespace sealift::engine
