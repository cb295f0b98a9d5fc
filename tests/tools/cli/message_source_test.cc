#include "tools/sealift/message_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tools/sealift/failure.h"
#include "tools/sealift/run.h"

namespace sealift::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// The messages of frames; they must be whole.
std::vector<std::string> Unframed(std::string_view frames) {
  std::vector<std::string> messages;
  std::string message;
  while (frames.size() >= 4) {
    uint32_t length = 0;
    for (const char c : frames.substr(0, 4)) length = length << 8 | static_cast<uint8_t>(c);
    frames.remove_prefix(4);
    if (length == 0) {
      messages.push_back(std::exchange(message, {}));
      continue;
    }
    EXPECT_LE(length, frames.size());
    message += frames.substr(0, length);
    frames.remove_prefix(length);
  }
  EXPECT_THAT(frames, IsEmpty());
  EXPECT_THAT(message, IsEmpty()) << "its end is missing";
  return messages;
}

std::string Split(std::string_view mbox, size_t step) {
  MessageFrames frames;
  MboxSplitter splitter(frames);
  for (size_t at = 0; at < mbox.size(); at += step) {
    const absl::Status added = splitter.Add(mbox.substr(at, step));
    if (!added.ok()) return std::string(added.message());
  }
  EXPECT_TRUE(splitter.Finish().ok());
  return frames.ready();
}

TEST(MboxSplitterTest, MessagesAreFoundAndUnquotedHoweverTheBytesCome) {
  const std::string mbox =
      "From a@s.test Mon Jan  1 00:00:00 2024\nSubject: one\n\n>From here\n>>From there\n> From\n>Fromage\n\n\n"
      "From b@s.test Mon Jan  1 00:00:00 2024\r\nSubject: two\r\n\r\nbody\r\n\r\n"
      "From c Mon Jan  1 00:00:00 2024\nSubject: three\n\nno last line end";
  const std::string whole = Split(mbox, mbox.size());
  EXPECT_THAT(Unframed(whole), ElementsAre("Subject: one\n\nFrom here\n>From there\n> From\n>Fromage\n\n",
                                           "Subject: two\r\n\r\nbody\r\n", "Subject: three\n\nno last line end"));
  for (const size_t step : {size_t{1}, size_t{2}, size_t{7}}) {
    EXPECT_EQ(Split(mbox, step), whole) << "the same input must be the same bytes";
  }
}

TEST(MboxSplitterTest, TextThatBeginsWithFromIsTheMessages) {
  const std::string text =
      "Subject: one\n\nFrom now on\nFrom here Mon Jan 1 at noon\n\nFrom Anna, 2024\nFrom b@s.test\n"
      "From: x\nFrom Tue Feb 3 10:00 24\n";
  EXPECT_THAT(Unframed(Split("From a@s.test Mon Jan  1 00:00:00 2024\n" + text, 100)), ElementsAre(text));
}

TEST(MboxSplitterTest, FromLinesOfEveryWriterBeginAMessage) {
  for (const std::string_view from :
       {"From b@s.test Mon Jan  1 00:00:00 2024", "From - Tue Feb 13 01:02:03 2024", "From b@s.test",
        "From MAILER-DAEMON Wed Dec 31 23:59 1999", "From 123@xxx Fri Mar 11 22:28:36 +0000 2016",
        "From b@s.test  Sat Mar  2 22:28:36 2016 +0100", "From 0a1b2c Mon Sep 17 00:00:00 2001",
        "From b@s.test Mon Jan  1 00:00:00 2024 remote from host"}) {
    EXPECT_THAT(Unframed(Split("From a@s.test\nx\n\n" + std::string(from) + "\r\ny\n", 100)), ElementsAre("x\n", "y\n"))
        << from;
  }
}

TEST(MboxSplitterTest, WhatMayBeOneMessageOrTwoIsRefusedWithItsLine) {
  EXPECT_THAT(Split("From a@s.test\nx\nFrom b@s.test Mon Jan  1 00:00:00 2024\ny\n", 100),
              HasSubstr("line 3 looks like the begin of a message, and no empty line stands before it"));
}

TEST(MboxSplitterTest, AFileThatIsNoMboxIsRefused) {
  for (const std::string_view file : {"Subject: one\n\nbody\n", "From x\n", "\nFrom a@s.test\n", "From \n"}) {
    EXPECT_THAT(Split(file, 100), HasSubstr("its first line is no From_ line")) << file;
  }
}

TEST(MboxSplitterTest, ALineOfAnyLengthIsPassedOn) {
  const std::string line(300'000, 'x');
  EXPECT_THAT(Unframed(Split("From a@s.test\n" + line + "From b@s.test\n" + line, 1000)),
              ElementsAre(line + "From b@s.test\n" + line));
}

class MessageSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path().string() + "/sealift-cli-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name, std::ios::binary) << text;
  }

  static std::string ReadAll(MessageSource& source) {
    std::string all, piece;
    for (;;) {
      const absl::StatusOr<bool> more = source.Read(&piece, 1000);
      EXPECT_TRUE(more.ok()) << more.status();
      if (!more.ok() || !*more) return all;
      all += piece;
    }
  }

  int RunWords(const std::vector<std::string>& words) {
    err_.str("");
    std::istringstream in;
    std::ostringstream out;
    Console console(out, err_, in, {});
    return RunSealift(words, console);
  }

  std::string directory_;
  std::ostringstream err_;
};

TEST_F(MessageSourceTest, ADirectoryIsItsRegularEmlFilesByName) {
  Write("b.eml", "two");
  Write("a.EML", "one");
  Write("c.eml", "");
  Write("notes.txt", "not a message");
  Write(".hidden.eml", "not meant");
  std::filesystem::create_directory(directory_ + "/d.eml");
  MessageSource source(directory_);
  ASSERT_TRUE(source.Open().ok());
  EXPECT_THAT(Unframed(ReadAll(source)), ElementsAre("one", "two", ""));
  EXPECT_EQ(source.NameOf(1), "a.EML");
  EXPECT_EQ(source.NameOf(3), "c.eml");
  EXPECT_EQ(source.NameOf(4), "");
}

TEST_F(MessageSourceTest, ALinkAmongTheMessagesIsRefusedByItsName) {
  Write("a.eml", "one");
  Write("secret", "another's");
  std::filesystem::create_symlink(directory_ + "/secret", directory_ + "/e.eml");
  MessageSource source(directory_);
  EXPECT_EQ(FailureOf(source.Open()).where, directory_ + "/e.eml");
}

TEST_F(MessageSourceTest, AnMboxIsItsMessages) {
  Write("all.mbox", "From a@s.test\none\n\nFrom b@s.test\ntwo\n");
  MessageSource source(directory_ + "/all.mbox");
  ASSERT_TRUE(source.Open().ok());
  EXPECT_THAT(Unframed(ReadAll(source)), ElementsAre("one\n", "two\n"));
  EXPECT_EQ(source.NameOf(1), "");
}

TEST_F(MessageSourceTest, AMessageOfMegabytesComesInPieces) {
  Write("large.eml", std::string(3 << 20, 'x'));
  MessageSource source(directory_);
  ASSERT_TRUE(source.Open().ok());
  std::string piece;
  ASSERT_TRUE(*source.Read(&piece, 64 << 10));
  EXPECT_LT(piece.size(), size_t{1} << 20);
  EXPECT_EQ(Unframed(piece + ReadAll(source)).at(0).size(), size_t{3} << 20);
}

TEST_F(MessageSourceTest, WhatCannotBeLoadedIsSaidBeforeADaemonIsAsked) {
  const std::vector<std::string> load = {"campaign", "load", "x", "--stream", "news"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), load.begin(), load.end());
    return more;
  };
  EXPECT_EQ(RunWords(with({"--messages", directory_})), 66);
  EXPECT_THAT(err_.str(), HasSubstr("has no messages"));
  EXPECT_EQ(RunWords(with({"--messages", directory_ + "/nothing"})), 66);
  EXPECT_EQ(RunWords(with({"--messages", directory_, "--template", "x.eml"})), 64);
  EXPECT_THAT(err_.str(), HasSubstr("--messages and --template exclude each other"));
  EXPECT_EQ(RunWords(with({"--messages", directory_, "--require", "a=b"})), 64);
  EXPECT_EQ(RunWords(with({"--template", "x.eml"})), 64);
  EXPECT_THAT(err_.str(), HasSubstr("--recipients is missing"));
  EXPECT_EQ(RunWords(load), 64);
  EXPECT_THAT(err_.str(), HasSubstr("there is nothing to load"));
}

}  // namespace
}  // namespace sealift::tools
