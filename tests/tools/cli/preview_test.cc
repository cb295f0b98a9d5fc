// campaign preview of files, which needs no daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tools/sealift/command_line.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PreviewTest : public ::testing::Test {
 public:
  ~PreviewTest() override { std::filesystem::remove_all(folder_); }

 protected:
  PreviewTest()
      : folder_(std::filesystem::path(testing::TempDir()) /
                testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::create_directories(folder_);
  }

  std::string File(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return folder_ / name;
  }
  CommandResult Preview(const std::string& people, const std::vector<std::string>& flags = {}) {
    std::vector<std::string> words = {
        "campaign",     "preview",
        "--template",   File("letter.eml", "From: a@d1.test\nSubject: {{name}}\n\nHello {{name}}\n"),
        "--recipients", File("people.csv", people)};
    words.insert(words.end(), flags.begin(), flags.end());
    const absl::StatusOr<Invocation> call = ParseCommandLine(words);
    if (!call.ok()) return call.status();
    std::istringstream in;
    Console console(out_, err_, in, {});
    return RunCampaignPreview(*call, console);
  }
  Failure Refused(const std::string& people, const std::vector<std::string>& flags = {}) {
    const CommandResult result = Preview(people, flags);
    EXPECT_FALSE(result.ok());
    return FailureOf(result.status());
  }

  const std::filesystem::path folder_;
  std::ostringstream out_, err_;
};

TEST_F(PreviewTest, ARowGetsItsMessage) {
  ASSERT_TRUE(Preview("email,name\njane@d1.test,Jane\njoe@d1.test,Joe\n", {"--row", "2"}).ok());
  EXPECT_THAT(out_.str(), HasSubstr("To: joe@d1.test\r\n"));
  EXPECT_THAT(out_.str(), HasSubstr("\r\n\r\nHello Joe\r\n"));
  EXPECT_THAT(err_.str(), IsEmpty());
}

TEST_F(PreviewTest, ARefusalSaysWhereAndWhatNext) {
  const Failure row = Refused("email,name\njane@d1.test,\"a\nb\"\njoe@d1.test,\"a\nb\"\n", {"--row", "2"});
  EXPECT_THAT(row.where, HasSubstr("people.csv:4"));
  EXPECT_THAT(row.next, HasSubstr("another number"));
  EXPECT_THAT(Refused("email,nam\njane@d1.test,Jane\n").next, HasSubstr("a load would be refused"));
  EXPECT_THAT(Refused("email;name\njane@d1.test;Jane\n").why, HasSubstr("semicolons"));
}

TEST_F(PreviewTest, ADefaultThatNoTagAsksForIsTold) {
  ASSERT_TRUE(Preview("email,name\njane@d1.test,\n", {"--default", "name=you", "--default", "nam=me"}).ok());
  EXPECT_THAT(out_.str(), HasSubstr("Hello you"));
  EXPECT_THAT(err_.str(), HasSubstr("--default nam stands in for nothing"));
}

}  // namespace
}  // namespace sealift::tools
