#include "tests/tidy/include_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sealift::tidy {
namespace {

using ::testing::HasSubstr;

std::vector<Finding> Check(const std::string& path, const std::string& text) {
  return CheckIncludes(FromText(path, text), [](std::string_view name) { return name != "queue/nowhere.h"; });
}

TEST(IncludeRuleTest, ALeafThatKnowsTheEngineIsFound) {
  const auto findings = Check("queue/store.cc", "#include \"queue/store.h\"\n#include \"engine/shard.h\"\n");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].where, "queue/store.cc:2");
  EXPECT_THAT(findings[0].sentence, HasSubstr("queue is a leaf"));
  EXPECT_THAT(findings[0].sentence, HasSubstr("tools -> engine -> queue, dns, tls"));
}

TEST(IncludeRuleTest, LeavesDoNotKnowEachOther) {
  EXPECT_EQ(Check("dns/resolver.h", "#include \"tls/policy.h\"\n").size(), 1u);
  EXPECT_EQ(Check("tls/channel.h", "#include \"dns/address.h\"\n").size(), 1u);
  EXPECT_EQ(Check("queue/load.h", "#include \"dns/address.h\"\n").size(), 1u);
}

TEST(IncludeRuleTest, TheRuntimeKnowsOnlyItself) {
  EXPECT_EQ(Check("engine/runtime/ring.h", "#include \"engine/options.h\"\n").size(), 1u);
  EXPECT_EQ(Check("engine/runtime/ring.h", "#include \"engine/runtime/task.h\"\n").size(), 0u);
}

TEST(IncludeRuleTest, PureFoldersKnowOneAnotherAndNothingThatWaits) {
  EXPECT_EQ(Check("engine/shaping/classification.h", "#include \"engine/smtp/reply.h\"\n").size(), 0u);
  EXPECT_EQ(Check("engine/smtp/reply.h", "#include \"engine/runtime/task.h\"\n").size(), 1u);
  EXPECT_EQ(Check("engine/message/template.cc", "#include <sys/socket.h>\n").size(), 1u);
  EXPECT_EQ(Check("engine/shaping/throttle.h", "#include <coroutine>\n").size(), 1u);
}

TEST(IncludeRuleTest, OnlyToolsKnowsEngineAndNobodyKnowsTools) {
  EXPECT_EQ(Check("tools/sealiftd/main.cc", "#include \"engine/node.h\"\n").size(), 0u);
  EXPECT_EQ(Check("engine/node.cc", "#include \"tools/sealift/api_client.h\"\n").size(), 1u);
  EXPECT_EQ(Check("engine/node.cc", "#include \"queue/store.h\"\n#include \"dns/cache.h\"\n").size(), 0u);
  EXPECT_EQ(Check("tools/sealift/main.cc", "#include \"tests/scenario/harness/daemon.h\"\n").size(), 1u);
}

TEST(IncludeRuleTest, TheTestsOfALeafKnowThatLeafAlone) {
  EXPECT_EQ(Check("tests/dns/resolver_test.cc", "#include \"dns/resolver.h\"\n").size(), 0u);
  EXPECT_EQ(Check("tests/dns/resolver_test.cc", "#include \"engine/runtime/ring.h\"\n").size(), 1u);
  EXPECT_EQ(Check("tests/scenario/a_test.cc", "#include \"engine/node.h\"\n").size(), 1u);
}

TEST(IncludeRuleTest, AnIncludeThatDoesNotStartAtTheRootIsFound) {
  EXPECT_EQ(Check("engine/node.cc", "#include \"../queue/store.h\"\n").size(), 1u);
  EXPECT_EQ(Check("engine/node.cc", "#include \"queue/nowhere.h\"\n").size(), 1u);
  EXPECT_EQ(Check("engine/node.cc", "#include \"node.h\"\n").size(), 1u);
  EXPECT_EQ(Check("engine/node.cc", "#include \"absl/status/status.h\"\n").size(), 0u);
}

TEST(IncludeRuleTest, AMainOutsideToolsIsFound) {
  EXPECT_EQ(Check("engine/main.cc", "int main(int argc, char** argv) {\n").size(), 1u);
  EXPECT_EQ(Check("tools/sealiftd/main.cc", "int main(int argc, char** argv) {\n").size(), 0u);
}

TEST(IncludeRuleTest, TheLibrariesBehindALeafAreItsOwn) {
  EXPECT_EQ(Check("engine/shard.cc", "#include <rocksdb/db.h>\n").size(), 1u);
  EXPECT_EQ(Check("queue/store.cc", "#include <rocksdb/db.h>\n").size(), 0u);
  EXPECT_EQ(Check("engine/shard.cc", "#include <ares.h>\n").size(), 1u);
}

}  // namespace
}  // namespace sealift::tidy
