#include "engine/campaign_loader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/campaign_settings.h"
#include "engine/exit_code.h"
#include "engine/failure_parts.h"
#include "tests/engine/core/loader_world.h"

namespace sealift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Summary = CampaignLoader::Summary;
using Rejection = CampaignLoader::Rejection;

constexpr std::string_view kTemplate = "From: news@sender.test\nSubject: Hello\n\nHello {{name}}\n";
constexpr std::string_view kThree = "email,name\na1@d1.test,Ann\na2@d2.test,Bob\na3@d1.test,Cy\n";

PauseCause ByJane() { return {.by = "jane", .reason = "wrong link", .time = absl::FromUnixSeconds(1'700'000'000)}; }

class CampaignLoaderTest : public LoaderWorld {
 protected:
  static LoadRequest Request() { return {.name = "spring", .stream = "news", .template_text = std::string(kTemplate)}; }

  std::unique_ptr<RecipientFileLoader> Begin(const LoadRequest& request) {
    queue::CampaignSpec spec{
        .name = request.name,
        .stream = request.stream,
        .mode = "sink",
        .template_text = request.template_text,
        .defaults = request.defaults,
        .settings_json = CampaignSettings{.limits = request.limits,
                                          .weight = request.weight,
                                          .start_at = request.start_at,
                                          .erase_after = request.erase_after.value_or(absl::ZeroDuration()),
                                          .names = NamesOf(request.format),
                                          .key_column = request.key_column,
                                          .format = request.format,
                                          .require = request.require}
                             .ToText()};
    auto loader = std::make_unique<RecipientFileLoader>(
        *store_, *campaigns_, request, std::move(spec), kind_, [this] { return admission_; },
        [this](uint64_t rows) { reported_ += rows; });
    Listen(*loader);
    return loader;
  }

  absl::StatusOr<Summary> Load(std::string_view file, const LoadRequest& request = Request(),
                               size_t chunk_bytes = SIZE_MAX) {
    const std::unique_ptr<RecipientFileLoader> loader = Begin(request);
    for (size_t at = 0; at < file.size();) {
      const std::string_view chunk = file.substr(at, chunk_bytes);
      const absl::Status fed = loader->Feed(chunk);
      if (!fed.ok()) return fed;
      at += chunk.size();
    }
    return loader->Finish();
  }

  // Three quarters of a large file: more than one commit, and not the end.
  void CutOff(const std::string& file) {
    const std::unique_ptr<RecipientFileLoader> cut = Begin(Request());
    ASSERT_TRUE(cut->Feed(std::string_view(file).substr(0, file.size() / 4 * 3)).ok());
  }

  std::vector<queue::StoredRow> Rows(const std::string& name = "spring") { return LoaderWorld::Rows(name); }

  // The file is refused as bad input, and there is no campaign.
  void ExpectRefused(const absl::StatusOr<Summary>& summary, std::string_view words) {
    EXPECT_EQ(ExitCodeOf(summary.status()), ExitCode::kBadData) << summary.status();
    EXPECT_THAT(std::string(summary.status().message()), HasSubstr(std::string(words)));
    EXPECT_TRUE(absl::IsNotFound(store_->FindCampaign("spring").status()));
  }
  // Other content under a known name; what was accepted stays as it was.
  void ExpectOther(const absl::StatusOr<Summary>& summary, std::string_view words, size_t rows) {
    EXPECT_EQ(ExitCodeOf(summary.status()), ExitCode::kCannotCreate) << summary.status();
    EXPECT_THAT(std::string(summary.status().message()), HasSubstr(std::string(words)));
    EXPECT_THAT(Rows(), SizeIs(rows));
  }

  static Rate RateOf(const std::string& text) { return text.empty() ? Rate() : *ParseRate(text); }

  StreamKind kind_ = StreamKind::kMarketing;
};

TEST_F(CampaignLoaderTest, EveryRowIsAcceptedInItsOrder) {
  const absl::StatusOr<Summary> summary = Load(kThree);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 3u);
  EXPECT_EQ(summary->rejected, 0u);
  EXPECT_FALSE(summary->resumed);
  EXPECT_FALSE(summary->already_loaded);
  EXPECT_TRUE(summary->sink);
  EXPECT_EQ(reported_, 3u);
  const std::vector<queue::StoredRow> rows = Rows();
  ASSERT_THAT(rows, SizeIs(3));
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(static_cast<uint32_t>(rows[i].message.row), i + 1);
    EXPECT_EQ(rows[i].recipient, fmt::format("a{}@d{}.test", i + 1, i == 1 ? 2 : 1));
  }
  EXPECT_THAT(rows[1].fields, ElementsAre("Bob"));
  EXPECT_EQ(store_->FindCampaign("spring")->state, queue::CampaignState::kReady);
}

TEST_F(CampaignLoaderTest, HowTheBytesArriveDoesNotMatter) {
  const absl::StatusOr<Summary> whole = Load(kThree);
  const absl::StatusOr<Summary> again = Load(kThree, Request(), 1);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->already_loaded) << "byte by byte it is the same file";
  LoadRequest other = Request();
  other.name = "summer";
  const absl::StatusOr<Summary> pieces = Load(kThree, other, 1);
  ASSERT_TRUE(pieces.ok()) << pieces.status();
  EXPECT_EQ(pieces->accepted, 3u);
}

TEST_F(CampaignLoaderTest, TheLastLineMayLackItsEnd) {
  const absl::StatusOr<Summary> summary = Load(kThree.substr(0, kThree.size() - 1));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 3u);
}

TEST_F(CampaignLoaderTest, OnlyTheColumnsThatTheMessageUsesAreKept) {
  const absl::StatusOr<Summary> summary = Load("birthday,email,name,note\n1970-01-01,a1@d1.test,Ann,secret\n");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_THAT(Rows().at(0).fields, ElementsAre("Ann"));
  EXPECT_THAT(store_->FindCampaign("spring")->spec.columns, ElementsAre("name"));
}

TEST_F(CampaignLoaderTest, AFileWithoutAnEmailColumnIsRefused) {
  ExpectRefused(Load("mail,name\na1@d1.test,Ann\n"), "email");
}

TEST_F(CampaignLoaderTest, AFileWithoutAColumnThatTheMessageUsesIsRefused) {
  ExpectRefused(Load("email,nmae\na1@d1.test,Ann\n"), "name");
}

TEST_F(CampaignLoaderTest, AnEmptyFileIsRefused) { ExpectRefused(Load(""), "empty"); }

TEST_F(CampaignLoaderTest, AFileThatIsNoCsvIsRefusedWithTheLine) {
  const absl::StatusOr<Summary> summary = Load("email,name\na1@d1.test,\"Ann\na2@d1.test,Bob\n");
  EXPECT_EQ(ExitCodeOf(summary.status()), ExitCode::kBadData) << summary.status();
  EXPECT_THAT(std::string(summary.status().message()), HasSubstr("line 2"));
  EXPECT_THAT(Rows(), IsEmpty());
}

TEST_F(CampaignLoaderTest, ABrokenAddressIsRejectedWithItsLineAndNeverShown) {
  const absl::StatusOr<Summary> summary = Load("email,name\na1@d1.test,Ann\nbroken address,Bob\na3@d1.test,Cy\n");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 2u);
  EXPECT_EQ(summary->rejected, 1u);
  ASSERT_THAT(rejections_, SizeIs(1));
  EXPECT_EQ(rejections_[0].line, 3u);
  EXPECT_EQ(rejections_[0].column, "email");
  EXPECT_THAT(rejections_[0].reason, Not(HasSubstr("broken")));
  EXPECT_EQ(static_cast<uint32_t>(Rows().at(1).message.row), 3u) << "a rejected row keeps its number";
}

TEST_F(CampaignLoaderTest, AnAddressTwiceIsAcceptedOnce) {
  const absl::StatusOr<Summary> summary = Load("email,name\na1@d1.test,Ann\na1@D1.test,Ann again\n");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 1u);
  EXPECT_EQ(summary->duplicates, 1u);
  EXPECT_THAT(Rows(), SizeIs(1));
}

TEST_F(CampaignLoaderTest, TheSameFileAgainAddsNothing) {
  ASSERT_TRUE(Load(kThree).ok());
  const absl::StatusOr<Summary> again = Load(kThree);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->already_loaded);
  EXPECT_FALSE(again->resumed);
  EXPECT_EQ(again->accepted, 3u);
  EXPECT_EQ(reported_, 3u);
  EXPECT_THAT(Rows(), SizeIs(3));
}

TEST_F(CampaignLoaderTest, OtherContentUnderTheSameNameIsRefused) {
  ASSERT_TRUE(Load(kThree).ok());
  std::string changed(kThree);
  changed[changed.find("Bob")] = 'R';
  ExpectOther(Load(changed), "other content", 3);
  ExpectOther(Load(changed, Request(), 7), "other content", 3);
  ExpectOther(Load(std::string(kThree) + "a4@d1.test,Di\n"), "shorter", 3);
  ExpectOther(Load(std::string(kThree) + "broken,Di\n"), "shorter", 3);
  ExpectOther(Load(kThree.substr(0, kThree.size() - 14)), "longer", 3);
}

TEST_F(CampaignLoaderTest, AnotherTemplateStreamOrDefaultUnderTheSameNameIsRefused) {
  ASSERT_TRUE(Load(kThree).ok());
  LoadRequest request = Request();
  request.template_text += "more\n";
  ExpectOther(Load(kThree, request), "another template", 3);
  request = Request();
  request.stream = "offers";
  ExpectOther(Load(kThree, request), "in the stream 'news'", 3);
  request = Request();
  request.defaults = {{"name", "friend"}};
  ExpectOther(Load(kThree, request), "defaults", 3);
}

TEST_F(CampaignLoaderTest, AnotherRateWeightOrTimeUnderTheSameNameIsRefused) {
  LoadRequest plain = Request();
  ASSERT_TRUE(Load(kThree, plain).ok());
  LoadRequest set = plain;
  set.name = "summer";
  set.limits = {.rate = RateOf("10/s"), .connections = 4};
  set.weight = 3;
  set.erase_after = absl::Hours(1);
  ASSERT_TRUE(Load(kThree, set).ok());
  LoadRequest same = set;
  EXPECT_TRUE(Load(kThree, same).ok());
  same.limits = {};
  same.weight = 1;
  same.erase_after = std::nullopt;
  EXPECT_TRUE(Load(kThree, same).ok()) << "what is not said stays as it was";
  const auto expect_other = [&](const LoadRequest& before, const std::function<void(LoadRequest&)>& change,
                                std::string_view words) {
    LoadRequest request = before;
    request.start = true;
    change(request);
    ExpectOther(Load(kThree, request), words, 3);
    EXPECT_EQ(store_->FindCampaign(request.name)->state, queue::CampaignState::kReady);
  };
  expect_other(plain, [](LoadRequest& request) { request.limits.rate = RateOf("1/m"); }, "without --rate");
  expect_other(plain, [](LoadRequest& request) { request.limits.a_day = RateOf("9/d"); }, "without --messages-per-day");
  expect_other(plain, [](LoadRequest& request) { request.weight = 2; }, "another --weight");
  expect_other(plain, [](LoadRequest& request) { request.expires_in = absl::Hours(1); }, "with --expires-in 3d");
  expect_other(plain, [](LoadRequest& request) { request.erase_after = absl::Hours(1); }, "another --erase-after");
  expect_other(
      plain, [](LoadRequest& request) { request.start_at = absl::Now() + absl::Hours(1); }, "without --start-at");
  expect_other(set, [](LoadRequest& request) { request.limits.rate = RateOf("20/s"); }, "another --rate");
  expect_other(set, [](LoadRequest& request) { request.limits.connections = 5; }, "another --connections");
  expect_other(
      set, [](LoadRequest& request) { request.limits.messages_per_connection = 5; },
      "without --messages-per-connection");
}

// `now+1h` is another time whenever it is said: the first counts, and who says it again is told when it is.
TEST_F(CampaignLoaderTest, AStartAtAnotherTimeStaysTheFirst) {
  LoadRequest request = Request();
  const absl::Time first = absl::FromUnixMillis(absl::ToUnixMillis(absl::Now() + absl::Hours(1)));
  request.start_at = first;
  EXPECT_EQ(Load(kThree, request)->start_at, first);
  request.start_at = absl::Now() - absl::Hours(1);
  const absl::StatusOr<Summary> again = Load(kThree, request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->start_at, first);
  EXPECT_FALSE(again->started);
  campaigns_->StartDue(first);
  EXPECT_EQ(store_->FindCampaign("spring")->state, queue::CampaignState::kRunning);
}

TEST_F(CampaignLoaderTest, ACancelledCampaignIsNotLoadedAgain) {
  ASSERT_TRUE(Load(kThree).ok());
  ASSERT_TRUE(store_->Cancel(store_->FindCampaign("spring")->id, false, absl::Now()).ok());
  const absl::StatusOr<Summary> again = Load(kThree);
  EXPECT_EQ(ExitCodeOf(again.status()), ExitCode::kCannotCreate) << again.status();
}

TEST_F(CampaignLoaderTest, WhoOptedOutIsLeftOutAndCounted) {
  queue::SuppressionChange opt_out{.address = "a2@d2.test", .entry = {}};
  opt_out.entry.what.kind = queue::SuppressionKind::kOptOut;
  ASSERT_TRUE(store_->ChangeSuppressions({opt_out}, false).ok());
  const absl::StatusOr<Summary> summary = Load("email,name\na1@d1.test,Ann\nA2@D2.test,Bob\na3@d1.test,Cy\n");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 2u);
  EXPECT_EQ(summary->suppressed, 1u);
  EXPECT_EQ(summary->duplicates, 0u);
  EXPECT_EQ(reported_, 2u);
  EXPECT_THAT(Rows(), SizeIs(2));
}

TEST_F(CampaignLoaderTest, ATransactionalLoadTakesWhoOptedOut) {
  queue::SuppressionChange opt_out{.address = "a2@d2.test", .entry = {}};
  opt_out.entry.what.kind = queue::SuppressionKind::kOptOut;
  ASSERT_TRUE(store_->ChangeSuppressions({opt_out}, false).ok());
  kind_ = StreamKind::kTransactional;
  EXPECT_EQ(Load(kThree)->accepted, 3u);
}

TEST_F(CampaignLoaderTest, WhatWasFedAndNotFinishedWasNeverAccepted) {
  {
    const std::unique_ptr<RecipientFileLoader> cut = Begin(Request());
    ASSERT_TRUE(cut->Feed(kThree.substr(0, 40)).ok());
  }
  EXPECT_THAT(Rows(), IsEmpty());
  EXPECT_EQ(store_->FindCampaign("spring")->state, queue::CampaignState::kLoading);
  const absl::StatusOr<Summary> again = Load(kThree);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->resumed);
  EXPECT_EQ(again->accepted, 3u);
}

// 400 rows of 200 kB: more than the store takes in one commit.
std::string LargeFile() {
  std::string file = "email,name\n";
  for (int i = 1; i <= 400; ++i) file += fmt::format("a{}@d{}.test,{:x>200000}\n", i, i % 7, i);
  return file;
}

TEST_F(CampaignLoaderTest, AnInterruptedLoadGoesOnWhereItWasCommitted) {
  const std::string file = LargeFile();
  CutOff(file);
  const uint64_t committed = store_->FindCampaign("spring")->counters.accepted;
  ASSERT_GT(committed, 0u);
  ASSERT_LT(committed, 400u);
  EXPECT_EQ(reported_, committed);

  const absl::StatusOr<Summary> again = Load(file, Request(), 1'000'003);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->resumed);
  EXPECT_EQ(again->accepted, 400u);
  EXPECT_EQ(again->duplicates, 0u) << "what was there is passed over, not found to be there twice";
  EXPECT_EQ(reported_, 400u);
  std::set<std::string> recipients;
  const std::vector<queue::StoredRow> rows = Rows();
  for (const queue::StoredRow& row : rows) recipients.insert(row.recipient);
  EXPECT_THAT(rows, SizeIs(400));
  EXPECT_THAT(recipients, SizeIs(400));
}

TEST_F(CampaignLoaderTest, AnInterruptedLoadGoesOnThoughItsBytesComeInOtherPieces) {
  const std::string file = LargeFile();
  {
    const std::unique_ptr<RecipientFileLoader> cut = Begin(Request());
    for (size_t at = 0; reported_ == 0 && at < file.size(); at += 4096) {  // a row is many pieces
      ASSERT_TRUE(cut->Feed(std::string_view(file).substr(at, 4096)).ok());
    }
  }
  ASSERT_LT(reported_, 400u);
  const absl::StatusOr<Summary> again = Load(file, Request(), 10'000);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->resumed);
  EXPECT_EQ(again->accepted, 400u);
  EXPECT_EQ(again->duplicates, 0u);
}

TEST_F(CampaignLoaderTest, AnInterruptedLoadDoesNotGoOnWithAnotherFile) {
  std::string file = LargeFile();
  CutOff(file);
  const uint64_t committed = store_->FindCampaign("spring")->counters.accepted;
  file[20'000] = 'y';
  ExpectOther(Load(file, Request(), 1'000'003), "other content", committed);
}

TEST_F(CampaignLoaderTest, ACampaignIsLoadedByOneAtATime) {
  const std::unique_ptr<RecipientFileLoader> first = Begin(Request());
  ASSERT_TRUE(first->Feed(kThree).ok());
  const absl::StatusOr<Summary> second = Load(kThree);
  EXPECT_EQ(ExitCodeOf(second.status()), ExitCode::kTryLater) << second.status();
  EXPECT_TRUE(first->Finish().ok());
}

TEST_F(CampaignLoaderTest, NothingIsAcceptedWhereThereIsNoRoom) {
  admission_ = WithExit(absl::ResourceExhaustedError("the disk is nearly full"), ExitCode::kTryLater);
  const absl::StatusOr<Summary> summary = Load(kThree);
  EXPECT_EQ(ExitCodeOf(summary.status()), ExitCode::kTryLater);
  EXPECT_TRUE(absl::IsNotFound(store_->FindCampaign("spring").status()));
}

TEST_F(CampaignLoaderTest, RoomIsAskedForBeforeEachCommit) {
  const std::unique_ptr<RecipientFileLoader> loader = Begin(Request());
  ASSERT_TRUE(loader->Feed(kThree).ok());
  admission_ = absl::ResourceExhaustedError("the disk is nearly full");
  EXPECT_FALSE(loader->Finish().ok());
  EXPECT_THAT(Rows(), IsEmpty());
}

TEST_F(CampaignLoaderTest, RowsWithoutTheRequiredValueAreRejected) {
  LoadRequest request = Request();
  request.require = {{"consent", "yes"}};
  const absl::StatusOr<Summary> summary =
      Load("email,name,consent\na1@d1.test,Ann,yes\na2@d1.test,Bob,no\na3@d1.test,Cy,\n", request);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 1u);
  EXPECT_EQ(summary->rejected, 2u);
  ASSERT_THAT(rejections_, SizeIs(2));
  EXPECT_EQ(rejections_[0].line, 3u);
  EXPECT_EQ(rejections_[0].column, "consent");
}

TEST_F(CampaignLoaderTest, ARowThatTheTemplateCannotTakeIsRejectedByItsColumnToo) {
  LoadRequest request = Request();
  request.template_text =
      "From: a@sender.test\nSubject: {{name}}\nContent-Type: text/html\n\n<a href=\"{{link}}\">x</a>\n";
  const absl::StatusOr<Summary> summary = Load(
      "email,name,link\na1@d1.test,\"A\nB\",https://d1.test/\na2@d1.test,Bob,javascript:x\n" +
          fmt::format("a3@d1.test,{},https://d1.test/\na4@d1.test,D,https://d1.test/\n", std::string(2 << 20, 'x')),
      request);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 1u);
  ASSERT_THAT(rejections_, SizeIs(3));
  EXPECT_EQ(rejections_[0].column, "name");
  EXPECT_THAT(rejections_[0].reason, StartsWith("the value has a line end"));
  EXPECT_EQ(rejections_[1].column, "link");
  EXPECT_THAT(rejections_[1].reason, StartsWith("the value "));
  EXPECT_EQ(rejections_[2].column, "") << "a whole row that is too long";
  EXPECT_EQ(rejections_[2].line, 5u);
}

TEST_F(CampaignLoaderTest, AFailureSaysInWhichOfTheTwoFilesItLies) {
  EXPECT_EQ(PlaceOf(Load("email,name,name\na1@d1.test,A,B\n", Request()).status()), "the recipient file");
  EXPECT_EQ(PlaceOf(Load("", Request()).status()), "the recipient file");
  LoadRequest request = Request();
  request.template_text = "From: a@sender.test\n\n{{nobody_has_this}}\n";
  EXPECT_EQ(PlaceOf(Load(kThree, request).status()), "the template");
}

TEST_F(CampaignLoaderTest, AFailureSaysWhatToDoNext) {
  EXPECT_THAT(NextOf(Load("email,name,name\na1@d1.test,A,B\n", Request()).status()), HasSubstr("Correct the file"));
  LoadRequest request = Request();
  request.template_text = "From: a@sender.test\n\n{{nobody_has_this}}\n";
  EXPECT_THAT(NextOf(Load(kThree, request).status()), HasSubstr("campaign preview"));
  ASSERT_TRUE(Load(kThree, Request()).ok());
  EXPECT_THAT(NextOf(Load("email,name\nb@d1.test,Ben\n", Request()).status()), HasSubstr("another name"));
}

TEST_F(CampaignLoaderTest, ADefaultThatStandsInForNothingIsRefused) {
  const auto refusal = [this](std::vector<std::pair<std::string, std::string>> defaults) {
    LoadRequest request = Request();
    request.require = {{"consent", "yes"}};
    request.defaults = std::move(defaults);
    const absl::Status status = Load("email,name,consent\na1@d1.test,Ann,yes\n", request).status();
    EXPECT_EQ(PlaceOf(status), "--default") << status;
    EXPECT_EQ(ExitCodeOf(status), ExitCode::kUsage);
    return std::string(status.message());
  };
  EXPECT_THAT(refusal({{"nam", "friend"}}), HasSubstr("--default nam stands in for nothing"));
  EXPECT_THAT(refusal({{"nam", "friend"}}), HasSubstr("did you mean name?"));
  EXPECT_THAT(refusal({{"name", "friend"}, {"name", "you"}}), HasSubstr("given twice"));
  EXPECT_THAT(refusal({{"EMail", "a@d1.test"}}), HasSubstr("every row has its recipient"));
  LoadRequest request = Request();
  request.require = {{"consent", "yes"}};
  request.defaults = {{"name", "friend"}, {"consent", "no"}};
  EXPECT_TRUE(Load("email,name,consent\na1@d1.test,Ann,yes\n", request).ok());
}

TEST_F(CampaignLoaderTest, WhatIsRequiredSeesTheDefaultOfAnEmptyOrAbsentColumn) {
  LoadRequest request = Request();
  request.require = {{"consent", "yes"}};
  request.defaults = {{"consent", "yes"}};
  const absl::StatusOr<Summary> empty =
      Load("email,name,consent\na1@d1.test,Ann,\na2@d1.test,Bob,no\na3@d1.test,Cy,yes\n", request);
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_EQ(empty->accepted, 2u);
  ASSERT_THAT(rejections_, SizeIs(1));
  EXPECT_EQ(rejections_[0].line, 3u);
  EXPECT_EQ(rejections_[0].column, "consent");
  request.name = "absent";
  EXPECT_EQ(Load(kThree, request)->accepted, 3u);
  request.name = "refusing";
  request.defaults = {{"consent", "no"}};
  const absl::StatusOr<Summary> none = Load(kThree, request);
  EXPECT_EQ(none->accepted, 0u);
  EXPECT_EQ(none->rejected, 3u);
}

TEST_F(CampaignLoaderTest, WhoPausedACampaignAndWhyIsKnownAsLongAsItIsPaused) {
  ASSERT_TRUE(Load(kThree).ok());
  ASSERT_TRUE(campaigns_->Start("spring").ok());
  EXPECT_FALSE(campaigns_->WhyPaused(*store_->FindCampaign("spring")).has_value());
  ASSERT_TRUE(campaigns_->Pause("spring", ByJane()).ok());
  const PauseCause breaker{.by = std::string(PauseCause::kBreaker), .reason = "6 of 100", .time = absl::Now()};
  ASSERT_TRUE(campaigns_->Pause("spring", breaker).ok());
  const auto expect_jane = [&](const Campaigns& campaigns) {
    const std::optional<PauseCause> cause = campaigns.WhyPaused(*store_->FindCampaign("spring"));
    ASSERT_TRUE(cause.has_value());
    EXPECT_EQ(cause->Describe(), "by jane: wrong link") << "it was paused already";
    EXPECT_EQ(cause->time, ByJane().time);
  };
  expect_jane(*campaigns_);
  Campaigns next(*store_, shards_, Delivery::kSink, {.may_send = [] { return absl::OkStatus(); }, .cancelled = {}});
  ASSERT_TRUE(next.Recover().ok());
  expect_jane(next);
  ASSERT_TRUE(campaigns_->Pause("spring", {.by = "kim", .reason = "typo too", .time = absl::Now()}).ok());
  EXPECT_EQ(campaigns_->WhyPaused(*store_->FindCampaign("spring"))->Describe(), "by kim: typo too");
  ASSERT_TRUE(campaigns_->Resume("spring", {.by = "joe", .reason = "link corrected", .time = absl::Now()}).ok());
  EXPECT_FALSE(campaigns_->WhyPaused(*store_->FindCampaign("spring")).has_value());
  ASSERT_TRUE(campaigns_->Pause("spring", breaker).ok());
  EXPECT_EQ(campaigns_->WhyPaused(*store_->FindCampaign("spring"))->Describe(), "by the circuit breaker: 6 of 100");
  // All of it is known, after another start too.
  Campaigns last(*store_, shards_, Delivery::kSink, {.may_send = [] { return absl::OkStatus(); }, .cancelled = {}});
  ASSERT_TRUE(last.Recover().ok());
  std::vector<std::string> told;
  for (const PauseHistory::Entry& entry : last.PausesOf("spring").entries) {
    told.push_back(fmt::format("{} {}", entry.paused ? "paused" : "resumed", entry.cause.Describe()));
  }
  EXPECT_THAT(told, ElementsAre("paused by jane: wrong link", "paused by kim: typo too",
                                "resumed by joe: link corrected", "paused by the circuit breaker: 6 of 100"));
  EXPECT_TRUE(last.PausesOf("summer").entries.empty());
}

TEST(PauseHistoryTest, WhatAnEarlierVersionWroteIsItsLastPauseAndTheOldestAreForgotten) {
  std::optional<PauseHistory> old = PauseHistory::Parse(R"({"by":"jane","reason":"wrong link","time":1000})");
  ASSERT_TRUE(old.has_value());
  EXPECT_EQ(old->cause()->Describe(), "by jane: wrong link");
  for (size_t i = 0; i < PauseHistory::kEntriesMax; ++i)
    old->Add(false, {.by = "joe", .reason = "", .time = absl::Now()});
  EXPECT_EQ(old->entries.size(), PauseHistory::kEntriesMax);
  EXPECT_EQ(old->entries.front().cause.by, "joe");
  EXPECT_FALSE(old->cause().has_value());
  EXPECT_FALSE(PauseHistory::Parse("[]").has_value());
  EXPECT_FALSE(PauseHistory::Parse(R"({"history":[7]})").has_value());
}

TEST_F(CampaignLoaderTest, AStartThatWasSetCanBeCalledOff) {
  ASSERT_TRUE(Load(kThree).ok());
  EXPECT_EQ(ExitCodeOf(campaigns_->Pause("spring", ByJane())), ExitCode::kUsage) << "it would not start by itself";
  LoadRequest request = Request();
  request.name = "summer";
  request.start_at = absl::Now() + absl::Hours(1);
  EXPECT_FALSE(Load(kThree, request)->started);
  campaigns_->StartDue(absl::Now());
  EXPECT_EQ(store_->FindCampaign("summer")->state, queue::CampaignState::kReady) << "not yet";
  ASSERT_TRUE(campaigns_->Pause("summer", ByJane()).ok());
  campaigns_->StartDue(absl::Now() + absl::Hours(2));
  EXPECT_EQ(store_->FindCampaign("summer")->state, queue::CampaignState::kPaused);
  ASSERT_TRUE(campaigns_->Resume("summer", ByJane()).ok());
  EXPECT_EQ(store_->FindCampaign("summer")->state, queue::CampaignState::kRunning);
}

TEST_F(CampaignLoaderTest, AStartThatWasSetIsKnownToTheNextProcess) {
  LoadRequest request = Request();
  request.start_at = absl::Now() + absl::Hours(1);
  ASSERT_TRUE(Load(kThree, request).ok());
  absl::Status may_send = absl::UnavailableError("it was restored");
  Campaigns next(*store_, shards_, Delivery::kSink, {.may_send = [&] { return may_send; }, .cancelled = {}});
  ASSERT_TRUE(next.Recover().ok());
  next.StartDue(absl::Now());
  EXPECT_EQ(store_->FindCampaign("spring")->state, queue::CampaignState::kReady) << "not yet";
  next.StartDue(absl::Now() + absl::Hours(2));
  EXPECT_EQ(store_->FindCampaign("spring")->state, queue::CampaignState::kReady) << "nothing may be sent";
  may_send = absl::OkStatus();
  next.StartDue(absl::Now() + absl::Hours(3));
  EXPECT_EQ(store_->FindCampaign("spring")->state, queue::CampaignState::kRunning) << "it was not forgotten";

  request.name = "summer";
  ASSERT_TRUE(Load(kThree, request).ok());
  Campaigns live(*store_, shards_, Delivery::kLive, {.may_send = [] { return absl::OkStatus(); }, .cancelled = {}});
  ASSERT_TRUE(live.Recover().ok());
  live.StartDue(absl::Now() + absl::Hours(2));
  EXPECT_EQ(store_->FindCampaign("summer")->state, queue::CampaignState::kReady) << "it was loaded for the sink";
}

// A retry that a backup had running goes on once the node is restored: the times of its rows change, and nothing
// leaves.
TEST_F(CampaignLoaderTest, RowsThatComeBackAreNotSentWhileNothingMayBe) {
  ASSERT_TRUE(Load(kThree).ok());
  ASSERT_TRUE(campaigns_->Start("spring").ok());
  const queue::CampaignId id = store_->FindCampaign("spring")->id;
  absl::Status may_send = absl::FailedPreconditionError("it was restored");
  Campaigns restored(*store_, shards_, Delivery::kSink, {.may_send = [&] { return may_send; }, .cancelled = {}});
  ASSERT_TRUE(restored.Recover().ok());
  ASSERT_TRUE(restored.Refilled(id).ok());
  EXPECT_EQ(restored.Active(id), nullptr);
  may_send = absl::OkStatus();
  ASSERT_TRUE(restored.Refilled(id).ok());
  EXPECT_NE(restored.Active(id), nullptr);
}

TEST_F(CampaignLoaderTest, WhatExpiredBeforeItWasStartedIsErasedAtItsTime) {
  LoadRequest request = Request();
  request.erase_after = absl::Hours(1);
  ASSERT_TRUE(Load(kThree, request).ok());
  const absl::Time now = absl::Now();
  campaigns_->EraseDue(now);
  campaigns_->EraseDue(now + absl::Hours(2));
  EXPECT_FALSE(store_->FindCampaign("spring")->erased) << "its rows wait";
  for (const char* domain : {"d1.test", "d2.test"}) {
    const auto expired = store_->SweepRows(store_->FindCampaign("spring")->id, store_->DestinationOf(domain),
                                           [&](const queue::Pack&, const queue::Row&) -> std::optional<queue::Outcome> {
                                             queue::Outcome outcome;
                                             outcome.kind = queue::OutcomeKind::kExpired;
                                             outcome.time = now;
                                             return outcome;
                                           });
    ASSERT_TRUE(expired.ok()) << expired.status();
  }
  campaigns_->EraseDue(now);
  EXPECT_FALSE(store_->FindCampaign("spring")->erased);
  campaigns_->EraseDue(now + absl::Hours(2));
  EXPECT_TRUE(store_->FindCampaign("spring")->erased);
}

// It is asked every second, of nodes with many ready campaigns of large templates.
TEST_F(CampaignLoaderTest, WhileNothingIsDueNoCampaignIsLookedAt) {
  LoadRequest request = Request();
  request.start_at = absl::Now() + absl::Hours(1);
  ASSERT_TRUE(Load(kThree, request).ok());
  // Whoever looks through the store finds one that is due: nobody but the store was told of it.
  const absl::Time now = absl::Now();
  const absl::StatusOr<queue::Campaign> unheard =
      store_->CreateCampaign({.name = "unheard",
                              .stream = "news",
                              .mode = "sink",
                              .template_text = std::string(kTemplate),
                              .settings_json = CampaignSettings{.start_at = now}.ToText()},
                             now);
  ASSERT_TRUE(unheard.ok()) << unheard.status();
  {
    const auto load = store_->BeginLoad(unheard->id, now);
    ASSERT_TRUE(load.ok()) << load.status();
    ASSERT_TRUE((*load)->Commit(0, "", /*complete=*/true).ok());
  }
  campaigns_->StartDue(now + absl::Minutes(1));
  EXPECT_EQ(store_->FindCampaign("unheard")->state, queue::CampaignState::kReady);
  ASSERT_TRUE(campaigns_->Recover().ok());
  campaigns_->StartDue(now + absl::Minutes(1));
  EXPECT_EQ(store_->FindCampaign("unheard")->state, queue::CampaignState::kRunning) << "it was due";
  EXPECT_EQ(store_->FindCampaign("spring")->state, queue::CampaignState::kReady);
}

TEST_F(CampaignLoaderTest, ARequiredColumnThatIsNotThereIsBadInput) {
  LoadRequest request = Request();
  request.require = {{"consent", "yes"}};
  ExpectRefused(Load(kThree, request), "consent");
}

TEST_F(CampaignLoaderTest, ADefaultStandsInForAMissingColumn) {
  LoadRequest request = Request();
  request.defaults = {{"name", "friend"}};
  const absl::StatusOr<Summary> summary = Load("email\na1@d1.test\n", request);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 1u);
}

TEST_F(CampaignLoaderTest, ALoadMayStartItsCampaign) {
  LoadRequest request = Request();
  request.start = true;
  const absl::StatusOr<Summary> summary = Load(kThree, request);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->started);
  EXPECT_EQ(store_->FindCampaign("spring")->state, queue::CampaignState::kRunning);
}

TEST_F(CampaignLoaderTest, ACampaignForLaterIsReadyAndNotStarted) {
  LoadRequest request = Request();
  request.start_at = absl::Now() + absl::Hours(1);
  const absl::StatusOr<Summary> summary = Load(kThree, request);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_FALSE(summary->started);
  EXPECT_EQ(store_->FindCampaign("spring")->state, queue::CampaignState::kReady);
}

constexpr std::string_view kThreeLines =
    "{\"email\":\"a1@d1.test\",\"name\":\"Ann\"}\n{\"name\":\"Bob\",\"email\":\"a2@d2.test\"}\n"
    "{\"email\":\"a3@d1.test\",\"name\":\"Cy\"}\n";

TEST_F(CampaignLoaderTest, EveryFormatMakesTheSameRows) {
  LoadRequest tsv = Request(), ndjson = Request();
  tsv.name = "tsv";
  tsv.format = RecipientFormat::kTsv;
  ndjson.name = "ndjson";
  ndjson.format = RecipientFormat::kNdjson;
  std::string tabs(kThree);
  std::ranges::replace(tabs, ',', '\t');
  ASSERT_TRUE(Load(kThree).ok());
  ASSERT_TRUE(Load(tabs, tsv).ok());
  ASSERT_TRUE(Load(kThreeLines, ndjson).ok());
  const std::vector<queue::StoredRow> rows = Rows();
  for (const char* name : {"tsv", "ndjson"}) {
    const std::vector<queue::StoredRow> others = Rows(name);
    ASSERT_THAT(others, SizeIs(rows.size())) << name;
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(others[i].message.row, rows[i].message.row) << name;
      EXPECT_EQ(others[i].recipient, rows[i].recipient) << name;
      EXPECT_EQ(others[i].fields, rows[i].fields) << name;
    }
  }
}

TEST_F(CampaignLoaderTest, AnObjectOfNdjsonMayLackWhatHasADefaultOrNoTagNames) {
  constexpr std::string_view kLines =
      "{\"email\":\"a1@d1.test\",\"name\":\"Ann\",\"plan\":\"gold\",\"note\":\"x\"}\n"
      "{\"email\":\"a2@d1.test\",\"name\":\"Bob\"}\n"
      "{\"email\":\"a3@d1.test\",\"plan\":\"gold\"}\n";
  LoadRequest request = Request();
  request.format = RecipientFormat::kNdjson;
  request.template_text = "From: a@b.test\nSubject: Hi\n\n{{name}} has {{plan}}\n";
  request.defaults = {{"plan", "basic"}};
  const absl::StatusOr<Summary> loaded = Load(kLines, request);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->accepted, 2u);
  EXPECT_EQ(loaded->rejected, 1u) << "nothing stands in for its name";
}

TEST_F(CampaignLoaderTest, NdjsonAgainAddsNothingHoweverItsBytesArrive) {
  LoadRequest request = Request();
  request.format = RecipientFormat::kNdjson;
  ASSERT_TRUE(Load(kThreeLines, request, 5).ok());
  const absl::StatusOr<Summary> again = Load(kThreeLines, request, 1);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->already_loaded);
  ExpectOther(Load(std::string(kThreeLines) + "{\"email\":\"a4@d1.test\",\"name\":\"D\"}\n", request), "shorter", 3);
}

TEST_F(CampaignLoaderTest, AnInterruptedNdjsonLoadGoesOnWhereItWasCommitted) {
  LoadRequest request = Request();
  request.format = RecipientFormat::kNdjson;
  std::string file;
  for (int i = 1; i <= 400; ++i) {
    file += fmt::format("{{\"email\":\"a{}@d{}.test\",\"name\":\"{:x>200000}\"}}\n", i, i % 7, i);
  }
  {
    const std::unique_ptr<RecipientFileLoader> cut = Begin(request);
    for (size_t at = 0; reported_ == 0 && at < file.size(); at += 10'000) {
      ASSERT_TRUE(cut->Feed(std::string_view(file).substr(at, 10'000)).ok());
    }
  }
  ASSERT_LT(reported_, 400U);
  const absl::StatusOr<Summary> again = Load(file, request, 1'000'003);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->resumed);
  EXPECT_EQ(again->accepted, 400U);
  EXPECT_EQ(again->duplicates, 0U) << "what was there is passed over, not found to be there twice";
  EXPECT_THAT(Rows(), SizeIs(400));
}

TEST_F(CampaignLoaderTest, TheKeyColumnIsKeptWithTheRow) {
  LoadRequest request = Request();
  request.key_column = "id";
  const absl::StatusOr<Summary> summary =
      Load("id,email,name,note\nK-1,a1@d1.test,Ann,secret\nK-1,a2@d1.test,Bob,x\n", request);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 2U) << "two rows may have the same key";
  const absl::StatusOr<queue::Campaign> campaign = store_->FindCampaign("spring");
  const absl::StatusOr<CampaignSettings> settings = CampaignSettings::Parse(campaign->spec.settings_json);
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->KeyField(campaign->spec.columns), 1U);
  EXPECT_THAT(Rows()[0].fields, ElementsAre("Ann", "K-1"));
}

TEST_F(CampaignLoaderTest, AColumnThatTheMessageUsesMayBeTheKey) {
  LoadRequest request = Request();
  request.key_column = "name";
  ASSERT_TRUE(Load(kThree, request).ok());
  EXPECT_THAT(Rows()[0].fields, ElementsAre("Ann"));
}

TEST_F(CampaignLoaderTest, ARowWithoutAUsableKeyIsRejected) {
  LoadRequest request = Request();
  request.key_column = "id";
  const std::string file = "id,email,name\n,a1@d1.test,A\n" + std::string(128, 'k') + ",a2@d1.test,A\n" +
                           std::string(129, 'k') + ",a3@d1.test,A\n\"x\ny\",a4@d1.test,A\n";
  const absl::StatusOr<Summary> summary = Load(file, request);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->accepted, 1U);
  ASSERT_THAT(rejections_, SizeIs(3));
  EXPECT_EQ(rejections_[0].line, 2U);
  EXPECT_THAT(rejections_[0].reason, HasSubstr("empty"));
  EXPECT_EQ(rejections_[1].line, 4U);
  EXPECT_THAT(rejections_[1].reason, HasSubstr("128"));
  EXPECT_EQ(rejections_[2].line, 5U);
  EXPECT_THAT(rejections_[2].reason, HasSubstr("control"));
  for (const Rejection& rejection : rejections_) EXPECT_EQ(rejection.column, "id");
}

TEST_F(CampaignLoaderTest, AKeyColumnThatIsNotThereIsRefused) {
  LoadRequest request = Request();
  request.key_column = "id";
  ExpectRefused(Load(kThree, request),
                "--key-column names the column 'id', which the recipient file does not have; it has: email, ");
}

TEST_F(CampaignLoaderTest, AnAddressIsNoKey) {
  LoadRequest request = Request();
  request.key_column = "Email";
  const absl::StatusOr<Summary> summary = Load(kThree, request);
  EXPECT_EQ(ExitCodeOf(summary.status()), ExitCode::kUsage);
  EXPECT_TRUE(absl::IsNotFound(store_->FindCampaign("spring").status()));
}

TEST_F(CampaignLoaderTest, AnotherKeyFormatOrRequirementUnderTheSameNameIsRefused) {
  LoadRequest request = Request();
  request.key_column = "name";
  request.require = {{"name", "Ann"}};
  const absl::StatusOr<Summary> first = Load(kThree, request);
  ASSERT_TRUE(first.ok());
  ASSERT_EQ(first->accepted, 1U);
  LoadRequest other = request;
  other.key_column.clear();
  ExpectOther(Load(kThree, other), "with --key-column name", 1);
  other = request;
  other.require.clear();
  ExpectOther(Load(kThree, other), "another --require", 1);
  other = request;
  other.format = RecipientFormat::kNdjson;
  ExpectOther(Load(kThreeLines, other), "as csv", 1);
  EXPECT_TRUE(Load(kThree, request)->already_loaded);
}

}  // namespace
}  // namespace sealift::engine
