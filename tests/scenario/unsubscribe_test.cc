// The way out of a list, from the header of a delivered message to the next campaign, and the way of a bounce back to
// its row: with a Postfix that keeps what it got.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <map>

#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/dkim_verifiers.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/postfix.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class UnsubscribeTest : public World {
 protected:
  UnsubscribeTest() : authority_(dir) {
    settings.delivery = "sink";
    settings.dns_server = "";
    settings.sink_address = net.Address(10, Postfix::kPort);
    settings.streams = {{"news",
                         "tls = \"opportunistic\"\nreturn_path = \"bounce.sender.test\"\n"
                         "unsubscribe_url = \"https://u.sender.test/out?list=news\"\n"
                         "unsubscribe_mailto = \"out@sender.test\"\nlist_id = \"news.sender.test\"\n"
                         "feedback_id = \"{campaign}:news::sealift\"\n"},
                        {"letters", "tls = \"opportunistic\"\nkind = \"transactional\"\n"}};
  }

  void Sign() {
    const Answer made = Sealift(
        {"dkim", "generate", dir.path() / "s1.pem", "--domain", "sender.test", "--selector", "s1", "--bits", "2048"});
    ASSERT_EQ(made.exit_code, 0) << made.Describe();
    keys_[made.json["name"].Text()] = made.json["text"].Text();
    settings.tables = made.json["config"].Text();
    settings.streams[0].lines += "dkim = [\"sender.test\"]\n";
  }

  std::unique_ptr<Postfix> StartPostfix() {
    return std::make_unique<Postfix>(dir, Postfix::Options{.address = net.Address(10),
                                                           .hostname = "mx1.test",
                                                           .domains = Domains(3),
                                                           .certificate = authority_.Sign("mx1.test"),
                                                           .extra = ""});
  }

  Answer Unsubscribe(const std::string& token, const std::string& input = "") {
    return Sealift({"suppression", "unsubscribe", token, "--reason", "by web"}, input);
  }

  bool Suppressed(const std::string& address, const std::string& stream) {
    return Sealift({"suppression", "check", address, "--stream", stream}).json["suppressed"].Text() == "true";
  }

  // The list fields of a message's header, with their folds.
  static std::string ListFields(const std::string& message) {
    std::string found;
    bool taking = false;
    for (size_t at = 0, end = 0; (end = message.find("\r\n", at)) != at && end != std::string::npos; at = end + 2) {
      const std::string line = message.substr(at, end + 2 - at);
      if (line[0] != ' ' && line[0] != '\t') taking = line.starts_with("List-") || line.starts_with("Feedback-ID:");
      if (taking) found += line;
    }
    return found;
  }
  static std::string Between(const std::string& text, const std::string& before, const std::string& after) {
    const size_t at = text.find(before);
    if (at == std::string::npos) return "";
    const size_t begin = at + before.size();
    return text.substr(begin, text.find(after, begin) - begin);
  }

  CertificateAuthority authority_;
  std::map<std::string, std::string> keys_;
};

TEST_F(UnsubscribeTest, ATokenFromADeliveredMessageOptsItsRecipientOutOfTheNextCampaign) {
  WriteConfig();
  Sign();
  const auto postfix = StartPostfix();
  StartDaemon();
  const std::string people = Recipients(3, Domains(3));
  Load("spring", Template(), people);
  const Answer preview = SealiftPlain({"campaign", "preview", "spring", "--row", "2"});
  ASSERT_EQ(preview.exit_code, 0) << preview.Describe();
  ASSERT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 0);
  const std::string letter = dir.Write("letter.csv", "email,name,city\nann@d1.test,Ann,x\n");
  const Answer letters = Sealift({"campaign", "load", "visit", "--stream", "letters", "--template", Template(),
                                  "--recipients", letter, "--start"});
  ASSERT_EQ(letters.exit_code, 0) << letters.Describe();
  ASSERT_TRUE(Eventually(kInTime, [&] { return postfix->mails() == 4; })) << postfix->Log();
  ASSERT_TRUE(ShowsUntil("spring", kSoon, [](const Json& now) { return now["delivered"].Number() == 3; }));

  auto mails = postfix->Mailboxes();
  EXPECT_EQ(ListFields(mails.at("ann@d1.test").content), "") << "a stream that configures none has none";
  const std::string& message = mails.at("row2@d2.test").content;
  const std::string token = Between(message, "?list=news&token=", ">");
  EXPECT_EQ(token.size(), 42u) << message;
  EXPECT_THAT(message, HasSubstr("\r\nList-Unsubscribe: <https://u.sender.test/out?list=news&token=" + token +
                                 ">,\r\n <mailto:out@sender.test?subject=unsubscribe%20" + token +
                                 ">\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
                                 "List-Id: <news.sender.test>\r\nFeedback-ID: spring:news::sealift\r\n"));
  EXPECT_THAT(preview.out, HasSubstr("List-Id: <news.sender.test>\r\n"));
  EXPECT_EQ(ListFields(preview.out), ListFields(message)) << "a preview shows what is sent";
  // One-click is believed only where the signature covers both fields (RFC 8058 4).
  ASSERT_EQ(SignaturesOf(message).size(), 1u);
  EXPECT_THAT(SignaturesOf(message)[0], HasSubstr("List-Unsubscribe-Post"));
  std::string tampered = message;
  EXPECT_THAT(VerifyWithDkimPy(dir, keys_, {message}), Each(ElementsAre("pass")));
  tampered.replace(tampered.find(token), 4, "0000");
  EXPECT_THAT(VerifyWithDkimPy(dir, keys_, {tampered})[0], Each(::testing::Ne("pass")));

  // A bounce comes back to the envelope sender, which leads to its row.
  const std::string sender = mails.at("row2@d2.test").return_path;
  EXPECT_THAT(sender, HasSubstr("@bounce.sender.test"));
  const Answer trace = Sealift({"message", "trace", sender, "--reveal"});
  ASSERT_EQ(trace.exit_code, 0) << sender << trace.Describe();
  EXPECT_EQ(trace.json["recipient"].Text(), "row2@d2.test");
  EXPECT_EQ(trace.json["campaign"].Text(), "spring");
  EXPECT_EQ(trace.json["id"].Text(), Between(message, "Message-ID: <", "@"));
  std::string forged_sender = sender;
  const size_t last = sender.find('@') - 1;
  forged_sender[last] = sender[last] == 'a' ? 'b' : 'a';
  EXPECT_EQ(Sealift({"message", "trace", forged_sender}).exit_code, 65);

  std::string forged = token;
  forged[20] = token[20] == 'a' ? 'b' : 'a';
  EXPECT_EQ(Unsubscribe(forged).exit_code, 65);
  const Answer done = Unsubscribe(token);
  ASSERT_EQ(done.exit_code, 0) << done.Describe();
  EXPECT_EQ(done.json["added"].Number(), 1);
  EXPECT_EQ(done.json["stream"].Text(), "news");
  EXPECT_THAT(done.out, Not(HasSubstr("row2@")));
  EXPECT_EQ(Unsubscribe(token).json["added"].Number(), 0) << "the same POST twice is fine";
  EXPECT_TRUE(Suppressed("row2@d2.test", "news"));
  EXPECT_FALSE(Suppressed("row2@d2.test", "letters"));
  const Answer audit = Sealift({"audit", "tail", "--lines", "20"});
  EXPECT_THAT(audit.out, HasSubstr("suppression unsubscribe"));
  EXPECT_THAT(audit.out, Not(HasSubstr(token))) << "who reads the audit file could use it";

  const Answer summer = Load("summer", Template(), people);
  EXPECT_EQ(summer.json["accepted"].Number(), 2);
  EXPECT_EQ(summer.json["suppressed"].Number(), 1);

  // By mail they come in numbers; and an erasure does not take the way out away.
  ASSERT_EQ(Sealift({"campaign", "cancel", "spring", "--erase", "--yes"}).exit_code, 0);
  const std::string other = Between(mails.at("row1@d1.test").content, "unsubscribe%20", ">");
  const Answer several = Unsubscribe("-", token + "\r\n\n" + forged + "\n" + other);
  EXPECT_EQ(several.exit_code, 3) << several.Describe();
  EXPECT_EQ(several.json["added"].Number(), 1);
  EXPECT_EQ(several.json["already_in_force"].Number(), 1);
  EXPECT_EQ(several.json["refused"].Number(), 1);
  EXPECT_THAT(several.err, HasSubstr("line 3: "));
  EXPECT_TRUE(Suppressed("row1@d1.test", "news"));
  EXPECT_FALSE(Suppressed("row3@d3.test", "news"));
  StopDaemon();
}

// The endpoint that docs/unsubscribe.md prints, run as a web server runs it.
TEST_F(UnsubscribeTest, TheEndpointOfTheManualUnsubscribesByPostAndNeverByGet) {
  WriteConfig();
  const auto postfix = StartPostfix();
  StartDaemon();
  Load("spring", Template(), Recipients(1, Domains(1)), {"--start"});
  ASSERT_TRUE(Eventually(kInTime, [&] { return postfix->mails() == 1; })) << postfix->Log();
  const std::string token = Between(postfix->Mailboxes().at("row1@d1.test").content, "?list=news&token=", ">");
  ASSERT_EQ(token.size(), 42u);

  const std::string page = ReadFile(std::string(SEALIFT_DOCS_DIR) + "/unsubscribe.md");
  const std::string script = Between(page, "```sh\n", "```");
  ASSERT_THAT(script, HasSubstr("REQUEST_METHOD")) << "the page has one script";
  const std::string endpoint = dir.Write("endpoint", script, 0700);
  const std::string bin = std::filesystem::path(OurProgram("sealift")).parent_path();
  const auto answer = [&](const std::string& method, const std::string& query) {
    return RunCommand({"env", "PATH=" + bin + ":/usr/bin:/bin", "SEALIFT_CONFIG=" + config_file,
                       "REQUEST_METHOD=" + method, "QUERY_STRING=" + query, endpoint},
                      "List-Unsubscribe=One-Click")
        .out;
  };
  EXPECT_THAT(answer("GET", "list=news&token=" + token), HasSubstr("Status: 200 OK\r\n"));
  EXPECT_THAT(answer("HEAD", "list=news&token=" + token), HasSubstr("Status: 200 OK\r\n"));
  EXPECT_FALSE(Suppressed("row1@d1.test", "news")) << "whoever looks at a link has not asked for anything";
  std::string forged = token;
  forged[5] = token[5] == 'a' ? 'b' : 'a';
  EXPECT_THAT(answer("POST", "list=news&token=" + forged), HasSubstr("Status: 404 Not Found\r\n"));
  for (const std::string& bad : {std::string("list=news"), "token=" + token + "x", "token=$(touch " + bin + "/x)",
                                 std::string("token="), "xtoken=" + token}) {
    EXPECT_THAT(answer("POST", bad), HasSubstr("Status: 400 Bad Request\r\n")) << bad;
  }
  EXPECT_FALSE(Suppressed("row1@d1.test", "news"));
  EXPECT_THAT(answer("POST", "list=news&token=" + token), HasSubstr("Status: 200 OK\r\n"));
  EXPECT_TRUE(Suppressed("row1@d1.test", "news"));
  EXPECT_THAT(answer("POST", "list=news&token=" + token), HasSubstr("Status: 200 OK\r\n")) << "twice is fine";
  StopDaemon();
  EXPECT_THAT(answer("POST", "list=news&token=" + token), HasSubstr("Status: 503 Service Unavailable\r\n"));
}

TEST_F(UnsubscribeTest, ATemplateThatReceiversWouldCallForgedIsRefusedLive) {
  settings.delivery = "live";
  settings.streams = {{"news", "return_path = \"bounce.sender.test\"\nlist_id = \"news.sender.test\"\n"}};
  StartDaemon();
  const std::string people = Recipients(2, Domains(2));
  const auto load = [&](const std::string& header) {
    const std::string letter = dir.Write("letter.eml", header + "To: {{email}}\nSubject: x\n\nDear {{name}}\n");
    return Sealift({"campaign", "load", "spring", "--stream", "news", "--template", letter, "--recipients", people});
  };
  const Answer stranger = load("From: news@clinic.example\n");
  EXPECT_EQ(stranger.exit_code, 65) << stranger.Describe();
  EXPECT_THAT(stranger.out + stranger.err, HasSubstr("clinic.example is aligned with nothing"));
  const Answer twice = load("From: news@sender.test\nList-Id: <other.sender.test>\n");
  EXPECT_EQ(twice.exit_code, 65) << twice.Describe();
  EXPECT_EQ(load("From: news@mail.sender.test\n").exit_code, 0);
  StopDaemon();

  settings.delivery = "sink";
  StartDaemon();
  const std::string letter = dir.Write("other.eml", "From: news@clinic.example\nSubject: x\n\nDear {{name}}\n");
  const Answer noted = Load("summer", letter, people);
  EXPECT_THAT(noted.json["notice"].Text(), HasSubstr("live mode would refuse this"));
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
