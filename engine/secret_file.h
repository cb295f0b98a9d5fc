// Keys on their way from where an operator keeps them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sealift::engine {

// Secret holds the bytes of a key while it is read; wiped when done with.
//
// Owned by:  who reads it; moved, never copied.
// Threads:   one.
class Secret {
 public:
  explicit Secret(size_t bytes_max) : bytes_(bytes_max) {}
  Secret(Secret&& other) noexcept = default;
  Secret& operator=(Secret&& other) = delete;
  ~Secret();

  // Reads what the descriptor has now, as read(2) does: the bytes that came, 0 at its end or when full, -1 with errno.
  ssize_t ReadSome(int fd);

  std::string_view bytes() const { return std::string_view(bytes_.data(), size_); }
  bool full() const { return size_ == bytes_.size(); }

 private:
  std::vector<char> bytes_;
  size_t size_ = 0;
};

// Who the daemon of a data directory is: its owner; before it is made, whoever asks.
uid_t DaemonOf(const std::string& data_dir);

// SecretFile is an open file with a key in it: a regular one, not a symbolic link.
//
// Owned by:  who reads it.
// Threads:   one; blocks on the disk.
// Errors:    begin with `origin` and say what to do next; never a byte of the file.
class SecretFile {
 public:
  // How its errors speak of the file.
  struct Words {
    std::string origin;     // "the key file /etc/sealift/kek (keys.kek_file, set at sealift.toml:12)"
    std::string if_absent;  // a clause: why it is missed and how to make one
    std::string if_shared;  // a clause: what others who can use it can do
  };

  static absl::StatusOr<SecretFile> Open(const std::string& path, Words words);
  SecretFile(SecretFile&& other) noexcept;
  SecretFile& operator=(SecretFile&& other) = delete;
  ~SecretFile();

  // It is the daemon's, or root's where the daemon can read that, and of no use to anybody else.
  absl::Status CheckPrivate(uid_t daemon) const;

  // All of it, or its first `bytes_max` bytes when it has more: the answer is full then.
  absl::StatusOr<Secret> Read(size_t bytes_max) const;

  dev_t device() const { return device_; }

 private:
  SecretFile(int fd, Words words) : fd_(fd), words_(std::move(words)) {}

  int fd_;
  Words words_;
  uid_t owner_ = 0;
  mode_t mode_ = 0;
  dev_t device_ = 0;
};

}  // namespace sealift::engine
