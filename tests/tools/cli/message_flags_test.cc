#include "tools/sealift/message_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tools/sealift/command_line.h"
#include "tools/sealift/failure.h"

namespace sealift::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class MessageFlagsTest : public ::testing::Test {
 protected:
  MessageFlagsTest()
      : folder_(std::filesystem::path(testing::TempDir()) /
                testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::create_directories(folder_);
  }
  ~MessageFlagsTest() override { std::filesystem::remove_all(folder_); }

  std::string File(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return folder_ / name;
  }
  static absl::StatusOr<std::string> Message(std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"campaign", "load", "spring", "--stream", "s", "--recipients", "r.csv"});
    const absl::StatusOr<Invocation> call = ParseCommandLine(flags);
    if (!call.ok()) return call.status();
    return MessageOf(*call);
  }
  static Failure Refused(std::vector<std::string> flags) {
    const absl::StatusOr<std::string> message = Message(std::move(flags));
    EXPECT_FALSE(message.ok());
    return FailureOf(message.status());
  }

  const std::filesystem::path folder_;
};

TEST_F(MessageFlagsTest, ATemplateIsTheFileAsItIs) {
  EXPECT_EQ(*Message({"--template", File("a.eml", "From: x\r\n\r\n\xFFy")}), "From: x\r\n\r\n\xFFy");
}

TEST_F(MessageFlagsTest, PartsBecomeOneMessage) {
  const absl::StatusOr<std::string> message =
      Message({"--from", "Clinic <news@example.com>", "--subject", "Hello {{name}}", "--text", File("a.txt", "plain"),
               "--html", File("a.html", "<p>html</p>"), "--attach", File("a.pdf", "one"), "--attach",
               File("b\xC3\xBC"
                    "cher.txt",
                    "two")});
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_THAT(*message,
              AllOf(HasSubstr("From: Clinic <news@example.com>\nSubject: Hello {{name}}\n"),
                    HasSubstr("multipart/mixed"), HasSubstr("multipart/alternative"), HasSubstr("\n\nplain\n"),
                    HasSubstr("\n\n<p>html</p>\n"), HasSubstr("filename=a.pdf"), HasSubstr("\n\nb25l\n"),
                    HasSubstr("filename*=utf-8''b%C3%BCcher.txt"), HasSubstr("\n\ndHdv\n")));
}

TEST_F(MessageFlagsTest, WhatIsNoMessageOrTwoIsAUsageError) {
  const std::string file = File("a.txt", "x");
  EXPECT_THAT(Refused({}).what, HasSubstr("campaign load: there is no message"));
  EXPECT_THAT(Refused({"--template", file, "--subject", "x"}).what, HasSubstr("two messages"));
  EXPECT_THAT(Refused({"--template", file, "--attach", file}).what, HasSubstr("two messages"));
  EXPECT_THAT(Refused({"--subject", "x", "--text", file}).what, HasSubstr("--from is missing"));
  EXPECT_THAT(Refused({"--from", "a@d1.test", "--html", file}).what, HasSubstr("--subject is missing"));
  EXPECT_THAT(Refused({"--from", "a@d1.test", "--subject", "x"}).what, HasSubstr("--text or --html is missing"));
  EXPECT_THAT(Refused({"--from", "a@d1.test", "--subject", "x", "--attach", file}).next, HasSubstr("--template FILE"));
}

TEST_F(MessageFlagsTest, WhatIsWrongInAPartIsSaid) {
  const std::string file = File("a.txt", "x");
  EXPECT_THAT(Refused({"--from", "a@d1.test", "--subject", "x\nBcc: y", "--text", file}).why,
              HasSubstr("the subject has a line end"));
  EXPECT_THAT(Refused({"--from", "a@d1.test", "--subject", "x", "--html", File("b.html", "caf\xE9")}).why,
              HasSubstr("the HTML is not UTF-8"));
  const Failure absent = Refused({"--from", "a@d1.test", "--subject", "x", "--text", folder_ / "none"});
  EXPECT_THAT(absent.what, HasSubstr("--text"));
  EXPECT_THAT(absent.where, HasSubstr("none"));
}

}  // namespace
}  // namespace sealift::tools
