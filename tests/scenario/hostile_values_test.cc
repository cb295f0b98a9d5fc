// Whatever a recipient file holds, each receiver gets one message of the template's own shape with the value in it as
// text: Postfix, sealift-sink and Python's parsers are asked, for every control character and every naughty string, in
// every place where a template may have a field.
#include "tests/scenario/harness/hostile_values.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <set>

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
using ::testing::IsEmpty;

// Our own, and the Big List of Naughty Strings where SEALIFT_CORPORA says that it is.
std::vector<std::string> Values() {
  std::vector<std::string> values = HostileValues();
  if (const char* folder = std::getenv("SEALIFT_CORPORA"); folder != nullptr) {
    const Json naughty = Json::Parse(ReadFile(std::string(folder) + "/naughty_strings.json"));
    EXPECT_GT(naughty.size(), 500U);
    for (const Json& value : naughty.Items()) values.push_back(value.Text());
  }
  return values;
}

bool HasControl(const std::string& value) {
  for (size_t i = 0; i < value.size(); ++i) {
    const auto byte = static_cast<unsigned char>(value[i]);
    if (byte < 0x20 || byte == 0x7F) return true;
    if (byte == 0xC2 && i + 1 < value.size() && static_cast<unsigned char>(value[i + 1]) < 0xA0) return true;
  }
  return false;
}

std::string PercentEncoded(const std::string& value) {
  std::string encoded;
  for (const char c : value) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

// A display name may be 400 bytes long, any other header 900.
bool MayStandInHeaders(const std::string& value) {
  return !HasControl(value) && value.size() <= 390 && PercentEncoded(value).size() <= 870;
}

std::string Trimmed(const std::string& value) {
  const size_t begin = value.find_first_not_of(' ');
  return begin == std::string::npos ? "" : value.substr(begin, value.find_last_not_of(' ') - begin + 1);
}

// White space between the words of a phrase has no meaning (RFC 5322 3.2.5).
std::string OneBlank(const std::string& value) {
  std::string result;
  for (const char c : Trimmed(value)) {
    if (c != ' ' || result.empty() || result.back() != ' ') result += c;
  }
  return result;
}

// Every kind of line end is one in a text.
std::string WithCrLf(const std::string& value) {
  std::string result;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\r' && i + 1 < value.size() && value[i + 1] == '\n') ++i;
    result += value[i] == '\r' || value[i] == '\n' ? std::string("\r\n") : std::string(1, value[i]);
  }
  return result;
}

std::string Quoted(const std::string& value) {
  std::string cell = "\"";
  for (const char c : value) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + "\"";
}

constexpr char kParts[] =
    "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n\n"
    "--b\nContent-Type: text/plain; charset=utf-8\n\n[{{v}}]\n"
    "--b\nContent-Type: text/html; charset=utf-8\n\n<p title=\"{{v}}\">[{{v}}]</p><a "
    "href=\"https://u.test/?a={{v}}\"></a>\n--b--\n";

class HostileValuesTest : public World {
 protected:
  HostileValuesTest()
      : sink_(dir,
              fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"d2.test\"]\n"
                          "mx = [{{ host = \"mx2.test\", address = \"{}\" }}]\n",
                          net.Address(11)),
              "", {"--store", dir.path() / "store"}),
        names_(NameServer::Nsd(dir, net.Address(2),
                               {"mx1.test. 60 IN A " + net.Address(10), "mx2.test. 60 IN A " + net.Address(11),
                                "d1.test. 60 IN MX 10 mx1.test.", "d2.test. 60 IN MX 10 mx2.test."})),
        authority_(dir),
        postfix_(dir, {.address = net.Address(10),
                       .hostname = "mx1.test",
                       .domains = {"d1.test"},
                       .certificate = authority_.Sign("mx1.test"),
                       .extra = ""}) {
    StartDaemon();
  }

  // Sends `letter` to two recipients a value, one at each receiver. Both must get the same bytes of those that
  // `accepted` says; the others are rejected when loading. The messages, by the index of their value.
  std::map<size_t, ReadMail> Send(const std::string& letter, const std::vector<std::string>& values,
                                  const std::set<size_t>& accepted) {
    std::string people = "email,v\n";
    for (size_t i = 0; i < values.size(); ++i) {
      for (const int domain : {1, 2}) people += fmt::format("v{}@d{}.test,{}\n", i, domain, Quoted(values[i]));
    }
    const Answer load = Sealift({"campaign", "load", "hostile", "--stream", "news", "--start", "--template",
                                 dir.Write("letter.eml", letter), "--recipients", dir.Write("people.csv", people),
                                 "--rejects", dir.path() / "rejects"});
    EXPECT_EQ(load.json["accepted"].Number(), static_cast<int64_t>(2 * accepted.size())) << load.Describe();
    EXPECT_EQ(load.json["rejected"].Number(), static_cast<int64_t>(2 * (values.size() - accepted.size())));
    EXPECT_TRUE(ShowsUntil("hostile", kInTime, [&](const Json& now) {
      return now["delivered"].Number() == static_cast<int64_t>(2 * accepted.size());
    })) << postfix_.Log();
    EXPECT_TRUE(Eventually(kSoon, [&] { return postfix_.mails() == accepted.size(); })) << postfix_.Log();

    EXPECT_EQ(sink_.Status()["faults"].Number(), 0) << sink_.Status().Dump();
    std::map<std::string, std::string> stored;
    for (const Sink::Arrival& arrival : sink_.Ledger()) {
      EXPECT_TRUE(stored.emplace(arrival.mailbox, ReadFile(dir.path() / "store" / arrival.file)).second);
    }
    EXPECT_EQ(stored.size(), accepted.size()) << "not one recipient a value";
    const std::map<std::string, Postfix::Mail> mailboxes = postfix_.Mailboxes();
    EXPECT_EQ(mailboxes.size(), accepted.size()) << "not one recipient a value";
    std::vector<std::string> messages;
    for (const size_t index : accepted) {
      const auto mailed = mailboxes.find(fmt::format("v{}@d1.test", index));
      const auto kept = stored.find(fmt::format("v{}@d2.test", index));
      if (mailed == mailboxes.end() || kept == stored.end()) {
        ADD_FAILURE() << "no mail of value " << index;
        return {};
      }
      EXPECT_EQ(Lines(mailed->second.content), Lines(kept->second)) << "Postfix changed it";
      messages.push_back(mailed->second.content);
    }
    std::map<size_t, ReadMail> read;
    std::vector<ReadMail> mails = ReadMails(dir, messages);
    size_t next = 0;
    for (const size_t index : accepted) read[index] = std::move(mails[next++]);
    return read;
  }

 private:
  // Without what differs by row and second.
  static std::string Lines(const std::string& message) {
    std::string lines;
    for (size_t at = 0; at < message.size();) {
      const size_t end = std::min(message.find("\r\n", at), message.size() - 2) + 2;
      const std::string line = message.substr(at, end - at);
      if (!line.starts_with("Date: ") && !line.starts_with("Message-ID: ") && line.find("@d") == std::string::npos) {
        lines += line;
      }
      at = end;
    }
    return lines;
  }

  const Sink sink_;
  const std::unique_ptr<NameServer> names_;
  const CertificateAuthority authority_;
  const Postfix postfix_;
};

void ExpectParts(const ReadMail& mail, const std::string& value) {
  ASSERT_EQ(mail.parts.size(), 3U) << value;
  EXPECT_EQ(mail.parts[0].type, "multipart/alternative");
  EXPECT_EQ(mail.parts[1].type, "text/plain");
  EXPECT_EQ(mail.parts[2].type, "text/html");
  EXPECT_EQ(mail.parts[1].content, "[" + WithCrLf(value) + "]");
  EXPECT_THAT(mail.tags, ElementsAre(ReadMail::Tag{"p", {{"title", WithCrLf(value)}}},
                                     ReadMail::Tag{"a", {{"href", "https://u.test/?a=" + PercentEncoded(value)}}}))
      << value;
  EXPECT_EQ(mail.html_text, "[" + WithCrLf(value) + "]");
  EXPECT_THAT(mail.defects, IsEmpty()) << value;
}

TEST_F(HostileValuesTest, NoValueInABodyIsMoreThanText) {
  const std::vector<std::string> values = Values();
  std::set<size_t> accepted;
  for (size_t i = 0; i < values.size(); ++i) accepted.insert(i);
  const auto mails =
      Send("From: Clinic <news@sender.test>\nSubject: hostile\n" + std::string(kParts), values, accepted);
  ASSERT_EQ(mails.size(), accepted.size());
  for (const auto& [index, mail] : mails) {
    EXPECT_EQ(mail.fields.size(), 7U) << values[index];
    ExpectParts(mail, values[index]);
  }
  StopDaemon();
}

TEST_F(HostileValuesTest, NoValueInAHeaderIsMoreThanText) {
  const std::vector<std::string> values = Values();
  std::set<size_t> accepted;
  for (size_t i = 0; i < values.size(); ++i) {
    if (MayStandInHeaders(values[i])) accepted.insert(i);
  }
  EXPECT_GT(accepted.size(), 50U);
  const auto mails = Send(
      "From: {{v}} <news@sender.test>\nTo: \"{{v}}\" <{{email}}>\nReply-To: Office {{v}} <office@sender.test>\n"
      "Subject: {{v}}\nX-Tag: a {{{v}}} b\nList-Unsubscribe: <https://u.sender.test/?a={{v}}>\n" +
          std::string(kParts),
      values, accepted);
  ASSERT_EQ(mails.size(), accepted.size());
  for (const auto& [index, mail] : mails) {
    const std::string& value = values[index];
    std::vector<std::string> names;
    for (const auto& [name, text] : mail.fields) names.push_back(name);
    EXPECT_THAT(names, ElementsAre("Date", "Message-ID", "From", "To", "Reply-To", "Subject", "X-Tag",
                                   "List-Unsubscribe", "MIME-Version", "Content-Type"))
        << value;
    EXPECT_THAT(mail.Values("Subject"), ElementsAre(Trimmed(value)));
    EXPECT_THAT(mail.Values("X-Tag"), ElementsAre("a " + value + " b"));
    EXPECT_THAT(mail.Values("List-Unsubscribe"),
                ElementsAre(fmt::format("<https://u.sender.test/?a={}>", PercentEncoded(value))));
    for (const auto& [header, name, address] : {std::tuple{"From", value, std::string("news@sender.test")},
                                                {"To", value, fmt::format("v{}@d1.test", index)},
                                                {"Reply-To", "Office " + value, "office@sender.test"}}) {
      const std::vector<ReadMail::Address> read = mail.Addresses(header);
      ASSERT_EQ(read.size(), 1U) << header << ": " << value;
      EXPECT_EQ(OneBlank(read[0].name), OneBlank(name)) << header;
      EXPECT_EQ(read[0].address, address) << header << ": " << value;
    }
    ExpectParts(mail, value);
  }
  StopDaemon();
}

TEST_F(HostileValuesTest, NoValueThatStandsForAnAddressIsMoreThanOne) {
  std::vector<std::string> values = Values();
  values.insert(values.end(), {"plain@d9.test", "\"a, b\"@d9.test",
                               "a@b\xC3\xBC"
                               "cher.test"});
  const std::set<size_t> accepted = {values.size() - 3, values.size() - 2, values.size() - 1};
  const auto mails =
      Send("From: Clinic <news@sender.test>\nReply-To: {{v}}, Office <{{v}}>\nSubject: hostile\n" + std::string(kParts),
           values, accepted);
  const std::vector<std::string> addresses = {"plain@d9.test", "\"a, b\"@d9.test", "a@xn--bcher-kva.test"};
  size_t next = 0;
  for (const auto& [index, mail] : mails) {
    EXPECT_THAT(mail.Addresses("Reply-To"),
                ElementsAre(ReadMail::Address{"", addresses[next]}, ReadMail::Address{"Office", addresses[next]}));
    ++next;
  }
  EXPECT_EQ(next, 3U);
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
