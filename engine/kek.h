// The key encryption key: the one secret that comes from outside and opens everything sealed in the queue.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "engine/options.h"

namespace sealift::engine {

using Kek = std::array<uint8_t, 32>;

// Reads the key that [keys] names:
//   kek_file        a regular file, not a symbolic link, of 32 bytes, the daemon's (or root's), readable by its owner
//   alone kek_command     the program's output, 32 bytes or 64 hexadecimal digits, within ten seconds kek_credential
//   $CREDENTIALS_DIRECTORY/NAME, as systemd hands it over
// In live mode a key file on data_dir's own device is refused unless keys.accept_local_kek: whoever takes the disk
// would have both.
//
// Threads: any; blocks. Errors: a sentence that says what, where, why and what to do next; never a byte of the key.
absl::StatusOr<Kek> LoadKek(const Options& options);

// Whether the key is a credential of a unit that this process is no part of: then it cannot be read here.
bool KekIsElsewhere(const Options& options);

// Reads the key that seals backups, which backup.key_file names: a file as kek_file is.
absl::StatusOr<Kek> LoadBackupKey(const Options& options);

// Reads a key that takes the place of the configured one: a file as kek_file is, wherever it lies.
absl::StatusOr<Kek> LoadNextKek(const std::string& path, const Options& options);

}  // namespace sealift::engine
