#include "tools/sink/script_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sealift::tools::sink {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ErrorOf(std::string_view text) {
  const absl::StatusOr<Script> script = ReadScript(text, "s.toml");
  return script.ok() ? "no error" : std::string(script.status().message());
}

// A provider with `more` in it, from line 4 on.
std::string Provider(std::string_view more) {
  return "[[provider]]\nname = \"p\"\ndomains = [\"d1.test\"]\n" + std::string(more);
}

TEST(ScriptReaderTest, BuiltInScriptsAndTheReferenceAreRight) {
  for (const std::string_view text : {kDemoScript, kCatchAllScript, kScriptReference}) {
    EXPECT_EQ(ErrorOf(text), "no error");
  }
  EXPECT_EQ(ReadScript(kDemoScript, "demo")->domains.size(), 60u);
}

TEST(ScriptReaderTest, HostsAndAddressesHaveDefaults) {
  const Script script = *ReadScript(
      "[[provider]]\nname=\"a\"\ndomains=[\"d{1..2}.test\"]\n"
      "[[provider]]\nname=\"b\"\ndomains=\"D3.Test.\"\nmx=[{host=\"x.b.test\"},{host=\"y.b.test\",preference=20,"
      "connect=\"refuse\"}]\n",
      "s");
  ASSERT_EQ(script.providers.size(), 2u);
  EXPECT_EQ(script.providers[0].hosts[0].name, "mx.a.test");
  EXPECT_EQ(script.providers[0].hosts[0].address, "127.0.1.1");
  EXPECT_EQ(script.providers[1].hosts[1].address, "127.0.1.3");
  EXPECT_EQ(script.providers[1].hosts[1].preference, 20);
  EXPECT_EQ(script.providers[1].hosts[1].connect, ConnectMode::kRefuse);
  EXPECT_EQ(script.domains.at("d3.test"), 1u);
}

TEST(ScriptReaderTest, PoliciesRunFasterUnderATimeScaleAndTheLineDoesNot) {
  const Script script =
      *ReadScript("time_scale = 3600\n" +
                      Provider("greylist=\"1h\"\nlatency=\"100ms\"\nmessage_rate=\"100/h\"\n[[provider.limit]]\n"
                               "what=\"connections\"\ncount=3\nblock=\"2h\"\n"),
                  "s");
  const auto& provider = script.providers[0];
  EXPECT_EQ(provider.greylist, absl::Seconds(1));
  EXPECT_EQ(provider.latency, absl::Milliseconds(100));
  EXPECT_EQ(provider.limits[0].window, absl::Seconds(1));
  EXPECT_EQ(provider.limits[1].block, absl::Seconds(2));
  EXPECT_EQ(provider.limits[1].action.code, 421);
}

TEST(ScriptReaderTest, RepliesBecomeWholeLines) {
  const Script script = *ReadScript(
      Provider("[[provider.rule]]\nat=\"rcpt\"\nreply=\"450-4.2.0 a\\n450 4.2.0 b\"\n[[provider.rule]]\nat=\"data\"\n"
               "raw=\"no code\"\nthen=\"hang\"\n"),
      "s");
  const Rule& rule = script.providers[0].rules[static_cast<int>(Phase::kRcpt)][0];
  EXPECT_EQ(rule.action.bytes, "450-4.2.0 a\r\n450 4.2.0 b\r\n");
  EXPECT_EQ(rule.action.code, 450);
  const Rule& raw = script.providers[0].rules[static_cast<int>(Phase::kData)][0];
  EXPECT_EQ(raw.action.bytes, "no code");
  EXPECT_EQ(raw.action.code, 0);
  EXPECT_EQ(raw.action.then, Then::kHang);
}

TEST(ScriptReaderTest, MistakesSayWhereAndWhatToDo) {
  EXPECT_EQ(ErrorOf(Provider("greylst = \"3s\"\n")),
            "s.toml:4:1: [[provider]] has no key \"greylst\"; did you mean \"greylist\"?");
  EXPECT_THAT(ErrorOf(Provider("greylist = \"3 apples\"\n")), StartsWith("s.toml:4:12: greylist: "));
  EXPECT_THAT(ErrorOf(Provider("tls = \"maybe\"\n")),
              AllOf(StartsWith("s.toml:4:7: tls is one of \"on\", \"off\""), HasSubstr("hang")));
  EXPECT_THAT(ErrorOf(Provider("pipelining = \"yes\"\n")), StartsWith("s.toml:4:14: pipelining is true or false"));
  EXPECT_THAT(ErrorOf(Provider("connections = 0\n")), StartsWith("s.toml:4:15: connections is a whole number from 1"));
  EXPECT_THAT(ErrorOf(Provider("[[provider.rule]]\nreply = \"550 no\"\n")),
              StartsWith("s.toml:4:1: a rule says where"));
  EXPECT_THAT(ErrorOf(Provider("[[provider.rule]]\nat = \"rcpt\"\nreply = \"no\"\n")),
              StartsWith("s.toml:6:9: reply begins with a code"));
  EXPECT_THAT(ErrorOf(Provider("[[provider.rule]]\nat = \"rcpt\"\nshare = 2\n")),
              StartsWith("s.toml:6:9: share is a number from 0 to 1"));
  EXPECT_THAT(ErrorOf(Provider("[[provider.limit]]\nwhat = \"messages\"\n")), HasSubstr("needs rate = "));
  EXPECT_THAT(ErrorOf(Provider("mx = [{ host = \"a.test\", address = \"10.0.0.1\" }]\n")),
              HasSubstr("use 127.x.y.z or ::1"));
  EXPECT_THAT(ErrorOf(Provider("mx = 3\n")), StartsWith("s.toml:4:6: mx is a list of tables"));
  EXPECT_THAT(ErrorOf("[[provider]]\nname=\"p\"\ndomains=[\"someone.com\"]\n"), HasSubstr("could be someone's"));
  EXPECT_THAT(ErrorOf("[[provider]]\nname=\"p\"\ndomains=[\"d{2..1}.test\"]\n"),
              StartsWith("s.toml:3:9: \"d{2..1}.test\" is not"));
  EXPECT_THAT(ErrorOf("[[provider]]\nname=\"p\"\ndomains=[\"a b.test\"]\n"), HasSubstr("is not a domain name"));
  EXPECT_THAT(ErrorOf(Provider("") + Provider("")), StartsWith("s.toml:5:8: a second provider is called \"p\""));
  EXPECT_THAT(ErrorOf(Provider("") + "[[provider]]\nname=\"q\"\ndomains=[\"d1.test\"]\n"),
              HasSubstr("d1.test belongs to provider \"p\" too"));
  EXPECT_THAT(ErrorOf("port = 70000\n"), StartsWith("s.toml:1:8: port is a whole number"));
  EXPECT_THAT(ErrorOf("port = \n"), AllOf(StartsWith("s.toml:1:"), HasSubstr("not TOML")));
  EXPECT_THAT(ErrorOf(""), HasSubstr("no provider"));
}

TEST(ScriptReaderTest, AFileThatIsNotThereIsNamed) {
  const absl::StatusOr<Script> script = ReadScriptFile("/nonexistent/s.toml");
  EXPECT_EQ(script.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(script.status().message()), StartsWith("/nonexistent/s.toml: cannot read the script"));
}

}  // namespace
}  // namespace sealift::tools::sink
