// A small file system of the daemon's own is filled in the middle of a campaign and freed again: nothing is lost or
// sent twice, loads are refused with the reason, nothing begins whose outcome could not be recorded, who asks is
// answered, and no restart is needed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

class FullDiskTest : public World {
 protected:
  static constexpr int64_t kRows = 6000;
  static constexpr size_t kDiskBytes = 192 << 20;

  // The data directory is on a file system that only this test sees.
  void SetUp() override {
    disk_ = dir.path() / "disk";
    ASSERT_EQ(::mkdir(disk_.c_str(), 0700), 0);
    if (::unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "no mount namespace: " << std::strerror(errno);
    ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(::mount("disk", disk_.c_str(), "tmpfs", 0, fmt::format("size={},mode=0700", kDiskBytes).c_str()), 0);
    settings.data_dir = disk_ + "/data";
    settings.node = "memory = \"64MiB\"\nunsettled_max = 300";
    settings.source = "rate = \"400/s\"";
    sink_ = std::make_unique<Sink>(dir,
                                   fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d{{1..10}}.test\"]\n"
                                               "mx = [{{ host = \"mx.all.test\", address = \"{}\" }}]\n",
                                               net.Address(10)),
                                   net.Address(2, 5353));
  }
  void TearDown() override {
    if (daemon != nullptr && daemon->running()) StopDaemon();
    ::umount2(disk_.c_str(), MNT_DETACH);
  }

  // Leaves so many bytes free, whatever the daemon does meanwhile.
  void FillUpTo(uint64_t left) {
    const int file = ::open(Ballast().c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    ASSERT_GE(file, 0);
    const std::string block(64 << 10, 'x');
    while (Free() > left) {
      const size_t piece = std::min<uint64_t>(block.size(), std::max<uint64_t>(Free() - left, 1));
      if (::write(file, block.data(), piece) < 0) break;
    }
    ::close(file);
  }
  void GiveBack() { ASSERT_TRUE(::unlink(Ballast().c_str()) == 0 || errno == ENOENT); }
  uint64_t Free() const { return std::filesystem::space(disk_).available; }
  std::string Ballast() const { return disk_ + "/ballast"; }

  // Everybody who only asks is answered.
  void ExpectAnswers() {
    EXPECT_EQ(Show("spring")["loaded"].Number(), kRows);
    EXPECT_GE(Metric("sealift_disk_free_bytes"), 0);
    EXPECT_EQ(Sealift({"queue", "shape", "--everything"}).exit_code, 0);
    EXPECT_EQ(SealiftPlain({"events", "--limit", "10"}).exit_code, 0);
  }

  void ExpectNothingBegins() {
    const size_t before = sink_->arrivals();
    EXPECT_FALSE(Eventually(std::chrono::seconds(2), [&] { return sink_->arrivals() != before; }))
        << "it sends and could not record what became of it";
  }

  // For one of these reasons.
  void ExpectLoadsAreRefused(const std::vector<std::string>& reasons) {
    const Answer refused = Sealift({"campaign", "load", "summer", "--stream", "news", "--template", Template(),
                                    "--recipients", Recipients(10, Domains(10), "summer.csv")});
    EXPECT_TRUE(refused.exit_code == 74 || refused.exit_code == 75) << refused.Describe();
    EXPECT_TRUE(std::ranges::any_of(reasons, [why = refused.json["error"]["why"].Text()](const std::string& reason) {
      return why.find(reason) != std::string::npos;
    })) << refused.Describe();
  }

  void ExpectItGoesOnToTheEnd() {
    ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == kRows; }));
    EXPECT_EQ(sink_->arrivals(), static_cast<size_t>(kRows)) << "a row was sent twice";
    EXPECT_EQ(sink_->ByMailbox().size(), static_cast<size_t>(kRows));
    Load("summer", Template(), Recipients(10, Domains(10), "summer.csv"), {"--start"});
    EXPECT_TRUE(ShowsUntil("summer", kSoon, [](const Json& now) { return now["delivered"].Number() == 10; }));
    StopDaemon();
    StartDaemon();
    EXPECT_EQ(Show("spring")["delivered"].Number(), kRows);
    StopDaemon();
  }

  // Whatever it gives back is taken too, until it says that it has stopped: for a write that found no room, or, where
  // what it writes still fits into the space that its log holds, because it saw first that nothing is free.
  void FillUntilItStops() {
    ASSERT_TRUE(Eventually(kSoon, [&] {
      FillUpTo(0);
      const std::string log = daemon->Err();
      return log.find("accepting and sending have stopped") != std::string::npos ||
             log.find("sending waits until space is freed free_bytes=0") != std::string::npos;
    })) << daemon->Err();
    FillUpTo(0);
    ASSERT_TRUE(daemon->running()) << daemon->Err();
  }

  std::string disk_;
  std::unique_ptr<Sink> sink_;
};

TEST_F(FullDiskTest, TheWatermarks) {
  settings.tables = "[storage]\nstop_load_below = \"60MiB\"\nstop_send_below = \"40MiB\"\n";
  StartDaemon();
  Load("spring", Template(), Recipients(kRows, Domains(10)), {"--start"});
  ASSERT_TRUE(Eventually(kInTime, [&] { return sink_->arrivals() > 200; }));
  // Below the first no load is taken, and what is loaded goes on.
  FillUpTo(50 << 20);
  ExpectLoadsAreRefused({"storage.stop_load_below asks for 60MiB"});
  const size_t arrived = sink_->arrivals();
  EXPECT_TRUE(Eventually(kSoon, [&] { return sink_->arrivals() > arrived + 200; }));
  // Below the second nothing is sent.
  FillUpTo(30 << 20);
  ASSERT_TRUE(Eventually(kSoon, [&] {
    const Answer node = Sealift({"domain", "explain", "d1.test"});
    return node.out.find("storage.stop_send_below") != std::string::npos;
  }));
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [&](const Json& now) {
    return now["delivered"].Number() == static_cast<int64_t>(sink_->arrivals());
  }));
  ExpectNothingBegins();
  ExpectAnswers();
  ExpectLoadsAreRefused({"storage.stop_load_below asks for 60MiB"});
  ASSERT_LT(sink_->arrivals(), static_cast<size_t>(kRows)) << "it was over before: nothing is proved";
  GiveBack();
  ExpectItGoesOnToTheEnd();
}

// A mebibyte and less are told as what they are, not as "0 MiB free" of "0 MiB".
TEST_F(FullDiskTest, AWatermarkBelowAMebibyte) {
  settings.tables = "[storage]\nstop_load_below = \"700KiB\"\nstop_send_below = \"300KiB\"\n";
  StartDaemon();
  FillUpTo(500 << 10);
  ExpectLoadsAreRefused({" free and storage.stop_load_below asks for 700KiB"});
  GiveBack();
  StopDaemon();
}

TEST_F(FullDiskTest, NotAByteLeft) {
  settings.tables = "[storage]\nstop_load_below = \"1KiB\"\nstop_send_below = \"1KiB\"\n";
  StartDaemon();
  // Slowly enough that it is under way whatever a load takes.
  Load("spring", Template(), Recipients(kRows, Domains(10)), {"--start", "--rate", "100/s"});
  ASSERT_TRUE(Eventually(kInTime, [&] { return sink_->arrivals() > 200; }));
  // A page is left, which no watermark minds: the load that needs more meets the end of the disk itself. On a busy
  // machine what is being sent may have taken the page before the load asks, and the watermark refuses it: then once
  // more.
  const std::string more = Recipients(300000, Domains(10), "more.csv");
  Answer refused;
  EXPECT_TRUE(Eventually(kInTime, [&] {
    GiveBack();
    FillUpTo(4096);
    refused =
        Sealift({"campaign", "load", "autumn", "--stream", "news", "--template", Template(), "--recipients", more});
    EXPECT_TRUE(refused.exit_code == 74 || refused.exit_code == 75) << refused.Describe();
    return HasFailure() || refused.json["error"]["why"].Text().find("space") != std::string::npos;
  })) << refused.Describe();
  FillUntilItStops();
  ASSERT_TRUE(Eventually(kSoon, [&] {
    FillUpTo(0);
    const size_t before = sink_->arrivals();
    return !Eventually(std::chrono::seconds(1), [&] { return sink_->arrivals() != before; });
  }));
  ExpectNothingBegins();
  ExpectAnswers();
  // Each of them leaves an entry in the audit file, which has room of its own.
  for (int i = 0; i < 20; ++i) ExpectLoadsAreRefused({"its file system is full", "storage.stop_load_below"});
  ASSERT_LT(sink_->arrivals(), static_cast<size_t>(kRows)) << "it was over before: nothing is proved";
  GiveBack();
  ExpectItGoesOnToTheEnd();
}

// It writes as much as a load does, and would take the room that outcomes in flight need.
TEST_F(FullDiskTest, AJobWaitsForTheRoomThatALoadAsksFor) {
  constexpr int64_t kMany = 300'000;
  settings.tables = "[storage]\nstop_load_below = \"40MiB\"\nstop_send_below = \"20MiB\"\n";
  StartDaemon();
  Load("spring", Template(), Recipients(kMany, Domains(10)), {});
  FillUpTo(60 << 20);
  const Answer bounce = Sealift({"queue", "bounce", "--campaign", "spring", "--yes", "--reason", "a wrong list"});
  ASSERT_EQ(bounce.exit_code, 0) << bounce.Describe();
  const auto job = [&] { return Sealift({"queue", "job", bounce.json["id"].Text()}).json; };
  EXPECT_TRUE(Eventually(kInTime, [&] {
    return job()["why"].Text().find("storage.stop_load_below asks for 40MiB") != std::string::npos;
  })) << job().Dump();
  EXPECT_EQ(job()["state"].Text(), "running");
  EXPECT_LT(job()["moved"].Number(), kMany) << "it was over before: nothing is proved";
  FillUpTo(30 << 20);
  EXPECT_EQ(
      Sealift({"queue", "replay", "--outcome", "expired", "--everything", "--yes", "--reason", "again"}).exit_code, 75);
  GiveBack();
  EXPECT_TRUE(Eventually(kInTime, [&] { return job()["state"].Text() == "done"; })) << job().Dump();
  EXPECT_FALSE(job()["why"].present());
  EXPECT_EQ(job()["moved"].Number(), kMany);
  EXPECT_EQ(Show("spring")["bounced"].Number(), kMany);
  StopDaemon();
}

// Nobody can finish what waits for room: a stop does not wait for it longer than node.drain, and loses nothing.
TEST_F(FullDiskTest, AStopEndsAllTheSame) {
  settings.node += "\ndrain = \"2s\"";
  settings.tables = "[storage]\nstop_load_below = \"1KiB\"\nstop_send_below = \"1KiB\"\n";
  StartDaemon();
  for (const char* const name : {"summer", "autumn", "winter"}) {
    Load(name, Template(), Recipients(10, Domains(10), std::string(name) + ".csv"), {});
  }
  constexpr int64_t kFew = 1500;
  Load("spring", Template(), Recipients(kFew, Domains(10)), {"--start", "--rate", "200/s"});
  ASSERT_TRUE(Eventually(kInTime, [&] { return sink_->arrivals() > 200; }));
  FillUntilItStops();
  // The first may be who finds out, and waits; the others are told.
  int refused = 0;
  for (const char* const name : {"summer", "autumn", "winter"}) {
    const Ran ran = RunCommand({"/usr/bin/timeout", "3", OurProgram("sealift"), "--config", config_file, "campaign",
                                "cancel", name, "--erase", "--yes"});
    if (ran.exit_code == 74 || ran.exit_code == 75) ++refused;
  }
  EXPECT_GE(refused, 2);
  EXPECT_EQ(Show("spring")["loaded"].Number(), kFew);
  EXPECT_EQ(Sealift({"queue", "shape", "--everything"}).exit_code, 0);
  StopDaemon();
  GiveBack();
  StartDaemon();
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == kFew; }));
  EXPECT_EQ(sink_->ByMailbox().size(), static_cast<size_t>(kFew));
  EXPECT_LE(sink_->arrivals(), static_cast<size_t>(kFew + 300)) << "more were sent twice than may be unsettled";
}

}  // namespace
}  // namespace sealift::scenario
