#include "engine/resumable_load.h"

#include <fmt/format.h>

#include <tuple>
#include <utility>

#include "engine/campaign_settings.h"
#include "engine/exit_code.h"
#include "engine/failure_parts.h"

namespace sealift::engine {

absl::Status ResumableLoad::Begin(const queue::CampaignSpec& spec, const LoadRequest& request,
                                  const std::function<absl::Status(const queue::Campaign&)>& compare) {
  name_ = spec.name;
  stream_ = spec.stream;
  mode_ = spec.mode;
  start_at_ = request.start_at;
  const absl::StatusOr<queue::Campaign> before = services_.store.FindCampaign(name_);
  if (before.ok()) {
    if (absl::Status same = Compare(*before, request, compare); !same.ok()) return same;
    known_ = *before;
    start_at_ = CampaignSettings::Parse(known_->spec.settings_json)->start_at;  // Compare has read them
    if (known_->load_complete) return absl::OkStatus();
  } else if (!absl::IsNotFound(before.status())) {
    return before.status();
  }
  if (absl::Status admitted = services_.admit(); !admitted.ok()) return admitted;
  queue::CampaignId id{};
  if (known_.has_value()) {
    id = known_->id;
  } else {
    const absl::StatusOr<queue::Campaign> created = services_.store.CreateCampaign(spec, absl::Now());
    if (!created.ok()) return created.status();
    id = created->id;
  }
  absl::StatusOr<std::unique_ptr<queue::Load>> rows =
      services_.store.BeginLoad(id, absl::Now(), kind_ == StreamKind::kTransactional);
  if (!rows.ok()) return WithExit(rows.status(), ExitCode::kTryLater);
  rows_ = *std::move(rows);
  counted_ = rows_->counters().accepted;
  return absl::OkStatus();
}

ResumableLoad::~ResumableLoad() {
  if (rows_ == nullptr) return;
  (void)rows_->Wait();
  CountAccepted();
}

absl::Status ResumableLoad::Compare(const queue::Campaign& before, const LoadRequest& request,
                                    const std::function<absl::Status(const queue::Campaign&)>& compare) const {
  const bool is_cancelled = before.erased || before.state == queue::CampaignState::kCancelled;
  if (is_cancelled && before.input_rows == 0) {
    return WithNext(
        WithExit(
            absl::AlreadyExistsError(fmt::format(
                "campaign '{}' was already loaded and has no rows here: on the node whose backup this was restored "
                "from, or it was cancelled before it had any; nothing was accepted now",
                name_)),
            ExitCode::kCannotCreate),
        fmt::format("`sealift campaign report {}` says what it sent there; under another name all get it again.",
                    name_));
  }
  if (is_cancelled) return OtherContent("and is cancelled");
  if (before.spec.mode != mode_) return OtherContent("under the other delivery mode");
  if (before.spec.stream != stream_) return OtherContent(fmt::format("in the stream '{}'", before.spec.stream));
  if (absl::Status same = CompareSettings(before, request); !same.ok()) return same;
  return compare(before);
}

absl::Status ResumableLoad::CompareSettings(const queue::Campaign& before, const LoadRequest& request) const {
  const absl::StatusOr<CampaignSettings> settings = CampaignSettings::Parse(before.spec.settings_json);
  if (!settings.ok()) return settings.status();
  const auto compare = [&](std::string_view flag, auto limit) -> absl::Status {  // what is not given is as it was
    const auto &is = request.limits.*limit, &was = settings->limits.*limit, none = CampaignLimits().*limit;
    if (is == none || is == was) return absl::OkStatus();
    return OtherContent(fmt::format("{} {}", was == none ? "without" : "with another", flag));
  };
  for (const absl::Status& same :
       {compare("--rate", &CampaignLimits::rate), compare("--messages-per-day", &CampaignLimits::a_day),
        compare("--connections", &CampaignLimits::connections),
        compare("--connection-rate", &CampaignLimits::connection_rate),
        compare("--messages-per-connection", &CampaignLimits::messages_per_connection)}) {
    if (!same.ok()) return same;
  }
  if (request.weight != 1 && request.weight != settings->weight) return OtherContent("with another --weight");
  if (request.expires_in.value_or(before.spec.expires_in) != before.spec.expires_in) {
    return OtherContent(fmt::format("with --expires-in {}", ToText(before.spec.expires_in)));
  }
  if (request.erase_after.value_or(settings->erase_after) != settings->erase_after) {
    return OtherContent("with another --erase-after, or without it");
  }
  if (request.start_at.has_value() && !settings->start_at.has_value()) return OtherContent("without --start-at");
  return absl::OkStatus();
}

absl::Status ResumableLoad::OtherContent(std::string_view what) const {
  return WithNext(WithExit(absl::AlreadyExistsError(fmt::format(
                               "campaign '{}' was already loaded {}; nothing was accepted now", name_, what)),
                           ExitCode::kCannotCreate),
                  "Load this under another name, or give the very same input to resume an interrupted load.");
}

absl::Status ResumableLoad::Commit(uint64_t offset, const std::string& digest, bool complete) {
  if (absl::Status admitted = services_.admit(); !admitted.ok()) return admitted;
  const absl::Status committed = complete ? rows_->Commit(offset, digest, true) : rows_->CommitBehind(offset, digest);
  CountAccepted();
  if (committed.ok()) return committed;
  return WithExit(committed, absl::IsResourceExhausted(committed) ? ExitCode::kTryLater : ExitCode::kIo);
}

void ResumableLoad::CountAccepted() {
  const uint64_t accepted = rows_->counters().accepted;
  services_.accepted(accepted - std::exchange(counted_, accepted));
}

absl::StatusOr<CampaignLoader::Summary> ResumableLoad::Finish(uint64_t offset, const std::string& digest,
                                                              const LoadRequest& request) {
  queue::Counters counters;
  if (rows_ != nullptr) {
    if (absl::Status committed = Commit(offset, digest, true); !committed.ok()) return committed;
    counters = rows_->counters();
    rows_.reset();
  } else {
    counters = known_->counters;
  }
  CampaignLoader::Summary summary{.name = name_,
                                  .accepted = counters.accepted,
                                  .rejected = counters.rejected,
                                  .suppressed = counters.suppressed_at_load,
                                  .duplicates = counters.duplicates,
                                  .resumed = known() && !was_complete(),
                                  .already_loaded = was_complete(),
                                  .sink = mode_ == "sink",
                                  .notice = {}};
  const absl::StatusOr<bool> started = services_.campaigns.StartLoaded(name_, request.start, start_at_);
  if (!started.ok()) return started.status();
  summary.started = *started;
  if (!*started && (!known() || known_->state == queue::CampaignState::kReady)) summary.start_at = start_at_;
  return summary;
}

}  // namespace sealift::engine
