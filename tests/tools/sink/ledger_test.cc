#include "tools/sink/ledger.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tools/sink/script_reader.h"

namespace sealift::tools::sink {
namespace {

std::string ReadAll(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

class LedgerTest : public ::testing::Test {
 protected:
  LedgerTest() {
    std::string folder = ::testing::TempDir() + "/ledger_XXXXXX";
    folder_ = mkdtemp(folder.data());
  }
  ~LedgerTest() override { std::filesystem::remove_all(folder_); }

  Arrival Message(std::string_view text) {
    return {.time = absl::FromUnixMicros(1'800'000'000'000'042),
            .server = &server_,
            .mailboxes = mailboxes_,
            .kept = text,
            .bytes = text.size(),
            .tls = true,
            .source = "127.0.0.9"};
  }

  std::filesystem::path folder_;
  const Script script_ = *ReadScript(kCatchAllScript, "s");
  Judge judge_{script_.providers[0], 1, absl::UnixEpoch()};
  const Server server_{script_, 0, script_.providers[0].hosts[0], judge_, nullptr};
  const std::vector<std::string> mailboxes_ = {"a@d1.test", "b@d1.test"};
};

TEST_F(LedgerTest, ARecipientIsALineAndAMessageAFile) {
  const absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.file = folder_ / "l", .folder = folder_ / "m"});
  ASSERT_TRUE(ledger.ok());
  Ledger::Pen pen(**ledger);
  pen.Receive(Message("Subject: x\r\nmessage-id:  <1@s.test>\r\n\r\nMessage-ID: no\r\n"));
  EXPECT_EQ(ReadAll(folder_ / "l"), "");  // at the end of the turn
  pen.Flush();
  const std::string tail = "\t<1@s.test>\t55\t1\t127.0.0.9\t00000001.eml\n";
  EXPECT_EQ(ReadAll(folder_ / "l"),
            "1800000000.000042\tall\ta@d1.test" + tail + "1800000000.000042\tall\tb@d1.test" + tail);
  EXPECT_EQ(ReadAll(folder_ / "m" / "00000001.eml").size(), 55u);
  EXPECT_EQ((*ledger)->messages(), 1u);
}

TEST_F(LedgerTest, AHeaderCannotShiftTheColumns) {
  const absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.file = folder_ / "l"});
  Ledger::Pen pen(**ledger);
  pen.Receive(Message("Message-ID: <a\tb\x01>\r\n\r\n"));
  pen.Flush();
  EXPECT_NE(ReadAll(folder_ / "l").find("\t<a b >\t"), std::string::npos);
}

TEST_F(LedgerTest, TheCountIsReportedOnce) {
  int reported = 0;
  const absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.count = 2, .on_count = [&] { ++reported; }});
  Ledger::Pen pen(**ledger);
  EXPECT_EQ(pen.keep(), BodyScanner::Keep::kNothing);
  for (int i = 0; i < 4; ++i) {
    pen.Receive(Message(""));
    pen.Flush();
    EXPECT_EQ(reported, i >= 1 ? 1 : 0) << i;
  }
}

TEST_F(LedgerTest, AFileThatCannotBeMadeIsNamed) {
  const absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open({.file = "/nonexistent/ledger"});
  ASSERT_FALSE(ledger.ok());
  EXPECT_NE(std::string(ledger.status().message()).find("/nonexistent/ledger: cannot write the ledger"),
            std::string::npos);
}

TEST(FindHeaderTest, OnlyTheHeaderIsLookedAt) {
  EXPECT_EQ(FindHeader("A: 1\r\nMessage-Id: <x>\r\n\r\n", "MESSAGE-ID"), "<x>");
  EXPECT_EQ(FindHeader("A: 1\r\n\r\nMessage-Id: <x>\r\n", "MESSAGE-ID"), "");
  EXPECT_EQ(FindHeader("Message-Id:", "MESSAGE-ID"), "");
  EXPECT_EQ(FindHeader("", "MESSAGE-ID"), "");
}

}  // namespace
}  // namespace sealift::tools::sink
