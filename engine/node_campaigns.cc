// What the node is asked of campaigns: to load, show, start and cancel one, and to preview a row of it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "engine/campaign_loader.h"
#include "engine/campaign_name.h"
#include "engine/campaign_settings.h"
#include "engine/exit_code.h"
#include "engine/failure_parts.h"
#include "engine/finished_loader.h"
#include "engine/message_identity.h"
#include "engine/node_impl.h"
#include "engine/smtp/dot_stuffing.h"
#include "engine/template_admission.h"
#include "engine/units.h"

namespace sealift::engine {
namespace {

constexpr absl::Duration kCancelPatience = absl::Seconds(30);
constexpr size_t kTemplateBytesMax = 32 << 20;
constexpr size_t kPreviewBytesMax = 4 << 20;  // of a finished message; an answer is made in memory
constexpr uint64_t kMiB = 1 << 20;

// In whole MiB, where it has some.
Size Whole(uint64_t bytes) { return {bytes < kMiB ? bytes : bytes / kMiB * kMiB}; }

}  // namespace

absl::Status NodeImpl::AdmitLoad() const {
  // What was loaded and sent since the backup would be taken for new.
  if (absl::Status may = restoration_->MaySend(); !may.ok()) return may;
  if (absl::Status room = HasRoom(/*unflushed=*/0); !room.ok()) return room;
  // The next start refuses the queue, and what was accepted now would not be in the backup that takes its place.
  return store_->damage();
}

absl::Status NodeImpl::HasRoom(uint64_t unflushed) const {
  if (absl::Status may = AdmitChange(); !may.ok()) return may;
  const queue::DiskSpace disk = store_->Disk();
  const uint64_t floor = options()->storage.stop_load_below.Bytes(disk.bytes);
  if (disk.free_bytes >= floor + unflushed) return absl::OkStatus();
  const std::string beside =
      unflushed < kMiB ? "" : fmt::format(", beside {} that are yet to be written", ToText(Whole(unflushed)));
  return WithNext(
      WithExit(absl::ResourceExhaustedError(fmt::format(
                   "the data directory has {} free and storage.stop_load_below asks for {}{}: no more is accepted",
                   ToText(Whole(disk.free_bytes)), ToText(Whole(floor)), beside)),
               ExitCode::kTryLater),
      "Free some space and give the same command again: nothing is added twice.");
}

absl::StatusOr<std::unique_ptr<CampaignLoader>> NodeImpl::Load(LoadRequest request) {
  if (absl::Status named = CheckCampaignName(request.name); !named.ok()) return named;
  const std::shared_ptr<const Options> options = this->options();
  const StreamOptions* const stream = options->FindStream(request.stream);
  if (stream == nullptr) {
    std::vector<std::string> names;
    for (const StreamOptions& each : options->streams) names.push_back(each.name);
    return WithNext(
        WithExit(
            absl::InvalidArgumentError(fmt::format("the configuration has no stream '{}'; it has: {}", request.stream,
                                                   names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")))),
            ExitCode::kUsage),
        "Name one of these as --stream; or add a [[stream]] to the configuration and let it be read: sealift reload");
  }
  if (request.template_text.size() > kTemplateBytesMax) {
    return BadTemplate(absl::InvalidArgumentError(
        fmt::format("the template has {} bytes; {} are the most", request.template_text.size(), kTemplateBytesMax)));
  }
  std::string notice;
  if (request.messages) {
    if (!request.template_text.empty() || !request.defaults.empty() || !request.require.empty() ||
        !request.key_column.empty()) {
      return WithNext(
          WithExit(absl::InvalidArgumentError("finished messages have neither a template nor columns, and so neither "
                                              "--default, --require nor --key-column"),
                   ExitCode::kUsage),
          "Leave these out.");
    }
  } else {
    const absl::StatusOr<TemplateFields> fields = Template::FieldsOf(request.template_text);
    if (!fields.ok()) return BadTemplate(fields.status());
    absl::StatusOr<std::string> admitted = AdmitTemplate(*options, *stream, *fields);
    if (!admitted.ok()) return admitted.status();
    notice = *std::move(admitted);
  }
  CampaignSettings settings{.limits = request.limits,
                            .weight = request.weight,
                            .start_at = request.start_at,
                            .start = request.start,
                            .erase_after = request.erase_after.value_or(stream->erase_after),
                            .names = NamesOf(request.format),
                            .tls_report = request.tls_report,
                            .key_column = request.key_column,
                            .format = request.format,
                            .require = request.require};
  const absl::Duration expires_in = request.expires_in.value_or(stream->expires_in);
  if (request.start_at.has_value() && *request.start_at >= absl::Now() + expires_in) {
    if (!notice.empty()) notice += "; ";
    notice += fmt::format(
        "its rows expire {} after they are loaded, before it starts: load it later, or give "
        "--expires-in a longer time",
        ToText(expires_in));
  }
  const absl::Status admitted = AdmitLoad();
  if (!admitted.ok()) return admitted;
  queue::CampaignSpec spec{.name = request.name,
                           .stream = request.stream,
                           .mode = std::string(Campaigns::ModeName(options->delivery)),
                           .template_text = request.template_text,
                           .defaults = request.defaults,
                           .expires_in = expires_in,
                           .settings_json = settings.ToText(),
                           .finished = request.messages};
  Counter* const loaded = metrics_.counter(Metric::kMessagesLoaded, {request.stream});
  const auto admit = [this] { return AdmitLoad(); };
  const auto count = [loaded](uint64_t rows) { loaded->Add(rows); };
  if (request.messages) {
    return std::make_unique<FinishedMessageLoader>(
        *store_, *campaigns_, std::move(request), std::move(spec), stream->kind, admit, count,
        FinishedMessageLoader::FromRule{
            .misaligned = [options, stream](const std::string& domain) { return MisalignedFrom(*stream, domain); },
            .rejects = options->delivery == Delivery::kLive});
  }
  return std::make_unique<RecipientFileLoader>(*store_, *campaigns_, std::move(request), std::move(spec), stream->kind,
                                               admit, count, std::move(notice));
}

CampaignStatus NodeImpl::StatusOf(const queue::Campaign& campaign) {
  CampaignStatus status{.campaign = campaign};
  // One that is erased after it was done was never cancelled for its rows.
  const bool done = Campaigns::Done(campaign) || (campaign.erased && campaign.counters.cancelled == 0);
  status.state = done ? "done" : std::string(queue::ToString(campaign.state));
  status.sink = campaign.spec.mode == "sink";
  status.deferred = campaign.counters.retrying;
  status.in_doubt = campaign.counters.in_doubt;
  status.damage = std::string(store_->damage().message());
  status.pause = campaigns_->WhyPaused(campaign);
  status.pauses = campaigns_->PausesOf(campaign.spec.name);
  if (const auto settings = CampaignSettings::Parse(campaign.spec.settings_json); settings.ok()) {
    status.weight = settings->weight;
    if (campaign.state == queue::CampaignState::kReady) status.start_at = settings->start_at;
  }
  if (restoration_->pending()) {
    status.in_doubt = campaign.counters.queued();
    status.deferred = 0;
    return status;
  }
  if (campaign.state != queue::CampaignState::kRunning) return status;
  BlockedRows blocked;
  for (const std::unique_ptr<Shard>& shard : shards_) {
    shard->Ask([&](Scheduler& scheduler) {
      const BlockedRows here = CountBlocked(scheduler, campaign.id);
      blocked.behind_failures += here.behind_failures;
      blocked.held += here.held;
      blocked.held_retrying += here.held_retrying;
    });
  }
  for (const HeldRows& held : CountHeld(campaign)) {
    blocked.held += held.rows;
    blocked.held_retrying += held.retrying;
  }
  // The shards were asked after the counts were read, so what moved in between is kept within them.
  const uint64_t queued = campaign.counters.queued();
  status.held = std::min(blocked.held, queued);
  const uint64_t retrying = campaign.counters.retrying - std::min(campaign.counters.retrying, blocked.held_retrying);
  status.deferred = std::min(retrying + blocked.behind_failures, queued - status.held);
  return status;
}

absl::StatusOr<CampaignStatus> NodeImpl::Show(std::string_view name) {
  const absl::StatusOr<queue::Campaign> campaign = campaigns_->Find(name);
  if (!campaign.ok()) return campaign.status();
  return StatusOf(*campaign);
}

absl::StatusOr<std::vector<CampaignStatus>> NodeImpl::List() {
  const absl::StatusOr<std::vector<queue::Campaign>> campaigns = store_->ListCampaigns();
  if (!campaigns.ok()) return campaigns.status();
  std::vector<CampaignStatus> list;
  for (const queue::Campaign& campaign : *campaigns) {
    // A list has not what can be large; when a campaign starts stands there.
    const absl::StatusOr<queue::Campaign> whole = campaign.state == queue::CampaignState::kReady
                                                      ? store_->GetCampaign(campaign.id)
                                                      : absl::StatusOr<queue::Campaign>(campaign);
    list.push_back(StatusOf(whole.ok() ? *whole : campaign));
  }
  return list;
}

absl::Status NodeImpl::StartCampaign(std::string_view name, std::optional<absl::Time> at) {
  if (at.has_value()) {
    return WithExit(absl::UnimplementedError("campaign start begins at once; give --start-at to campaign load"),
                    ExitCode::kUsage);
  }
  return campaigns_->Start(name);
}

absl::StatusOr<CampaignStatus> NodeImpl::Cancel(std::string_view name, bool erase) {
  // An erasure rewrites files, and would wait for room with its answer.
  if (absl::Status room = erase ? HasRoom(store_->Unflushed()) : absl::OkStatus(); !room.ok()) return room;
  const absl::Status tests = erase ? EraseTestsOf(name) : absl::OkStatus();
  const absl::StatusOr<queue::Campaign> campaign = campaigns_->Cancel(name, erase, kCancelPatience);
  if (!campaign.ok()) return campaign.status();
  if (!tests.ok()) return tests;
  return StatusOf(*campaign);
}

absl::Status NodeImpl::EraseTestsOf(std::string_view name) {
  absl::StatusOr<std::vector<queue::Campaign>> campaigns = store_->ListCampaigns();
  if (!campaigns.ok()) return campaigns.status();
  absl::Status erased;
  for (const queue::Campaign& listed : *campaigns) {
    if (listed.erased || !listed.spec.name.starts_with(name)) continue;
    const absl::StatusOr<queue::Campaign> campaign = store_->GetCampaign(listed.id);
    if (!campaign.ok()) continue;
    const absl::StatusOr<CampaignSettings> settings = CampaignSettings::Parse(campaign->spec.settings_json);
    if (!settings.ok() || settings->test_of != name) continue;
    erased.Update(campaigns_->Cancel(listed.spec.name, /*erase=*/true, kCancelPatience).status());
  }
  return erased;
}

absl::StatusOr<std::string> NodeImpl::Preview(std::string_view name, uint32_t row, std::optional<absl::Time> date) {
  const absl::StatusOr<queue::Campaign> campaign = campaigns_->Find(name);
  if (!campaign.ok()) return campaign.status();
  const absl::StatusOr<queue::StoredRow> stored = store_->ReadRow(campaign->id, static_cast<queue::RowId>(row));
  if (!stored.ok()) return stored.status();
  const std::vector<std::string_view> fields(stored->fields.begin(), stored->fields.end());
  std::optional<Template> content;
  if (!campaign->spec.finished) {
    absl::StatusOr<Template> compiled = CompileTemplate(campaign->spec);
    if (!compiled.ok()) return compiled.status();
    content = *std::move(compiled);
  }
  const ActiveCampaign as_sent{
      .id = campaign->id, .name = campaign->spec.name, .stream = campaign->spec.stream, .content = content};
  const MessageIdentity identity = Identify(*store_, *options(), as_sent, stored->message, fields);
  const absl::Time sent = stored->date != absl::InfinitePast() ? stored->date : absl::Now();
  if (campaign->spec.finished) {
    return PreviewFinished(*campaign, fields, identity.Of(date.value_or(sent)));
  }
  std::string message;
  const absl::Status rendered =
      content->Render({.email = stored->recipient, .fields = fields}, identity.At(date.value_or(sent)), message);
  if (!rendered.ok()) return rendered;
  const std::shared_ptr<const DkimSigner> signer = signing_keys()->SignerOf(campaign->spec.stream);
  if (signer == nullptr) return message;
  std::string whole;
  const absl::Status signed_it = signer->Sign(message, content->fixed_body_hash(), whole);
  if (!signed_it.ok()) return signed_it;
  return whole + message;
}

absl::StatusOr<std::string> NodeImpl::PreviewFinished(const queue::Campaign& campaign,
                                                      const std::vector<std::string_view>& fields,
                                                      const FinishedMessage::Identity& identity) {
  const absl::StatusOr<FinishedMessage> finished =
      FinishedMessage::Decode(fields.size() == 1 ? fields[0] : std::string_view());
  if (!finished.ok()) return finished.status();
  if (finished->size > kPreviewBytesMax) {
    return WithExit(absl::FailedPreconditionError(
                        fmt::format("the message has {} bytes, and at most {} are shown; what is sent is what was "
                                    "loaded, without Bcc and Return-Path, behind its signatures",
                                    finished->size, kPreviewBytesMax)),
                    ExitCode::kBadData);
  }
  const std::shared_ptr<const DkimSigner> signer = signing_keys()->SignerOf(campaign.spec.stream);
  std::string wire, message;
  for (uint32_t i = 0; i < finished->pieces; ++i) {
    const absl::StatusOr<std::string> piece = store_->ReadPiece(campaign.id, queue::BodyId{finished->number}, i);
    if (!piece.ok()) return piece.status();
    if (i > 0) {
      wire += *piece;
      continue;
    }
    uint64_t size = 0;
    std::string first;
    if (absl::Status opened = finished->Open(*piece, identity, first, &size); !opened.ok()) return opened;
    if (signer != nullptr) {
      if (absl::Status status = signer->Sign(first, finished->body_hash, wire); !status.ok()) return status;
    }
    wire += first;
  }
  AppendUnstuffed(wire, message);
  return message;
}

}  // namespace sealift::engine
