#include "queue/load.h"

#include <utility>

#include "fmt/format.h"
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

absl::Status WriteProgress(LoadContext* context, const Campaign& progress, ChunkWriter* writer) {
  std::string plaintext, sealed;
  EncodeProgress(progress, &plaintext);
  const std::string key = CampaignKey(progress.id, CampaignPart::kProgress);
  absl::Status status = context->sealer.Seal(KeyName::Node(), Seal::kCampaign, key, plaintext, &sealed);
  if (status.ok()) status = writer->Put(Column::kCampaigns, key, sealed);
  return status;
}

}  // namespace

Load::Load(std::unique_ptr<LoadContext> context) : context_(std::move(context)) {
  progress_ = context_->campaign;
  last_row_ = progress_.input_rows;
  chunk_ = std::make_unique<LoadChunk>(progress_.id, context_->ring);
  bodies_ = std::make_unique<BodyFiles>(context_->database, progress_.id);
}

Load::~Load() { context_->campaigns->EndLoading(context_->gate.get()); }

absl::StatusOr<Load::Added> Load::Add(const Row& row) {
  const uint32_t id = static_cast<uint32_t>(row.id);
  if (id <= last_row_) {
    return absl::InvalidArgumentError(fmt::format(
        "row {} was added before (the last one is {}): go on behind the input that is loaded", id, last_row_));
  }
  if (chunk_->rows() >= kChunkRowsMax / 2 * 3 || chunk_->bytes() >= kChunkBytesMax / 2 * 3) {
    return absl::FailedPreconditionError("the chunk is full: commit it before more is added");
  }
  size_t bytes = row.recipient.size();
  for (const std::string_view field : row.fields) bytes += field.size();
  if (bytes > kRowBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("row {} has {} bytes; a row has at most {}", id, bytes, size_t{kRowBytesMax}));
  }
  last_row_ = id;
  if (chunk_->Add(row)) return Added::kAccepted;
  ++duplicates_;
  return Added::kDuplicate;
}

bool Load::full() const {
  return chunk_->rows() >= kChunkRowsMax || chunk_->bytes() >= kChunkBytesMax || bodies_->bytes() >= kChunkBytesMax;
}

absl::Status Load::BeginBody(BodyId body) {
  if (!context_->database->may_ingest()) {
    return absl::ResourceExhaustedError(
        "the queue takes no finished messages until sealiftd is restarted: its file system was full meanwhile");
  }
  return bodies_->Begin(body);
}

absl::Status Load::AddPiece(std::string_view piece) {
  if (piece.size() > kPieceBytesMax) return absl::InvalidArgumentError("a piece of a finished message is too long");
  return bodies_->Add(&context_->sealer, piece);
}

absl::Status Load::KeepBody() { return bodies_->Keep(); }

void Load::DropBody() { bodies_->Drop(); }

absl::Status Load::Commit(uint64_t input_offset, std::string_view digest, bool complete) {
  if (digest.size() > kDigestMax) return absl::InvalidArgumentError("the digest of a load's input is too long");
  // A cancellation waits for the chunk on its way, and none follows it.
  const std::lock_guard lock(context_->gate->mutex);
  if (context_->gate->cancelled) return absl::CancelledError("the campaign was cancelled while it was loaded");
  if (context_->failure->stopped()) return context_->failure->status();

  if (progress_.counters.accepted > 0) {
    uint64_t seen = 0;
    const absl::Status looked = chunk_->DropSeen(context_->database, &seen);
    duplicates_ += seen;
    if (!looked.ok()) return looked;
  }
  uint64_t suppressed = 0;
  const absl::Status asked =
      chunk_->DropSuppressed(*context_->suppressions, context_->mailing, &context_->unsealer, &suppressed);
  suppressed_ += suppressed;
  if (!asked.ok()) return asked;
  Campaign next = progress_;
  next.counters.accepted += chunk_->rows();
  next.counters.duplicates += duplicates_;
  next.counters.rejected += rejected_;
  next.counters.suppressed_at_load += suppressed_;
  next.input_offset = input_offset;
  next.input_digest = digest;
  next.input_rows = last_row_;
  next.load_complete = complete;

  std::unique_ptr<ChunkWriter> writer;
  if (!bodies_->empty()) {
    if (absl::Status status = bodies_->Finish(); !status.ok()) return status;
    auto files = std::make_unique<FileWriter>(context_->database);
    files->Attach(Column::kBodies, bodies_->paths());
    writer = std::move(files);
  } else if (chunk_->rows() < kFileRowsMin || !context_->database->may_ingest()) {
    writer = std::make_unique<BatchWriter>(context_->database);
  } else {
    writer = std::make_unique<FileWriter>(context_->database);
  }
  absl::Status status = chunk_->Write(&context_->sealer, context_->accepted, context_->expires, writer.get());
  if (status.ok()) status = WriteProgress(context_.get(), next, writer.get());
  if (status.ok()) status = writer->Prepare();
  if (!status.ok()) return status;
  if (status = writer->Commit(); !status.ok()) {
    context_->failure->Note(status);
    return status;
  }
  context_->loaded_rows->fetch_add(chunk_->rows(), std::memory_order_relaxed);
  progress_ = std::move(next);
  rejected_ = suppressed_ = duplicates_ = 0;
  chunk_ = std::make_unique<LoadChunk>(progress_.id, context_->ring);
  bodies_ = std::make_unique<BodyFiles>(context_->database, progress_.id);
  return absl::OkStatus();
}

}  // namespace sealift::queue
