#pragma once

#include <openssl/crypto.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "queue/sealing.h"

namespace sealift::queue {

// A file that is sealed as a stream: what a backup is written to. docs/formats/backup.md has the bytes.
//
// It is cut into frames, each sealed with AES-256-GCM under a key that belongs to this file alone (HKDF of the backup
// key and a random salt in its head). A frame's nonce is its number and whether it is the last, so that frames cannot
// be changed, left out, put elsewhere or cut off, nor taken from another file.
inline constexpr size_t kArchiveFrameBytes = 1 << 20;

// ArchiveWriter writes one. The file has its name only once it is whole and on the disk.
//
// Owned by:  whoever makes a backup. Threads: one; blocks.
// Errors:    AlreadyExists: a file of this name is there. Unavailable, ResourceExhausted: it cannot be written.
class ArchiveWriter {
 public:
  static absl::StatusOr<std::unique_ptr<ArchiveWriter>> Create(std::string path, const Secret& key);
  ~ArchiveWriter();  // what was not finished is removed
  ArchiveWriter(const ArchiveWriter&) = delete;
  ArchiveWriter& operator=(const ArchiveWriter&) = delete;

  absl::Status Write(std::string_view bytes);
  // Durable under its name on return.
  absl::Status Finish();

  uint64_t bytes() const { return bytes_; }  // of the file

 private:
  ArchiveWriter(std::string path, int fd, const Secret& key, std::string head);

  absl::Status SealFrame(bool last);
  absl::Status WriteFile(std::string_view bytes);

  const std::string path_, partial_;
  const std::string head_;
  int fd_;
  Cipher cipher_;
  std::string frame_;  // plaintext
  uint64_t frames_ = 0, bytes_ = 0;
  bool finished_ = false;
};

// ArchiveReader reads one, and answers nothing that it has not authenticated.
//
// Threads: one; blocks.
// Errors:  FailedPrecondition: the key is not the one it was made with. DataLoss: damaged, changed or cut short, or no
//          backup at all.
class ArchiveReader {
 public:
  static absl::StatusOr<std::unique_ptr<ArchiveReader>> Open(std::string path, const Secret& key);
  ~ArchiveReader();
  ArchiveReader(const ArchiveReader&) = delete;
  ArchiveReader& operator=(const ArchiveReader&) = delete;

  // Appends exactly `size` bytes.
  absl::Status Read(size_t size, std::string* out);
  // Nothing follows.
  absl::Status ExpectEnd();

 private:
  ArchiveReader(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  absl::Status ReadHead(const Secret& key);
  absl::Status NextFrame();
  // Up to `size` bytes; fewer only at the end of the file.
  absl::StatusOr<std::string> ReadFile(size_t size);
  absl::Status Damaged() const;

  const std::string path_;
  const int fd_;
  std::string head_;
  std::unique_ptr<Cipher> cipher_;
  std::string frame_;  // plaintext
  size_t used_ = 0;
  uint64_t frames_ = 0;
  bool last_ = false;
};

}  // namespace sealift::queue
