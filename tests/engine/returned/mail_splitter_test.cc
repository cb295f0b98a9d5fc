#include "engine/returned/mail_splitter.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Split(std::string_view text, size_t piece, size_t bytes_max = 1000) {
  std::vector<std::string> mails;
  MailSplitter splitter(bytes_max, [&](std::string_view mail) { mails.emplace_back(mail); });
  for (size_t at = 0; at < text.size(); at += piece) splitter.Add(text.substr(at, piece));
  splitter.Finish();
  EXPECT_EQ(splitter.mails(), mails.size());
  return mails;
}

TEST(MailSplitterTest, OneMailIsOneHoweverItArrives) {
  const std::string mail = "Subject: a\r\n\r\nFrom here on it is text.\r\n\r\nFrom this too.\r\n";
  for (const size_t piece : {1u, 7u, 4096u}) EXPECT_THAT(Split(mail, piece), ElementsAre(mail));
  EXPECT_THAT(Split("no line end", 3), ElementsAre("no line end"));
}

TEST(MailSplitterTest, AnMboxIsTakenApartAtItsFromLines) {
  const std::string mbox =
      "From a@d1.test Mon Jan  1 00:00:00 2024\nSubject: a\n\none\nFrom the middle of a text\n\n"
      "From MAILER-DAEMON Mon Jan  1 00:00:00 2024\nSubject: b\n\ntwo\n";
  for (const size_t piece : {1u, 7u, 4096u}) {
    EXPECT_THAT(Split(mbox, piece),
                ElementsAre("Subject: a\n\none\nFrom the middle of a text\n\n", "Subject: b\n\ntwo\n"));
  }
}

TEST(MailSplitterTest, NothingIsNoMail) {
  EXPECT_THAT(Split("", 1), IsEmpty());
  EXPECT_THAT(Split("From a@d1.test Mon Jan  1 00:00:00 2024\n", 5), ElementsAre("")) << "an empty one";
}

TEST(MailSplitterTest, WhatIsBeyondTheLimitIsPassedOver) {
  const std::string mbox =
      "From a\nSubject: a\n\n" + std::string(5000, 'x') + "\n" + std::string(5000, 'y') + "\n\nFrom b\nSubject: b\n\n";
  for (const size_t piece : {1u, 600u, 100'000u}) {
    const std::vector<std::string> mails = Split(mbox, piece, 100);
    ASSERT_EQ(mails.size(), 2u);
    EXPECT_EQ(mails[0], "Subject: a\n\n" + std::string(88, 'x'));
    EXPECT_EQ(mails[1], "Subject: b\n\n");
  }
}

}  // namespace
}  // namespace sealift::engine
