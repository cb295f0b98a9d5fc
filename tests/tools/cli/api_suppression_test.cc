// The suppression commands against the real list: what they change, print, audit and refuse.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "tests/tools/cli/control_socket.h"

namespace sealift::tools {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAreArray;

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Standard input comes from a file while it lives.
class StandardInput {
 public:
  explicit StandardInput(const std::string& file) : before_(dup(STDIN_FILENO)) {
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    close(fd);
  }
  ~StandardInput() {
    dup2(before_, STDIN_FILENO);
    close(before_);
  }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

 private:
  const int before_;
};

class SuppressionCommandsTest : public testing::Test {
 protected:
  Ran Run(std::vector<std::string> words, const std::string& input = "", bool terminal = false) {
    words.insert(words.begin(), "suppression");
    return socket_.Run(std::move(words), input, terminal);
  }
  Ran Import(const std::string& csv, std::vector<std::string> flags = {}) {
    std::vector<std::string> words = {"import", socket_.WriteFile("list.csv", csv), "--json"};
    words.insert(words.end(), flags.begin(), flags.end());
    return Run(std::move(words));
  }
  bool Suppressed(const std::string& address, std::vector<std::string> flags = {}) {
    std::vector<std::string> words = {"check", address, "--json"};
    words.insert(words.end(), flags.begin(), flags.end());
    return Run(std::move(words)).Json()["suppressed"].get<bool>();
  }
  size_t HistoryOf(const std::string& address) { return Run({"history", address, "--json"}).Json()["history"].size(); }
  std::string AuditText() {
    std::string text;
    for (const json& entry : socket_.AuditEntries()) text += entry.dump();
    return text;
  }

  ControlSocket socket_;
};

TEST_F(SuppressionCommandsTest, WhoIsAddedIsSuppressedInWhateverSpelling) {
  const Ran ran = Run({"add", "Jane.Doe@BÜCHER.example", "--kind", "opt_out", "--reason", "by phone", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.Json()["added"], 1);
  EXPECT_TRUE(Suppressed("JANE.DOE@xn--bcher-kva.example"));
  EXPECT_TRUE(Suppressed("jane.doe@bücher.example"));
  EXPECT_FALSE(Suppressed("jane@xn--bcher-kva.example"));
  EXPECT_EQ(Run({"add", "jane.doe@xn--bcher-kva.example", "--kind", "opt_out", "--json"}).Json()["added"], 0);
}

TEST_F(SuppressionCommandsTest, TheKindDecidesWhatIsBound) {
  for (const char* kind : {"opt_out", "complaint"}) {
    const std::string address = std::string(kind) + "@d1.test";
    ASSERT_EQ(Run({"add", address, "--kind", kind}).code, 0);
    EXPECT_TRUE(Suppressed(address, {"--stream", "newsletter"})) << kind;
    EXPECT_FALSE(Suppressed(address, {"--stream", "receipts"})) << kind;
  }
  for (const char* kind : {"hard_bounce", "manual"}) {
    const std::string address = std::string(kind) + "@d1.test";
    ASSERT_EQ(Run({"add", address, "--kind", kind}).code, 0);
    EXPECT_TRUE(Suppressed(address, {"--stream", "receipts"})) << kind;
  }
}

TEST_F(SuppressionCommandsTest, AScopeHoldsWhereItSays) {
  ASSERT_EQ(Run({"add", "jane@d1.test", "--stream", "newsletter"}).code, 0);
  EXPECT_TRUE(Suppressed("jane@d1.test", {"--stream", "newsletter"}));
  EXPECT_FALSE(Suppressed("jane@d1.test", {"--stream", "receipts"}));
  ASSERT_EQ(Run({"add", "john@d1.test", "--campaign", "autumn"}).code, 0);
  EXPECT_TRUE(Suppressed("john@d1.test", {"--campaign", "autumn"}));
  EXPECT_FALSE(Suppressed("john@d1.test", {"--campaign", "spring"}));
  EXPECT_FALSE(Suppressed("john@d1.test", {"--stream", "newsletter"}));
}

TEST_F(SuppressionCommandsTest, AskedOfNoStreamACheckTellsAllOfThem) {
  const auto where = [&](const std::string& address) {
    const json check = Run({"check", address, "--json"}).Json();
    EXPECT_EQ(check["sent_as"], "anything");
    EXPECT_EQ(check["suppressed"], check["where"] != "") << check;
    return check["where"].get<std::string>();
  };
  EXPECT_EQ(where("jane@d1.test"), "");
  ASSERT_EQ(Run({"add", "jane@d1.test", "--kind", "opt_out", "--stream", "newsletter"}).code, 0);
  EXPECT_EQ(where("jane@d1.test"), "stream newsletter");
  ASSERT_EQ(Run({"add", "john@d1.test", "--campaign", "autumn"}).code, 0);
  ASSERT_EQ(Run({"add", "john@d1.test", "--kind", "opt_out", "--campaign", "autumn"}).code, 0);
  EXPECT_EQ(where("john@d1.test"), "campaign autumn");
  ASSERT_EQ(Run({"add", "ann@d1.test", "--kind", "complaint"}).code, 0);
  EXPECT_EQ(where("ann@d1.test"), "stream newsletter") << "never of a transactional one";
  ASSERT_EQ(Run({"add", "bob@d1.test", "--kind", "hard_bounce"}).code, 0);
  EXPECT_EQ(where("bob@d1.test"), "stream newsletter, stream receipts");
  EXPECT_THAT(Run({"check", "jane@d1.test"}).out, HasSubstr("gets nothing of"));
  for (const json& entry : Run({"check", "john@d1.test", "--json"}).Json()["in_force"]) EXPECT_EQ(entry["binds"], true);
}

TEST_F(SuppressionCommandsTest, ACheckGivesItsVerdictInEveryFormat) {
  EXPECT_EQ(json::parse(Run({"check", "jane@d1.test", "-o", "ndjson"}).out)["suppressed"], false);
  ASSERT_EQ(Run({"add", "jane@d1.test", "--kind", "opt_out", "--stream", "newsletter"}).code, 0);
  ASSERT_EQ(Run({"add", "jane@d1.test"}).code, 0);
  const std::vector<std::string> ndjson = LinesOf(Run({"check", "jane@d1.test", "-o", "ndjson"}).out);
  ASSERT_THAT(ndjson, SizeIs(1));
  EXPECT_EQ(json::parse(ndjson[0])["recipient"], "j***@d1.test");
  EXPECT_EQ(json::parse(ndjson[0])["suppressed"], true);
  EXPECT_THAT(json::parse(ndjson[0])["in_force"], SizeIs(2));
  const std::vector<std::string> csv = LinesOf(Run({"check", "jane@d1.test", "-o", "csv"}).out);
  ASSERT_THAT(csv, SizeIs(2));
  EXPECT_EQ(csv[0], "recipient,key,suppressed,sent_as,where,in_force\r");
  EXPECT_THAT(csv[1], HasSubstr(",yes,anything,"));
  EXPECT_THAT(csv[1], HasSubstr("opt_out of stream newsletter"));
  EXPECT_THAT(csv[1], HasSubstr("manual"));
}

TEST_F(SuppressionCommandsTest, AnExportAsJsonIsOneDocumentAndAsNdjsonLines) {
  EXPECT_EQ(Run({"export", "--reveal", "-o", "json"}).Json(), json::parse(R"({"suppressions": []})"));
  EXPECT_EQ(Run({"export", "--reveal", "-o", "ndjson"}).out, "");
  for (const char* address : {"a@d1.test", "b@d1.test", "c@d1.test"}) ASSERT_EQ(Run({"add", address}).code, 0);
  const json whole = Run({"export", "--reveal", "-o", "json"}).Json();
  ASSERT_THAT(whole["suppressions"], SizeIs(3));
  const std::vector<std::string> lines = LinesOf(Run({"export", "--reveal", "-o", "ndjson"}).out);
  ASSERT_THAT(lines, SizeIs(3));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(json::parse(lines[i]), whole["suppressions"][i]);
}

TEST_F(SuppressionCommandsTest, ATokenOptsOutWhoGotItsMessage) {
  const std::string token = socket_.node.UnsubscribeToken(kSecret);
  const Ran first = Run({"unsubscribe", token, "--reason", "one-click", "--json"});
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.Json()["added"], 1);
  EXPECT_EQ(first.Json()["stream"], "newsletter");
  EXPECT_EQ(first.Json()["campaign"], "letter");
  EXPECT_EQ(first.Json()["recipient"], kMasked);
  EXPECT_TRUE(Suppressed(kSecret, {"--stream", "newsletter"}));
  EXPECT_FALSE(Suppressed(kSecret, {"--stream", "receipts"}));
  const Ran again = Run({"unsubscribe", token});
  EXPECT_EQ(again.code, 0) << "the same POST twice is fine";
  EXPECT_THAT(again.err + again.out, HasSubstr("nothing was changed"));
  EXPECT_EQ(HistoryOf(kSecret), 1u);

  std::string forged = token;
  forged[3] = forged[3] == 'a' ? 'b' : 'a';
  const Ran refused = Run({"unsubscribe", forged});
  EXPECT_EQ(refused.code, 65);
  EXPECT_THAT(refused.err, Not(HasSubstr(forged)));
  EXPECT_EQ(Run({"unsubscribe", ""}).code, 65);

  const StandardInput tokens(socket_.WriteFile("tokens", token + "\r\n\n" + forged + "\n"));
  const Ran several = Run({"unsubscribe", "-", "--json"});
  EXPECT_EQ(several.code, 3);
  EXPECT_EQ(several.Json()["already_in_force"], 1);
  EXPECT_EQ(several.Json()["refused"], 1);
  EXPECT_THAT(several.err, HasSubstr("line 3: "));

  EXPECT_THAT(AuditText(), HasSubstr("suppression unsubscribe"));
  EXPECT_THAT(AuditText(), HasSubstr("opt_out stream=newsletter key="));
  EXPECT_THAT(AuditText(), HasSubstr("one-click"));
  for (const std::string& secret : {token, forged, std::string(kSecret)})
    EXPECT_THAT(AuditText(), Not(HasSubstr(secret)));
}

TEST_F(SuppressionCommandsTest, WhatWouldBindNothingIsRefused) {
  EXPECT_THAT(Run({"add", "jane@d1.test", "--stream", "newsleter"}).err, HasSubstr("no stream 'newsleter'"));
  EXPECT_THAT(Run({"add", "jane@d1.test", "--stream", "receipts", "--kind", "opt_out"}).err,
              HasSubstr("transactional"));
  EXPECT_EQ(Run({"add", "jane@d1.test", "--stream", "newsletter", "--campaign", "spring"}).code, 64);
  EXPECT_EQ(Run({"add", "jane@d1.test", "--kind", "optout"}).code, 64);
  EXPECT_EQ(Run({"add", "nobody"}).code, 64);
  EXPECT_THAT(Run({"add", "j***@d1.test"}).err, HasSubstr("masked"));
  EXPECT_EQ(HistoryOf("jane@d1.test"), 0u);
}

TEST_F(SuppressionCommandsTest, ARemovalIsANewEntryWithItsReason) {
  ASSERT_EQ(Run({"add", "jane@d1.test"}).code, 0);
  EXPECT_EQ(Run({"remove", "jane@d1.test"}).code, 64) << "it needs a reason";
  EXPECT_EQ(Run({"remove", "jane@d1.test", "--reason", std::string(501, 'r')}).code, 64) << "and one that can be kept";
  EXPECT_EQ(Run({"remove", "jane@d1.test", "--reason", "r", "--dry-run", "--json"}).Json()["removed"], 1);
  EXPECT_TRUE(Suppressed("jane@d1.test")) << "a dry run changes nothing";
  EXPECT_EQ(Run({"remove", "JANE@d1.test", "--reason", "she asked", "--json"}).Json()["removed"], 1);
  EXPECT_FALSE(Suppressed("jane@d1.test"));
  EXPECT_EQ(socket_.node.judged_again, 1) << "rows that were claimed as suppressed must be judged again";
  const json history = Run({"history", "jane@d1.test", "--json"}).Json()["history"];
  ASSERT_THAT(history, SizeIs(2));
  EXPECT_EQ(history[0]["act"], "added");
  EXPECT_EQ(history[1]["act"], "removed");
  EXPECT_EQ(history[1]["reason"], "she asked");
  EXPECT_EQ(Run({"remove", "jane@d1.test", "--reason", "r"}).code, 66) << "there is nothing left to take back";
}

TEST_F(SuppressionCommandsTest, ARemovalTakesOnlyWhatItNames) {
  ASSERT_EQ(Run({"add", "jane@d1.test", "--kind", "opt_out"}).code, 0);
  ASSERT_EQ(Run({"add", "jane@d1.test", "--kind", "hard_bounce"}).code, 0);
  ASSERT_EQ(Run({"add", "jane@d1.test", "--stream", "newsletter"}).code, 0);
  ASSERT_EQ(Run({"remove", "jane@d1.test", "--kind", "hard_bounce", "--reason", "r"}).code, 0);
  const json check = Run({"check", "jane@d1.test", "--json"}).Json();
  ASSERT_THAT(check["in_force"], SizeIs(2));
  EXPECT_EQ(Run({"remove", "jane@d1.test", "--reason", "r", "--yes", "--json"}).Json()["removed"], 1);
  EXPECT_TRUE(Suppressed("jane@d1.test", {"--stream", "newsletter"}));
}

TEST_F(SuppressionCommandsTest, APersonIsAskedBeforeMailGoesThereAgain) {
  ASSERT_EQ(Run({"add", "jane@d1.test"}).code, 0);
  const Ran refused = Run({"remove", "jane@d1.test", "--reason", "r"}, "n\n", /*terminal=*/true);
  EXPECT_EQ(refused.code, 130);
  EXPECT_TRUE(Suppressed("jane@d1.test"));
  EXPECT_EQ(Run({"remove", "jane@d1.test", "--reason", "r"}, "y\n", true).code, 0);
  EXPECT_FALSE(Suppressed("jane@d1.test"));
}

TEST_F(SuppressionCommandsTest, AddressesAreMaskedAndNeverInTheAuditFile) {
  ASSERT_EQ(Run({"add", kSecret, "--reason", "r"}).code, 0);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"check", kSecret}, {"history", kSecret}, {"list"}, {"list", "--json"}}) {
    const Ran ran = Run(words);
    EXPECT_THAT(ran.out, HasSubstr(kMasked));
    EXPECT_THAT(ran.out + ran.err, Not(HasSubstr("jane.doe")));
  }
  EXPECT_THAT(Run({"list", "--reveal"}).out, HasSubstr(kSecret));
  ASSERT_EQ(Run({"remove", kSecret, "--reason", "r"}).code, 0);
  const std::string key = Run({"history", kSecret, "--json"}).Json()["key"];
  EXPECT_THAT(AuditText(), Not(HasSubstr("jane")));
  const std::vector<json> entries = socket_.AuditEntries();
  ASSERT_THAT(entries, SizeIs(3)) << "add, the revealing list, remove; not the dry run of the removal";
  EXPECT_EQ(entries[0]["command"], "suppression add");
  EXPECT_THAT(entries[0]["target"].get<std::string>(), HasSubstr(key));
  EXPECT_THAT(entries[2]["target"].get<std::string>(), HasSubstr(key));
}

TEST_F(SuppressionCommandsTest, AnImportSaysWhatBecameOfEachRow) {
  const std::string rejects = socket_.Path("rejects.csv");
  const Ran ran = Import(
      "email,kind,stream,time,note\n"
      "ann@d1.test,,,,x\n"
      "ANN@d1.test,,,,x\n"
      "bob@d1.test,manual,,2026-01-02T03:04:05Z,x\n"
      "secret one,,,,x\n"
      "cy@d1.test,secret,,,x\n"
      "di@d1.test,,secret,,x\n"
      "ed@d1.test,,,secret,x\n"
      "f***@d1.test,,,,x\n",
      {"--kind", "opt_out", "--rejects", rejects});
  EXPECT_EQ(ran.code, 3) << ran.err;
  EXPECT_EQ(ran.Json()["added"], 2);
  EXPECT_EQ(ran.Json()["already_in_force"], 1);
  EXPECT_EQ(ran.Json()["rejected"], 5);
  std::stringstream listed;
  listed << std::ifstream(rejects).rdbuf();
  EXPECT_THAT(listed.str(), Not(HasSubstr("secret")));
  EXPECT_THAT(listed.str(), HasSubstr("\n6,kind,"));
  EXPECT_THAT(listed.str(), HasSubstr("\n9,email,"));
  struct stat status{};
  ASSERT_EQ(stat(rejects.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_TRUE(Suppressed("ann@d1.test"));
  EXPECT_EQ(Run({"history", "bob@d1.test", "--json"}).Json()["history"][0]["time"], "2026-01-02T03:04:05.000Z");
  EXPECT_EQ(socket_.node.judged_again, 1);
  EXPECT_THAT(AuditText(), Not(HasSubstr("ann")));
}

TEST_F(SuppressionCommandsTest, AnImportOfAnyLengthIsCommittedInPieces) {
  std::string csv = "email\n";
  for (int i = 0; i < 5001; ++i) csv += "p" + std::to_string(i) + "@d1.test\n";
  EXPECT_EQ(Import(csv, {"--kind", "opt_out"}).Json()["added"], 5001);
  EXPECT_EQ(Import(csv, {"--kind", "opt_out"}).Json()["already_in_force"], 5001) << "the same again adds nothing";
  EXPECT_TRUE(Suppressed("p5000@d1.test"));
}

TEST_F(SuppressionCommandsTest, AnImportMustSayWhatItMeans) {
  const Ran ran = Import("email\njane@d1.test\n");
  EXPECT_EQ(ran.code, 64);
  EXPECT_THAT(ran.out, HasSubstr("--kind"));
  EXPECT_EQ(Import("address\njane@d1.test\n", {"--kind", "manual"}).code, 65);
  EXPECT_EQ(socket_.AuditEntries().back()["result"], "the file, line 1: refused with exit code 65")
      << "the words of the file are the caller's alone";
  EXPECT_EQ(Import("", {"--kind", "manual"}).code, 65);
  EXPECT_EQ(Run({"import", socket_.Path("absent.csv"), "--kind", "manual"}).code, 66);
  EXPECT_FALSE(Suppressed("jane@d1.test"));
}

TEST_F(SuppressionCommandsTest, WhatIsExportedCanBeImportedElsewhere) {
  ASSERT_EQ(
      Run({"add", "jane@d1.test", "--kind", "opt_out", "--stream", "newsletter", "--reason", "said, \"no\""}).code, 0);
  ASSERT_EQ(Run({"add", "gone@d1.test"}).code, 0);
  ASSERT_EQ(Run({"remove", "gone@d1.test", "--reason", "r"}).code, 0);
  socket_.node.Bounce({"bob@d1.test"}, absl::FromUnixSeconds(1'790'000'000));
  EXPECT_EQ(Run({"export"}).code, 64) << "it holds whole addresses";
  const Ran exported = Run({"export", "--reveal"});
  ASSERT_EQ(exported.code, 0) << exported.err;
  EXPECT_THAT(exported.out, Not(HasSubstr("gone@")));

  ControlSocket elsewhere;
  const Ran imported =
      elsewhere.Run({"suppression", "import", elsewhere.WriteFile("list.csv", exported.out), "--json"});
  EXPECT_EQ(imported.code, 0) << imported.out;
  EXPECT_EQ(imported.Json()["added"], 2);
  const Ran again = elsewhere.Run({"suppression", "export", "--reveal"});
  EXPECT_THAT(LinesOf(again.out), UnorderedElementsAreArray(LinesOf(exported.out))) << "nothing is lost on the way";
}

TEST_F(SuppressionCommandsTest, WhatTheSinkSaidStaysOnTheNode) {
  socket_.node.Bounce({"bob@d1.test"}, absl::FromUnixSeconds(1'790'000'000), /*sink=*/true);
  EXPECT_TRUE(Suppressed("bob@d1.test")) << "this node sends to the sink";
  EXPECT_EQ(Run({"list", "--json"}).Json()["suppressions"][0]["delivery"], "sink");
  EXPECT_THAT(Run({"export", "--reveal"}).out, Not(HasSubstr("bob@")));
  ASSERT_EQ(Run({"remove", "bob@d1.test", "--reason", "r"}).code, 0);
  EXPECT_FALSE(Suppressed("bob@d1.test"));
}

TEST_F(SuppressionCommandsTest, AnEmptyListIsAHeaderRow) {
  const Ran ran = Run({"export", "--reveal"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "email,kind,stream,campaign,time,reason,source,provider,class,reply\n");
  EXPECT_EQ(Import(ran.out).code, 0);
}

TEST_F(SuppressionCommandsTest, AListIsReadByPageAndKind) {
  std::string csv = "email,kind\n";
  for (int i = 0; i < 30; ++i) csv += "p" + std::to_string(i) + "@d1.test," + (i < 5 ? "manual" : "opt_out") + "\n";
  ASSERT_EQ(Import(csv).code, 0);
  EXPECT_THAT(Run({"list", "--kind", "manual", "--json"}).Json()["suppressions"], SizeIs(5));
  const json first = Run({"list", "--limit", "20", "--json"}).Json();
  EXPECT_THAT(first["suppressions"], SizeIs(20));
  const json second = Run({"list", "--limit", "20", "--after", first["cursor"], "--json"}).Json();
  EXPECT_THAT(second["suppressions"], SizeIs(10));
  EXPECT_EQ(second["cursor"], "");
  EXPECT_EQ(Run({"list", "--after", "junk"}).code, 65);
}

TEST_F(SuppressionCommandsTest, UndoTakesBackWhatASourceWasToldInThatTime) {
  const absl::Time noon = absl::FromUnixSeconds(1'790'000'000);
  socket_.node.Bounce({"a@d1.test", "b@d1.test", "c@d1.test"}, noon);
  socket_.node.Bounce({"late@d1.test"}, noon + absl::Hours(2));
  ASSERT_EQ(Run({"add", "a@d1.test", "--kind", "opt_out"}).code, 0);
  const auto undo = [&](const std::string& source, const std::string& provider, std::vector<std::string> more) {
    std::vector<std::string> words = {"undo",
                                      "--source",
                                      source,
                                      "--since",
                                      absl::FormatTime(noon),
                                      "--until",
                                      absl::FormatTime(noon + absl::Hours(1)),
                                      "--reason",
                                      "they blocked us",
                                      "--json"};
    if (!provider.empty()) words.insert(words.end(), {"--provider", provider});
    words.insert(words.end(), more.begin(), more.end());
    return Run(std::move(words));
  };
  EXPECT_EQ(undo("ip1", "yahoo", {"--yes"}).Json()["removed"], 0);
  // A name that nobody has takes back nothing in silence.
  for (const auto& [source, provider] : {std::pair{"ip2", ""}, {"ip1", "gogle"}}) {
    const auto mistyped = undo(source, provider, {"--yes"});
    EXPECT_EQ(mistyped.code, 64) << mistyped.out;
    EXPECT_THAT(mistyped.out, HasSubstr(*provider == '\0' ? "ip1" : "google"));
  }
  EXPECT_EQ(undo("ip1", "google", {"--dry-run"}).Json()["removed"], 3);
  EXPECT_EQ(undo("ip1", "google", {}).code, 64) << "nobody said yes";
  EXPECT_TRUE(Suppressed("b@d1.test"));
  EXPECT_EQ(undo("ip1", "google", {"--yes"}).Json()["removed"], 3);
  EXPECT_FALSE(Suppressed("b@d1.test"));
  EXPECT_TRUE(Suppressed("late@d1.test"));
  EXPECT_TRUE(Suppressed("a@d1.test")) << "what the person asked for stays";
  EXPECT_FALSE(Suppressed("a@d1.test", {"--stream", "receipts"}));
  EXPECT_EQ(Run({"history", "b@d1.test", "--json"}).Json()["history"][1]["reason"], "they blocked us");
  EXPECT_EQ(undo("ip1", "", {"--yes"}).Json()["removed"], 0) << "once";
  EXPECT_EQ(socket_.node.judged_again, 1);
}

}  // namespace
}  // namespace sealift::tools
