#include "engine/finished_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/exit_code.h"
#include "engine/failure_parts.h"

namespace sealift::engine {
namespace {

constexpr size_t kDomainsMax = 1000;  // of which it is remembered whether they are aligned

absl::Status BadInput(const std::string& sentence) {
  return WithNext(WithPlace(WithExit(absl::InvalidArgumentError(sentence), ExitCode::kBadData), "the messages"),
                  "Correct them and give the same command again.");
}

absl::Status NotWritten(const absl::Status& status) {
  return WithExit(status, absl::IsResourceExhausted(status) ? ExitCode::kTryLater : ExitCode::kIo);
}

}  // namespace

FinishedMessageLoader::FinishedMessageLoader(queue::Store& store, Campaigns& campaigns, LoadRequest request,
                                             queue::CampaignSpec spec, StreamKind kind, AdmitChunk admit,
                                             std::function<void(uint64_t)> accepted, FromRule from)
    : request_(std::move(request)),
      spec_(std::move(spec)),
      from_(std::move(from)),
      load_({.store = store, .campaigns = campaigns, .admit = std::move(admit), .accepted = std::move(accepted)}, kind),
      reader_(queue::Load::kPieceBytesMax,
              [this](std::string_view piece) { return storing_ ? load_.rows()->AddPiece(piece) : absl::OkStatus(); }) {}

absl::Status FinishedMessageLoader::Begin() {
  begun_ = true;
  const absl::Status begun = load_.Begin(spec_, request_, [this](const queue::Campaign& before) {
    return before.spec.finished ? absl::OkStatus() : load_.OtherContent("from a template");
  });
  if (!begun.ok()) return begun;
  compared_ = load_.resume_at() == 0;
  if (load_.rows() != nullptr) row_ = load_.rows()->rows();
  return absl::OkStatus();
}

absl::Status FinishedMessageLoader::Feed(std::span<const char> bytes) {
  if (!begun_) {
    if (absl::Status begun = Begin(); !begun.ok()) return begun;
  }
  for (std::string_view rest(bytes.data(), bytes.size()); !rest.empty();) {
    size_t size = std::min<size_t>(rest.size(), frame_left_ > 0 ? frame_left_ : sizeof(uint32_t) - length_.size());
    if (!compared_) size = static_cast<size_t>(std::min<uint64_t>(size, load_.resume_at() - offset_));
    const std::string_view part = rest.substr(0, size);
    rest.remove_prefix(size);
    digest_.Add(part);
    offset_ += size;
    // What ends where the last commit did has been checked, and is not stored again.
    const bool same = compared_ || offset_ < load_.resume_at() || load_.IsSame(digest_.SoFar());
    if (!same) return load_.OtherContent("from other messages");
    if (absl::Status taken = Take(part); !taken.ok()) return taken;
    if (!compared_) compared_ = offset_ == load_.resume_at();
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
  if (storing_ && load_.rows() == nullptr) return load_.OtherContent("from fewer messages");
  reader_.Begin(++number_);
  if (!storing_) return absl::OkStatus();
  const absl::Status begun = load_.rows()->BeginBody(queue::BodyId{number_});
  return begun.ok() ? begun : NotWritten(begun);
}

absl::Status FinishedMessageLoader::EndMessage() {
  in_message_ = false;
  if (absl::Status ended = reader_.End(); !ended.ok()) return NotWritten(ended);
  if (const std::string why = WhyRejected(); !why.empty()) {
    if (on_rejection_) on_rejection_({.line = number_, .column = {}, .reason = why});
    if (!storing_) return absl::OkStatus();
    load_.rows()->DropBody();
    load_.rows()->Reject();
    return absl::OkStatus();
  }
  if (!storing_) return absl::OkStatus();
  if (absl::Status kept = load_.rows()->KeepBody(); !kept.ok()) return NotWritten(kept);
  if (absl::Status added = AddRows(); !added.ok()) return added;
  return load_.rows()->full() ? load_.Commit(offset_, digest_.SoFar(), false) : absl::OkStatus();
}

std::string FinishedMessageLoader::WhyRejected() {
  if (!reader_.rejection().empty()) return reader_.rejection();
  for (const Mailbox& author : reader_.authors()) {
    const std::string& wrong = Misaligned(author.domain);
    if (wrong.empty()) continue;
    if (from_.rejects) return wrong;
    if (misaligned_messages_++ == 0) first_misaligned_ = wrong;
    break;
  }
  return "";
}

const std::string& FinishedMessageLoader::Misaligned(const std::string& domain) {
  const auto known = misaligned_.find(domain);
  if (known != misaligned_.end()) return known->second;
  if (misaligned_.size() == kDomainsMax) misaligned_.clear();
  return misaligned_.emplace(domain, from_.misaligned(domain)).first->second;
}

absl::Status FinishedMessageLoader::AddRows() {
  const std::string field = reader_.message().Encode();
  const std::string_view fields = field;
  for (const Mailbox& recipient : reader_.recipients()) {
    const std::string address = recipient.ToString();
    const absl::StatusOr<queue::Load::Added> added = load_.rows()->Add({.id = queue::RowId{++row_},
                                                                        .recipient = address,
                                                                        .domain = recipient.domain,
                                                                        .fields = {&fields, 1},
                                                                        .body = queue::BodyId{number_},
                                                                        .name = reader_.message_id()});
    if (!added.ok()) return added.status();
  }
  return absl::OkStatus();
}

absl::StatusOr<CampaignLoader::Summary> FinishedMessageLoader::Finish() {
  if (offset_ == 0) return BadInput("there is no message; a directory has them in files that end with .eml");
  if (in_message_ || !length_.empty()) return BadInput(fmt::format("the input ended within message {}", number_));
  if (!compared_) return load_.OtherContent("from more messages");
  absl::StatusOr<Summary> summary = load_.Finish(offset_, digest_.SoFar(), request_);
  if (summary.ok() && misaligned_messages_ > 0) {
    summary->notice = fmt::format("live mode would reject {} of the messages; of the first: {}", misaligned_messages_,
                                  first_misaligned_);
  }
  return summary;
}

}  // namespace sealift::engine
