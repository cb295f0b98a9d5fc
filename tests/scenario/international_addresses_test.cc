// Addresses beyond ASCII: a domain goes out as an A-label, a local part by SMTPUTF8 to whoever offers it, and bounces
// where nobody does. What was asked of such an address holds in every spelling of its domain.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/scenario/harness/certificate.h"
#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/mime_reader.h"
#include "tests/scenario/harness/name_server.h"
#include "tests/scenario/harness/postfix.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

using InternationalAddressesTest = World;

TEST_F(InternationalAddressesTest, EachGoesAsItsServerCanTakeIt) {
  const std::string jane = "j\xC3\xA4ne";
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"modern\"\ndomains = [\"xn--bcher-kva.test\"]\n"
                              "extensions = [\"SMTPUTF8\"]\nmx = [{{ host = \"mx2.test\", address = \"{}\" }}]\n"
                              "[[provider]]\nname = \"old\"\ndomains = [\"d3.test\"]\n"
                              "mx = [{{ host = \"mx3.test\", address = \"{}\" }}]\n",
                              net.Address(11), net.Address(12)),
                  "", {"--store", dir.path() / "store"});
  const auto names = NameServer::Nsd(dir, net.Address(2),
                                     {"mx1.test. 60 IN A " + net.Address(10), "mx2.test. 60 IN A " + net.Address(11),
                                      "mx3.test. 60 IN A " + net.Address(12), "d1.test. 60 IN MX 10 mx1.test.",
                                      "xn--bcher-kva.test. 60 IN MX 10 mx2.test.", "d3.test. 60 IN MX 10 mx3.test."});
  const CertificateAuthority authority(dir);
  const Postfix postfix(dir, {.address = net.Address(10),
                              .hostname = "mx1.test",
                              .domains = {"d1.test"},
                              .certificate = authority.Sign("mx1.test"),
                              .extra = "smtputf8_enable = yes"});
  StartDaemon();
  const Answer listed = Sealift({"suppression", "add",
                                 "no-" + jane +
                                     "@B\xC3\x9C"
                                     "CHER.test"});
  ASSERT_EQ(listed.exit_code, 0) << listed.Describe();
  const std::string people =
      dir.Write("people.csv", "email,name\n" + jane + "@d1.test,one\n" + jane +
                                  "@b\xC3\xBC"
                                  "cher.test,two\njane@b\xC3\xBC"
                                  "cher.test,three\n" +
                                  jane + "@d3.test,four\njane@d3.test,five\nNO-" + jane + "@xn--bcher-kva.test,six\n");
  const std::string letter =
      dir.Write("letter.eml", "From: Clinic <news@sender.test>\nSubject: to {{email}}\n\nDear {{name}} at {{email}}\n");
  const Answer load = Load("spring", letter, people, {"--start"});
  EXPECT_EQ(load.json["suppressed"].Number(), 1) << load.Describe();
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) {
    return now["delivered"].Number() == 4 && now["bounced"].Number() == 1;
  })) << postfix.Log();
  ASSERT_TRUE(Eventually(kSoon, [&] { return postfix.mails() == 1; })) << postfix.Log();

  for (const Json& event : Events("spring")) {
    if (event["outcome"].Text() != "bounced") continue;
    EXPECT_EQ(event["recipient"].Text(), jane + "@d3.test");
    EXPECT_EQ(event["enhanced"].Text(), "5.6.7");
    EXPECT_THAT(event["reply"].Text(), HasSubstr("SMTPUTF8"));
  }
  EXPECT_EQ(sink.Status()["faults"].Number(), 0) << sink.Status().Dump();
  std::vector<std::string> mailboxes, messages;
  for (const Sink::Arrival& arrival : sink.Ledger()) {
    mailboxes.push_back(arrival.mailbox);
    if (arrival.mailbox == jane + "@xn--bcher-kva.test") {
      messages.push_back(ReadFile(dir.path() / "store" / arrival.file));
    }
  }
  EXPECT_THAT(mailboxes, UnorderedElementsAre(jane + "@xn--bcher-kva.test", "jane@xn--bcher-kva.test", "jane@d3.test"));
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_THAT(messages[0], HasSubstr("\r\nTo: " + jane + "@xn--bcher-kva.test\r\n"));
  const auto mails = postfix.Mailboxes();
  ASSERT_TRUE(mails.contains(jane + "@d1.test")) << postfix.Log();
  const Postfix::Mail& mail = mails.at(jane + "@d1.test");
  EXPECT_THAT(mail.received, HasSubstr("with UTF8SMTP"));
  messages.push_back(mail.content);
  for (const ReadMail& read : ReadMails(dir, messages)) {
    EXPECT_THAT(read.Values("Subject"), ElementsAre(HasSubstr("to " + jane + "@")));
    EXPECT_THAT(read.parts[0].content, HasSubstr("at " + jane + "@"));
  }
  // Only To is beyond ASCII.
  for (const std::string& message : messages) {
    std::string rest = message;
    const size_t to = rest.find("\r\nTo: ");
    rest.erase(to, rest.find("\r\n", to + 2) - to);
    EXPECT_THAT(rest, Not(HasSubstr("\xC3")));
  }
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
