// Messages that another system has finished, from a directory and from an mbox: they lie in the mailboxes of a real
// Postfix as they were given, also large ones, which cost the daemon no memory of their size.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <fstream>
#include <map>

#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/dkim_verifiers.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/name_server.h"
#include "tests/scenario/harness/postfix.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr size_t kLarge = 25'000'000;

std::string Statement(const std::string& to, size_t bytes) {
  std::string text = fmt::format(
      "From: Office <office@sender.test>\nTo: {}\nSubject: Your statement\nMIME-Version: 1.0\nContent-Type: "
      "text/plain\n\n",
      to);
  for (size_t line = 0; text.size() < bytes; ++line) {
    text += fmt::format("{}{} item of a long statement, with trailing blanks  \n", line % 5 == 0 ? "." : "", line);
  }
  return text;
}

std::string WithCrlf(const std::string& text) {
  std::string whole;
  for (const char c : text) {
    if (c == '\n') whole += '\r';
    whole += c;
  }
  return whole;
}

class FinishedTest : public World {
 protected:
  // The most memory that the daemon has had, in KiB.
  int64_t PeakKib() const {
    std::ifstream status(fmt::format("/proc/{}/status", daemon->pid()));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6));
    }
    return -1;
  }

  Answer LoadMessages(const std::string& name, const std::string& path, std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"campaign", "load", name, "--stream", "news", "--messages", path};
    words.insert(words.end(), more.begin(), more.end());
    return Sealift(words);
  }
};

TEST_F(FinishedTest, ADirectoryAndAnMboxArriveAsTheyWereGiven) {
  const std::string key_file = dir.path() / "r1.pem";
  const Answer key =
      Sealift({"dkim", "generate", key_file, "--domain", "sender.test", "--selector", "r1", "--algorithm", "rsa"});
  ASSERT_EQ(key.exit_code, 0) << key.Describe();
  settings.streams = {{"news", "tls = \"opportunistic\"\ndkim = [\"sender.test\"]"}};
  settings.tables = key.json["config"].Text();
  std::vector<std::string> records = {"mx1.test. 60 IN A " + net.Address(10)};
  for (const std::string& domain : Domains(2)) records.push_back(domain + ". 60 IN MX 10 mx1.test.");
  const auto names = NameServer::Nsd(dir, net.Address(2), records);
  const CertificateAuthority authority(dir);
  const Postfix postfix(dir, {.address = net.Address(10),
                              .hostname = "mx1.test",
                              .domains = Domains(2),
                              .certificate = authority.Sign("mx1.test"),
                              .extra = "message_size_limit = 60000000\nvirtual_mailbox_limit = 0"});
  StartDaemon();
  const int64_t before = PeakKib();

  // By recipient, what must lie in the mailbox behind what we add in front.
  std::map<std::string, std::string> expected;
  const std::string folder = dir.Folder("letters", 0700);
  for (int i = 1; i <= 3; ++i) {
    const std::string to = fmt::format("large{}@d{}.test", i, i % 2 + 1);
    const std::string text = Statement(to, kLarge);
    std::ofstream(folder + fmt::format("/large{}.eml", i)) << text;
    expected[to] = WithCrlf(text);
  }
  const std::string own =
      "Date: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <own@sender.test>\nFrom: office@sender.test\n"
      "To: Ann <a@d1.test>, friends: b@d2.test;\n";
  const std::string eight = "Content-Type: text/plain; charset=iso-8859-1\n\ncaf\xe9\n.\n..\nno last line end";
  std::ofstream(folder + "/small.eml") << own << "Bcc: hidden@d1.test\nCc: c@d2.test\n" << eight;
  for (const char* to : {"a@d1.test", "b@d2.test", "hidden@d1.test", "c@d2.test"}) {
    expected[to] = WithCrlf(own + "Cc: c@d2.test\n" + eight + "\n");
  }
  std::ofstream(folder + "/broken.eml") << "To: nobody@d1.test\n\nno From\n";
  const std::string rejects = dir.path() / "rejects.csv";
  const Answer letters = LoadMessages("letters", folder, {"--rejects", rejects, "--start"});
  EXPECT_EQ(letters.exit_code, 3) << letters.Describe();
  EXPECT_EQ(letters.json["accepted"].Number(), 7) << letters.Describe();
  EXPECT_EQ(letters.json["rejected"].Number(), 1) << letters.Describe();
  EXPECT_THAT(ReadFile(rejects), HasSubstr("\n1,broken.eml,it has no From"));

  const std::string mbox =
      dir.Write("letters.mbox",
                "From office Mon Jan  1 00:00:00 2024\nFrom: office@sender.test\nTo: m1@d1.test\n\n"
                ">From the start\n\n"
                "From office Mon Jan  1 00:00:00 2024\nFrom: office@sender.test\nTo: m2@d2.test\n\n"
                "two\n");
  expected["m1@d1.test"] = "From: office@sender.test\r\nTo: m1@d1.test\r\n\r\nFrom the start\r\n";
  expected["m2@d2.test"] = "From: office@sender.test\r\nTo: m2@d2.test\r\n\r\ntwo\r\n";
  const Answer box = LoadMessages("box", mbox);
  EXPECT_EQ(box.exit_code, 0) << box.Describe();
  EXPECT_EQ(box.json["accepted"].Number(), 2) << box.Describe();
  const Answer preview = SealiftPlain({"campaign", "preview", "box", "--row", "2", "--date", "2026-12-01T09:00:00Z"});
  EXPECT_EQ(preview.exit_code, 0) << preview.Describe();
  EXPECT_THAT(preview.out, StartsWith("DKIM-Signature: "));
  EXPECT_THAT(preview.out, HasSubstr("\r\nDate: Tue, 01 Dec 2026 09:00:00 +0000\r\nMessage-ID: <"));
  EXPECT_TRUE(preview.out.ends_with("\r\n" + expected["m2@d2.test"])) << preview.out;
  ASSERT_EQ(Sealift({"campaign", "start", "box"}).exit_code, 0);

  for (const auto& [name, rows] : {std::pair{"letters", 7}, {"box", 2}}) {
    ASSERT_TRUE(ShowsUntil(name, kInTime, [rows](const Json& now) { return now["delivered"].Number() == rows; }))
        << postfix.Log();
  }
  ASSERT_TRUE(Eventually(kSoon, [&] { return postfix.mails() == expected.size(); })) << postfix.Log();

  const int64_t growth = PeakKib() - before;
  RecordProperty("daemon_peak_growth_kib", std::to_string(growth));
  fprintf(stderr, "the daemon's peak of memory grew by %ld KiB for three messages of %zu bytes\n", long(growth),
          kLarge);
  EXPECT_LT(growth * 1024, int64_t{kLarge}) << "loading and sending hold pieces, not one whole message";

  std::vector<std::string> messages;
  for (const auto& [recipient, mail] : postfix.Mailboxes()) {
    ASSERT_TRUE(expected.contains(recipient)) << recipient;
    EXPECT_TRUE(mail.content.ends_with(expected[recipient])) << recipient;
    EXPECT_THAT(mail.content.substr(0, 2000), StartsWith("DKIM-Signature: "));
    // One large one is enough for a verifier that takes its time over it.
    if (!recipient.starts_with("large") || recipient.starts_with("large1")) messages.push_back(mail.content);
  }
  EXPECT_THAT(VerifyWithDkimPy(dir, {{key.json["name"].Text(), key.json["text"].Text()}}, messages),
              Each(ElementsAre("pass")));
  EXPECT_EQ(LoadMessages("box", mbox).json["already_loaded"].Text(), "true");
  StopDaemon();
}

TEST_F(FinishedTest, ALoadThatTheDaemonDidNotSurviveGoesOnWhereItWas) {
  constexpr size_t kMoreThanHalfAChunk = 13'000'000;
  std::vector<std::string> messages;
  for (int i = 1; i <= 5; ++i) {
    messages.push_back("From office Mon Jan  1 00:00:00 2024\n" +
                       Statement(fmt::format("m{}@d1.test", i), kMoreThanHalfAChunk) + "\n");
  }
  const std::string pipe = dir.path() / "pipe";
  ASSERT_EQ(RunCommand({"mkfifo", pipe}).exit_code, 0);
  StartDaemon();
  {
    Process load({OurProgram("sealift"), "--config", config_file, "campaign", "load", "box", "--stream", "news",
                  "--messages", "-"},
                 dir.path() / "load.out", dir.path() / "load.err", pipe);
    std::ofstream mbox(pipe, std::ios::binary);
    for (size_t i = 0; i < 4; ++i) mbox << messages[i];
    mbox.flush();
    // Two of them are a chunk; the third waits for its company, the fourth is on its way.
    ASSERT_TRUE(ShowsUntil("box", kInTime, [](const Json& now) { return now["loaded"].Number() == 2; }));
    KillDaemon();
    mbox.close();
    EXPECT_NE(load.WaitFor(kInTime).value_or(0), 0) << load.Out();
  }
  StartDaemon();
  EXPECT_EQ(Show("box")["loaded"].Number(), 2);
  std::string whole;
  for (const std::string& message : messages) whole += message;
  const Answer again = LoadMessages("box", dir.Write("box.mbox", whole));
  EXPECT_EQ(again.exit_code, 0) << again.Describe();
  EXPECT_EQ(again.json["resumed"].Text(), "true") << again.Describe();
  EXPECT_EQ(again.json["accepted"].Number(), 5) << again.Describe();
  EXPECT_EQ(Show("box")["state"].Text(), "ready");
  EXPECT_EQ(Sealift({"campaign", "cancel", "box", "--erase", "--yes"}).exit_code, 0);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
