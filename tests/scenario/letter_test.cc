// Messages of several parts, made of files by `campaign load` or written as an .eml, as a receiver reads them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/scenario/harness/mime_reader.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LetterTest : public World {
 protected:
  LetterTest()
      : sink_(dir,
              fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"*\"]\n"
                          "mx = [{{ host = \"sink.test\", address = \"{}\" }}]\n",
                          net.Address(10)),
              net.Address(2, 5353), {"--store", dir.path() / "store"}) {
    settings.delivery = "sink";
    settings.sink_address = net.Address(10, Sink::kPort);
    StartDaemon();
  }

  // Loads a campaign of one row, starts it, and reads what arrives.
  ReadMail Send(std::vector<std::string> message) {
    const std::string people = dir.Write("people.csv", "email,name\njane@d1.test,J\xC3\xA4ne & Co\n");
    std::vector<std::string> arguments = {"campaign", "load",    "spring",       "--stream",
                                          "news",     "--start", "--recipients", people};
    arguments.insert(arguments.end(), message.begin(), message.end());
    const Answer load = Sealift(arguments);
    EXPECT_EQ(load.exit_code, 0) << load.Describe();
    EXPECT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == 1; }));
    const std::vector<Sink::Arrival> arrivals = sink_.Ledger();
    EXPECT_EQ(arrivals.size(), 1U);
    EXPECT_EQ(sink_.Status()["faults"].Number(), 0) << sink_.Status().Dump();
    if (arrivals.empty()) return {};
    const std::string raw = ReadFile(dir.path() / "store" / arrivals[0].file);
    for (const char c : raw) EXPECT_LT(static_cast<unsigned char>(c), 0x80) << "it is not 7-bit";
    return ReadMails(dir, {raw})[0];
  }

  const Sink sink_;
};

std::string AllBytes() {
  std::string bytes;
  for (int i = 0; i < 3000; ++i) bytes += static_cast<char>(i);
  return bytes;
}

TEST_F(LetterTest, FilesBecomeOneMessageWithAlternativesAndAttachments) {
  const ReadMail mail = Send({"--from",
                              "Gesundheit f\xC3\xBCr alle <news@b\xC3\xBC"
                              "cher.test>",
                              "--subject", "Hallo {{name}}", "--text", dir.Write("a.txt", "Dear {{name}}\r\n"),
                              "--html", dir.Write("a.html", "<p>Dear {{name}}, sch\xC3\xB6n</p>\n"), "--attach",
                              dir.Write("price list.pdf", AllBytes()), "--attach",
                              dir.Write("\xC3\x9C"
                                        "bersicht.txt",
                                        "{{name}} stays")});
  EXPECT_THAT(mail.Values("Subject"), ElementsAre("Hallo J\xC3\xA4ne & Co"));
  EXPECT_THAT(mail.Addresses("From"),
              ElementsAre(ReadMail::Address{"Gesundheit f\xC3\xBCr alle", "news@xn--bcher-kva.test"}));
  EXPECT_THAT(mail.Addresses("To"), ElementsAre(ReadMail::Address{"", "jane@d1.test"}));
  std::vector<std::string> types;
  for (const ReadMail::Part& part : mail.parts) types.push_back(part.type);
  ASSERT_THAT(types, ElementsAre("multipart/mixed", "multipart/alternative", "text/plain", "text/html",
                                 "application/pdf", "text/plain"));
  EXPECT_EQ(mail.parts[2].content, "Dear J\xC3\xA4ne & Co\r\n");
  EXPECT_EQ(mail.parts[3].content, "<p>Dear J\xC3\xA4ne &amp; Co, sch\xC3\xB6n</p>\r\n");
  EXPECT_EQ(mail.parts[4].content, AllBytes());
  EXPECT_EQ(mail.parts[4].disposition, "attachment");
  EXPECT_EQ(mail.parts[4].file_name, "price list.pdf");
  EXPECT_EQ(mail.parts[5].content, "{{name}} stays");
  EXPECT_EQ(mail.parts[5].file_name,
            "\xC3\x9C"
            "bersicht.txt");
  EXPECT_THAT(mail.defects, IsEmpty());
  StopDaemon();
}

TEST_F(LetterTest, InlineImagesAndAttachmentsOfAnEmlKeepTheirPlaces) {
  const ReadMail mail = Send(
      {"--template",
       dir.Write("a.eml",
                 "---\ndefault greeting = Dear\n---\nFrom: Clinic <news@sender.test>\nSubject: {{greeting}} {{name}}\n"
                 "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"m m\"\n\n--m m\n"
                 "Content-Type: multipart/related; boundary=r; type=\"multipart/alternative\"\n\n--r\n"
                 "Content-Type: multipart/alternative; boundary=rr\n\n--rr\nContent-Type: text/plain\n\n"
                 "{{greeting}} {{name}}\n--rr\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: "
                 "8bit\n\n<p>{{name}} <img src=\"cid:logo@sender.test\" alt=\"Gr\xC3\xBC\xC3\x9F"
                 "e\"></p>\n--rr--\n"
                 "--r\nContent-Type: image/png; name=logo.png\nContent-Disposition: inline; filename=logo.png\n"
                 "Content-ID: <logo@sender.test>\nContent-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--r--\n"
                 "--m m\nContent-Type: text/csv; charset=utf-8\nContent-Disposition: attachment; filename=\"a b.csv\"\n"
                 "Content-Transfer-Encoding: 8bit\n\nname,{{name}}\nJ\xC3\xA4ne,1\n--m m--\n")});
  EXPECT_THAT(mail.Values("Subject"), ElementsAre("Dear J\xC3\xA4ne & Co"));
  std::vector<std::string> types;
  for (const ReadMail::Part& part : mail.parts) types.push_back(part.type);
  ASSERT_THAT(types, ElementsAre("multipart/mixed", "multipart/related", "multipart/alternative", "text/plain",
                                 "text/html", "image/png", "text/csv"));
  EXPECT_EQ(mail.parts[3].content, "Dear J\xC3\xA4ne & Co");
  EXPECT_THAT(mail.tags, ElementsAre(ReadMail::Tag{"p", {}}, ReadMail::Tag{"img",
                                                                           {{"src", "cid:logo@sender.test"},
                                                                            {"alt",
                                                                             "Gr\xC3\xBC\xC3\x9F"
                                                                             "e"}}}));
  EXPECT_THAT(mail.html_text, HasSubstr("J\xC3\xA4ne & Co"));
  EXPECT_EQ(mail.parts[5].content, "\x89PNG\r\n\x1A\n");
  EXPECT_EQ(mail.parts[5].content_id, "<logo@sender.test>");
  EXPECT_EQ(mail.parts[5].disposition, "inline");
  EXPECT_EQ(mail.parts[6].content, "name,{{name}}\r\nJ\xC3\xA4ne,1");
  EXPECT_EQ(mail.parts[6].file_name, "a b.csv");
  EXPECT_THAT(mail.defects, IsEmpty());
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
