#include "engine/test_mail.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/campaign_settings.h"
#include "engine/exit_code.h"
#include "engine/message/nested_value.h"
#include "engine/smtp/mailbox.h"
#include "engine/test_recipients.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kExpiresIn = absl::Hours(1);
constexpr char kSampleDomain[] = "sample.example";
constexpr char kSampleUrl[] = "https://sample.example/";
constexpr int kTestsMax = 10'000;  // of one campaign
constexpr queue::RowId kRow{1};

absl::Status CheckRow(const Template& content, std::string_view recipient, const std::vector<std::string>& values) {
  const std::vector<std::string_view> fields(values.begin(), values.end());
  return content.Check({.email = recipient, .fields = fields});
}

bool Contains(std::string_view text, std::string_view part) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  return !std::ranges::search(text, part, {}, lower).empty();
}

std::string SampleOf(const std::string& column, WantedValue wanted, std::string_view recipient) {
  switch (wanted) {
    case WantedValue::kAddress:
      return std::string(recipient);
    case WantedValue::kUrl:
      return kSampleUrl;
    case WantedValue::kDomain:
      return kSampleDomain;
    case WantedValue::kWord:
      return "sample";
    case WantedValue::kText:
      break;
  }
  // What stands in plain text may still be named for what it is.
  if (Contains(column, "mail")) return std::string(recipient);
  if (Contains(column, "url") || Contains(column, "link")) return kSampleUrl + column;
  return "Sample " + column;
}

// The bytes of a NestedValue.
void AppendSample(const std::string& name, const WantedField& wanted, std::string_view recipient, std::string& out) {
  if (wanted.members.empty()) return AppendNestedText(SampleOf(name, wanted.text, recipient), out);
  const size_t begin = out.size();
  for (const auto& [member, within] : wanted.members) {
    AppendNestedText(member, out);
    AppendSample(member, within, recipient, out);
  }
  WrapNestedObject(begin, out);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> MadeUpValues(const Template& content, const std::vector<std::string>& columns,
                                                      std::string_view recipient) {
  std::vector<std::string> values;
  for (const std::string& column : columns) {
    const WantedField wanted = content.WantedOf(column);
    if (wanted.members.empty()) {
      values.push_back(SampleOf(column, wanted.text, recipient));
    } else {
      AppendSample(column, wanted, recipient, values.emplace_back(1, NestedValue::kMark));
    }
  }
  if (const absl::Status fits = CheckRow(content, recipient, values); !fits.ok()) {
    return WithExit(absl::InvalidArgumentError(
                        fmt::format("the template takes none of the made-up values: {}; name a row whose values it "
                                    "has, with --row and --reason",
                                    std::string(fits.message()))),
                    ExitCode::kBadData);
  }
  return values;
}

absl::StatusOr<std::vector<std::string>> TestMailer::ValuesOf(const queue::Campaign& campaign,
                                                              const TestMailRequest& request) {
  const absl::StatusOr<Template> content = CompileTemplate(campaign.spec);
  if (!content.ok()) return content.status();
  if (!request.row.has_value()) return MadeUpValues(*content, campaign.spec.columns, request.to);
  const absl::StatusOr<queue::StoredRow> row =
      context_.store.ReadRow(campaign.id, static_cast<queue::RowId>(*request.row));
  if (!row.ok()) return WithExit(row.status(), ExitCode::kNoInput);
  if (const absl::Status fits = CheckRow(*content, request.to, row->fields); !fits.ok()) {
    return WithExit(fits, ExitCode::kBadData);
  }
  return row->fields;
}

absl::StatusOr<queue::Campaign> TestMailer::Create(const queue::Campaign& campaign) {
  queue::CampaignSpec spec = campaign.spec;
  const absl::StatusOr<CampaignSettings> settings = CampaignSettings::Parse(spec.settings_json);
  if (!settings.ok()) return settings.status();
  const CampaignSettings of_test{
      .erase_after = settings->erase_after, .names = settings->names, .test_of = campaign.spec.name};
  spec.settings_json = of_test.ToText();
  spec.expires_in = std::min(spec.expires_in, kExpiresIn);
  for (int number = 1; number <= kTestsMax; ++number) {
    spec.name = fmt::format("{}.test-{}", campaign.spec.name, number);
    absl::StatusOr<queue::Campaign> created = context_.store.CreateCampaign(spec, absl::Now());
    if (created.ok() || !absl::IsAlreadyExists(created.status())) return created;
  }
  return WithExit(absl::ResourceExhaustedError(fmt::format("campaign '{}' was tested {} times: load it under another "
                                                           "name",
                                                           campaign.spec.name, kTestsMax)),
                  ExitCode::kCannotCreate);
}

absl::StatusOr<TestMail> TestMailer::Send(std::string_view name, const TestMailRequest& asked) {
  const Options& options = *context_.options;
  const absl::StatusOr<Mailbox> mailbox = ParseMailbox(asked.to);
  if (!mailbox.ok()) return WithExit(mailbox.status(), ExitCode::kUsage);
  if (!IsTestRecipient(options.node, *mailbox)) {
    return WithExit(absl::PermissionDeniedError(
                        "that address is not in node.test_recipients: a test goes only to who agreed to get one. Add "
                        "the address, or \"@\" and its domain, and reload"),
                    ExitCode::kDenied);
  }
  const absl::StatusOr<queue::Campaign> campaign = context_.campaigns.Find(name);
  if (!campaign.ok()) return campaign.status();
  if (campaign->erased) {
    return WithExit(absl::FailedPreconditionError(fmt::format("campaign '{}' was erased: its template is gone", name)),
                    ExitCode::kNoInput);
  }
  if (campaign->spec.finished) {
    return WithExit(absl::FailedPreconditionError(fmt::format(
                        "the messages of campaign '{}' arrived finished, each to its own recipients: there is no "
                        "template to make a test of. Load one to yourself: sealift campaign load NAME --messages",
                        name)),
                    ExitCode::kUsage);
  }
  if (const absl::Status mode = context_.campaigns.CheckMode(*campaign); !mode.ok()) return mode;
  const StreamOptions* const stream = options.FindStream(campaign->spec.stream);
  if (stream == nullptr) {
    return WithExit(absl::FailedPreconditionError(
                        fmt::format("the configuration has no stream '{}' any more", campaign->spec.stream)),
                    ExitCode::kConfig);
  }
  const TestMailRequest request{.to = mailbox->ToString(), .row = asked.row};
  const absl::StatusOr<std::vector<std::string>> values = ValuesOf(*campaign, request);
  if (!values.ok()) return values.status();

  const absl::StatusOr<queue::Campaign> test = Create(*campaign);
  if (!test.ok()) return test.status();
  TestMail mail{.campaign = test->spec.name, .recipient = request.to, .sink = test->spec.mode == "sink"};
  absl::StatusOr<std::unique_ptr<queue::Load>> load =
      context_.store.BeginLoad(test->id, absl::Now(), stream->kind == StreamKind::kTransactional);
  if (!load.ok()) return load.status();
  const std::vector<std::string_view> fields(values->begin(), values->end());
  const absl::StatusOr<queue::Load::Added> added =
      (*load)->Add({.id = kRow, .recipient = request.to, .domain = mailbox->domain, .fields = fields});
  if (!added.ok()) return added.status();
  if (const absl::Status committed = (*load)->Commit(0, {}, true); !committed.ok()) {
    return WithExit(committed, absl::IsResourceExhausted(committed) ? ExitCode::kTryLater : ExitCode::kIo);
  }
  const bool suppressed = (*load)->counters().accepted == 0;
  load->reset();
  if (const absl::Status started = context_.campaigns.Start(mail.campaign); !started.ok()) return started;
  if (suppressed) {
    mail.outcome = "suppressed";
    return mail;
  }
  return Await(
      std::move(mail),
      {.lane = {.campaign = test->id, .destination = context_.store.DestinationOf(mailbox->domain)}, .row = kRow});
}

absl::StatusOr<TestMail> TestMailer::Await(TestMail mail, const queue::MessageKey& key) {
  mail.id = context_.store.EncodeMessageId(key);
  mail.outcome = "pending";
  const absl::Time until = absl::Now() + context_.patience;
  while (true) {
    const uint64_t commits = context_.commits.count();
    absl::StatusOr<queue::Trace> trace = context_.store.TraceMessage(key);
    if (!trace.ok()) return trace.status();
    if (!trace->events.empty()) {
      mail.event = std::move(trace->events.front());
      mail.outcome = std::string(queue::ToString(mail.event->kind));
      break;
    }
    if (context_.stop.load() || absl::Now() >= until) break;
    context_.commits.Await(commits, until);
  }
  return mail;
}

}  // namespace sealift::engine
