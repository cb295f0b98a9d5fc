// `sealift demo` needs nothing: no configuration, no network, no rights.
#include <gmock/gmock.h>

#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(DemoTest, EndsWithASummaryANewcomerUnderstands) {
  const Ran demo = RunCommand({OurProgram("sealift"), "demo", "--recipients", "1500"}, "", std::chrono::seconds(240));
  EXPECT_EQ(demo.exit_code, 0) << demo.out << demo.err;
  EXPECT_THAT(demo.out + demo.err, AllOf(HasSubstr("1,500"), HasSubstr("delivered"), HasSubstr("deferred"),
                                         HasSubstr("bounced"), HasSubstr("TLS"), HasSubstr("messages a second")));
}

}  // namespace
}  // namespace sealift::scenario
