// A transactional stream overtakes a marketing campaign that fills the same source's rate.
#include <fmt/format.h>

#include <map>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using PriorityTest = World;

// A recipient file of mailboxes that are told from those of Recipients: "code1@d2.test".
std::string People(const std::string& mailbox, int rows) {
  std::string text = "email,name,city\n";
  for (int row = 1; row <= rows; ++row) text += fmt::format("{}{}@d{}.test,A,B\n", mailbox, row, row % 10 + 1);
  return text;
}

TEST_F(PriorityTest, ATransactionalStreamOvertakes) {
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..10}}.test\"]\n"
                              "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  settings.source = "rate = \"200/s\"";
  settings.streams = {{"news", "tls = \"opportunistic\"\npriority = 10"},
                      {"codes", "tls = \"opportunistic\"\npriority = 50\nkind = \"transactional\""}};
  StartDaemon();
  Load("spring", Template(), Recipients(3000, Domains(10)), {"--start"});  // 15 seconds at that rate
  ASSERT_TRUE(Eventually(kInTime, [&] { return sink.arrivals() > 200; }));

  const std::string people = dir.Write("codes.csv", People("code", 100));
  const Answer load = Sealift(
      {"campaign", "load", "codes", "--stream", "codes", "--template", Template(), "--recipients", people, "--start"});
  ASSERT_EQ(load.exit_code, 0) << load.Describe();
  ASSERT_TRUE(ShowsUntil("codes", kSoon, [](const Json& now) { return now["delivered"].Number() == 100; }));
  EXPECT_LT(Show("spring")["delivered"].Number(), 3000) << "the campaign was over: nothing is proved";

  // From the first code on, what leaves is mostly codes until they are through.
  int others = 0, codes = 0;
  for (const Sink::Arrival& arrival : sink.Ledger()) {
    if (arrival.mailbox.starts_with("code")) {
      ++codes;
    } else if (codes > 0 && codes < 100) {
      ++others;
    }
  }
  EXPECT_EQ(codes, 100);
  EXPECT_LT(others, 100) << "the campaign took as much of the rate as the codes";
  StopDaemon();
}

TEST_F(PriorityTest, ARateIsNotExceededInAnySecond) {
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..10}}.test\"]\n"
                              "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  settings.tables = "[[destination]]\ndomains = [\"d1.test\"]\nmessage_rate = \"50/s\"\n";
  settings.source = "rate = \"300/s\"";
  StartDaemon();
  Load("spring", Template(), Recipients(1500, Domains(10)), {"--start"});
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));
  std::vector<double> times, of_d1;
  for (const Sink::Arrival& arrival : sink.Ledger()) {
    times.push_back(arrival.time);
    if (arrival.mailbox.ends_with("@d1.test")) of_d1.push_back(arrival.time);
  }
  // Permits are spaced exactly; arrivals shift by what the machine does meanwhile, so a tenth is allowed for.
  const auto most_in_a_second = [](const std::vector<double>& at) {
    size_t most = 0;
    for (size_t first = 0, last = 0; last < at.size(); ++last) {
      while (at[last] - at[first] >= 1.0) ++first;
      most = std::max(most, last - first + 1);
    }
    return most;
  };
  EXPECT_LE(most_in_a_second(times), 330u);
  EXPECT_LE(most_in_a_second(of_d1), 55u);
  StopDaemon();
}

// Where two campaigns of one priority share a destination, the one of weight 4 gets four messages for each of the
// other.
TEST_F(PriorityTest, CampaignsShareADestinationByTheirWeights) {
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..10}}.test\"]\n"
                              "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  settings.source = "rate = \"300/s\"";
  StartDaemon();
  Load("light", Template(), Recipients(1500, Domains(10)));
  const std::string people = dir.Write("heavy.csv", People("heavy", 700));
  Load("heavy", Template(), people, {"--weight", "4"});
  EXPECT_EQ(Show("heavy")["weight"].Number(), 4);
  for (const char* campaign : {"light", "heavy"}) ASSERT_EQ(Sealift({"campaign", "start", campaign}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("light", kInTime, [](const Json& now) { return now["queued"].Number() == 0; }));

  // In the order of arrival, while both had mail.
  int light = 0, heavy = 0;
  for (const Sink::Arrival& arrival : sink.Ledger()) {
    if (arrival.mailbox.starts_with("heavy")) {
      ++heavy;
    } else if (heavy > 0 && heavy < 600) {
      ++light;
    }
  }
  EXPECT_EQ(heavy, 700);
  EXPECT_GT(light, 600 / 4 / 2);
  EXPECT_LT(light, 600 / 4 * 2);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
