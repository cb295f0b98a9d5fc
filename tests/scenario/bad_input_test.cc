// What an operator gets wrong is answered with what, where, why and what next, with the contract's exit code, and loses
// nothing.
#include <gmock/gmock.h>

#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class BadInputTest : public World {
 protected:
  // Runs `config check` and a start of the daemon on the same mistake; both must refuse it with these words.
  void ExpectRefused(const testing::Matcher<const std::string&>& words) {
    WriteConfig();
    const Answer check = SealiftPlain({"config", "check"});
    EXPECT_EQ(check.exit_code, 78) << check.Describe();
    EXPECT_THAT(check.out + check.err, words);
    const Ran start = RunCommand({OurProgram("sealiftd"), "--config", config_file});
    EXPECT_EQ(start.exit_code, 78) << start.err;
    EXPECT_THAT(start.err, words);
  }
};

TEST_F(BadInputTest, AnUnknownKeyIsRefusedWithItsPlaceAndASuggestion) {
  settings.node = "hostnam = \"a.test\"";
  ExpectRefused(AllOf(HasSubstr("sealift.toml:6:"), HasSubstr("hostnam"), HasSubstr("hostname")));
}

TEST_F(BadInputTest, ADuplicateSourceNameIsRefused) {
  settings.tables = "[[source]]\nname = \"ip1\"\naddress = \"" + net.Address(4) + "\"\n";
  ExpectRefused(AllOf(HasSubstr("ip1"), HasSubstr("sealift.toml:")));
}

TEST_F(BadInputTest, ABadRateIsRefused) {
  settings.source = "rate = \"fast\"";
  ExpectRefused(AllOf(HasSubstr("rate"), HasSubstr("fast"), HasSubstr("sealift.toml:")));
}

TEST_F(BadInputTest, AStreamWhosePoolIsMissingIsRefused) {
  settings.tables = "[[stream]]\nname = \"other\"\npool = \"nowhere\"\n";
  ExpectRefused(AllOf(HasSubstr("nowhere"), HasSubstr("sealift.toml:")));
}

TEST_F(BadInputTest, WithoutADaemonTheAnswerSaysSo) {
  WriteConfig();
  const Answer answer = Sealift({"campaign", "list"});
  EXPECT_EQ(answer.exit_code, 69) << answer.Describe();
  EXPECT_THAT(answer.out + answer.err, HasSubstr("sealiftd"));
}

TEST_F(BadInputTest, ASecondDaemonOnTheSameDataIsRefusedAndTheFirstGoesOn) {
  StartDaemon();
  settings.http_listen = net.Address(4, 9625);
  WriteConfig();
  const Ran second = RunCommand({OurProgram("sealiftd"), "--config", config_file});
  EXPECT_EQ(second.exit_code, 75) << second.err;
  EXPECT_THAT(second.err, HasSubstr(settings.data_dir));
  EXPECT_EQ(Sealift({"campaign", "list"}).exit_code, 0);
  StopDaemon();
}

TEST_F(BadInputTest, ADataDirectoryThatOthersCanReadIsRefused) {
  std::filesystem::permissions(settings.data_dir, std::filesystem::perms(0755));
  WriteConfig();
  const Ran start = RunCommand({OurProgram("sealiftd"), "--config", config_file});
  EXPECT_NE(start.exit_code, 0);
  EXPECT_THAT(start.err, AllOf(HasSubstr(settings.data_dir), HasSubstr("chmod")));
}

TEST_F(BadInputTest, AKeyThatOthersCanReadIsRefused) {
  std::filesystem::permissions(settings.kek_file, std::filesystem::perms(0644));
  WriteConfig();
  const Ran start = RunCommand({OurProgram("sealiftd"), "--config", config_file});
  EXPECT_NE(start.exit_code, 0);
  EXPECT_THAT(start.err, HasSubstr(settings.kek_file));
}

TEST_F(BadInputTest, AFileWithoutAnEmailColumnLoadsNothing) {
  StartDaemon();
  const std::string people = dir.Write("people.csv", "name,city\nAnn,Bonn\n");
  const Answer load =
      Sealift({"campaign", "load", "spring", "--stream", "news", "--template", Template(), "--recipients", people});
  EXPECT_EQ(load.exit_code, 65) << load.Describe();
  EXPECT_THAT(load.out + load.err, HasSubstr("email"));
  StopDaemon();
}

TEST_F(BadInputTest, ATemplateThatNamesAMissingColumnLoadsNothing) {
  StartDaemon();
  const std::string letter =
      dir.Write("letter.eml", "From: a@sender.test\nTo: {{email}}\nSubject: x\n\nDear {{surname}}\n");
  const Answer load = Sealift({"campaign", "load", "spring", "--stream", "news", "--template", letter, "--recipients",
                               Recipients(3, Domains(1))});
  EXPECT_EQ(load.exit_code, 65) << load.Describe();
  EXPECT_THAT(load.out + load.err, HasSubstr("surname"));
  // Nothing was taken under the name: the mended files load whole.
  EXPECT_EQ(Load("spring", Template(), Recipients(3, Domains(1))).json["accepted"].Number(), 3);
  StopDaemon();
}

TEST_F(BadInputTest, ABadRowIsRejectedWithLineAndReasonAndTheRestGoesOn) {
  StartDaemon();
  const std::string people = dir.Write("people.csv",
                                       "email,name,city\n"
                                       "ann@d1.test,Ann,Bonn\n"
                                       "not an address,Bob,Bonn\n"
                                       "carl@d1.test,Carl,Bonn\n"
                                       "dora@d1.test,Dora\n"
                                       "ann@d1.test,Ann,Bonn\n");
  const std::string rejects = dir.path() / "rejects.csv";
  const Answer load = Sealift({"campaign", "load", "spring", "--stream", "news", "--template", Template(),
                               "--recipients", people, "--rejects", rejects});
  EXPECT_EQ(load.exit_code, 3) << load.Describe();
  EXPECT_EQ(load.json["accepted"].Number(), 2) << load.Describe();
  EXPECT_EQ(load.json["rejected"].Number(), 2) << load.Describe();
  EXPECT_EQ(load.json["duplicates"].Number(), 1) << load.Describe();
  const std::string list = ReadFile(rejects);
  EXPECT_THAT(list, HasSubstr("\n3,"));
  EXPECT_THAT(list, HasSubstr("\n5,"));
  EXPECT_THAT(list, AllOf(Not(HasSubstr("not an address")), Not(HasSubstr("dora")))) << "no cell's value";
  EXPECT_EQ(std::filesystem::status(rejects).permissions(), std::filesystem::perms(0600));
  StopDaemon();
}

TEST_F(BadInputTest, ANameThatHoldsOtherContentIsRefusedAndStaysAsItWas) {
  StartDaemon();
  Load("spring", Template(), Recipients(10, Domains(2)));
  const std::string other = Recipients(12, Domains(2), "other.csv");
  const Answer load =
      Sealift({"campaign", "load", "spring", "--stream", "news", "--template", Template(), "--recipients", other});
  EXPECT_EQ(load.exit_code, 73) << load.Describe();
  EXPECT_THAT(load.out + load.err, HasSubstr("spring"));
  EXPECT_EQ(Show("spring")["loaded"].Number(), 10);
  StopDaemon();
}

TEST_F(BadInputTest, WhatIsNotThereIsSaid) {
  StartDaemon();
  EXPECT_EQ(Sealift({"campaign", "show", "nothing"}).exit_code, 66);
  EXPECT_EQ(Sealift({"campaign", "strat", "spring"}).exit_code, 64);
  EXPECT_EQ(Sealift({"queue", "shape"}).exit_code, 64) << "no filter is an error";
  const Answer load = Sealift({"campaign", "load", "spring", "--stream", "nope", "--template", Template(),
                               "--recipients", Recipients(1, Domains(1))});
  EXPECT_NE(load.exit_code, 0);
  EXPECT_THAT(load.out + load.err, AllOf(HasSubstr("nope"), HasSubstr("news")));
  const Answer file = Sealift({"campaign", "load", "spring", "--stream", "news", "--template", "/nowhere/t.eml",
                               "--recipients", Recipients(1, Domains(1))});
  EXPECT_EQ(file.exit_code, 66) << file.Describe();
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
