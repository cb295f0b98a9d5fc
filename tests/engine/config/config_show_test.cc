#include "engine/config_show.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/config_file.h"
#include "fmt/format.h"

namespace sealift::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kBase = R"([node]
hostname = "mta1.example.com"
[dns]
servers = ["127.0.0.1:5353"]
[[source]]
name = "ip1"
address = "203.0.113.10"
rate = "20000/h"
warmup = { start = 2026-12-01, per_day = { google = [50, 100], default = [20] } }
[[pool]]
name = "p"
sources = ["ip1"]
[[stream]]
name = "s"
pool = "p"
tls = "verify"
retry = ["90s", "36h"]
max_hard_bounces = { rate = "2.5%" }
[[destination]]
domains = ["d1.test"]
message_rate = "600/m"
tls = "verify"
reserved_for_transactional = "10%"
[[stream]]
name = "t"
pool = "p"
messages_per_day = 5000
window = { days = ["mon", "tue"], from = "08:00", to = "20:00", tz = "America/New_York" }
recipient_cap = "3/d"
)";

std::shared_ptr<const Options> Parsed(const std::string& text) {
  const Config config = ParseConfig(text, "test.toml");
  EXPECT_TRUE(config.status().ok()) << std::string(config.status().message());
  return config.options;
}

uint64_t NoneQueued(std::string_view) { return 0; }

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(ConfigShowTest, WhatIsShownReadsBackToTheSame) {
  const auto options = Parsed(kBase);
  const std::string shown = ShowEffective(*options);
  const auto again = Parsed(shown);
  EXPECT_THAT(DiffOptions(*options, *again), IsEmpty()) << shown;
}

TEST(ConfigShowTest, EachValueSaysWhereItWasSet) {
  const std::string shown = ShowEffective(*Parsed(kBase));
  EXPECT_THAT(shown, HasSubstr("rate = \"20000/h\"  # test.toml:8\n"));
  EXPECT_THAT(shown, HasSubstr("memory = \"512MiB\"  # default\n"));
  EXPECT_THAT(shown, HasSubstr("retry = [\"90s\", \"36h\"]  # test.toml:17\n"));
  EXPECT_THAT(shown, HasSubstr("# connection_rate is not set\n"));
}

TEST(ConfigShowTest, AReloadSaysWhatChangesAndWhatNeedsARestart) {
  const auto before = Parsed(kBase);
  EXPECT_THAT(DiffOptions(*before, *before), IsEmpty());
  std::string text = Replaced(kBase, "20000/h", "30000/h");
  text = Replaced(text, "[dns]", "shards = 4\n[dns]");
  const auto changes = DiffOptions(*before, *Parsed(text));
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].key, "node.shards");
  EXPECT_TRUE(changes[0].restart);
  EXPECT_EQ(changes[1].key, "source[ip1].rate");
  EXPECT_EQ(changes[1].before, "\"20000/h\"");
  EXPECT_EQ(changes[1].after, "\"30000/h\"");
  EXPECT_FALSE(changes[1].restart);
}

TEST(ConfigShowTest, EveryKeyThatCannotBeReloadedSaysSo) {
  const auto before = Parsed(kBase);
  const auto needs_restart = [&](const std::string& text) {
    const auto changes = DiffOptions(*before, *Parsed(text));
    return changes.size() == 1 && changes[0].restart;
  };
  EXPECT_TRUE(needs_restart(Replaced(kBase, "[dns]", "data_dir = \"/srv\"\n[dns]")));
  EXPECT_TRUE(needs_restart(Replaced(kBase, "[dns]", "memory = \"1GiB\"\n[dns]")));
  EXPECT_TRUE(needs_restart(std::string(kBase) + "[http]\nlisten = \"127.0.0.1:1\"\n"));
  EXPECT_TRUE(needs_restart(std::string(kBase) + "[keys]\naccept_local_kek = true\n"));
  const std::string small = "[node]\nhostname = \"mta1.example.com\"\n";
  const auto to_live = DiffOptions(*Parsed(small), *Parsed("delivery = \"live\"\n" + small));
  ASSERT_EQ(to_live.size(), 1u);
  EXPECT_TRUE(to_live[0].restart);
  EXPECT_FALSE(needs_restart(Replaced(kBase, "[dns]", "drain = \"1s\"\n[dns]")));
}

TEST(ConfigShowTest, AnElementThatComesOrGoesIsOneChange) {
  const auto before = Parsed(kBase);
  const auto after = Parsed(std::string(kBase) + "[[source]]\nname = \"ip2\"\naddress = \"203.0.113.11\"\n");
  auto changes = DiffOptions(*before, *after);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].key, "source[ip2]");
  EXPECT_EQ(changes[0].before, "");
  changes = DiffOptions(*after, *before);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].after, "");
}

TEST(ConfigShowTest, AWeakerPolicyIsNamed) {
  const auto before = Parsed(kBase);
  EXPECT_THAT(WeakerPolicies(*before, *before, NoneQueued), IsEmpty());
  const auto weaker_stream = Parsed(Replaced(kBase, "tls = \"verify\"", "tls = \"require\""));
  EXPECT_THAT(WeakerPolicies(*before, *weaker_stream, NoneQueued),
              ElementsAre(testing::Field(&WeakerPolicy::text, HasSubstr("stream s: tls was \"verify\""))));
  EXPECT_THAT(WeakerPolicies(*weaker_stream, *before, NoneQueued), IsEmpty());
  const auto asking = Parsed(Replaced(kBase, "tls = \"verify\"", "tls = \"verify\"\nrequiretls = true"));
  EXPECT_THAT(WeakerPolicies(*asking, *before, NoneQueued),
              ElementsAre(testing::Field(&WeakerPolicy::text, HasSubstr("stream s: requiretls was true"))));
  EXPECT_THAT(WeakerPolicies(*before, *asking, NoneQueued), IsEmpty());
  const auto no_block = Parsed(Replaced(kBase, "domains = [\"d1.test\"]", "domains = [\"d2.test\"]"));
  EXPECT_THAT(WeakerPolicies(*before, *no_block, NoneQueued),
              ElementsAre(testing::Field(&WeakerPolicy::text, HasSubstr("destination (domain d1.test)"))));
  const auto restricted = Parsed(std::string(kBase) + "\n[tls]\nfips = true\n");
  EXPECT_THAT(WeakerPolicies(*restricted, *before, NoneQueued),
              ElementsAre(testing::Field(&WeakerPolicy::text, HasSubstr("tls.fips was true"))));
  EXPECT_THAT(WeakerPolicies(*before, *restricted, NoneQueued), IsEmpty());
}

// What takes hosts from a provider takes the TLS of its blocks from them.
TEST(ConfigShowTest, AHostThatIsOfAnotherProviderKeepsItsTls) {
  const auto with = [](std::string_view groups) {
    return Parsed(
        fmt::format("{}[[provider]]\nname = \"group\"\nmx = [\"*.mx.test\", \"mx.other.test\"]\n"
                    "[[destination]]\nprovider = \"group\"\ntls = \"verify\"\n"
                    "[[destination]]\nprovider = \"google\"\ntls = \"dane\"\n{}",
                    kBase, groups));
  };
  const auto before = with("");
  EXPECT_THAT(WeakerPolicies(*before, *with("[[provider]]\nname = \"new\"\nmx = [\"*.new.test\"]\n"), NoneQueued),
              IsEmpty());
  const std::string takes = "[[provider]]\nname = \"new\"\nmx = [\"*.a.google.com\"]\n";
  EXPECT_THAT(
      WeakerPolicies(*before, *with(takes), NoneQueued),
      ElementsAre(testing::FieldsAre(
          "provider[new]",
          "provider google: tls of its hosts *.a.google.com was \"dane\", would be that of each stream as those "
          "of new")));
  const std::string weak = takes + "[[destination]]\nprovider = \"new\"\ntls = \"verify\"\n";
  EXPECT_THAT(WeakerPolicies(*before, *with(weak), NoneQueued),
              ElementsAre(testing::Field(&WeakerPolicy::text, HasSubstr("would be \"verify\" as those of new"))));
  EXPECT_THAT(WeakerPolicies(*before, *with(Replaced(weak, "verify", "dane")), NoneQueued), IsEmpty());

  const std::string text = ShowEffective(*before);
  const auto narrower = Parsed(Replaced(text, "\"*.mx.test\"", "\"*.b.mx.test\""));
  const auto policies = WeakerPolicies(*before, *narrower, NoneQueued);
  ASSERT_THAT(policies, ElementsAre(testing::Field(&WeakerPolicy::text, HasSubstr("its hosts *.mx.test was"))));
  const ConfigDiff diff{.changes = DiffOptions(*before, *narrower), .keys = {}, .weaker = policies};
  ASSERT_EQ(diff.changes.size(), 1u);
  EXPECT_TRUE(diff.Weakens(diff.changes[0]));
  EXPECT_THAT(WeakerPolicies(*narrower, *before, NoneQueued), IsEmpty());
}

TEST(ConfigShowTest, AStreamThatGoesWhileItsRowsWaitIsWeakerForItCouldComeBackSo) {
  const std::string more = std::string(kBase) + "[[stream]]\nname = \"u\"\npool = \"p\"\n";
  const auto before = Parsed(more), after = Parsed(kBase);
  const auto queued = [](std::string_view stream) { return stream == "u" ? uint64_t{7} : uint64_t{0}; };
  EXPECT_THAT(WeakerPolicies(*before, *after, queued),
              ElementsAre(testing::Field(
                  &WeakerPolicy::text,
                  "stream u: tls was \"require\", would be gone while 7 of its rows wait or may be replayed")));
  EXPECT_THAT(WeakerPolicies(*before, *after, NoneQueued), IsEmpty());
  const auto weak = Parsed(Replaced(more, "name = \"u\"", "name = \"u\"\ntls = \"opportunistic\""));
  EXPECT_THAT(WeakerPolicies(*weak, *after, queued), IsEmpty()) << "it promised nothing";
}

TEST(ConfigShowTest, ADiffSaysWhichOfItsChangesWeakens) {
  const auto before = Parsed(kBase);
  for (const auto& [text, key] :
       {std::pair(Replaced(kBase, "tls = \"verify\"", "tls = \"require\""), std::string("stream[s].tls")),
        std::pair(Replaced(kBase, "domains = [\"d1.test\"]", "domains = [\"d2.test\"]"),
                  std::string("destination[0].domains"))}) {
    const auto after = Parsed(text);
    const ConfigDiff diff{
        .changes = DiffOptions(*before, *after), .keys = {}, .weaker = WeakerPolicies(*before, *after, NoneQueued)};
    ASSERT_EQ(diff.changes.size(), 1u);
    EXPECT_EQ(diff.changes[0].key, key);
    EXPECT_TRUE(diff.Weakens(diff.changes[0]));
    EXPECT_FALSE(diff.Weakens({.key = "stream[s].rate", .before = {}, .after = {}}));
  }
}

}  // namespace
}  // namespace sealift::engine
