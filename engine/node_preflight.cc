// What the node is asked of a campaign before it is started: a preflight, and one real message.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/campaign_settings.h"
#include "engine/exit_code.h"
#include "engine/message/finished_message.h"
#include "engine/node_impl.h"
#include "engine/preflight/preflight.h"
#include "engine/smtp/mailbox.h"
#include "engine/test_mail.h"

namespace sealift::engine {
namespace {

constexpr int kSuppressionsMax = 20'000;  // addresses that are compared with a campaign
constexpr int kSuppressionsPage = 1000;
constexpr int kRowsPage = 1000;
constexpr absl::Duration kLookAtRows = absl::Seconds(10);  // one by one

}  // namespace

absl::StatusOr<std::optional<uint64_t>> NodeImpl::CountSuppressed(const queue::Campaign& campaign, StreamKind kind) {
  const queue::Mailing mailing{.campaign = campaign.spec.name,
                               .stream = campaign.spec.stream,
                               .transactional = kind == StreamKind::kTransactional,
                               .sink = campaign.spec.mode == "sink"};
  uint64_t suppressed = 0;
  int compared = 0;
  std::string cursor;
  for (bool done = false; !done;) {
    const absl::StatusOr<queue::SuppressionsPage> page = store_->ListSuppressions(cursor, kSuppressionsPage);
    if (!page.ok()) return page.status();
    for (const queue::SuppressionRecord& record : page->records) {
      if (++compared > kSuppressionsMax || interrupted_) return std::nullopt;
      const std::vector<const queue::SuppressionEntry*> entries = record.InForce();
      const bool binds = std::ranges::any_of(
          entries, [&](const queue::SuppressionEntry* entry) { return entry->what.Binds(mailing); });
      if (!binds) continue;
      const absl::StatusOr<std::optional<queue::MessageKey>> key = store_->FindRecipient(campaign.id, record.address);
      if (!key.ok()) return key.status();
      if (!key->has_value()) continue;
      const absl::StatusOr<queue::Trace> trace = store_->TraceMessage(**key);
      if (!trace.ok()) return trace.status();
      if (trace->row.has_value() && !trace->row->parked) ++suppressed;
    }
    cursor = page->cursor;
    done = page->done;
  }
  return suppressed;
}

absl::StatusOr<std::optional<std::map<std::string, NodeImpl::RowsNeeding>>> NodeImpl::CountNeeds(
    const queue::Campaign& campaign) {
  std::map<std::string, RowsNeeding> by_domain;
  const absl::Time until = absl::Now() + kLookAtRows;
  std::string cursor;
  for (bool done = false; !done;) {
    if (interrupted_ || absl::Now() > until) return std::nullopt;
    const absl::StatusOr<queue::RowsPage> page =
        store_->ListRows(campaign.id, {.fields = campaign.spec.finished}, cursor, kRowsPage);
    if (!page.ok()) return page.status();
    for (const queue::StoredRow& row : page->rows) {
      bool utf8 = NeedsSmtpUtf8(row.recipient), eight_bit = false;
      if (!utf8 && campaign.spec.finished && row.fields.size() == 1) {
        const absl::StatusOr<FinishedMessage> message = FinishedMessage::Decode(row.fields[0]);
        utf8 = message.ok() && message->utf8_header;
        eight_bit = message.ok() && message->eight_bit;
      }
      if (!utf8 && !eight_bit) continue;
      RowsNeeding& rows = by_domain[row.recipient.substr(row.recipient.rfind('@') + 1)];
      ++(utf8 ? rows.smtputf8 : rows.eightbitmime);
    }
    cursor = page->cursor;
    done = page->done;
  }
  return by_domain;
}

absl::StatusOr<PreflightReport> NodeImpl::RunPreflight(std::string_view name) {
  const std::unique_lock turn(preflight_, std::try_to_lock);
  if (!turn.owns_lock()) {
    return WithExit(absl::UnavailableError("another preflight is running; ask again when it is over"),
                    ExitCode::kTryLater);
  }
  const absl::StatusOr<queue::Campaign> campaign = campaigns_->Find(name);
  if (!campaign.ok()) return campaign.status();
  if (campaign->erased) {
    return WithExit(absl::FailedPreconditionError(fmt::format("campaign '{}' was erased", name)), ExitCode::kNoInput);
  }
  const absl::StatusOr<CampaignSettings> settings = CampaignSettings::Parse(campaign->spec.settings_json);
  if (!settings.ok()) return settings.status();
  const std::shared_ptr<const Options> options = this->options();
  const absl::StatusOr<std::optional<std::map<std::string, RowsNeeding>>> needs = CountNeeds(*campaign);
  if (!needs.ok()) return needs.status();
  Preflight::Subject subject{.campaign = *campaign, .limits = settings->limits};
  const bool starts_by_itself =
      campaign->state == queue::CampaignState::kLoading || campaign->state == queue::CampaignState::kReady;
  if (starts_by_itself) subject.start_at = settings->start_at;
  subject.needs_counted = needs->has_value();
  const absl::StatusOr<uint64_t> read = ForEachLane(
      {.campaign = std::string(name)}, absl::Now(), [&](const queue::Campaign&, const queue::LaneRecord& lane) {
        if (lane.queued == 0) return;
        DestinationSurvey::Domain& domain = subject.domains.emplace_back();
        domain.name = lane.domain;
        domain.rows = lane.queued;
        if (!needs->has_value()) return;
        const auto found = (*needs)->find(lane.domain);
        if (found == (*needs)->end()) return;
        // Rows may have gone since they were counted.
        domain.rows_utf8 = std::min(found->second.smtputf8, lane.queued);
        domain.rows_8bit = std::min(found->second.eightbitmime, lane.queued - domain.rows_utf8);
      });
  if (!read.ok()) return read.status();
  if (const StreamOptions* const stream = options->FindStream(campaign->spec.stream); stream != nullptr) {
    const absl::StatusOr<std::optional<uint64_t>> suppressed = CountSuppressed(*campaign, stream->kind);
    if (!suppressed.ok()) return suppressed.status();
    subject.suppressed_now = *suppressed;
  }
  Preflight preflight({.options = options,
                       .keys = signing_keys(),
                       .dns_cache = dns_cache_,
                       .https = *https_,
                       .sts_policies = sts_policies_,
                       .tls = tls_,
                       .warmups = *warmups_,
                       .stop = interrupted_});
  absl::StatusOr<PreflightReport> report = preflight.Run(std::move(subject));
  if (report.ok()) report->state = StatusOf(*campaign).state;  // as `campaign show` says it
  return report;
}

absl::StatusOr<TestMail> NodeImpl::SendTestMail(std::string_view name, const TestMailRequest& request) {
  if (const absl::Status admitted = AdmitLoad(); !admitted.ok()) return admitted;
  TestMailer mailer(
      {.store = *store_, .campaigns = *campaigns_, .options = options(), .commits = commits_, .stop = interrupted_});
  absl::StatusOr<TestMail> mail = mailer.Send(name, request);
  if (mail.ok() && mail->outcome != "suppressed") {
    if (const absl::StatusOr<queue::Campaign> campaign = campaigns_->Find(name); campaign.ok()) {
      metrics_.counter(Metric::kMessagesLoaded, {campaign->spec.stream})->Add();
    }
  }
  return mail;
}

}  // namespace sealift::engine
