#include "engine/resumable_load.h"

#include <fmt/format.h>

#include <utility>

#include "engine/exit_code.h"
#include "engine/failure_parts.h"

namespace sealift::engine {

absl::Status ResumableLoad::Begin(const queue::CampaignSpec& spec,
                                  const std::function<absl::Status(const queue::Campaign&)>& compare) {
  name_ = spec.name;
  stream_ = spec.stream;
  mode_ = spec.mode;
  const absl::StatusOr<queue::Campaign> before = services_.store.FindCampaign(name_);
  if (before.ok()) {
    if (absl::Status same = Compare(*before, compare); !same.ok()) return same;
    known_ = *before;
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

absl::Status ResumableLoad::Compare(const queue::Campaign& before,
                                    const std::function<absl::Status(const queue::Campaign&)>& compare) const {
  if (before.erased || before.state == queue::CampaignState::kCancelled) return OtherContent("and is cancelled");
  if (before.spec.mode != mode_) return OtherContent("under the other delivery mode");
  if (before.spec.stream != stream_) return OtherContent(fmt::format("in the stream '{}'", before.spec.stream));
  return compare(before);
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
  const absl::StatusOr<bool> started = services_.campaigns.StartLoaded(name_, request.start, request.start_at);
  if (!started.ok()) return started.status();
  summary.started = *started;
  return summary;
}

}  // namespace sealift::engine
