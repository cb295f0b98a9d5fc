#include "engine/tls_reports.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <deque>
#include <map>

#include "queue/store.h"
#include "tests/engine/core/temporary_folder.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const absl::CivilDay kDay(2026, 11, 27);

// What was loaded, as a node would have taken it.
struct Loaded {
  LoadRequest request;
  std::string bytes;
};

class Loader final : public CampaignLoader {
 public:
  Loader(Loaded& into, std::string reject) : into_(into), reject_(std::move(reject)) {}
  void OnRejection(std::function<void(const Rejection&)> sink) override { sink_ = std::move(sink); }
  absl::Status Feed(std::span<const char> bytes) override {
    into_.bytes.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  absl::StatusOr<Summary> Finish() override {
    if (reject_.empty()) return Summary{.name = into_.request.name, .accepted = 1};
    sink_({.line = 1, .column = {}, .reason = reject_});
    return Summary{.name = into_.request.name, .rejected = 1};
  }

 private:
  Loaded& into_;
  const std::string reject_;
  std::function<void(const Rejection&)> sink_;
};

class TlsReportsTest : public ::testing::Test {
 protected:
  TlsReportsTest() {
    options_->node.hostname = "mta1.sender.test";
    options_->node.data_dir = folder_.path();
    options_->tls_report.organization = "Mailco";
    options_->tls_report.contact = "tls@sender.test";
    options_->tls_report.stream = "reports";
    Reopen();
  }

  void Reopen() {
    reports_.reset();
    store_.reset();
    queue::Store::Options options;
    options.path = folder_.path() + "/queue";
    options.memory_bytes = 32 << 20;
    options.commit_interval = absl::ZeroDuration();
    absl::StatusOr<std::unique_ptr<queue::Store>> store = queue::Store::Open(std::move(options));
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    reports_ = std::make_unique<TlsReports>(TlsReports::Services{
        .store = *store_,
        .metrics = metrics_,
        .options = [this] { return options_; },
        .gather = [this](TlsTally& into) { into.Add(std::exchange(fresh_, {})); },
        .load = [this](LoadRequest request) -> absl::StatusOr<std::unique_ptr<CampaignLoader>> {
          if (!load_fails_.ok()) return load_fails_;
          loads_.push_back({.request = std::move(request), .bytes = {}});
          return std::make_unique<Loader>(loads_.back(), reject_);
        },
        .txt =
            [this](const std::string& name) {
              const auto found = records_.find(name);
              return found == records_.end() ? dns::TxtAnswer{.verdict = dns::Verdict::kNxDomain} : found->second;
            },
        .post =
            [this](const TlsReportRecord::Web& to, const std::string& gzip) {
              posts_[to.host + to.path] = gzip;
              ++asked_[to.host];
              return to.host.starts_with("broken") && !well_ ? absl::UnavailableError("it answered with 500")
                                                             : absl::OkStatus();
            },
        .clock = [this] { return now_; },
    });
    ASSERT_TRUE(reports_->Open().ok());
  }

  void Publish(const std::string& domain, const std::string& rua) {
    records_["_smtp._tls." + domain] = {.verdict = dns::Verdict::kFound, .texts = {"v=TLSRPTv1;rua=" + rua}};
  }
  void CountFailure(absl::CivilDay day, const std::string& domain) {
    fresh_.Failed(day, domain, {}, {.failure = TlsFailure::kStartTlsNotSupported, .receiving_host = "mx." + domain});
  }
  static absl::Time At(absl::CivilDay day, absl::Duration since) {
    return absl::FromCivil(day, absl::UTCTimeZone()) + since;
  }

  TemporaryFolder folder_;
  std::shared_ptr<Options> options_ = std::make_shared<Options>();
  Metrics metrics_;
  TlsTally fresh_;
  std::map<std::string, dns::TxtAnswer> records_;
  std::deque<Loaded> loads_;
  std::map<std::string, std::string> posts_;
  std::map<std::string, int> asked_;  // web servers, how often
  bool well_ = false;                 // the broken web server
  std::string reject_;
  absl::Status load_fails_;
  absl::Time now_ = At(kDay, absl::Hours(30));  // in the night after the day
  std::unique_ptr<queue::Store> store_;
  std::unique_ptr<TlsReports> reports_;
};

TEST_F(TlsReportsTest, ADayIsReportedAsFileMailAndPostToWhoAsksForIt) {
  Publish("d1.test", "mailto:tls@reports.test,https://reports.test/v1");
  CountFailure(kDay, "d1.test");
  CountFailure(kDay, "quiet.test");
  const auto issued = reports_->Issue(kDay);
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_EQ(issued->reports, 1);
  EXPECT_EQ(issued->mails, 1);
  EXPECT_EQ(issued->posts, 1);
  EXPECT_EQ(issued->without_record, 1);

  ASSERT_THAT(loads_, SizeIs(1));
  const LoadRequest& request = loads_[0].request;
  EXPECT_EQ(request.stream, "reports");
  EXPECT_TRUE(request.messages && request.start && request.tls_report);
  EXPECT_EQ(request.name, issued->campaign);
  EXPECT_THAT(loads_[0].bytes, HasSubstr("To: tls@reports.test\n"));
  EXPECT_THAT(loads_[0].bytes, HasSubstr("TLS-Report-Domain: d1.test\n"));
  EXPECT_TRUE(loads_[0].bytes.ends_with(std::string(4, '\0'))) << "the frame that ends a message";

  const std::vector<KeptReport> kept = reports_->List(std::nullopt, "");
  ASSERT_THAT(kept, SizeIs(1));
  EXPECT_EQ(kept[0].name, "2026-11-27/d1.test.1795823999.json.gz");
  EXPECT_EQ(kept[0].domain, "d1.test");
  const auto text = reports_->Read(kept[0].name);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, HasSubstr("\"end-datetime\": \"2026-11-27T23:59:59Z\""));
  EXPECT_EQ(Gunzip(posts_["reports.test/v1"], 1 << 20), *text);
  struct stat found = {};
  ASSERT_EQ(stat((folder_.path() + "/tls-reports/" + kept[0].name).c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(TlsReportsTest, NothingIsReportedTwice) {
  Publish("d1.test", "mailto:tls@reports.test");
  CountFailure(kDay, "d1.test");
  ASSERT_TRUE(reports_->Issue(kDay).ok());
  const auto again = reports_->Issue(kDay);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->reports, 0);
  Reopen();
  EXPECT_THAT(reports_->CountsOf(kDay, "").domains, IsEmpty());
}

TEST_F(TlsReportsTest, CountsOutliveARestart) {
  CountFailure(kDay, "d1.test");
  EXPECT_THAT(reports_->CountsOf(kDay, "").domains, SizeIs(1));  // which gathers them
  Reopen();
  CountFailure(kDay, "d1.test");
  const TlsTally::Day counted = reports_->CountsOf(kDay, "d1.test");
  ASSERT_THAT(counted.domains, SizeIs(1));
  EXPECT_EQ(counted.domains.begin()->second.policies.at({}).failed, 2u);
  EXPECT_THAT(reports_->CountsOf(kDay, "other.test").domains, IsEmpty());
}

TEST_F(TlsReportsTest, WhatShardsHaveCountedWhenTheyEndIsKept) {
  TlsTally last;
  last.Succeeded(kDay, "d1.test", {});
  reports_->Keep(last);
  Reopen();
  EXPECT_EQ(reports_->CountsOf(kDay, "").domains.begin()->second.policies.at({}).succeeded, 1u);
}

TEST_F(TlsReportsTest, ADomainWhoseRecordIsNotToBeHadIsAskedAgainForTwoDays) {
  records_["_smtp._tls.d1.test"] = {.verdict = dns::Verdict::kServFail};
  CountFailure(kDay, "d1.test");
  EXPECT_EQ(reports_->Issue(kDay)->later, 1);
  now_ = At(kDay + 2, absl::Hours(5));
  EXPECT_EQ(reports_->Issue(kDay)->later, 1);
  Publish("d1.test", "mailto:tls@reports.test");
  EXPECT_EQ(reports_->Issue(kDay)->reports, 1);

  records_["_smtp._tls.d1.test"] = {.verdict = dns::Verdict::kServFail};
  CountFailure(kDay, "d1.test");
  now_ = At(kDay + 3, absl::Hours(5));
  EXPECT_EQ(reports_->Issue(kDay)->later, 0);
  EXPECT_THAT(reports_->CountsOf(kDay, "").domains, IsEmpty());
}

TEST_F(TlsReportsTest, WhatCannotBeMailedIsKeptForTheNextTry) {
  Publish("d1.test", "mailto:tls@reports.test");
  CountFailure(kDay, "d1.test");
  load_fails_ = absl::ResourceExhaustedError("the disk is full");
  EXPECT_FALSE(reports_->Issue(kDay).ok());
  load_fails_ = absl::OkStatus();
  reject_ = "the From domain is not aligned";
  const auto rejected = reports_->Issue(kDay);
  EXPECT_THAT(std::string(rejected.status().message()), HasSubstr("is not aligned"));
  reject_.clear();
  EXPECT_EQ(reports_->Issue(kDay)->mails, 1);
  ASSERT_THAT(loads_, SizeIs(2));
  EXPECT_EQ(loads_[0].request.name, loads_[1].request.name) << "the same mails are the same campaign";
}

TEST_F(TlsReportsTest, ADayThatIsNotOverIsReportedInParts) {
  Publish("d1.test", "mailto:tls@reports.test");
  now_ = At(kDay, absl::Hours(10));
  CountFailure(kDay, "d1.test");
  ASSERT_TRUE(reports_->Issue(kDay).ok());
  EXPECT_THAT(loads_[0].bytes, HasSubstr("from 2026-11-27 00:00:00 UTC to 2026-11-27 10:00:00 UTC"));
  EXPECT_THAT(reports_->CountsOf(kDay, "").domains, IsEmpty());
  Reopen();
  CountFailure(kDay, "d1.test");
  now_ = At(kDay + 1, absl::Hours(4));
  ASSERT_TRUE(reports_->Issue(kDay).ok());
  EXPECT_THAT(loads_[1].bytes, HasSubstr("from 2026-11-27 10:00:01 UTC to 2026-11-27 23:59:59 UTC"));
  EXPECT_FALSE(reports_->Issue(kDay + 2).ok()) << "it has not begun";
}

TEST_F(TlsReportsTest, WithoutAStreamReportsAreFilesAlone) {
  options_->tls_report.stream.clear();
  Publish("d1.test", "mailto:tls@reports.test,https://reports.test/v1");
  CountFailure(kDay, "d1.test");
  const auto issued = reports_->Issue(kDay);
  ASSERT_TRUE(issued.ok());
  EXPECT_EQ(issued->reports, 1);
  EXPECT_THAT(loads_, IsEmpty());
  EXPECT_THAT(posts_, IsEmpty());
  options_->tls_report.enabled = false;
  EXPECT_FALSE(reports_->Issue(kDay).ok());
}

TEST_F(TlsReportsTest, AWebServerThatDoesNotTakeItIsCounted) {
  Publish("d1.test", "https://broken.reports.test/v1,https://reports.test/v1");
  CountFailure(kDay, "d1.test");
  const auto issued = reports_->Issue(kDay);
  ASSERT_TRUE(issued.ok());
  EXPECT_EQ(issued->posts, 1);
  EXPECT_EQ(issued->not_posted, 1);
}

TEST_F(TlsReportsTest, AWebServerThatDoesNotTakeItIsAskedAgainForADayAfterARestartToo) {
  Publish("d1.test", "https://broken.reports.test/v1,https://reports.test/v1");
  CountFailure(kDay, "d1.test");
  ASSERT_TRUE(reports_->Issue(kDay).ok());
  const std::string first = posts_["broken.reports.test/v1"];
  posts_.clear();
  const absl::Time begun = now_;
  reports_->PostAgain();
  EXPECT_EQ(asked_["broken.reports.test"], 1) << "not at once";

  now_ = begun + TlsReportPosts::kFirstAgain;
  reports_->PostAgain();
  EXPECT_EQ(asked_["broken.reports.test"], 2);
  EXPECT_EQ(posts_["broken.reports.test/v1"], first) << "the same report";
  now_ += TlsReportPosts::kFirstAgain;
  reports_->PostAgain();
  EXPECT_EQ(asked_["broken.reports.test"], 2) << "then after twice as long";
  Reopen();
  now_ += TlsReportPosts::kFirstAgain;
  reports_->PostAgain();
  EXPECT_EQ(asked_["broken.reports.test"], 3);

  for (; now_ <= begun + absl::Hours(72); now_ += absl::Minutes(10)) reports_->PostAgain();
  EXPECT_EQ(asked_["broken.reports.test"], 8) << "10, 30, 70, 150, 310, 630 and 1270 minutes after the first";
  EXPECT_EQ(asked_["reports.test"], 1) << "who has taken it is not asked again";
  EXPECT_EQ(metrics_.counter(Metric::kTlsReports, {"not_posted"})->value(), 1u);
  Reopen();
  now_ += absl::Hours(24);
  reports_->PostAgain();
  EXPECT_EQ(asked_["broken.reports.test"], 8) << "given up, for good";
}

TEST_F(TlsReportsTest, AWebServerThatIsWellAgainHasTheReportOnce) {
  Publish("d1.test", "https://broken.reports.test/v1");
  CountFailure(kDay, "d1.test");
  ASSERT_TRUE(reports_->Issue(kDay).ok());
  well_ = true;
  for (const absl::Time begun = now_; now_ <= begun + absl::Hours(24); now_ += absl::Minutes(10)) reports_->PostAgain();
  EXPECT_EQ(asked_["broken.reports.test"], 2);
  Reopen();
  now_ += absl::Hours(1);
  reports_->PostAgain();
  EXPECT_EQ(asked_["broken.reports.test"], 2);
  EXPECT_EQ(metrics_.counter(Metric::kTlsReports, {"posted"})->value(), 1u);
}

TEST_F(TlsReportsTest, AReportWhoseFileIsGoneIsGivenUp) {
  Publish("d1.test", "https://broken.reports.test/v1");
  CountFailure(kDay, "d1.test");
  ASSERT_TRUE(reports_->Issue(kDay).ok());
  TlsReportFolder(folder_.path() + "/tls-reports").RemoveBefore(kDay + 1);
  now_ += absl::Hours(1);
  reports_->PostAgain();
  EXPECT_EQ(asked_["broken.reports.test"], 1);
  EXPECT_EQ(metrics_.counter(Metric::kTlsReports, {"not_posted"})->value(), 1u);
}

TEST_F(TlsReportsTest, NoNameLeadsOutOfTheFolder) {
  for (const char* name : {"", "/", "../queue/CURRENT", "2026-11-27", "2026-11-27/", "2026-11-27/../../queue/CURRENT",
                           "2026-11-27/x.json.gz", "2026-11-27/d1.test.1795823999.json.gz"}) {
    EXPECT_FALSE(reports_->Read(name).ok()) << name;
  }
}

TEST_F(TlsReportsTest, OldFilesGoAndTheLongestDomainHasAFile) {
  const TlsReportFolder folder(folder_.path() + "/tls-reports");
  const std::string domain = fmt::format("{0}.{0}.{0}.{1}", std::string(63, 'a'), std::string(61, 'b'));
  ASSERT_TRUE(folder.Write(kDay, domain, now_, Gzip("{}")).ok());
  ASSERT_TRUE(folder.Write(kDay + 1, "d1.test", now_, Gzip("{}")).ok());
  EXPECT_THAT(folder.List(std::nullopt, domain), SizeIs(1));
  EXPECT_EQ(*folder.Read(folder.List(kDay, "").at(0).name), "{}");
  folder.RemoveBefore(kDay + 1);
  ASSERT_THAT(folder.List(std::nullopt, ""), SizeIs(1));
  EXPECT_EQ(folder.List(std::nullopt, "")[0].domain, "d1.test");
}

TEST_F(TlsReportsTest, EachNodeHasATimeOfItsOwnInTheNight) {
  EXPECT_EQ(TlsReports::DelayOf("mta1.sender.test"), TlsReports::DelayOf("mta1.sender.test"));
  EXPECT_NE(TlsReports::DelayOf("mta1.sender.test"), TlsReports::DelayOf("mta2.sender.test"));
  EXPECT_LT(TlsReports::DelayOf("mta1.sender.test"), TlsReports::kDelayMax);
  EXPECT_GE(TlsReports::DelayOf("mta1.sender.test"), absl::ZeroDuration());
}

}  // namespace
}  // namespace sealift::engine
