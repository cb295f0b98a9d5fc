#include "queue/body_files.h"

#include <unistd.h>

#include "queue/keys.h"
#include "queue/rocks.h"

namespace sealift::queue {

BodyFiles::~BodyFiles() {
  writer_.reset();
  for (const std::string& path : paths_) (void)::unlink(path.c_str());
}

absl::Status BodyFiles::Begin(BodyId body) {
  if (open_ || body <= last_) return absl::InvalidArgumentError("a finished message was begun out of its turn");
  last_ = body;
  open_ = true;
  pieces_ = 0;
  message_bytes_ = 0;
  return absl::OkStatus();
}

absl::Status BodyFiles::Add(Sealer* sealer, std::string_view piece) {
  if (!open_) return absl::InvalidArgumentError("a piece came without its finished message");
  std::string key = BodyKey(campaign_, last_, pieces_++);
  std::string sealed;
  if (absl::Status status = sealer->Seal(KeyName::Of(campaign_), Seal::kBody, key, piece, &sealed); !status.ok()) {
    return status;
  }
  message_bytes_ += sealed.size();
  if (alone_) return Write(key, sealed);
  buffered_bytes_ += sealed.size();
  buffered_.emplace_back(std::move(key), std::move(sealed));
  if (buffered_bytes_ <= kBufferedMax) return absl::OkStatus();
  if (absl::Status status = CloseFile(); !status.ok()) return status;
  alone_ = true;
  return WriteBuffered();
}

absl::Status BodyFiles::Keep() {
  absl::Status status = WriteBuffered();
  if (status.ok() && alone_) status = CloseFile();
  open_ = alone_ = false;
  bytes_ += message_bytes_;
  return status;
}

void BodyFiles::Drop() {
  buffered_.clear();
  buffered_bytes_ = 0;
  if (alone_) {
    writer_.reset();
    (void)::unlink(paths_.back().c_str());
    paths_.pop_back();
  }
  open_ = alone_ = false;
}

absl::Status BodyFiles::Finish() { return CloseFile(); }

absl::Status BodyFiles::Write(std::string_view key, std::string_view value) {
  if (!writer_) {
    writer_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(), database_->FileOptions(Column::kBodies),
                                                       database_->handle(Column::kBodies));
    paths_.push_back(database_->NextFilePath());
    if (auto opened = writer_->Open(paths_.back()); !opened.ok()) return FromRocks(opened, "write a load's file");
  }
  const auto put = writer_->Put(ToSlice(key), ToSlice(value));
  return put.ok() ? absl::OkStatus() : FromRocks(put, "write a load's file");
}

absl::Status BodyFiles::WriteBuffered() {
  absl::Status status;
  for (const auto& [key, value] : buffered_) {
    if (status = Write(key, value); !status.ok()) break;
  }
  buffered_.clear();
  buffered_bytes_ = 0;
  return status;
}

absl::Status BodyFiles::CloseFile() {
  if (!writer_) return absl::OkStatus();
  const auto finished = writer_->Finish();
  writer_.reset();
  return finished.ok() ? absl::OkStatus() : FromRocks(finished, "write a load's file");
}

}  // namespace sealift::queue
