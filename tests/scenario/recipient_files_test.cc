// A recipient file is the same file however it is written, compressed and handed over: the same rows, counts, rejects
// and keys, whether it was loaded at once or was cut off and given again.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <set>

#include "tests/scenario/harness/eventually.h"
#include "tests/scenario/harness/sink.h"
#include "tests/scenario/harness/world.h"

namespace sealift::scenario {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class RecipientFilesTest : public World {
 protected:
  static constexpr int kRows = 400;
  // Of the rows: what is not consented, has no key or no address is rejected; one address stands there twice.
  static constexpr int kRejected = 3 + kRows / 10, kDuplicates = 1, kAccepted = kRows - kRows / 10;

  struct Cells {
    std::string email, name, city, consent, number;
  };

  static std::vector<Cells> People(int rows = kRows, size_t padding = 0) {
    std::vector<Cells> people;
    for (int row = 1; row <= rows; ++row) {
      people.push_back({fmt::format("row{}@d{}.test", row, row % 5 + 1),
                        fmt::format("J\xC3\xA4ne \"{}\" {}", row, std::string(padding, 'x')), "City, with\ttab",
                        row % 10 == 0 ? "no" : "yes", fmt::format("K-{}", row)});
    }
    people.push_back({"not an address", "A", "B", "yes", "K-a"});
    people.push_back({"nokey@d1.test", "A", "B", "yes", ""});
    people.push_back({"row1@d2.test", "twice", "B", "yes", "K-1"});
    people.push_back({"longkey@d1.test", "A", "B", "yes", std::string(129, 'k')});
    return people;
  }

  static std::string Replaced(std::string cell, char what, std::string_view by) {
    for (size_t at = cell.find(what); at != std::string::npos; at = cell.find(what, at + by.size())) {
      cell.replace(at, 1, by);
    }
    return cell;
  }

  static std::string Separated(const std::vector<Cells>& people, char separator) {
    const auto quoted = [](const std::string& cell) { return '"' + Replaced(cell, '"', "\"\"") + '"'; };
    std::string text = fmt::format("email{0}name{0}city{0}consent{0}number\r\n", separator);
    for (const Cells& row : people) {
      text += fmt::format("{1}{0}{2}{0}{3}{0}{4}{0}{5}\r\n", separator, row.email, quoted(row.name), quoted(row.city),
                          row.consent, row.number);
    }
    return text;
  }

  static std::string Objects(const std::vector<Cells>& people) {
    const auto escaped = [](const std::string& cell) {
      return '"' + Replaced(Replaced(cell, '"', "\\\""), '\t', "\\t") + '"';
    };
    std::string text;
    for (const Cells& row : people) {
      text += fmt::format("{{\"email\":{},\"name\":{},\"city\":{},\"consent\":{},\"number\":{}}}\n", escaped(row.email),
                          escaped(row.name), escaped(row.city), escaped(row.consent), escaped(row.number));
    }
    return text;
  }

  std::string Packed(const std::string& file, const std::string& tool) {
    const std::string packed = file + (tool == "gzip" ? ".gz" : ".zst");
    const Ran ran = RunCommand({tool, "--keep", "--force", "--quiet", file});
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
    return packed;
  }

  Answer LoadWith(const std::string& name, const std::string& file, std::vector<std::string> more = {},
                  const std::string& input = "") {
    std::vector<std::string> arguments = {"campaign",
                                          "load",
                                          name,
                                          "--stream",
                                          "news",
                                          "--template",
                                          Template(),
                                          "--recipients",
                                          file,
                                          "--require",
                                          "consent=yes",
                                          "--rejects",
                                          dir.path() / "rejects.csv",
                                          "--key-column",
                                          "number"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Sealift(arguments, input);
  }

  void ExpectAll(const Answer& load, const std::string& how) {
    EXPECT_EQ(load.exit_code, 3) << how << load.Describe();
    EXPECT_EQ(load.json["accepted"].Number(), kAccepted) << how << load.Describe();
    EXPECT_EQ(load.json["rejected"].Number(), kRejected) << how;
    EXPECT_EQ(load.json["duplicates"].Number(), kDuplicates) << how;
  }
};

TEST_F(RecipientFilesTest, EveryFormatAndCompressionByFileAndByStandardInputLoadsTheSame) {
  StartDaemon();
  const std::vector<Cells> people = People();
  const std::map<std::string, std::string> files = {{"csv", dir.Write("people.csv", Separated(people, ','))},
                                                    {"tsv", dir.Write("people.tsv", Separated(people, '\t'))},
                                                    {"ndjson", dir.Write("people.ndjson", Objects(people))}};
  std::set<std::string> rejected;
  for (const auto& [format, file] : files) {
    std::string list;
    for (const std::string& path : {file, Packed(file, "gzip"), Packed(file, "zstd")}) {
      const std::string name = std::filesystem::path(path).filename();
      ExpectAll(LoadWith(name, path), name);
      if (list.empty()) list = ReadFile(dir.path() / "rejects.csv");
      EXPECT_EQ(ReadFile(dir.path() / "rejects.csv"), list) << name;
      // By standard input nothing but --format says what it is; and it is the same file.
      ExpectAll(LoadWith(name, "-", {"--format", format}, ReadFile(path)), name + " by standard input");
      EXPECT_EQ(Show(name)["loaded"].Number(), kAccepted);
    }
    EXPECT_THAT(list, AllOf(HasSubstr("consent"), HasSubstr("email"), HasSubstr("number")));
    EXPECT_THAT(list, AllOf(Not(HasSubstr("K-")), Not(HasSubstr("not an address")), Not(HasSubstr("kkk"))));
  }
  EXPECT_EQ(LoadWith("people.csv", files.at("csv") + ".zst").exit_code, 3)
      << "the same rows compressed are the same file";
  EXPECT_EQ(LoadWith("people.csv", files.at("tsv")).exit_code, 73);
  StopDaemon();
}

TEST_F(RecipientFilesTest, EventsQueueAndTraceNameARowByItsKey) {
  settings.delivery = "sink";
  settings.sink_address = net.Address(10, Sink::kPort);
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"*\"]\n"
                              "mx = [{{ host = \"sink.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353));
  StartDaemon();
  ExpectAll(LoadWith("spring", dir.Write("people.ndjson", Objects(People()))), "");
  const Answer queued = Sealift({"queue", "list", "--campaign", "spring", "--limit", "1000", "--reveal"});
  ASSERT_EQ(queued.json["rows"].size(), static_cast<size_t>(kAccepted)) << queued.Describe();
  const auto expected = [](const Json& row) {
    const std::string recipient = row["recipient"].Text();
    return "K-" + recipient.substr(3, recipient.find('@') - 3);
  };
  for (const Json& row : queued.json["rows"].Items()) EXPECT_EQ(row["key"].Text(), expected(row)) << row.Dump();
  const Json one = queued.json["rows"].At(0);
  const Answer waiting = Sealift({"message", "trace", one["id"].Text()});
  EXPECT_EQ(waiting.json["key"].Text(), expected(one)) << waiting.Describe();

  EXPECT_EQ(Sealift({"campaign", "start", "spring"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("spring", kInTime, [](const Json& now) { return now["delivered"].Number() == kAccepted; }));
  std::set<std::string> keys;
  for (const Json& event : Events("spring")) {
    EXPECT_EQ(event["key"].Text(), expected(event)) << event.Dump();
    keys.insert(event["key"].Text());
  }
  EXPECT_EQ(keys.size(), static_cast<size_t>(kAccepted));
  const Answer delivered = Sealift({"message", "trace", one["id"].Text()});
  EXPECT_EQ(delivered.json["key"].Text(), expected(one)) << "also when the row is gone: " << delivered.Describe();
  EXPECT_EQ(delivered.json["state"].Text(), "delivered");
  StopDaemon();
}

TEST_F(RecipientFilesTest, ALoadThatWasCutOffGoesOnInEveryFormat) {
  constexpr int kMany = 200'000;
  const std::vector<Cells> people = People(kMany, 600);  // more than one chunk of the queue
  const int64_t accepted = kMany - kMany / 10;
  StartDaemon();
  for (const std::string& file : {Packed(dir.Write("many.ndjson", Objects(people)), "zstd"),
                                  Packed(dir.Write("many.tsv", Separated(people, '\t')), "gzip")}) {
    const std::string name = std::filesystem::path(file).filename();
    {
      Process load(
          {OurProgram("sealift"), "--config", config_file, "campaign", "load", name, "--stream", "news", "--template",
           Template(), "--recipients", file, "--require", "consent=yes", "--key-column", "number"},
          dir.path() / "load.out", dir.path() / "load.err");
      // In the middle: a chunk is committed and the command has not ended.
      EXPECT_TRUE(Eventually(kInTime, [&] {
        if (!load.running()) return true;
        const Answer now = Sealift({"campaign", "show", name});
        return now.exit_code == 0 && now.json["loaded"].Number() > 0;
      }));
      KillDaemon();
      load.WaitFor(kSoon);
    }
    StartDaemon();
    const Answer again = LoadWith(name, file);
    EXPECT_EQ(again.exit_code, 3) << again.Describe();
    EXPECT_EQ(again.json["resumed"].Text(), "true") << again.Describe();
    EXPECT_EQ(again.json["accepted"].Number(), accepted) << again.Describe();
    EXPECT_EQ(again.json["rejected"].Number(), kMany / 10 + 3) << again.Describe();
    EXPECT_EQ(again.json["duplicates"].Number(), 1) << again.Describe();
    EXPECT_EQ(Show(name)["queued"].Number(), accepted);
    EXPECT_EQ(Show(name)["state"].Text(), "ready");
  }
  StopDaemon();
}

TEST_F(RecipientFilesTest, ACompressedFileThatIsCutShortIsSaidAndTheWholeOneGoesOn) {
  StartDaemon();
  const std::string file = Packed(dir.Write("people.csv", Separated(People(), ',')), "gzip");
  const std::string packed = ReadFile(file);
  const std::string cut = dir.Write("cut.csv.gz", packed.substr(0, packed.size() / 2));
  const Answer load = LoadWith("spring", cut);
  EXPECT_EQ(load.exit_code, 65) << load.Describe();
  EXPECT_THAT(load.out + load.err, AllOf(HasSubstr("cut short"), HasSubstr("Nothing of it")));
  ExpectAll(LoadWith("spring", file), "the whole file");
  StopDaemon();
}

TEST_F(RecipientFilesTest, ListsAndObjectsAreCheckedPreviewedTestedAndSent) {
  settings.delivery = "sink";
  settings.sink_address = net.Address(10, Sink::kPort);
  settings.node = "test_recipients = [\"qa@d9.test\"]";
  const Sink sink(dir,
                  fmt::format("[[provider]]\nname = \"all\"\ndomains = [\"*\"]\n"
                              "mx = [{{ host = \"sink.test\", address = \"{}\" }}]\n",
                              net.Address(10)),
                  net.Address(2, 5353), {"--store", dir.path() / "store"});
  StartDaemon();
  const std::string letter = dir.Write(
      "visits.eml",
      "From: Clinic <news@sender.test>\nSubject: {{#visits}}{{day}} {{/visits}}at {{clinic.name}}\n\n"
      "{{#visits}}\n- {{day}}{{#who}} with {{.}}{{/who}}\n{{/visits}}\n{{^visits}}\nNo visits.\n{{/visits}}\n");
  const std::string people = dir.Write(
      "people.ndjson",
      "{\"email\":\"a@d1.test\",\"clinic\":{\"name\":\"Lake\"},\"visits\":[{\"day\":\"Monday\",\"who\":\"Dr. "
      "M\\u00e4y\"},{\"day\":\"Friday\",\"who\":null}]}\n"
      "{\"email\":\"b@d2.test\",\"clinic\":{\"name\":\"Hill\"},\"visits\":[]}\n"
      "{\"email\":\"c@d3.test\",\"clinic\":{},\"visits\":[]}\n"
      "{\"email\":\"d@d4.test\",\"clinic\":{\"name\":\"Hill\"},\"visits\":[{\"day\":[\"secret\"],\"who\":null}]}\n");
  const std::string rejects = dir.path() / "rejects.csv";
  const std::vector<std::string> load = {"campaign", "load",         "visits", "--stream",  "news", "--template",
                                         letter,     "--recipients", people,   "--rejects", rejects};
  const Answer loaded = Sealift(load);
  EXPECT_EQ(loaded.exit_code, 3) << loaded.Describe();
  EXPECT_EQ(loaded.json["accepted"].Number(), 2) << loaded.Describe();
  EXPECT_EQ(loaded.json["rejected"].Number(), 2) << loaded.Describe();
  EXPECT_THAT(ReadFile(rejects),
              AllOf(HasSubstr("3,,\"clinic.name (line 2 of the template) is missing"),
                    HasSubstr("4,,\"day (line 2 of the template) is a list or an object"), Not(HasSubstr("secret"))));
  EXPECT_EQ(Sealift(load).exit_code, 3) << "the same file again";
  EXPECT_EQ(Show("visits")["loaded"].Number(), 2);

  const Answer typo =
      Sealift({"campaign", "load", "typo", "--stream", "news", "--template",
               dir.Write("typo.eml", "From: a@sender.test\n\n{{#plan}}{{fist_name}}{{/plan}}\n"), "--recipients",
               dir.Write("flat.ndjson",
                         "{\"email\":\"a@d1.test\",\"plan\":\"gold\"}\n"
                         "{\"email\":\"b@d1.test\",\"plan\":null}\n")});
  EXPECT_EQ(typo.exit_code, 65) << "what the first row has as text holds no names: " << typo.Describe();

  const std::string expected = "=2D Monday with Dr. M=C3=A4y\r\n=2D Friday\r\n";
  EXPECT_THAT(SealiftPlain({"campaign", "preview", "visits", "--row", "1"}).out,
              AllOf(HasSubstr("Subject: Monday Friday at Lake\r\n"), HasSubstr(expected)));
  EXPECT_THAT(SealiftPlain({"campaign", "preview", "--template", letter, "--recipients", people, "--row", "2"}).out,
              AllOf(HasSubstr("Subject: at Hill\r\n"), HasSubstr("\r\nNo visits.\r\n")));
  const Answer preflight = Sealift({"campaign", "preflight", "visits"});
  EXPECT_EQ(preflight.json["sites"].size(), 2U) << preflight.Describe();
  const Answer test = Sealift({"campaign", "test", "visits", "--to", "qa@d9.test"});
  EXPECT_EQ(test.exit_code, 0) << test.Describe();
  EXPECT_EQ(test.json["outcome"].Text(), "delivered") << test.Describe();

  EXPECT_EQ(Sealift({"campaign", "start", "visits"}).exit_code, 0);
  ASSERT_TRUE(ShowsUntil("visits", kInTime, [](const Json& now) { return now["delivered"].Number() == 2; }));
  EXPECT_EQ(Sealift({"campaign", "preflight", "visits"}).json["state"].Text(), "done") << "as `campaign show` says";
  std::map<std::string, std::string> mails;
  for (const Sink::Arrival& arrival : sink.Ledger()) {
    mails[arrival.mailbox] = ReadFile(dir.path() / "store" / arrival.file);
  }
  EXPECT_THAT(mails["qa@d9.test"], HasSubstr("=2D Sample day with Sample who"));
  EXPECT_THAT(mails["a@d1.test"], HasSubstr(expected));
  EXPECT_THAT(mails["b@d2.test"], HasSubstr("No visits."));
  StopDaemon();
}

}  // namespace
}  // namespace sealift::scenario
