#include "engine/admin/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sealift::engine {
namespace {

using testing::HasSubstr;
using testing::Not;

class AuditTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "sealift-audit-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = folder_ + "/audit";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  absl::StatusOr<std::unique_ptr<Audit>> Open(Audit::Disk disk = Audit::SystemDisk()) {
    return Audit::Open(folder_, [] { return absl::FromUnixSeconds(1'800'000'000); }, std::move(disk));
  }
  void Write(int entries) {
    auto audit = Open();
    ASSERT_TRUE(audit.ok()) << std::string(audit.status().message());
    for (int i = 0; i < entries; ++i) ASSERT_TRUE((*audit)->Append(entry_).ok());
  }
  std::string Text() const {
    std::ostringstream text;
    text << std::ifstream(path_, std::ios::binary).rdbuf();
    return text.str();
  }
  void Replace(const std::string& text) const { std::ofstream(path_, std::ios::binary | std::ios::trunc) << text; }

  std::string folder_, path_;
  AuditEntry entry_ = {.uid = 1000,
                       .pid = 42,
                       .user = "ops",
                       .command = "campaign start",
                       .target = "march",
                       .reason = "approved by legal",
                       .result = "ok"};
};

TEST_F(AuditTest, AnEntryIsOneLineWithWhoWhatAndWhy) {
  Write(1);
  EXPECT_EQ(Text(),
            "{\"time\":\"2027-01-15T08:00:00.000Z\",\"uid\":1000,\"pid\":42,\"user\":\"ops\",\"command\":\"campaign "
            "start\",\"target\":\"march\",\"reason\":\"approved by legal\",\"result\":\"ok\",\"previous\":\"" +
                std::string(64, '0') + "\"}\n");
  struct stat about{};
  ASSERT_EQ(stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0600u);
}

TEST_F(AuditTest, TheChainGoesOnOverRestarts) {
  Write(3);
  Write(2);
  const auto lines = Audit::Verify(path_);
  ASSERT_TRUE(lines.ok()) << std::string(lines.status().message());
  EXPECT_EQ(*lines, 5u);
}

TEST_F(AuditTest, NoAddressIsWritten) {
  entry_.target = "pat@d1.test";
  entry_.reason = "asked by <sam@d2.test>, and\nby \"x y\"@d3.test";
  Write(1);
  EXPECT_THAT(Text(), Not(HasSubstr("d1.test")));
  EXPECT_THAT(Text(), Not(HasSubstr("d2.test")));
  EXPECT_THAT(Text(), Not(HasSubstr("d3.test")));
  EXPECT_THAT(Text(), HasSubstr("asked by [redacted], and"));
  EXPECT_THAT(Text(), Not(HasSubstr("x y")));
  const std::string text = Text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST_F(AuditTest, NoPartOfAnAddressIsWritten) {
  const std::pair<std::string, std::string> cases[] = {
      {"\"anna lee\"@d1.test", "[redacted]"},
      {"to <\"anna \\\"x\\\" lee\"@d1.test>", "to <[redacted]"},
      {"jane%40d1.test", "[redacted]"},
      {"o'brien@d1.test", "[redacted]"},
      {"\"a word\" and \"another", "\"a word\" and \"another"},
  };
  for (const auto& [reason, written] : cases) {
    std::filesystem::remove(path_);
    entry_.reason = reason;
    Write(1);
    EXPECT_EQ(nlohmann::json::parse(Text())["reason"], written);
  }
}

TEST_F(AuditTest, AFileThatIsRemovedOrReplacedIsNoticedUntilItIsBack) {
  const auto audit = Open();
  ASSERT_TRUE(audit.ok());
  ASSERT_TRUE((*audit)->Append(entry_).ok());
  const std::string whole = Text(), elsewhere = path_ + ".1";
  std::filesystem::rename(path_, elsewhere);
  const absl::Status removed = (*audit)->Append(entry_);
  EXPECT_EQ(removed.code(), absl::StatusCode::kUnavailable) << removed;
  EXPECT_THAT(std::string(removed.message()), HasSubstr("removed or replaced"));
  std::filesystem::copy_file(elsewhere, path_);
  EXPECT_FALSE((*audit)->Append(entry_).ok());
  EXPECT_EQ(Text(), whole);
  std::filesystem::rename(elsewhere, path_);
  EXPECT_TRUE((*audit)->Append(entry_).ok());
  const auto lines = Audit::Verify(path_);
  ASSERT_TRUE(lines.ok()) << std::string(lines.status().message());
  EXPECT_EQ(*lines, 2u);
}

TEST_F(AuditTest, AChangedARemovedOrAnAddedLineIsFound) {
  Write(4);
  const std::string whole = Text();
  std::string changed = whole;
  changed.replace(changed.find("march"), 5, "april");
  Replace(changed);
  EXPECT_THAT(std::string(Audit::Verify(path_).status().message()), HasSubstr("line 2 does not follow"));
  Replace(whole.substr(whole.find('\n') + 1));
  EXPECT_THAT(std::string(Audit::Verify(path_).status().message()), HasSubstr("line 1 does not follow"));
  Replace(whole.substr(0, whole.find('\n') + 1) + whole);
  EXPECT_FALSE(Audit::Verify(path_).ok());
  Replace(whole + "not an entry\n");
  EXPECT_FALSE(Audit::Verify(path_).ok());
  Replace(whole);
  EXPECT_TRUE(Audit::Verify(path_).ok());
}

TEST_F(AuditTest, AChangedLastLineStopsTheNextStart) {
  Write(3);
  std::string text = Text();
  text.replace(text.find("march", text.find("march") + 5), 5, "april");  // the second line, which the third one seals
  Replace(text);
  const auto audit = Open();
  ASSERT_FALSE(audit.ok());
  EXPECT_EQ(audit.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(audit.status().message()), HasSubstr("move it away"));
}

TEST_F(AuditTest, ATornLineIsKeptAndRecorded) {
  Write(2);
  const std::string whole = Text();
  const size_t last = whole.rfind('\n', whole.size() - 2) + 1;
  for (const size_t cut : {last + 1, last + 10, whole.size() - 2, whole.size() - 1}) {
    Replace(whole.substr(0, cut));
    Write(1);
    const std::string text = Text();
    EXPECT_THAT(text, testing::StartsWith(whole.substr(0, cut) + "\n")) << "nothing is cut";
    EXPECT_THAT(text, HasSubstr("\"audit recovered\""));
    EXPECT_THAT(text, HasSubstr("torn after " + std::to_string(cut - last) + " bytes"));
    const auto lines = Audit::Verify(path_);
    EXPECT_TRUE(lines.ok()) << std::string(lines.status().message());
    EXPECT_EQ(*lines, 4u);
  }
}

TEST_F(AuditTest, ZerosThatAPowerCutLeftAreATornLine) {
  Write(1);
  std::ofstream(path_, std::ios::binary | std::ios::app) << std::string(512, '\0');
  Write(1);
  EXPECT_TRUE(Audit::Verify(path_).ok());
  EXPECT_THAT(Text(), HasSubstr("torn after 512 bytes"));
}

TEST_F(AuditTest, AFileThatOthersCanReadIsRefused) {
  Write(1);
  ASSERT_EQ(chmod(path_.c_str(), 0640), 0);
  EXPECT_THAT(std::string(Open().status().message()), HasSubstr("chmod 0600"));
}

TEST_F(AuditTest, ASecondDaemonIsKeptOut) {
  const auto first = Open();
  ASSERT_TRUE(first.ok());
  EXPECT_THAT(std::string(Open().status().message()), HasSubstr("in use by another daemon"));
}

TEST_F(AuditTest, AfterAFailedWriteNothingIsAppendedAnyMore) {
  std::filesystem::create_symlink("/dev/full", path_);
  EXPECT_FALSE(Open().ok()) << "a link is not followed";
  std::filesystem::remove(path_);
  const auto audit = Open();
  ASSERT_TRUE(audit.ok());
  ASSERT_TRUE((*audit)->Append(entry_).ok());
  const rlimit before = [] {
    rlimit limit{};
    getrlimit(RLIMIT_FSIZE, &limit);
    return limit;
  }();
  signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {.rlim_cur = std::filesystem::file_size(path_) + 10, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_FALSE((*audit)->Append(entry_).ok());
  setrlimit(RLIMIT_FSIZE, &before);
  const absl::Status later = (*audit)->Append(entry_);
  EXPECT_THAT(std::string(later.message()), HasSubstr("cannot be written"));
}

// A disk of so many bytes, of which what is held is taken.
class SmallDisk {
 public:
  Audit::Disk disk() {
    return {.write = [this](int fd, const char* bytes, size_t size) { return Write(fd, bytes, size); },
            .sync = [this](int fd) { return broken ? (errno = EIO, -1) : fsync(fd); },
            .hold = [this](int, off_t offset, off_t bytes) { return Take(offset + bytes) ? 0 : -1; }};
  }

  off_t free = 1 << 30;
  bool holds = true;    // it has fallocate
  bool broken = false;  // a sync fails

 private:
  bool Take(off_t until) {
    if (!holds) return errno = EOPNOTSUPP, false;
    if (until - taken_ > free) return errno = ENOSPC, false;
    free -= std::max<off_t>(until - taken_, 0);
    taken_ = std::max(until, taken_);
    return true;
  }
  ssize_t Write(int fd, const char* bytes, size_t size) {
    const off_t end = lseek(fd, 0, SEEK_END);
    taken_ = holds ? std::max(taken_, end) : end;
    const off_t room = taken_ - end + free;
    if (room == 0) return errno = ENOSPC, -1;
    const ssize_t n = write(fd, bytes, std::min(size, static_cast<size_t>(room)));
    const off_t more = std::max<off_t>(end + n - taken_, 0);
    free -= more;
    taken_ += more;
    return n;
  }

  off_t taken_ = 0;
};

// Of the entries of commands that a full disk has refused.
TEST_F(AuditTest, AFullDiskTakesHundredsOfEntriesAndThenSaysBeforehandThatItTakesNoMore) {
  SmallDisk small;
  const auto audit = Open(small.disk());
  ASSERT_TRUE(audit.ok()) << audit.status();
  small.free = 0;
  int entries = 0;
  for (; (*audit)->CanAppend().ok() && entries < 5000; ++entries) ASSERT_TRUE((*audit)->Append(entry_).ok());
  EXPECT_GE(entries, 500);
  const absl::Status full = (*audit)->CanAppend();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
  EXPECT_THAT(std::string(full.message()), HasSubstr("no command that needs an entry is done"));
  // The last of it is for whoever was told before that it can.
  AuditEntry longest = entry_;
  longest.user = longest.command = longest.target = longest.reason = longest.result = std::string(2'000, '\1');
  EXPECT_TRUE((*audit)->Append(longest).ok());
  small.free = 1 << 20;
  EXPECT_TRUE((*audit)->CanAppend().ok());
  small.free = 0;
  EXPECT_TRUE((*audit)->CanAppend().ok()) << "it was held while there was room";
  const auto lines = Audit::Verify(path_);
  ASSERT_TRUE(lines.ok()) << std::string(lines.status().message());
  EXPECT_EQ(*lines, static_cast<uint64_t>(entries) + 1);
}

TEST_F(AuditTest, RoomIsHeldBeyondTheEndOfTheFile) {
  const auto audit = Open();
  ASSERT_TRUE(audit.ok());
  ASSERT_TRUE((*audit)->Append(entry_).ok());
  struct stat about{};
  ASSERT_EQ(stat(path_.c_str(), &about), 0);
  EXPECT_EQ(static_cast<size_t>(about.st_size), Text().size());
  EXPECT_GE(about.st_blocks * 512, 128 << 10);
}

TEST_F(AuditTest, AWriteThatFindsNoRoomFailsAloneAndLeavesTheChainWhole) {
  SmallDisk small{};
  small.holds = false;
  const auto audit = Open(small.disk());
  ASSERT_TRUE(audit.ok()) << audit.status();
  ASSERT_TRUE((*audit)->Append(entry_).ok());
  const std::string whole = Text();
  for (const off_t left : {0, 10, 200}) {
    small.free = left;
    const absl::Status full = (*audit)->Append(entry_);
    EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted) << full;
    EXPECT_EQ(Text(), whole) << "what was acknowledged stays, and nothing else";
  }
  small.free = 1 << 20;
  EXPECT_TRUE((*audit)->Append(entry_).ok());
  const auto lines = Audit::Verify(path_);
  ASSERT_TRUE(lines.ok()) << std::string(lines.status().message());
  EXPECT_EQ(*lines, 2u);
}

TEST_F(AuditTest, ATornLineOnAFullDiskIsEndedAsSoonAsThereIsRoom) {
  Write(2);
  const std::string torn = Text() + "{\"time\":";
  Replace(torn);
  for (const bool holds : {true, false}) {
    Replace(torn);
    SmallDisk small;
    small.free = 20;
    small.holds = holds;
    const auto audit = Open(small.disk());
    ASSERT_TRUE(audit.ok()) << audit.status();
    EXPECT_EQ((*audit)->CanAppend().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_FALSE((*audit)->Append(entry_).ok());
    EXPECT_EQ(Text(), torn);
    small.free = 1 << 20;
    EXPECT_TRUE((*audit)->CanAppend().ok());
    EXPECT_THAT(Text(), testing::AllOf(testing::StartsWith(torn + "\n"), HasSubstr("torn after 8 bytes")));
    EXPECT_TRUE((*audit)->Append(entry_).ok());
    const auto lines = Audit::Verify(path_);
    ASSERT_TRUE(lines.ok()) << std::string(lines.status().message());
    EXPECT_EQ(*lines, 5u);
  }
}

TEST_F(AuditTest, AfterAFailedSyncNothingIsAppendedAnyMore) {
  SmallDisk small;
  const auto audit = Open(small.disk());
  ASSERT_TRUE(audit.ok());
  small.broken = true;
  EXPECT_FALSE((*audit)->Append(entry_).ok());
  small.broken = false;
  EXPECT_EQ((*audit)->Append(entry_).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ((*audit)->CanAppend().code(), absl::StatusCode::kUnavailable);
}

TEST_F(AuditTest, ThreadsAppendWholeLines) {
  {
    const auto audit = Open();
    ASSERT_TRUE(audit.ok());
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 25; ++n) EXPECT_TRUE((*audit)->Append(entry_).ok());
      });
    }
  }
  const auto lines = Audit::Verify(path_);
  ASSERT_TRUE(lines.ok()) << std::string(lines.status().message());
  EXPECT_EQ(*lines, 100u);
}

}  // namespace
}  // namespace sealift::engine
