#include "queue/load.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "queue/beside.h"
#include "queue/body_files.h"
#include "queue/campaign_records.h"
#include "queue/chunk_writer.h"
#include "queue/keys.h"
#include "queue/load_chunk.h"
#include "queue/load_context.h"

namespace sealift::queue {
namespace {

// Below this many rows a file costs more than the log.
constexpr size_t kFileRowsMin = 4'000;
constexpr size_t kDigestMax = 1024;

absl::Status WriteProgress(LoadContext* context, const Campaign& progress, uint64_t roll, ChunkWriter* writer) {
  std::string plaintext, sealed;
  EncodeProgress(progress, roll, &plaintext);
  const std::string key = CampaignKey(progress.id, CampaignPart::kProgress);
  absl::Status status = context->sealer.Seal(KeyName::Node(), Seal::kCampaign, key, plaintext, &sealed);
  if (status.ok()) status = writer->Put(Column::kCampaigns, key, sealed);
  return status;
}

}  // namespace

Load::Load(std::unique_ptr<LoadContext> context)
    : context_(std::move(context)), progress_(context_->campaign), last_row_(progress_.input_rows), part_(NewPart()) {
  if (progress_.counters.accepted == 0) context_->seen.emplace();
}

Load::~Load() {
  (void)Wait();
  context_->campaigns->EndLoading(context_->gate.get());
}

Load::Part Load::NewPart() const {
  Part part;
  part.chunk = std::make_unique<LoadChunk>(progress_.id, context_->ring);
  part.bodies = std::make_unique<BodyFiles>(context_->database, progress_.id);
  return part;
}

absl::StatusOr<Load::Added> Load::Add(const Row& row) {
  const uint32_t id = static_cast<uint32_t>(row.id);
  if (id <= last_row_) {
    return absl::InvalidArgumentError(fmt::format(
        "row {} was added before (the last one is {}): go on behind the input that is loaded", id, last_row_));
  }
  if (part_.chunk->rows() >= kChunkRowsMax / 2 * 3 || part_.chunk->bytes() >= kChunkBytesMax / 2 * 3) {
    return absl::FailedPreconditionError("the chunk is full: commit it before more is added");
  }
  size_t bytes = row.recipient.size();
  for (const std::string_view field : row.fields) bytes += field.size();
  if (bytes > kRowBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("row {} has {} bytes; a row has at most {}", id, bytes, size_t{kRowBytesMax}));
  }
  last_row_ = id;
  if (part_.chunk->Add(row)) return Added::kAccepted;
  ++part_.duplicates;
  return Added::kDuplicate;
}

bool Load::full() const {
  return part_.chunk->rows() >= kChunkRowsMax || part_.chunk->bytes() >= kChunkBytesMax ||
         part_.bodies->bytes() >= kChunkBytesMax;
}

absl::Status Load::BeginBody(BodyId body) { return part_.bodies->Begin(body); }

absl::Status Load::AddPiece(std::string_view piece) {
  if (piece.size() > kPieceBytesMax) return absl::InvalidArgumentError("a piece of a finished message is too long");
  return part_.bodies->Add(&context_->pieces, piece);
}

absl::Status Load::KeepBody() { return part_.bodies->Keep(); }

void Load::DropBody() { part_.bodies->Drop(); }

absl::Status Load::Commit(uint64_t input_offset, std::string_view digest, bool complete) {
  if (absl::Status before = Wait(); !before.ok()) return before;
  absl::StatusOr<Part> part = TakePart(input_offset, digest, complete);
  if (!part.ok()) return part.status();
  return Adopt(CommitPart(*std::move(part), progress_));
}

absl::Status Load::CommitBehind(uint64_t input_offset, std::string_view digest) {
  if (absl::Status before = Wait(); !before.ok()) return before;
  absl::StatusOr<Part> part = TakePart(input_offset, digest, /*complete=*/false);
  if (!part.ok()) return part.status();
  behind_ = Beside(
      [this, part = *std::move(part), before = progress_]() mutable { return CommitPart(std::move(part), before); });
  return absl::OkStatus();
}

absl::Status Load::Wait() { return behind_.valid() ? Adopt(behind_.get()) : failed_; }

absl::Status Load::Adopt(absl::StatusOr<Campaign> committed) {
  if (committed.ok()) {
    progress_ = *std::move(committed);
  } else {
    failed_ = committed.status();
  }
  return failed_;
}

absl::StatusOr<Load::Part> Load::TakePart(uint64_t input_offset, std::string_view digest, bool complete) {
  if (digest.size() > kDigestMax) return absl::InvalidArgumentError("the digest of a load's input is too long");
  Part part = std::exchange(part_, NewPart());
  part.chunk->Close();
  part.last_row = last_row_;
  part.input_offset = input_offset;
  part.input_digest = digest;
  part.complete = complete;
  return part;
}

absl::StatusOr<Campaign> Load::CommitPart(Part part, const Campaign& before) {
  // A chunk would make a stall longer.
  if (absl::Status stalled = context_->database->AwaitEndOfStall(context_->stall_patience); !stalled.ok()) {
    return stalled;
  }
  // A cancellation waits for the chunk on its way, and none follows it.
  const std::lock_guard lock(context_->gate->mutex);
  if (context_->gate->cancelled) return absl::CancelledError("the campaign was cancelled while it was loaded");
  if (context_->failure->stopped()) return context_->failure->status();

  LoadChunk& chunk = *part.chunk;
  if (before.counters.accepted > 0) {
    uint64_t seen = 0;
    const SeenFilter* const filter = context_->seen.has_value() ? &*context_->seen : nullptr;
    if (absl::Status looked = chunk.DropSeen(context_->database, filter, &seen); !looked.ok()) return looked;
    part.duplicates += seen;
  }
  uint64_t suppressed = 0;
  const absl::Status asked =
      chunk.DropSuppressed(*context_->suppressions, context_->mailing, &context_->unsealer, &suppressed);
  if (!asked.ok()) return asked;
  if (context_->seen.has_value()) chunk.AddTo(&*context_->seen);
  Campaign next = before;
  next.counters.accepted += chunk.rows();
  next.counters.duplicates += part.duplicates;
  next.counters.rejected += part.rejected;
  next.counters.suppressed_at_load += suppressed;
  next.input_offset = part.input_offset;
  next.input_digest = std::move(part.input_digest);
  next.input_rows = part.last_row;
  next.load_complete = part.complete;

  std::unique_ptr<ChunkWriter> writer;
  if (!part.bodies->empty()) {
    if (absl::Status status = part.bodies->Finish(); !status.ok()) return status;
    auto files = std::make_unique<FileWriter>(context_->database);
    files->Attach(Column::kBodies, part.bodies->paths());
    writer = std::move(files);
  } else if (chunk.rows() < kFileRowsMin) {
    writer = std::make_unique<BatchWriter>(context_->database);
  } else {
    writer = std::make_unique<FileWriter>(context_->database);
  }
  uint64_t roll = context_->roll;
  absl::Status status = chunk.Write(&context_->sealer, context_->accepted, context_->expires, writer.get(), &roll);
  if (status.ok()) status = WriteProgress(context_.get(), next, roll, writer.get());
  if (status.ok()) status = writer->Prepare();
  if (!status.ok()) return status;
  if (status = writer->Commit(); !status.ok()) {
    context_->failure->Note(status);
    return status;
  }
  if (chunk.rows() > 0) context_->expiries->Note(next.id, context_->expires);
  context_->roll = roll;
  context_->loaded_rows->fetch_add(chunk.rows(), std::memory_order_relaxed);
  return next;
}

}  // namespace sealift::queue
