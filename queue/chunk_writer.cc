#include "queue/chunk_writer.h"

#include <unistd.h>

#include "queue/rocks.h"

namespace sealift::queue {

absl::Status BatchWriter::Put(Column column, std::string_view key, std::string_view value) {
  return FromRocks(batch_.Put(database_->handle(column), ToSlice(key), ToSlice(value)), "take a row");
}

absl::Status BatchWriter::Merge(Column column, std::string_view key, std::string_view value) {
  return FromRocks(batch_.Merge(database_->handle(column), ToSlice(key), ToSlice(value)), "take a row");
}

absl::Status BatchWriter::Commit() {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  return FromRocks(database_->get()->Write(synced, &batch_), "commit a load");
}

FileWriter::~FileWriter() {
  for (const File& file : files_) {
    if (!file.path.empty()) (void)::unlink(file.path.c_str());
  }
}

void FileWriter::Attach(Column column, std::vector<std::string> paths) {
  attached_[static_cast<size_t>(column)] = std::move(paths);
}

absl::Status FileWriter::Open(Column column) {
  File& file = files_[static_cast<size_t>(column)];
  if (file.writer) return absl::OkStatus();
  // Keeping the pages: the rows are about to be read.
  file.writer = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(), database_->FileOptions(column),
                                                         database_->handle(column), /*invalidate_page_cache=*/false);
  file.path = database_->NextFilePath();
  return FromRocks(file.writer->Open(file.path), "write a load's file");
}

absl::Status FileWriter::Put(Column column, std::string_view key, std::string_view value) {
  if (absl::Status status = Open(column); !status.ok()) return status;
  const auto put = files_[static_cast<size_t>(column)].writer->Put(ToSlice(key), ToSlice(value));
  return put.ok() ? absl::OkStatus() : FromRocks(put, "write a load's file");
}

absl::Status FileWriter::Merge(Column column, std::string_view key, std::string_view value) {
  if (absl::Status status = Open(column); !status.ok()) return status;
  const auto merged = files_[static_cast<size_t>(column)].writer->Merge(ToSlice(key), ToSlice(value));
  return merged.ok() ? absl::OkStatus() : FromRocks(merged, "write a load's file");
}

absl::Status FileWriter::Prepare() {
  for (File& file : files_) {
    if (!file.writer) continue;
    if (auto finished = file.writer->Finish(); !finished.ok()) return FromRocks(finished, "write a load's file");
  }
  return absl::OkStatus();
}

absl::Status FileWriter::Commit() {
  std::vector<rocksdb::IngestExternalFileArg> arguments;
  for (size_t column = 0; column < kColumns; ++column) {
    std::vector<std::string> paths = attached_[column];
    if (files_[column].writer) paths.push_back(files_[column].path);
    if (paths.empty()) continue;
    rocksdb::IngestExternalFileArg argument;
    argument.column_family = database_->handle(static_cast<Column>(column));
    argument.external_files = std::move(paths);
    argument.options.move_files = true;
    argument.options.write_global_seqno = false;
    arguments.push_back(std::move(argument));
  }
  return database_->Ingest(arguments);
}

}  // namespace sealift::queue
