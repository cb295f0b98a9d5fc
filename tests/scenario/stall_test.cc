// What RocksDB has buffered is not written to its files any more, as on a disk that does not keep up, in the middle of
// a campaign: loads are refused with the reason, deliveries pause, who asks is answered, and it goes on by itself.
#include <fmt/format.h>

#include <fstream>
#include <optional>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/stopped_threads.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

class StallTest : public World {
 protected:
  // They go through the log into RocksDB's memory, as any load of fewer than 4,000 rows, and each goes there again when
  // it is deferred: so often that four buffers are full, with which RocksDB stops, long before all have been sent.
  static constexpr int kRows = 3600;
  static constexpr size_t kFieldBytes = 8000;
  static constexpr int64_t kUnsettledMax = 300;

  void SetUp() override {
    settings.node = fmt::format("memory = \"64MiB\"\nunsettled_max = {}", kUnsettledMax);
    settings.source = "rate = \"1000/s\"";
    settings.streams = {{"news", "tls = \"opportunistic\"\nretry = [\"2s\", \"2s\"]"}};
    sink_ = std::make_unique<Sink>(
        dir,
        fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..10}}.test\"]\n"
                    "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n"
                    "[[provider.rule]]\nat = \"rcpt\"\nfirst = 1\nreply = \"450 4.2.0 Come back later\"\n",
                    net.Address(10)),
        net.Address(2, 5353));
  }

  std::string HeavyRecipients() {
    const std::string path = dir.path() / "heavy.csv";
    std::ofstream file(path);
    file << "email,name,city\n";
    for (int row = 1; row <= kRows; ++row) {
      file << fmt::format("row{}@d{}.test,Name{},{}\n", row, row % 10 + 1, row, std::string(kFieldBytes, 'x'));
    }
    return path;
  }

  Answer TryToLoad(const std::string& name, const std::string& recipients) {
    return Sealift(
        {"campaign", "load", name, "--stream", "news", "--template", Template(), "--recipients", recipients});
  }

  void ExpectAnswers() {
    EXPECT_EQ(Show("spring")["loaded"].Number(), kRows);
    EXPECT_EQ(Sealift({"queue", "shape", "--everything"}).exit_code, 0);
    EXPECT_EQ(Sealift({"domain", "explain", "d1.test"}).exit_code, 0);
    EXPECT_EQ(SealiftPlain({"events", "--limit", "10"}).exit_code, 0);
  }

  std::unique_ptr<Sink> sink_;
};

TEST_F(StallTest, LoadsAreRefusedDeliveriesPauseAndItGoesOnByItself) {
  StartDaemon();
  ASSERT_EQ(Metric("sealift_queue_stalled"), 0);
  const std::string few = Recipients(10, Domains(10));
  ASSERT_EQ(TryToLoad("before", few).exit_code, 0);
  // The threads that write buffers to files: nothing has been written yet that they could be busy with.
  std::optional<StoppedThreads> flushes;
  flushes.emplace(daemon->pid(), "rocksdb:high");
  if (flushes->forbidden()) GTEST_SKIP() << "no permission to stop a thread of the daemon";
  ASSERT_GT(flushes->size(), 0u);

  Load("spring", Template(), HeavyRecipients(), {"--start"});
  ASSERT_TRUE(Eventually(kInTime, [&] { return Metric("sealift_queue_stalled") == 2; }));
  // What was under way when writes stopped is all that is sent.
  ASSERT_TRUE(Eventually(kInTime, [&] {
    const size_t before = sink_->arrivals();
    return !Eventually(std::chrono::seconds(2), [&] { return sink_->arrivals() != before; });
  }));
  const Json stopped = Show("spring");
  EXPECT_LE(static_cast<int64_t>(sink_->arrivals()), stopped["delivered"].Number() + kUnsettledMax);
  ASSERT_LT(stopped["delivered"].Number(), kRows) << "it was over before: nothing is proved";

  const Answer refused = TryToLoad("summer", few);
  EXPECT_EQ(refused.exit_code, 75) << refused.Describe();
  EXPECT_NE(refused.json["error"]["why"].Text().find("sealift_queue_stalled"), std::string::npos) << refused.Describe();
  ExpectAnswers();
  EXPECT_EQ(Metric("sealift_queue_stalled"), 2);
  ASSERT_TRUE(daemon->running()) << daemon->Err();

  flushes.reset();
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == kRows; }));
  EXPECT_EQ(sink_->arrivals(), static_cast<size_t>(kRows)) << "a row was sent twice";
  ASSERT_TRUE(Eventually(kInTime, [&] { return Metric("sealift_queue_stalled") == 0; }));
  const Answer taken = TryToLoad("summer", few);
  EXPECT_EQ(taken.exit_code, 0) << taken.Describe();
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
