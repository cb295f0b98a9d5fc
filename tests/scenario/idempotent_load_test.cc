// The same name and files again add nothing twice, whether the first load ended or was cut off.
#include <fmt/format.h>

#include <memory>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using IdempotentLoadTest = World;

TEST_F(IdempotentLoadTest, TheSameFilesAgainAddNothing) {
  StartDaemon();
  const std::string letter = Template();
  const std::string people = Recipients(2000, Domains(20));
  EXPECT_EQ(Load("spring", letter, people).json["accepted"].Number(), 2000);
  const Answer again = Load("spring", letter, people);
  EXPECT_EQ(again.json["accepted"].Number(), 2000) << again.Describe();
  EXPECT_EQ(Show("spring")["loaded"].Number(), 2000);
  StopDaemon();
  StartDaemon();
  Load("spring", letter, people);
  EXPECT_EQ(Show("spring")["loaded"].Number(), 2000);
  EXPECT_EQ(Show("spring")["queued"].Number(), 2000);
  StopDaemon();
}

TEST_F(IdempotentLoadTest, ALoadThatWasCutOffGoesOnWhereItStoppedAndEveryRowIsThereOnce) {
  constexpr int64_t kRows = 600'000;
  const std::string letter = Template();
  const std::string people = Recipients(kRows, Domains(50));
  StartDaemon();
  {
    Process load({OurProgram("sealift"), "--config", config_file, "campaign", "load", "spring", "--stream", "news",
                  "--template", letter, "--recipients", people},
                 dir.path() / "load.out", dir.path() / "load.err");
    // In the middle, as near as a test can tell: the campaign is known and the command has not ended.
    EXPECT_TRUE(
        Eventually(kSoon, [&] { return !load.running() || Sealift({"campaign", "show", "spring"}).exit_code == 0; }));
    KillDaemon();
    load.WaitFor(kSoon);
  }
  StartDaemon();
  const Answer again = Load("spring", letter, people);
  EXPECT_EQ(again.json["accepted"].Number(), kRows) << again.Describe();
  const Json now = Show("spring");
  EXPECT_EQ(now["loaded"].Number(), kRows) << now.Dump();
  EXPECT_EQ(now["queued"].Number(), kRows) << now.Dump();
  EXPECT_EQ(now["state"].Text(), "ready") << now.Dump();
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
