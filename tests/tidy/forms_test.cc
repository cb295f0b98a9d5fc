#include "tests/tidy/forms.h"

#include <gtest/gtest.h>

#include <string>

namespace sealift::tidy {
namespace {

std::vector<Finding> Check(const std::string& path, const std::string& text) {
  return CheckForms(FromText(path, text));
}

TEST(FormsTest, ANoteToOneselfIsFound) {
  EXPECT_EQ(Check("queue/a.cc", std::string("// TO") + "DO: later\n").size(), 1u);
  EXPECT_EQ(Check("queue/a.cc", std::string("int x;  // FIX") + "ME\n").size(), 1u);
  EXPECT_EQ(Check("queue/a.cc", std::string("// good enough for ") + "now\n").size(), 1u);
}

TEST(FormsTest, CodeKeptAsACommentIsFound) {
  EXPECT_EQ(Check("queue/a.cc", "  // return Status();\n").size(), 1u);
  EXPECT_EQ(Check("queue/a.cc", "  // if (closed_) {\n").size(), 1u);
  EXPECT_EQ(Check("queue/a.cc", "  // std::lock_guard lock(mutex_);\n").size(), 1u);
}

TEST(FormsTest, ASentenceIsNotCode) {
  EXPECT_EQ(Check("queue/a.cc", "// Returns what was there; nothing is changed.\n").size(), 0u);
  EXPECT_EQ(Check("queue/a.cc", "// if the ring sleeps, it is woken;\n").size(), 0u);
}

TEST(FormsTest, AnExampleInAManualIsNotCodeKeptAsAComment) {
  EXPECT_EQ(Check("queue/a.cc", "//   const Reply reply = co_await Command(mail);\n").size(), 0u);
}

TEST(FormsTest, ATestThatSleepsIsFound) {
  EXPECT_EQ(Check("tests/queue/a_test.cc", std::string("std::this_thread::sleep") + "_for(1s);\n").size(), 1u);
  EXPECT_EQ(Check("queue/a.cc", std::string("std::this_thread::sleep") + "_for(1s);\n").size(), 0u);
}

TEST(FormsTest, ATypeNameThatSaysNothingIsFound) {
  EXPECT_EQ(Check("queue/a.cc", "class QueueManager {\n").size(), 1u);
  EXPECT_EQ(Check("queue/a.cc", "struct ReplyHelper final : Base {\n").size(), 1u);
  EXPECT_EQ(Check("queue/a.cc", "class Store {\n").size(), 0u);
  EXPECT_EQ(Check("queue/a.cc", "struct sockaddr_storage addr;\n").size(), 0u);
}

TEST(FormsTest, AHeaderWithoutAGuardIsFound) {
  EXPECT_EQ(Check("queue/a.h", "class Store;\n").size(), 1u);
  EXPECT_EQ(Check("queue/a.h", "#pragma once\nclass Store;\n").size(), 0u);
}

TEST(FormsTest, ABuildFileSaysWhatItsFolderOwnsAndMustNotKnow) {
  EXPECT_EQ(CheckBuildFile(FromText("queue/CMakeLists.txt", "add_library(x)\n")).size(), 1u);
  EXPECT_EQ(CheckBuildFile(FromText("queue/CMakeLists.txt", "# It owns rows.\nadd_library(x)\n")).size(), 1u);
  EXPECT_EQ(CheckBuildFile(FromText("queue/CMakeLists.txt", "# It owns rows.\n# It must not know a shard.\n")).size(),
            0u);
}

}  // namespace
}  // namespace sealift::tidy
