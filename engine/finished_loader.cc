#include "engine/finished_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/exit_code.h"

namespace sealift::engine {
namespace {

absl::Status BadInput(std::string sentence) {
  return WithExit(absl::InvalidArgumentError(std::move(sentence)), ExitCode::kBadData);
}

absl::Status NotWritten(const absl::Status& status) {
  return WithExit(status, absl::IsResourceExhausted(status) ? ExitCode::kTryLater : ExitCode::kIo);
}

}  // namespace

FinishedMessageLoader::FinishedMessageLoader(queue::Store& store, Campaigns& campaigns, LoadRequest request,
                                             queue::CampaignSpec spec, StreamKind kind, AdmitChunk admit,
                                             std::function<void(uint64_t)> accepted)
    : store_(store),
      campaigns_(campaigns),
      request_(std::move(request)),
      spec_(std::move(spec)),
      kind_(kind),
      admit_(std::move(admit)),
      accepted_(std::move(accepted)),
      reader_(queue::Load::kPieceBytesMax,
              [this](std::string_view piece) { return storing_ ? load_->AddPiece(piece) : absl::OkStatus(); }),
      digest_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr);
}

absl::Status FinishedMessageLoader::Begin() {
  begun_ = true;
  const absl::StatusOr<queue::Campaign> known = store_.FindCampaign(spec_.name);
  if (known.ok()) {
    const queue::CampaignSpec& before = known->spec;
    if (known->erased || known->state == queue::CampaignState::kCancelled) return OtherContent("and is cancelled");
    if (before.mode != spec_.mode) return OtherContent("under the other delivery mode");
    if (!before.finished) return OtherContent("from a template");
    if (before.stream != spec_.stream) return OtherContent(fmt::format("in the stream '{}'", before.stream));
    known_ = *known;
    resume_at_ = known->input_offset;
    compared_ = resume_at_ == 0;
    if (known->load_complete) return absl::OkStatus();
  } else if (!absl::IsNotFound(known.status())) {
    return known.status();
  }
  if (absl::Status admitted = admit_(); !admitted.ok()) return admitted;
  queue::CampaignId id{};
  if (known_.has_value()) {
    id = known_->id;
  } else {
    const absl::StatusOr<queue::Campaign> created = store_.CreateCampaign(spec_, absl::Now());
    if (!created.ok()) return created.status();
    id = created->id;
  }
  absl::StatusOr<std::unique_ptr<queue::Load>> load =
      store_.BeginLoad(id, absl::Now(), kind_ == StreamKind::kTransactional);
  if (!load.ok()) return WithExit(load.status(), ExitCode::kTryLater);
  load_ = *std::move(load);
  row_ = load_->rows();
  return absl::OkStatus();
}

absl::Status FinishedMessageLoader::OtherContent(std::string_view what) const {
  return WithExit(absl::AlreadyExistsError(fmt::format("campaign '{}' was already loaded {}; nothing of these messages "
                                                       "was accepted. Load them under another name, or give the very "
                                                       "same messages to resume an interrupted load",
                                                       spec_.name, what)),
                  ExitCode::kCannotCreate);
}

absl::Status FinishedMessageLoader::Feed(std::span<const char> fed) {
  if (!begun_) {
    if (absl::Status begun = Begin(); !begun.ok()) return begun;
  }
  for (std::string_view bytes(fed.data(), fed.size()); !bytes.empty();) {
    size_t size = std::min<size_t>(bytes.size(), frame_left_ > 0 ? frame_left_ : sizeof(uint32_t) - length_.size());
    if (!compared_) size = static_cast<size_t>(std::min<uint64_t>(size, resume_at_ - offset_));
    const std::string_view part = bytes.substr(0, size);
    bytes.remove_prefix(size);
    EVP_DigestUpdate(digest_.get(), part.data(), part.size());
    offset_ += size;
    // What ends where the last commit did has been checked, and is not stored again.
    const bool same = compared_ || offset_ < resume_at_ || DigestSoFar() == known_->input_digest;
    if (!same) return OtherContent("from other messages");
    if (absl::Status taken = Take(part); !taken.ok()) return taken;
    if (!compared_) compared_ = offset_ == resume_at_;
  }
  return absl::OkStatus();
}

absl::Status FinishedMessageLoader::Take(std::string_view part) {
  if (frame_left_ > 0) {
    frame_left_ -= static_cast<uint32_t>(part.size());
    const absl::Status added = reader_.Add(part);
    return added.ok() ? added : NotWritten(added);
  }
  length_ += part;
  if (length_.size() < sizeof(uint32_t)) return absl::OkStatus();
  uint32_t length = 0;
  for (const char c : std::exchange(length_, {})) length = length << 8 | static_cast<uint8_t>(c);
  if (length > kFrameBytesMax) {
    return BadInput(
        fmt::format("message {} has a frame of {} bytes; {} are the most", number_ + 1, length, kFrameBytesMax));
  }
  frame_left_ = length;
  if (!in_message_) {
    if (absl::Status begun = BeginMessage(); !begun.ok()) return begun;
  }
  return length == 0 ? EndMessage() : absl::OkStatus();
}

absl::Status FinishedMessageLoader::BeginMessage() {
  in_message_ = true;
  storing_ = compared_;
  if (storing_ && load_ == nullptr) return OtherContent("from fewer messages");
  reader_.Begin(++number_);
  if (!storing_) return absl::OkStatus();
  const absl::Status begun = load_->BeginBody(queue::BodyId{number_});
  return begun.ok() ? begun : NotWritten(begun);
}

absl::Status FinishedMessageLoader::EndMessage() {
  in_message_ = false;
  if (absl::Status ended = reader_.End(); !ended.ok()) return NotWritten(ended);
  if (!reader_.rejection().empty()) {
    if (on_rejection_) on_rejection_({.line = number_, .column = {}, .reason = reader_.rejection()});
    if (!storing_) return absl::OkStatus();
    load_->DropBody();
    load_->Reject();
    return absl::OkStatus();
  }
  if (!storing_) return absl::OkStatus();
  if (absl::Status kept = load_->KeepBody(); !kept.ok()) return NotWritten(kept);
  if (absl::Status added = AddRows(); !added.ok()) return added;
  return load_->full() ? CommitChunk(false) : absl::OkStatus();
}

absl::Status FinishedMessageLoader::AddRows() {
  const std::string field = reader_.message().Encode();
  const std::string_view fields = field;
  for (const Mailbox& recipient : reader_.recipients()) {
    const std::string address = recipient.ToString();
    const absl::StatusOr<queue::Load::Added> added = load_->Add({.id = queue::RowId{++row_},
                                                                 .recipient = address,
                                                                 .domain = recipient.domain,
                                                                 .fields = {&fields, 1},
                                                                 .body = queue::BodyId{number_}});
    if (!added.ok()) return added.status();
  }
  return absl::OkStatus();
}

absl::Status FinishedMessageLoader::CommitChunk(bool complete) {
  if (absl::Status admitted = admit_(); !admitted.ok()) return admitted;
  const uint64_t before = load_->counters().accepted;
  if (absl::Status committed = load_->Commit(offset_, DigestSoFar(), complete); !committed.ok()) {
    return NotWritten(committed);
  }
  accepted_(load_->counters().accepted - before);
  return absl::OkStatus();
}

std::string FinishedMessageLoader::DigestSoFar() const {
  const std::unique_ptr<EVP_MD_CTX, FreeDigest> copy(EVP_MD_CTX_new());
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned size = 0;
  EVP_MD_CTX_copy_ex(copy.get(), digest_.get());
  EVP_DigestFinal_ex(copy.get(), bytes.data(), &size);
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

absl::StatusOr<CampaignLoader::Summary> FinishedMessageLoader::Finish() {
  if (offset_ == 0) return BadInput("there is no message; a directory has them in files that end with .eml");
  if (in_message_ || !length_.empty()) return BadInput(fmt::format("the input ended within message {}", number_));
  if (!compared_) return OtherContent("from more messages");
  Summary summary;
  summary.name = spec_.name;
  summary.sink = spec_.mode == "sink";
  summary.already_loaded = known_.has_value() && known_->load_complete;
  summary.resumed = known_.has_value() && !summary.already_loaded;
  queue::Counters counters;
  if (load_ != nullptr) {
    if (absl::Status committed = CommitChunk(true); !committed.ok()) return committed;
    counters = load_->counters();
    load_.reset();
  } else {
    counters = known_->counters;
  }
  summary.accepted = counters.accepted;
  summary.rejected = counters.rejected;
  summary.duplicates = counters.duplicates;
  summary.suppressed = counters.suppressed_at_load;
  const absl::StatusOr<bool> started = campaigns_.StartLoaded(spec_.name, request_.start, request_.start_at);
  if (!started.ok()) return started.status();
  summary.started = *started;
  return summary;
}

}  // namespace sealift::engine
