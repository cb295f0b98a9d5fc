#include "engine/config_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "engine/config_place.h"
#include "engine/shaping/send_window.h"

namespace sealift::engine {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

// The block of the public contract, word for word.
constexpr const char* kContract = R"toml(delivery = "sink"

[node]
hostname = "mta1.example.com"
data_dir = "/var/lib/sealift"
shards = 0                       # 0: one a core
memory = "512MiB"
drain = "60s"

[http]
listen = "127.0.0.1:9625"

[sink]
address = "127.0.0.1:2525"

[dns]
servers = []                     # default: the system's
trust_ad = false                 # true only for a validating resolver on loopback
allow_private_addresses = false  # loopback and private MX targets

[smtp]
port = 25
connect_timeout = "30s"          # and one a protocol phase, RFC 5321 defaults

[tls]
min_version = "1.2"
ca_file = ""                     # the system's

[keys]
kek_file = "/etc/sealift/kek"    # 32 bytes, 0400 or 0600; or kek_command, or kek_credential (systemd)
accept_local_kek = false         # live mode refuses a key file on data_dir's own device

[storage]
stop_load_below = "5%"           # or a size
stop_send_below = "2%"

[retention]
events = "400d"
settled_rows = "14d"

[[dkim]]
domain = "example.com"
selector = "s1"
key_file = "/etc/sealift/s1.pem" # RSA or Ed25519; one of each signs twice

[[source]]
name = "ip1"
address = "203.0.113.10"         # its family decides the MX addresses used
hostname = "mta1.example.com"
rate = "20000/h"
connections = 500
warmup = { start = 2026-12-01, tz = "UTC", per_day = { google = [50, 100, 500], default = [20, 50, 200] }, then = "unlimited", overflow = "pool" }

[[pool]]
name = "marketing"
sources = ["ip1"]

[[provider]]                     # hosts that judge as one; built-in ones can be overridden
name = "example-group"
mx = ["*.mx.example.net"]

[[stream]]
name = "newsletter"
kind = "marketing"               # or "transactional": not bound by opt-outs, overtakes, never waits for warm-up
pool = "marketing"
priority = 10
tls = "require"
on_no_tls = "hold"               # or "bounce"
dkim = ["example.com"]
return_path = "bounce.example.com"
unsubscribe_url = "https://u.example.com/"
retry = ["5m", "15m", "1h", "4h"] # the last one repeats
expires_in = "3d"
in_doubt = "resend"              # or "hold"
rate = "200/s"
max_hard_bounces = { rate = "5%", min = 500, action = "pause" }

[[destination]]
domains = ["gmail.com"]          # or mx = [...], or provider = "..."
connections = 20
connection_rate = "60/m"
message_rate = "600/m"
messages_per_connection = 100
pipeline_depth = 1
tls = "verify"                   # may only tighten a stream's
per = "source"                   # or "pool", "node"

[[rule]]
provider = "google"
match = "4\\.7\\.28 .*unusual rate.*DKIM domain"
scope = "source_provider"        # source, source_provider, provider, pool, stream, campaign
trigger = "2/h"                  # default: the first
actions = ["defer", "backoff", "alert"]
factor = 0.5
for = "30m"
)toml";

constexpr const char* kNode = "[node]\nhostname = \"mta1.example.com\"\n";  // two lines

std::vector<std::string> Texts(const std::vector<ConfigProblem>& problems) {
  std::vector<std::string> texts;
  for (const ConfigProblem& problem : problems) texts.push_back(problem.ToString());
  return texts;
}

Config Parse(const std::string& text) { return ParseConfig(kNode + text, "test.toml"); }
std::vector<std::string> ErrorsOf(const std::string& text) { return Texts(Parse(text).errors); }
std::vector<std::string> WarningsOf(const std::string& text) { return Texts(Parse(text).warnings); }

constexpr const char* kSource = "[[source]]\nname = \"ip1\"\naddress = \"203.0.113.10\"\n";
constexpr const char* kPool = "[[pool]]\nname = \"p\"\nsources = [\"ip1\"]\n";

TEST(ConfigFileTest, TheContractsBlockParses) {
  const Config config = ParseConfig(kContract, "contract.toml", 7);
  ASSERT_TRUE(config.status().ok()) << std::string(config.status().message());
  const Options& o = *config.options;
  EXPECT_EQ(o.generation, 7u);
  EXPECT_EQ(o.delivery, Delivery::kSink);
  EXPECT_EQ(o.node.hostname, "mta1.example.com");
  EXPECT_EQ(o.node.data_dir, "/var/lib/sealift");
  EXPECT_EQ(o.node.shards, 0);
  EXPECT_EQ(o.node.memory.bytes, 512u << 20);
  EXPECT_EQ(o.node.drain, absl::Seconds(60));
  EXPECT_EQ(o.http.listen, "127.0.0.1:9625");
  EXPECT_EQ(o.sink.address, "127.0.0.1:2525");
  EXPECT_EQ(o.smtp.port, 25);
  EXPECT_EQ(o.smtp.connect_timeout, absl::Seconds(30));
  EXPECT_EQ(o.keys.kek_file, "/etc/sealift/kek");
  EXPECT_EQ(o.storage.stop_load_below.percent, 5);
  EXPECT_EQ(o.retention.events, absl::Hours(24 * 400));
  ASSERT_THAT(o.sources, SizeIs(1));
  EXPECT_EQ(o.sources[0].family, AF_INET);
  EXPECT_EQ(o.sources[0].rate.rate, (Rate{20000, absl::Hours(1)}));
  EXPECT_EQ(o.sources[0].rate.origin, "contract.toml:50");
  EXPECT_EQ(o.WhereSet("source[ip1].rate"), "contract.toml:50");
  EXPECT_EQ(o.sources[0].warmup.start, "2026-12-01");
  EXPECT_THAT(o.sources[0].warmup.per_day.at("google"), ElementsAre(50, 100, 500));
  EXPECT_THAT(o.pools[0].source_indexes, ElementsAre(0));
  ASSERT_THAT(o.streams, SizeIs(1));
  EXPECT_EQ(o.streams[0].pool_index, 0);
  EXPECT_EQ(o.streams[0].tls, TlsPolicy::kRequire);
  EXPECT_EQ(o.streams[0].on_no_tls, OnNoTls::kHold);
  EXPECT_THAT(o.streams[0].retry, ElementsAre(absl::Minutes(5), absl::Minutes(15), absl::Hours(1), absl::Hours(4)));
  EXPECT_EQ(o.streams[0].max_hard_bounces.rate_percent, 5);
  ASSERT_THAT(o.destinations, SizeIs(1));
  EXPECT_EQ(o.destinations[0].tls, TlsPolicy::kVerify);
  EXPECT_EQ(o.destinations[0].message_rate.rate, (Rate{600, absl::Minutes(1)}));
  ASSERT_THAT(o.rules, SizeIs(1));
  EXPECT_EQ(o.rules[0].match, "4\\.7\\.28 .*unusual rate.*DKIM domain");
  EXPECT_EQ(o.rules[0].duration, absl::Minutes(30));
}

TEST(ConfigFileTest, TheContractIsKeptInBothModes) {
  EXPECT_THAT(ParseConfig(kContract, "contract.toml").warnings, IsEmpty());
  std::string live = kContract;
  live.replace(live.find("\"sink\""), 6, "\"live\"");
  const Config config = ParseConfig(live, "contract.toml");
  EXPECT_NE(config.options, nullptr);
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST(ConfigFileTest, AWarmupThatCannotBeFollowedIsRefused) {
  const auto errors = [](const std::string& warmup) {
    return ErrorsOf("[[source]]\nname = \"ip1\"\naddress = \"192.0.2.1\"\nwarmup = { start = 2026-12-01, " + warmup +
                    " }\n");
  };
  EXPECT_THAT(errors("per_day = { google = [50, 100], default = [20] }, tz = \"Europe/Berlin\", then = \"repeat\""),
              IsEmpty());
  EXPECT_THAT(errors("tz = \"UTC\""), ElementsAre(HasSubstr("`per_day` is missing")));
  EXPECT_THAT(errors("per_day = { default = [] }"), ElementsAre(HasSubstr("has no day")));
  EXPECT_THAT(errors("per_day = { gogle = [20] }"),
              ElementsAre(AllOf(HasSubstr("no provider \"gogle\""), HasSubstr("google"))));
  EXPECT_THAT(errors("per_day = { default = [20] }, tz = \"Mars/Olympus\""), ElementsAre(HasSubstr("no time zone")));
  EXPECT_THAT(errors("per_day = { default = [20] }, then = \"stop\""), ElementsAre(HasSubstr("\"repeat\"")));
  EXPECT_THAT(errors("per_day = { default = [20] }, overflow = \"warm\""),
              ElementsAre(HasSubstr("the name of another pool")));
}

TEST(ConfigFileTest, OnlyAResolverOnLoopbackIsBelieved) {
  const auto errors = [](const std::string& lines) { return ErrorsOf("[dns]\ntrust_ad = true\n" + lines); };
  for (const char* server : {"127.0.0.1", "127.0.0.53:5353", "::1", "[::1]:53"}) {
    EXPECT_THAT(errors(fmt::format("servers = [\"{}\"]\n", server)), IsEmpty()) << server;
  }
  EXPECT_THAT(errors(""), ElementsAre(HasSubstr("`trust_ad` needs `servers`")));
  for (const char* server : {"192.0.2.1", "192.0.2.1:53", "[2001:db8::1]:53", "10.0.0.1"}) {
    EXPECT_THAT(errors(fmt::format("servers = [\"127.0.0.1\", \"{}\"]\n", server)),
                ElementsAre(HasSubstr("believes a resolver on loopback only")))
        << server;
  }
}

TEST(ConfigFileTest, DaneOrNothingNeedsAResolverThatIsBelieved) {
  const std::string stream = "[[stream]]\nname = \"s\"\npool = \"p\"\ntls = \"dane\"\n";
  const std::string rest = std::string(kNode) + kSource + kPool + stream;
  const std::string trust = "[dns]\nservers = [\"127.0.0.1\"]\ntrust_ad = true\n";
  EXPECT_TRUE(ParseConfig("delivery = \"live\"\n" + trust + rest, "t").status().ok());
  EXPECT_THAT(Texts(ParseConfig("delivery = \"live\"\n" + rest, "t").errors),
              ElementsAre(HasSubstr("`tls = \"dane\"` needs `dns.trust_ad = true`")));
  EXPECT_THAT(Texts(ParseConfig("delivery = \"live\"\n" + std::string(kNode) + kSource + kPool +
                                    "[[destination]]\ndomains = [\"a.test\"]\ntls = \"dane\"\n",
                                "t")
                        .errors),
              ElementsAre(HasSubstr("`tls = \"dane\"` needs `dns.trust_ad = true`")));
  EXPECT_THAT(ErrorsOf(std::string(kSource) + kPool + stream), IsEmpty()) << "sink mode asks for no name";
}

TEST(ConfigFileTest, ReportsAboutTlsAreMailedByAStreamThatSigns) {
  const auto errors = [](const std::string& lines) {
    return ErrorsOf(std::string(kSource) + kPool +
                    "[[dkim]]\ndomain = \"a.test\"\nselector = \"s1\"\nkey_file = \"/k\"\n"
                    "[[stream]]\nname = \"mute\"\npool = \"p\"\n"
                    "[[stream]]\nname = \"signs\"\npool = \"p\"\ndkim = [\"a.test\"]\n[tls_report]\n" +
                    lines);
  };
  EXPECT_THAT(errors("contact = \"tls@a.test\"\nstream = \"signs\"\n"), IsEmpty());
  EXPECT_THAT(errors("stream = \"signs\"\n"), ElementsAre(HasSubstr("give one, such as contact")));
  EXPECT_THAT(errors("contact = \"tls@a.test\"\nstream = \"mute\"\n"), ElementsAre(HasSubstr("does not sign")));
  EXPECT_THAT(errors("contact = \"tls@a.test\"\nstream = \"sign\"\n"), ElementsAre(HasSubstr("signs")));
  EXPECT_THAT(errors("contact = \"tls\"\n"), ElementsAre(HasSubstr("cannot be used as a mail address")));
  EXPECT_THAT(errors("contact = \"t\u00e4@a.test\"\n"), ElementsAre(HasSubstr("is not ASCII")));
}

TEST(ConfigFileTest, ACircuitBreakerThatNeverBreaksIsToldOf) {
  const auto warnings = [](const std::string& kind) {
    return WarningsOf(std::string(kSource) + kPool + "[[stream]]\nname = \"s\"\npool = \"p\"\nkind = \"" + kind +
                      "\"\nmax_hard_bounces = { rate = \"5%\" }\n");
  };
  EXPECT_THAT(warnings("marketing"), Not(Contains(HasSubstr("max_hard_bounces"))));
  EXPECT_THAT(warnings("transactional"), Contains(HasSubstr("never paused")));
}

TEST(ConfigFileTest, ATriggerThatNothingWaitsForIsToldOf) {
  const auto warnings = [](const std::string& lines) {
    return WarningsOf(std::string(kSource) + kPool + "[[rule]]\nmatch = \"x\"\n" + lines);
  };
  for (const std::string actions : {"\"bounce\"", "\"defer\"", "\"bounce\", \"suppress\""}) {
    EXPECT_THAT(warnings("actions = [" + actions + "]\ntrigger = \"5/h\"\n"),
                ElementsAre(AllOf(StartsWith("test.toml:12:"), HasSubstr("`trigger` counts for backoff"))));
    EXPECT_THAT(warnings("actions = [" + actions + "]\n"), IsEmpty());
    EXPECT_THAT(warnings("actions = [" + actions + ", \"alert\"]\ntrigger = \"5/h\"\n"), IsEmpty());
  }
}

TEST(ConfigFileTest, APercentageOutOfRangeIsToldSo) {
  const std::string base = std::string(kSource) + kPool + "[[stream]]\nname = \"s\"\npool = \"p\"\n";
  EXPECT_THAT(ErrorsOf(base + "max_hard_bounces = { rate = \"0%\" }\n"),
              ElementsAre(HasSubstr("`rate`: \"0%\" is not a percentage above 0 and below 100")));
  EXPECT_THAT(ErrorsOf(std::string(kSource) + "reserved_for_transactional = \"100%\"\n"),
              ElementsAre(HasSubstr("`reserved_for_transactional`: \"100%\" is not a percentage above 0")));
}

// Without a share it would never pause anything.
TEST(ConfigFileTest, ABoundOfHardBouncesHasARateAndAMinimum) {
  const auto errors = [](const std::string& value) {
    return ErrorsOf(std::string(kSource) + kPool +
                    "[[stream]]\nname = \"s\"\npool = \"p\"\nmax_hard_bounces = " + value + "\n");
  };
  for (const char* const value : {"{ min = 100 }", "{}"}) {
    EXPECT_THAT(errors(value), ElementsAre(HasSubstr("`max_hard_bounces` has no `rate`"))) << value;
  }
  EXPECT_THAT(errors("{ rate = \"5%\", min = 0 }"), ElementsAre(HasSubstr("`min` is 0; it takes 1 to")));
  EXPECT_THAT(errors("{ rate = \"5%\", min = 1 }"), IsEmpty());
}

TEST(ConfigFileTest, AMistakeInARuleStandsWhereItIs) {
  const auto errors = [](const std::string& lines) { return ErrorsOf("[[rule]]\n" + lines); };
  EXPECT_THAT(errors("match = \"x\"\nactions = [\"backoff\"]\nfactor = 2.0\n"), Contains(StartsWith("test.toml:6:")));
  EXPECT_THAT(errors("match = \"x\"\nactions = [\"explode\"]\n"), Contains(StartsWith("test.toml:5:")));
  EXPECT_THAT(errors("actions = [\"defer\"]\nmatch = \"(x\"\n"), Contains(StartsWith("test.toml:5:")));
}

TEST(ConfigFileTest, ARuleThatWouldDoNothingOrCannotBeReadIsAnError) {
  const auto errors = [](const std::string& lines) {
    return ErrorsOf(std::string(kSource) + kPool + "[[rule]]\n" + lines);
  };
  EXPECT_THAT(errors("match = \"x\"\nactions = [\"defer\"]\n"), IsEmpty());
  EXPECT_THAT(errors("class = [\"rate\"]\nactions = [\"backoff\"]\nfactor = 0.5\n"), IsEmpty());
  EXPECT_THAT(errors("match = \"(x\"\nactions = [\"defer\"]\n"), Contains(HasSubstr("RE2")));
  EXPECT_THAT(errors("match = \"спам\"\nactions = [\"defer\"]\n"), Contains(HasSubstr("ASCII")));
  EXPECT_THAT(errors("actions = [\"defer\"]\n"), Contains(HasSubstr("condition")));
  EXPECT_THAT(errors("match = \"x\"\n"), Contains(HasSubstr("actions")));
  EXPECT_THAT(errors("match = \"x\"\nactions = [\"explode\"]\n"), Contains(HasSubstr("explode")));
  EXPECT_THAT(errors("match = \"x\"\nactions = [\"backoff\"]\nfactor = 2.0\n"), Contains(HasSubstr("factor")));
  EXPECT_THAT(errors("match = \"x\"\nactions = [\"defer\"]\nscope = \"world\"\n"), Contains(HasSubstr("scope")));
  EXPECT_THAT(errors("match = \"x\"\nactions = [\"defer\", \"bounce\"]\n"), Contains(HasSubstr("either")));
  EXPECT_THAT(errors("enhanced = [\"4.7.28\", \"5.1.1\"]\nactions = [\"defer\"]\n"), IsEmpty());
  for (const std::string code : {"9.9", "4.7", "4.7.28.1", "2.0.0", "4.07.1", "4.7.x"}) {
    EXPECT_THAT(errors("enhanced = [\"" + code + "\"]\nactions = [\"defer\"]\n"), Contains(HasSubstr("whole codes")))
        << code;
  }
}

TEST(ConfigFileTest, WhatAStreamPutsIntoListFieldsIsChecked) {
  const auto errors = [](const std::string& lines, const std::string& kind = "marketing") {
    return ErrorsOf(std::string(kSource) + kPool + "[[stream]]\nname = \"s\"\npool = \"p\"\nkind = \"" + kind + "\"\n" +
                    lines);
  };
  EXPECT_THAT(errors("unsubscribe_url = \"https://u.example.com/\"\nunsubscribe_mailto = \"out@example.com\"\n"
                     "list_id = \"news.example.com\"\nfeedback_id = \"{campaign}:mailco\"\n"),
              IsEmpty());
  EXPECT_THAT(errors("unsubscribe_url = \"http://u.example.com/\"\n"),
              ElementsAre(AllOf(HasSubstr("test.toml:13:"), HasSubstr("does not begin with https://"))));
  EXPECT_THAT(WarningsOf(std::string(kSource) + kPool +
                         "[[stream]]\nname = \"s\"\npool = \"p\"\nunsubscribe_url = \"https://u.example.com/\"\n"),
              ElementsAre(HasSubstr("in a stream without `dkim`")));
  EXPECT_THAT(errors("unsubscribe_mailto = \"mailto:out@example.com\"\n"), ElementsAre(HasSubstr("the address alone")));
  EXPECT_THAT(errors("list_id = \"<news.example.com>\"\n"), ElementsAre(HasSubstr("names no list")));
  EXPECT_THAT(errors("feedback_id = \"a:b\"\n"), ElementsAre(HasSubstr("sender's word")));
  for (const char* name :
       {"unsubscribe_url = \"https://u.example.com/\"\n", "unsubscribe_mailto = \"out@example.com\"\n"}) {
    EXPECT_THAT(errors(name, "transactional"), ElementsAre(HasSubstr("whose mail no opt-out binds"))) << name;
  }
  EXPECT_THAT(errors("list_id = \"news.example.com\"\nfeedback_id = \"mailco\"\n", "transactional"), IsEmpty());
}

TEST(ConfigFileTest, AWindowIsUnderstoodAndOneThatCannotBeIsRefused) {
  const std::string base = std::string(kSource) + kPool + "[[stream]]\nname = \"s\"\npool = \"p\"\n";
  const Config config = ParseConfig(std::string(kNode) + base +
                                        "window = { days = [\"mon\"], from = \"08:00\", to = \"20:00\", tz = "
                                        "\"America/New_York\" }\n",
                                    "t");
  ASSERT_TRUE(config.status().ok()) << std::string(config.status().message());
  ASSERT_NE(config.options->streams[0].opens, nullptr);
  EXPECT_EQ(config.options->streams[0].opens->Describe(), "mon 08:00 to 20:00 America/New_York");
  const Config nights = ParseConfig(std::string(kNode) + base + "window = { from = \"22:00\", to = \"06:00\" }\n", "t");
  EXPECT_EQ(nights.options->streams[0].opens->Describe(), "mon-sun 22:00 to 06:00 UTC");
  EXPECT_EQ(ParseConfig(std::string(kNode) + base, "t").options->streams[0].opens, nullptr);
  const auto errors = [&](const std::string& window) { return ErrorsOf(base + "window = " + window + "\n"); };
  EXPECT_THAT(errors("\"08:00-20:00\""), ElementsAre(HasSubstr("`window` takes a table")));
  EXPECT_THAT(errors("{ from = \"8\" }"), ElementsAre(HasSubstr("`from`: \"8\" is no time of day")));
  EXPECT_THAT(errors("{ tz = \"Mars\" }"), ElementsAre(HasSubstr("`tz`: there is no time zone")));
  EXPECT_THAT(errors("{ until = \"20:00\" }"), ElementsAre(HasSubstr("`until` is no key of `window`")));
}

TEST(ConfigFileTest, ACapOfARecipientIsAnHoursOrADays) {
  const auto errors = [](const std::string& cap) {
    return ErrorsOf(std::string(kSource) + kPool + "[[stream]]\nname = \"s\"\npool = \"p\"\nrecipient_cap = \"" + cap +
                    "\"\n");
  };
  EXPECT_THAT(errors("1/h"), IsEmpty());
  EXPECT_THAT(errors("3/d"), IsEmpty());
  EXPECT_THAT(errors("3/m"), ElementsAre(HasSubstr("so many an hour or a day")));
  EXPECT_THAT(errors("1001/d"), ElementsAre(HasSubstr("is at most 1000")));
}

TEST(ConfigFileTest, AReserveOfConnectionsIsAShare) {
  const std::string source = "[[source]]\nname = \"ip1\"\naddress = \"203.0.113.10\"\nreserved_for_transactional = ";
  EXPECT_THAT(ErrorsOf(source + "\"10%\"\n"), IsEmpty());
  EXPECT_THAT(ErrorsOf(source + "\"64KiB\"\n"), ElementsAre(HasSubstr("takes a percentage, as in \"10%\"")));
  EXPECT_EQ(Share{.percent = 10}.Of(500), 50);
  EXPECT_EQ(Share{.percent = 1}.Of(20), 1) << "a share that is set is at least one";
  EXPECT_EQ(Share{.percent = 100}.Of(20), 19) << "and leaves one to the others";
  EXPECT_EQ(Share{.percent = 10}.Of(1), 0);
  EXPECT_EQ(Share{}.Of(20), 0);
}

TEST(ConfigFileTest, AHostnameIsAllThatMustBeSaid) {
  const Config config = ParseConfig(kNode, "test.toml");
  ASSERT_TRUE(config.status().ok()) << std::string(config.status().message());
  EXPECT_EQ(config.options->keys.kek_file, "/etc/sealift/kek");
  EXPECT_THAT(Texts(ParseConfig("", "test.toml").errors),
              ElementsAre(HasSubstr("test.toml: `hostname` is missing from [node]; add it")));
}

TEST(ConfigFileTest, AnUnknownKeySaysWhereAndWhatWasMeant) {
  EXPECT_THAT(ErrorsOf("memroy = \"1GiB\"\n"),
              ElementsAre("test.toml:3:1: \"memroy\" is no key of [node]; did you mean `memory`?"));
  EXPECT_THAT(ErrorsOf("[[source]]\nname = \"a\"\naddress = \"192.0.2.1\"\nrates = \"1/s\"\n"),
              ElementsAre("test.toml:6:1: \"rates\" is no key of [source]; did you mean `rate`?"));
  EXPECT_THAT(ErrorsOf("[nodes]\n"),
              ElementsAre("test.toml:3:2: \"nodes\" is no key of the file; did you mean `node`?"));
  EXPECT_THAT(ErrorsOf("zzzzzzzzzzzz = 1\n"), ElementsAre(HasSubstr("docs/config.md lists them")));
}

TEST(ConfigFileTest, EveryMistakeIsReportedAtOnce) {
  EXPECT_THAT(ErrorsOf(R"(shards = "two"
drain = "soon"
[smtp]
port = 70000
[[source]]
name = "ip1"
address = "203.0.113.300"
rate = "many"
)"),
              ElementsAre(HasSubstr("test.toml:3:10: `shards` takes a whole number"),
                          HasSubstr("test.toml:4:9: `drain`: \"soon\" is not a duration"),
                          HasSubstr("test.toml:6:8: `port` is 70000; it takes 1 to 65535"),
                          HasSubstr("test.toml:9:11: `address`: \"203.0.113.300\" is not an IP address"),
                          HasSubstr("test.toml:10:8: `rate`: \"many\" is not a rate")));
}

TEST(ConfigFileTest, NamesAreUnique) {
  const std::string twice = std::string(kSource) + "[[source]]\nname = \"ip1\"\naddress = \"203.0.113.11\"\n";
  EXPECT_THAT(ErrorsOf(twice),
              ElementsAre("test.toml:6:1: there is already a source [ip1] at test.toml:3; names are unique, "
                          "choose another"));
  EXPECT_THAT(ErrorsOf(std::string(kSource) + kPool + kPool), ElementsAre(HasSubstr("there is already a pool [p]")));
  const std::string stream = "[[stream]]\nname = \"s\"\npool = \"p\"\n";
  EXPECT_THAT(ErrorsOf(std::string(kSource) + kPool + stream + stream), ElementsAre(HasSubstr("already a stream [s]")));
  const std::string provider = "[[provider]]\nname = \"g\"\nmx = [\"*.g.test\"]\n";
  EXPECT_THAT(ErrorsOf(provider + provider), ElementsAre(HasSubstr("already a provider [g]")));
}

TEST(ConfigFileTest, OneAddressHasOneSourceWhateverItsSpelling) {
  EXPECT_THAT(ErrorsOf("[[source]]\nname = \"a\"\naddress = \"2001:db8::1\"\n[[source]]\nname = \"b\"\naddress = "
                       "\"2001:DB8:0:0::1\"\n"),
              ElementsAre(HasSubstr("test.toml:8:11: 2001:db8::1 is already the address of source \"a\"")));
}

TEST(ConfigFileTest, NamesThatReferToNothingAreFound) {
  EXPECT_THAT(ErrorsOf(std::string(kSource) + "[[pool]]\nname = \"p\"\nsources = [\"ip2\"]\n"),
              ElementsAre("test.toml:8:11: there is no source \"ip2\"; did you mean `ip1`?"));
  EXPECT_THAT(
      ErrorsOf("[[stream]]\nname = \"s\"\npool = \"marketing\"\n"),
      ElementsAre("test.toml:5:8: there is no pool \"marketing\"; add a [[pool]] of that name or name another"));
  EXPECT_THAT(ErrorsOf("[[destination]]\nprovider = \"gogle\"\n"),
              ElementsAre("test.toml:4:12: there is no provider \"gogle\"; did you mean `google`?"));
  EXPECT_THAT(ErrorsOf(std::string(kSource) + kPool + "[[stream]]\nname = \"s\"\npool = \"p\"\ndkim = [\"d1.test\"]\n"),
              ElementsAre(HasSubstr("test.toml:12:8: there is no [[dkim]] with domain \"d1.test\"")));
  const std::string key = "[[dkim]]\ndomain = \"d1.test\"\nselector = \"s\"\nkey_file = \"/k\"\n";
  EXPECT_THAT(ErrorsOf(key + key), ElementsAre(HasSubstr("selector \"s\" of d1.test stands twice")));
  EXPECT_THAT(ErrorsOf(std::string(kSource) + kPool + key +
                       "[[stream]]\nname = \"s\"\npool = \"p\"\ndkim = [\"d1.test\", \"d1.test\"]\n"),
              ElementsAre(HasSubstr("domain \"d1.test\" stands twice")));
}

TEST(ConfigFileTest, ContradictionsAreFound) {
  EXPECT_THAT(ErrorsOf("[storage]\nstop_load_below = \"1%\"\nstop_send_below = \"2%\"\n"),
              ElementsAre(HasSubstr("test.toml:5:19: `stop_send_below` is above `stop_load_below`")));
  EXPECT_THAT(ErrorsOf("[keys]\nkek_file = \"/k\"\nkek_credential = \"k\"\n"),
              ElementsAre(HasSubstr("test.toml:3:1: [keys] sets more than one")));
  EXPECT_THAT(ErrorsOf("[sink]\naddress = \"192.0.2.1:25\"\n"), ElementsAre(HasSubstr("not on loopback")));
  EXPECT_THAT(ErrorsOf("[[destination]]\ndomains = [\"d1.test\"]\nprovider = \"google\"\n"),
              ElementsAre(HasSubstr("exactly one of `domains`, `mx` and `provider`")));
  EXPECT_THAT(ErrorsOf("[[destination]]\nconnections = 2\n"), ElementsAre(HasSubstr("exactly one of")));
  EXPECT_THAT(ErrorsOf(std::string(kSource) + "[[pool]]\nname = \"p\"\nsources = []\n"),
              ElementsAre(HasSubstr("`sources` is empty")));
}

TEST(ConfigFileTest, ValuesOutOfRangeAreRefused) {
  for (const char* line :
       {"shards = -1", "shards = 1.5", "memory = \"1KiB\"", "memory = 512", "drain = \"-5s\"", "drain = \"2h\"",
        "data_dir = \"relative\"", "data_dir = \"\"", "unsettled_max = 0", "hostname2 = \"x\""}) {
    EXPECT_THAT(ErrorsOf(std::string(line) + "\n"), SizeIs(1)) << line;
  }
  for (const char* line : {"rate = \"0/s\"", "rate = \"-1/s\"", "rate = 5", "connections = 0", "connections = -1",
                           "hostname = \"not a host\"", "hostname = \"-a.test\"", "warmup = {}", "warmup = 5",
                           "warmup = { start = \"tomorrow\" }"}) {
    EXPECT_THAT(ErrorsOf(std::string(kSource) + line + "\n"), testing::Not(IsEmpty())) << line;
  }
  EXPECT_THAT(ErrorsOf(fmt::format("data_dir = \"/{}\"\n", std::string(93, 'x'))), IsEmpty());
  EXPECT_THAT(ErrorsOf(fmt::format("data_dir = \"/{}\"\n", std::string(94, 'x'))),
              ElementsAre(HasSubstr("longer than a Unix socket may have")));
  EXPECT_THAT(ErrorsOf("[http]\nlisten = \"localhost\"\n"), SizeIs(1));
  EXPECT_THAT(ErrorsOf("[http]\nlisten = \"\"\n"), IsEmpty());
  EXPECT_THAT(ErrorsOf("[dns]\nservers = [\"127.0.0.1:5353\", \"::1\", \"ns.test\"]\n"),
              ElementsAre(HasSubstr("test.toml:4:37: `servers`: \"ns.test\" is not an IP address")));
  EXPECT_THAT(ErrorsOf("[tls]\nmin_version = \"1.1\"\n"), ElementsAre(HasSubstr("takes one of \"1.2\", \"1.3\"")));
  EXPECT_THAT(ErrorsOf("memory = \"128\"\n"),
              ElementsAre(HasSubstr("test.toml:3:10: `memory`: \"128\" is not a size (its unit is one of B, KiB")));
  EXPECT_THAT(ErrorsOf("[storage]\nstop_load_below = \"5\"\n"),
              ElementsAre(HasSubstr("test.toml:4:19: `stop_load_below`: \"5\" is neither a share of the disk")));
}

TEST(ConfigFileTest, AnActionOfMaxHardBouncesIsOneThatThereIs) {
  const auto errors = [](std::string_view action) {
    return ErrorsOf(
        fmt::format("{}{}[[stream]]\nname = \"s\"\npool = \"p\"\n"
                    "max_hard_bounces = {{ rate = \"5%\", action = \"{}\" }}\n",
                    kSource, kPool, action));
  };
  EXPECT_THAT(errors("pause"), IsEmpty());
  EXPECT_THAT(errors("explode"), ElementsAre("test.toml:12:44: `action` takes one of \"pause\""));
}

TEST(ConfigFileTest, TablesAndArraysAreNotTakenForEachOther) {
  EXPECT_THAT(ErrorsOf("[source]\nname = \"a\"\n"), ElementsAre(HasSubstr("write [[source]] instead of [source]")));
  EXPECT_THAT(ErrorsOf("[[smtp]]\nport = 25\n"), ElementsAre(HasSubstr("write [smtp]")));
  EXPECT_THAT(Texts(ParseConfig("node = 5\n", "t").errors), Contains(HasSubstr("t:1:8: `node` is a table")));
  EXPECT_THAT(Texts(ParseConfig("source = [1]\n", "t").errors), Contains(HasSubstr("`source` holds tables")));
}

TEST(ConfigFileTest, WhatIsNotTomlSaysWhere) {
  EXPECT_THAT(Texts(ParseConfig("[node\n", "t.toml").errors), ElementsAre(HasSubstr("t.toml:1:6: this is not TOML")));
  EXPECT_THAT(ErrorsOf("hostname = \"mta2.example.com\"\n[[stream]]\nname = \"s\"\n"),
              ElementsAre(HasSubstr("test.toml:3:12: this is not TOML")))
      << "what the rest says is not known, so nothing of it is missing";
}

TEST(ConfigFileTest, WhereAKeyAndAnElementStandIsKnown) {
  const Config config = Parse(std::string(kSource) + kPool);
  ASSERT_NE(config.options, nullptr);
  EXPECT_EQ(PlaceOf(*config.options, "pool[p]"), "test.toml:6:1");
  EXPECT_EQ(PlaceOf(*config.options, "source[ip1].address"), "test.toml:5:11");
  EXPECT_EQ(PlaceOf(*config.options, "node.memory"), "default");
  EXPECT_EQ(config.options->WhereSet("source[ip1].address"), "test.toml:5");
}

TEST(ConfigFileTest, TimeoutsShorterThanTheStandardsWarn) {
  EXPECT_THAT(WarningsOf("[smtp]\nfinal_dot_timeout = \"30s\"\n"),
              ElementsAre(HasSubstr("test.toml:4:21: `final_dot_timeout` is 30s, shorter than the 10m of RFC 5321")));
}

// Whoever checks syntax refuses them in EHLO and in the envelope: every message would wait, and expire.
TEST(ConfigFileTest, ANameThatOtherServersRefuseIsNoneOfOurs) {
  for (const char* name : {"mta_1.example.com", "192.0.2.1", "mta1.25"}) {
    const std::string node = "[node]\nhostname = \"" + std::string(name) + "\"\n" + std::string(kSource);
    EXPECT_THAT(Texts(ParseConfig(node, "test.toml").errors),
                ElementsAre(HasSubstr("test.toml:2:12: `hostname`: \"" + std::string(name) + "\" is not a name that")));
    EXPECT_THAT(ErrorsOf(std::string(kSource) + kPool + "[[stream]]\nname = \"s\"\npool = \"p\"\nreturn_path = \"" +
                         name + "\"\n"),
                ElementsAre(HasSubstr("`return_path`")));
  }
}

TEST(ConfigFileTest, AListThatMustBeGivenIsNotEmpty) {
  EXPECT_THAT(ErrorsOf("[[provider]]\nname = \"g\"\nmx = []\n"), ElementsAre(HasSubstr("`mx` is empty; give it")));
}

TEST(ConfigFileTest, ANameThatIsNoFullOneWarns) {
  EXPECT_THAT(Texts(ParseConfig("[node]\nhostname = \"mta1\"\n" + std::string(kSource), "test.toml").warnings),
              ElementsAre(HasSubstr("test.toml:2:12: `hostname`: \"mta1\" is no full name, so EHLO says the address")));
}

TEST(ConfigFileTest, WhatFollowsFromOtherKeysIsFilledIn) {
  const Config config = Parse(std::string(kSource) + kPool + "[[stream]]\nname = \"s\"\npool = \"p\"\n");
  ASSERT_NE(config.options, nullptr);
  EXPECT_EQ(config.options->sources[0].hostname, "mta1.example.com");
  EXPECT_EQ(config.options->streams[0].return_path, "mta1.example.com");
  EXPECT_EQ(config.options->FindStream("s")->pool_index, 0);
}

// Files.
class ConfigFilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "sealift-config-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }

  std::filesystem::path folder_;
};

TEST_F(ConfigFilesTest, IncludedFilesAddUp) {
  const std::string main = Write("sealift.toml", std::string("include = [\"conf.d/*.toml\"]\n") + kNode + kSource);
  const std::string second =
      Write("conf.d/20.toml", "[[source]]\nname = \"ip2\"\naddress = \"203.0.113.11\"\nrate = \"1/s\"\n");
  const std::string first = Write("conf.d/10.toml", "[smtp]\nport = 2525\n");
  const Config config = LoadConfig(main);
  ASSERT_TRUE(config.status().ok()) << std::string(config.status().message());
  EXPECT_THAT(config.files, ElementsAre(main, first, second));
  EXPECT_EQ(config.options->smtp.port, 2525);
  EXPECT_EQ(config.options->WhereSet("smtp.port"), first + ":2");
  EXPECT_EQ(config.options->FindSource("ip2")->rate.origin, second + ":4");
}

TEST_F(ConfigFilesTest, AKeySetTwiceNamesBothPlaces) {
  const std::string main = Write("sealift.toml", std::string("include = [\"b.toml\"]\n") + kNode);
  const std::string other = Write("b.toml", kNode);
  EXPECT_THAT(Texts(LoadConfig(main).errors),
              ElementsAre(other + ":2:12: `hostname` is already set at " + main + ":3; keep one of them"));
}

TEST_F(ConfigFilesTest, AFileThatIncludesItselfIsRefused) {
  const std::string main = Write("sealift.toml", std::string("include = [\"b.toml\"]\n") + kNode);
  Write("b.toml", "include = [\"./sealift.toml\"]\n");
  EXPECT_THAT(Texts(LoadConfig(main).errors), ElementsAre(HasSubstr("includes itself")));
}

TEST_F(ConfigFilesTest, AnIncludeOfNothingIsAnErrorUnlessItIsAPattern) {
  const std::string missing = Write("a.toml", std::string("include = [\"none.toml\"]\n") + kNode);
  EXPECT_THAT(Texts(LoadConfig(missing).errors),
              ElementsAre(AllOf(HasSubstr("a.toml:1:11: "), HasSubstr("No such file"))));
  std::filesystem::create_symlink("loop", std::filesystem::path(missing).parent_path() / "loop");
  const std::string unreadable = Write("c.toml", std::string("include = [\"loop/*.toml\"]\n") + kNode);
  EXPECT_THAT(Texts(LoadConfig(unreadable).errors), ElementsAre(HasSubstr("loop cannot be read (Too many levels")));
  const std::string pattern = Write("b.toml", std::string("include = [\"none.d/*.toml\"]\n") + kNode);
  EXPECT_TRUE(LoadConfig(pattern).status().ok());
}

TEST_F(ConfigFilesTest, TooManyFilesAreRefused) {
  const std::string main = Write("sealift.toml", std::string("include = [\"d/*.toml\"]\n") + kNode);
  for (int i = 0; i < 300; ++i) Write("d/" + std::to_string(i) + ".toml", "");
  EXPECT_THAT(Texts(LoadConfig(main).errors), Contains(HasSubstr("more than 256 files")));
}

TEST_F(ConfigFilesTest, AMissingFileIsNotFound) {
  const absl::Status status = LoadConfig((folder_ / "none.toml").string()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("name the config file with --config"));
}

TEST_F(ConfigFilesTest, AFolderOrAGiantIsNoConfig) {
  EXPECT_FALSE(LoadConfig(folder_.string()).status().ok());
  const std::string big = Write("big.toml", std::string((1 << 20) + 1, '#'));
  EXPECT_THAT(std::string(LoadConfig(big).status().message()), HasSubstr("at most 1048576"));
}

}  // namespace
}  // namespace sealift::engine
