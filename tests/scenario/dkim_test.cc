// Signed mail, from the key's making to other people's verifiers: a thousand messages of every shape go through a real
// Postfix and are verified as they lie in its mailboxes, and keys change without a message that is signed by none.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <array>
#include <ctime>
#include <filesystem>

#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/dkim_verifiers.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/name_server.h"
#include "tests/scenario/harness/postfix.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Ne;

// Bodies and headers that canonical forms differ on: white space, empty lines, folds, dots, encodings, parts.
const std::vector<std::string>& Shapes() {
  static const std::string html =
      "<html><body><p>Dear&nbsp;<b>{{name}}</b>,</p>\n<p  class=x >  two  spaces\t</p></body></html>\n";
  static const std::string parts =
      "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=\"=_b\"\n\n--=_b\nContent-Type: text/plain; "
      "charset=utf-8\n\nDear {{name}},\n\nplain \n\n--=_b\nContent-Type: text/html; charset=utf-8\n\n" +
      html + "--=_b--\n";
  static const auto image = [](const std::string& boundary) {
    return "--" + boundary +
           "\nContent-Type: image/png; name=\"lo  go.png\"\nContent-Disposition: inline\nContent-ID: "
           "<logo@sender.test>\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n";
  };
  static const std::vector<std::string> shapes = {
      "Subject: short\n\nDear {{name}}\n",
      "Subject: fixed body\n\nThe same for everyone.\n",
      "Subject: no body\n\n",
      "Subject: blank lines at the end\n\nDear {{name}}\n\n\n  \n\t\n",
      "Subject: no last line end\n\nDear {{name}}",
      "Subject: white space\n\n  indented\n\ttab\there\t \nends in blanks   \n   \nand {{name}} \n",
      "Subject: fixed white space\n\n  a  b\t\tc \n\n \n.\n..two\n",
      "Subject: dots\n\n.\n..\n.{{name}}\nFrom {{city}}\n",
      "Subject:   folded\n subject of\n\tthree lines {{name}}\n\nbody\n",
      "Subject: {{name}} {{name}} {{name}} {{name}} {{name}} {{name}} long\n\nbody of {{city}}\n",
      std::string("Subject: Gr\xC3\xBC\xC3\x9F"
                  "e an {{name}}\n\nSch\xC3\xB6ne Gr\xC3\xBC\xC3\x9F"
                  "e nach {{city}} \xE2\x80\x94 bis bald.\n"),
      "Subject: html\nContent-Type: text/html; charset=utf-8\n\n" + html,
      "Subject: parts\n" + parts,
      std::string(
          "Subject: attachment\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\nDear {{name}}\n--m\nContent-Type: "
          "application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; "
          "filename=\"a "
          "b.pdf\"\n\n"
          "JVBERi0xLjQKJeLjz9MK\n--m--\n"),
      std::string("Subject: lists\nList-Unsubscribe: <https://u.sender.test/{{name}}>\nList-Unsubscribe-Post: "
                  "List-Unsubscribe=One-Click\nList-Id: <news.sender.test>\nFeedback-ID: a:b:c:d\nReply-To: Clinic "
                  "<r@sender.test>\n\nHi {{name}}\n"),
      "subject: odd header names\nX-One: a\nX-One: b\nCC: other@sender.test\nREFERENCES: <a@b>\n\nHi {{name}}\n",
      "Subject: section\n\n{{#city}}You live in {{city}}.{{/city}}{{^city}}No city.{{/city}}\n",
      "Subject: long lines\n\n{{name}} " + std::string(900, 'x') + " {{city}}\n" + std::string(2000, 'y') + "\n",
      "Subject: an unquoted \"name\" (comment)\nSender: Office <office@sender.test>\n\n{{{name}}}\n",
      "Subject: many lines\n\n" + std::string(400, '\n') + "{{name}}\n" + std::string(40, '\n'),
      "Subject: inline image\nContent-Type: multipart/related; boundary=\"r r\"; type=\"text/html\"\n\n--r r\n"
      "Content-Type: text/html; charset=utf-8\n\n" +
          html + image("r r") + "--r r--\n",
      "Subject: everything\nContent-Type: multipart/mixed; boundary=m\n\npreamble  \n\n--m\n"
      "Content-Type: multipart/related; boundary=r\n\n--r\n" +
          parts.substr(parts.find("Content-Type")) + image("r") +
          "--r--\n--m\nContent-Type: text/csv; charset=utf-8\nContent-Disposition: attachment; filename=\"a  b.csv\"\n"
          "Content-Transfer-Encoding: 8bit\n\nname,J\xC3\xA4ne \n.\n--m--\nepilogue \n",
  };
  return shapes;
}

// Headers and bodies at the edge of what is allowed.
const std::vector<std::string>& OddShapes() {
  static const auto repeated = [](const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  static const std::string many_ids = [] {
    std::string ids;
    for (int i = 1; i <= 60; ++i) ids += fmt::format("{}<id{}@sender.test>", i % 5 == 0 ? "\n " : " ", i);
    return ids;
  }();
  static const std::vector<std::string> shapes = {
      // Header fields that are there twice, empty, all white space, folded before and behind their text, or very long.
      std::string(
          "Subject: repeated\nX-Twice: one\nX-Twice:  two {{city}}\nX-Twice: one\nComments: a\nComments: b\n\nHi "
          "{{name}}\n"),
      "Subject:\nX-Empty:\nX-Blank:   \n\nno subject for {{name}}\n",
      "Subject:\n folded at once {{city}}\nX-Folded: a\n  b\n\tc\n\t d  \n\nHi\n",
      "Subject: references\nReferences:" + many_ids + "\nIn-Reply-To: <id1@sender.test>\n\nHi {{name}}\n",
      "Subject: without blanks " + std::string(700, 's') + "\n\nHi {{name}}\n",
      std::string("Subject: names\nReply-To: \"Gr\xC3\xBC\xC3\x9F, {{city}}\" <r@sender.test>,\n \"a \\\"b\\\" c\" "
                  "<s@sender.test>\n\nHi\n"),
      "Subject: \xE5\xB1\xB1\xE7\x94\xB0 " + repeated("\xE5\xB1\xB1", 120) + " {{name}}\n\n{{city}}\n",
      "Subject: =?utf-8?Q?encoded_already?= {{name}}\n\n=?utf-8?Q?no_word_here?= =3D= {{city}}\n",
      // Bodies: nothing but white space or line ends, values alone, 8-bit text in long lines, flowed text.
      "Subject: blank body\n\n \t \n  \n",
      "Subject: line ends\n\n\n\n\n\n",
      "Subject: a value alone\n\n{{city}}",
      "Subject: 8-bit long lines\n\n" + repeated("\xC3\xA4\xF0\x9F\x98\x80 ", 400) + "{{name}}\n" +
          repeated("\xE5\xB1\xB1", 700) + "\n",
      std::string("Subject: flowed\nContent-Type: text/plain; charset=utf-8; format=flowed; delsp=yes\n\n> quoted \n>> "
                  "{{name}} "
                  "\n-- \n"
                  "From here \n{{city}}\n"),
      "Subject: language\nContent-Type: multipart/alternative; boundary=\"=_a?b\"\n\n--=_a?b\nContent-Type: "
      "text/plain\n"
      "Content-Language: de\n\n{{name}}\n\n\n--=_a?b\nContent-Type: text/html; charset=utf-8\n\n" +
          repeated("<td align=\"left\" >\xC3\xBC</td>", 200) + "{{name}}\n--=_a?b--\n",
      std::string(
          "Subject: attached names\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: "
          "text/plain\n\n--m-\n--n\n"
          "{{name}}\n--m\nContent-Type: application/octet-stream; name=\"Gr\xC3\xBC\xC3\x9F"
          "e.bin\"\nContent-Disposition: "
          "attachment; filename*=utf-8\'\'Gr%C3%BC%C3%9Fe.bin\nContent-Transfer-Encoding: base64\n\nAAECAwQ=\n--m--\n"),
  };
  return shapes;
}

class DkimTest : public World {
 protected:
  DkimTest() {
    settings.streams = {{"news", "tls = \"opportunistic\"\ndkim = [\"sender.test\"]"}};
    records_ = {"mx1.test. 60 IN A " + net.Address(10)};
    for (const std::string& domain : domains_) records_.push_back(domain + ". 60 IN MX 10 mx1.test.");
  }

  // Makes a key with `dkim generate`; its record can be published, its block configured.
  struct Key {
    std::string name, text, zone, block;
  };
  Key Generate(const std::string& selector, const std::string& algorithm) {
    const std::string file = dir.path() / (selector + ".pem");
    const Answer made = Sealift(
        {"dkim", "generate", file, "--domain", "sender.test", "--selector", selector, "--algorithm", algorithm});
    EXPECT_EQ(made.exit_code, 0) << made.Describe();
    Key key{made.json["name"].Text(), made.json["text"].Text(), made.json["zone"].Text(), made.json["config"].Text()};
    keys_[key.name] = key.text;
    return key;
  }
  std::unique_ptr<Postfix> StartPostfix() {
    authority_ = std::make_unique<CertificateAuthority>(dir);
    return std::make_unique<Postfix>(dir, Postfix::Options{.address = net.Address(10),
                                                           .hostname = "mx1.test",
                                                           .domains = domains_,
                                                           .certificate = authority_->Sign("mx1.test"),
                                                           .extra = "smtputf8_enable = yes"});
  }
  // Sends one campaign. Row N goes to an address of this pattern, into which NAME, N and a domain's number are put.
  void Send(const std::string& name, const std::string& shape, int rows,
            const std::string& addresses = "{}-r{}@d{}.test") {
    std::string people = "email,name,city\n";
    const std::vector<std::string> names = {"Jane",
                                            "J\xC3\xA4ne  M\xC3\xBCller",
                                            "\"O'Neil,  Pat \"",
                                            "x",
                                            "\" two  blanks \"",
                                            ".dot",
                                            "\"a\nb\"",
                                            "<b>&amp;",
                                            "=20",
                                            "\xE5\xB1\xB1\xE7\x94\xB0"};
    const bool in_header = shape.substr(0, shape.find("\n\n")).find("{{name}}") != std::string::npos;
    for (int row = 1; row <= rows; ++row) {
      std::string value = names[static_cast<size_t>(row) % names.size()];
      if (in_header && value.find('\n') != std::string::npos) value = "plain";
      people += fmt::format(fmt::runtime(addresses), name, row, row % 4 + 1) +
                fmt::format(",{},{}\n", value, row % 3 == 0 ? "" : "\"City,  1\"");
    }
    const std::string letter = dir.Write(name + ".eml", "From: Clinic <news@sender.test>\nTo: {{email}}\n" + shape);
    const Answer load = Load(name, letter, dir.Write(name + ".csv", people), {"--start"});
    EXPECT_EQ(load.json["accepted"].Number(), rows) << load.Describe();
  }
  // The same with messages that are finished and not 7-bit, every other one also in its header.
  void SendFinished(const std::string& name, int rows) {
    std::string mbox;
    for (int row = 1; row <= rows; ++row) {
      mbox += fmt::format(
          "From office Mon Jan  1 00:00:00 2024\nFrom: Clinic <news@sender.test>\nTo: {}-r{}@d{}.test\nSubject:  "
          "fin\xC3\xAD{}  {}\n\tx\nMIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\n\n"
          "caf\xE9  {} \t\n.\n\n \n\n",
          name, row, row % 4 + 1, row, row, row);
      if (row % 2 == 0) mbox.erase(mbox.rfind("\xC3\xAD"), 2);
    }
    const Answer load = Sealift(
        {"campaign", "load", name, "--stream", "news", "--messages", dir.Write(name + ".mbox", mbox), "--start"});
    EXPECT_EQ(load.json["accepted"].Number(), rows) << load.Describe();
  }
  bool Delivered(const std::string& name, int rows) {
    return ShowsUntil(name, kInTime, [rows](const Json& now) { return now["delivered"].Number() == rows; });
  }
  std::string Check(const std::string& selector, const Answer& answer) {
    for (const Json& row : answer.json["keys"].Items()) {
      if (row["selector"].Text() == selector) return row["state"].Text();
    }
    return "not there";
  }

  std::vector<std::string> domains_ = {"d1.test", "d2.test", "d3.test", "d4.test", "xn--bcher-kva.test"};
  std::vector<std::string> records_;
  std::map<std::string, std::string> keys_;
  std::unique_ptr<CertificateAuthority> authority_;
};

TEST_F(DkimTest, AThousandMessagesOfEveryShapeVerifyEverywhere) {
  const Key rsa = Generate("r1", "rsa"), ed25519 = Generate("e1", "ed25519");
  records_.push_back(rsa.zone);
  records_.push_back(ed25519.zone);
  settings.tables = rsa.block + ed25519.block;
  const auto names = NameServer::Nsd(dir, net.Address(2), records_);
  const auto postfix = StartPostfix();
  StartDaemon();
  const Answer check = Sealift({"dkim", "check"});
  EXPECT_EQ(check.exit_code, 0) << check.Describe();
  EXPECT_EQ(Check("r1", check), "matches");
  EXPECT_EQ(Check("e1", check), "matches");

  std::vector<std::string> letters = Shapes();
  letters.insert(letters.end(), OddShapes().begin(), OddShapes().end());
  const size_t shapes = letters.size() + 3;
  const int rows = 1000 / static_cast<int>(shapes);
  for (size_t i = 0; i < letters.size(); ++i) Send(fmt::format("shape{}", i), letters[i], rows);
  Send(fmt::format("shape{}", shapes - 3),
       "Subject: IDN\nReply-To: B\xC3\xBCro <a@b\xC3\xBC"
       "cher.test>\n\nHi {{name}} at {{email}}\n",
       rows,
       "{}-r{}@b\xC3\xBC"
       "cher.test");
  Send(fmt::format("shape{}", shapes - 2), "Subject: SMTPUTF8 {{email}}\n\nHi {{name}} at {{email}}\n", rows,
       "j\xC3\xA4ne-{}-r{}@d{}.test");
  SendFinished(fmt::format("shape{}", shapes - 1), rows);
  for (size_t i = 0; i < shapes; ++i) ASSERT_TRUE(Delivered(fmt::format("shape{}", i), rows)) << postfix->Log();
  ASSERT_TRUE(Eventually(kSoon, [&] { return postfix->mails() == 1000; })) << postfix->Log();

  std::vector<std::string> messages;
  for (const auto& [recipient, mail] : postfix->Mailboxes()) messages.push_back(mail.content);
  ASSERT_EQ(messages.size(), 1000u);
  // Each verifier that knows an algorithm finds every signature good; who passes the example of the RFC knows it.
  const SignedExample example = Rfc8463Example();
  EXPECT_THAT(VerifyWithOpenDkim(dir, keys_, messages), Each(ElementsAre("pass", "pass")));
  EXPECT_THAT(VerifyWithDkimPy(dir, keys_, messages), Each(ElementsAre("pass", "pass")));
  EXPECT_THAT(VerifyWithMailDkim(dir, keys_, messages),
              Each(ElementsAre("pass", VerifyWithMailDkim(dir, example.keys, {example.message})[0][0])));
  EXPECT_GE(Metric("sealift_dkim_signatures_total{algorithm=\"rsa-sha256\"}"), 1000);
  EXPECT_EQ(Metric("sealift_dkim_signatures_total{algorithm=\"ed25519-sha256\"}"),
            Metric("sealift_dkim_signatures_total{algorithm=\"rsa-sha256\"}"));

  // The verifiers can say no.
  std::vector<std::string> changed = {messages[0]};
  changed[0].replace(changed[0].find("Clinic"), 6, "Bandit");
  EXPECT_THAT(VerifyWithOpenDkim(dir, keys_, changed)[0], Each(Ne("pass")));
  EXPECT_THAT(VerifyWithDkimPy(dir, keys_, changed)[0], Each(Ne("pass")));
  EXPECT_THAT(VerifyWithMailDkim(dir, keys_, changed)[0], Each(Ne("pass")));
  StopDaemon();
}

// What the verifiers are worth: none of them has made this message, nor have we.
TEST_F(DkimTest, TheExampleOfRfc8463IsGoodToEveryVerifierThatKnowsItsAlgorithms) {
  const SignedExample example = Rfc8463Example();
  EXPECT_THAT(VerifyWithOpenDkim(dir, example.keys, {example.message}), ElementsAre(ElementsAre("pass", "pass")));
  EXPECT_THAT(VerifyWithDkimPy(dir, example.keys, {example.message}), ElementsAre(ElementsAre("pass", "pass")));
  EXPECT_THAT(VerifyWithMailDkim(dir, example.keys, {example.message}),
              ElementsAre(ElementsAre(AnyOf("pass", "invalid"), "pass")))
      << "before its release 1.20240923 it knows no Ed25519";
}

// Nobody knows the second in which a message will be sent, so a preview is printed for each that it can be.
TEST_F(DkimTest, WhatIsDeliveredIsWhatPreviewPrintedForItsDate) {
  const Key rsa = Generate("r1", "rsa"), ed25519 = Generate("e1", "ed25519");
  settings.tables = rsa.block + ed25519.block;
  const auto names = NameServer::Nsd(dir, net.Address(2), records_);
  const auto postfix = StartPostfix();
  StartDaemon();
  Load("spring", Template(), Recipients(1, {"d1.test"}));
  std::vector<std::string> previews;
  std::time_t second = std::time(nullptr) + 10;
  for (int i = 0; i < 60; ++i, ++second) {
    std::array<char, 32> date{};
    std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&second));
    const Answer preview = SealiftPlain({"campaign", "preview", "spring", "--date", date.data()});
    ASSERT_EQ(preview.exit_code, 0) << preview.Describe();
    previews.push_back(preview.out);
  }
  EXPECT_EQ(SignaturesOf(previews[0]).size(), 2u);
  ASSERT_TRUE(Eventually(kSoon, [&] { return std::time(nullptr) >= second - 60; }));
  ASSERT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 0);
  ASSERT_TRUE(Delivered("spring", 1)) << postfix->Log();
  ASSERT_TRUE(Eventually(kSoon, [&] { return postfix->mails() == 1; })) << postfix->Log();
  EXPECT_THAT(previews, ::testing::Contains(postfix->Mailboxes().begin()->second.content));
  StopDaemon();
}

TEST_F(DkimTest, ANewSelectorStandsByUntilAReloadPutsItFirst) {
  const Key old_key = Generate("e1", "ed25519"), new_key = Generate("e2", "ed25519");
  settings.tables = old_key.block + new_key.block;
  const auto names = NameServer::Nsd(dir, net.Address(2), records_);
  const auto postfix = StartPostfix();
  StartDaemon();
  Send("before", Shapes()[0], 8);
  ASSERT_TRUE(Delivered("before", 8)) << postfix->Log();
  settings.tables = new_key.block + old_key.block;
  WriteConfig();
  const Answer reload = Sealift({"reload"});
  ASSERT_EQ(reload.exit_code, 0) << reload.Describe();
  Send("after", Shapes()[0], 8);
  ASSERT_TRUE(Delivered("after", 8)) << postfix->Log();
  ASSERT_TRUE(Eventually(kSoon, [&] { return postfix->mails() == 16; })) << postfix->Log();
  std::vector<std::string> messages;
  for (const auto& [recipient, mail] : postfix->Mailboxes()) {
    messages.push_back(mail.content);
    const std::vector<std::string> signatures = SignaturesOf(mail.content);
    ASSERT_EQ(signatures.size(), 1u) << mail.content;
    EXPECT_THAT(signatures[0], HasSubstr(recipient.starts_with("before") ? " s=e1;" : " s=e2;"));
  }
  EXPECT_THAT(VerifyWithDkimPy(dir, keys_, messages), Each(ElementsAre("pass")));

  // A key file that is no good any more changes nothing.
  std::filesystem::permissions(dir.path() / "e2.pem", std::filesystem::perms(0644));
  const Answer refused = Sealift({"reload"});
  EXPECT_EQ(refused.exit_code, 78) << refused.Describe();
  EXPECT_THAT(refused.out + refused.err, HasSubstr("chmod 0600"));
  StopDaemon();

  // And a daemon does not start with it.
  Process second({OurProgram("sealiftd"), "--config", config_file}, dir.path() / "second.out",
                 dir.path() / "second.err");
  EXPECT_EQ(second.WaitFor(kSoon).value_or(-1), 78);
  EXPECT_THAT(second.Err(), HasSubstr("chmod 0600"));
}

TEST_F(DkimTest, CheckTellsWhatTheDnsPublishes) {
  const Key good = Generate("good", "rsa"), gone = Generate("gone", "ed25519"), other = Generate("other", "rsa"),
            revoked = Generate("revoked", "ed25519"), twice = Generate("twice", "rsa");
  records_.push_back(good.zone);
  records_.push_back("other._domainkey.sender.test. 60 IN TXT \"" + good.text.substr(0, 250) + "\"");
  records_.push_back("revoked._domainkey.sender.test. 60 IN TXT \"v=DKIM1; k=ed25519; p=\"");
  records_.push_back(twice.zone);
  records_.push_back("twice._domainkey.sender.test. 60 IN TXT \"v=DKIM1; p=AAAA\"");
  settings.tables = good.block + gone.block + other.block + revoked.block + twice.block;
  settings.streams = {{"news", "dkim = [\"sender.test\"]"}};
  WriteConfig();
  {
    const auto names = NameServer::Nsd(dir, net.Address(2), records_);
    const Answer answer = Sealift({"dkim", "check"});
    EXPECT_EQ(answer.exit_code, 65) << answer.Describe();
    EXPECT_EQ(Check("good", answer), "matches");
    EXPECT_EQ(Check("gone", answer), "missing");
    EXPECT_EQ(Check("other", answer), "differs");
    EXPECT_EQ(Check("revoked", answer), "revoked");
    EXPECT_EQ(Check("twice", answer), "unclear");
  }
  settings.tables = good.block;
  settings.dns_server = net.Address(2, 5399);  // nobody is there
  WriteConfig();
  const Answer silent = Sealift({"dkim", "check"});
  EXPECT_EQ(silent.exit_code, 75) << silent.Describe();
  EXPECT_EQ(Check("good", silent), "dns_failed");
}

}  // namespace
}  // namespace sealift::scenario
