#include "engine/kek.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config_place.h"
#include "engine/secret_file.h"
#include "fmt/format.h"

namespace sealift::engine {
namespace {

constexpr std::chrono::seconds kCommandTimeout{10};
constexpr size_t kSecretBytesMax = 256;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// 32 bytes as they are; or, from a command, 64 hexadecimal digits and a newline.
absl::StatusOr<Kek> FromSecret(const Secret& secret, bool hex_too, std::string_view origin) {
  Kek kek{};
  std::string_view text = secret.bytes();
  if (text.size() == kek.size()) {
    std::memcpy(kek.data(), text.data(), kek.size());
    return kek;
  }
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  bool hex = hex_too && text.size() == 2 * kek.size();
  for (size_t i = 0; hex && i < kek.size(); ++i) {
    const int high = HexDigit(text[2 * i]);
    const int low = HexDigit(text[2 * i + 1]);
    hex = high >= 0 && low >= 0;
    kek.at(i) = static_cast<uint8_t>((high * 16 + low) & 0xff);
  }
  if (hex) return kek;
  return absl::InvalidArgumentError(fmt::format(
      "{} holds {}{} bytes; a key is exactly 32 bytes{}. Restore the key that this queue was made with, or, for a new "
      "queue, make one: head -c 32 /dev/urandom > FILE",
      origin, secret.full() ? "at least " : "", secret.bytes().size(), hex_too ? " (or 64 hexadecimal digits)" : ""));
}

// `key`: of the configuration that names the file; empty: none does.
std::string OriginOf(const std::string& path, std::string_view key, const Options& options) {
  if (key.empty()) return "the next key " + path;
  return fmt::format("the key file {} ({}, set at {})", path, key, PlaceOf(options, key));
}

absl::StatusOr<SecretFile> OpenKey(const std::string& path, std::string_view key, const Options& options) {
  return SecretFile::Open(
      path, {.origin = OriginOf(path, key, options),
             .if_absent = fmt::format("without it the queue cannot be opened. Restore it, or, for a new queue, make "
                                      "one: (umask 077; head -c 32 /dev/urandom > {})",
                                      path),
             .if_shared = fmt::format("others than its owner can use it; chmod 0400 {}", path)});
}

absl::StatusOr<Kek> ReadKey(const SecretFile& file, std::string_view origin) {
  const absl::StatusOr<Secret> secret = file.Read(kSecretBytesMax);
  if (!secret.ok()) return secret.status();
  return FromSecret(*secret, false, origin);
}

// The device of data_dir; of the nearest folder above it when it is not there yet.
dev_t DataDevice(const Options& options) {
  struct stat about{};
  std::string folder = options.node.data_dir;
  while (folder.size() > 1 && ::stat(folder.c_str(), &about) != 0) {
    folder.resize(std::max<size_t>(1, folder.rfind('/')));
  }
  if (folder.size() <= 1) (void)::stat("/", &about);
  return about.st_dev;
}

// A file that is its owner's alone.
absl::StatusOr<Kek> FromPrivateFile(const std::string& path, std::string_view key, const Options& options) {
  const absl::StatusOr<SecretFile> file = OpenKey(path, key, options);
  if (!file.ok()) return file.status();
  if (absl::Status status = file->CheckPrivate(DaemonOf(options.node.data_dir)); !status.ok()) return status;
  return ReadKey(*file, OriginOf(path, key, options));
}

absl::StatusOr<Kek> FromFile(const Options& options) {
  constexpr std::string_view kKey = "keys.kek_file";
  const std::string& path = options.keys.kek_file;
  const absl::StatusOr<SecretFile> file = OpenKey(path, kKey, options);
  if (!file.ok()) return file.status();
  if (absl::Status status = file->CheckPrivate(DaemonOf(options.node.data_dir)); !status.ok()) return status;
  const std::string origin = OriginOf(path, kKey, options);
  if (options.delivery == Delivery::kLive && !options.keys.accept_local_kek && file->device() == DataDevice(options)) {
    return absl::FailedPreconditionError(
        fmt::format("{} is on the same device as data_dir ({}): whoever takes that disk has the queue and its key. Use "
                    "kek_command or kek_credential, move the file, or accept it with accept_local_kek = true",
                    origin, options.node.data_dir));
  }
  return ReadKey(*file, origin);
}

absl::StatusOr<Kek> FromCredential(const Options& options) {
  constexpr std::string_view kKey = "keys.kek_credential";
  const std::string& name = options.keys.kek_credential;
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr || *folder != '/') {
    return absl::FailedPreconditionError(fmt::format(
        "kek_credential names \"{}\" (set at {}), but systemd gave no credentials: $CREDENTIALS_DIRECTORY is not set. "
        "Add LoadCredential={}:PATH to the unit, or use kek_file",
        name, PlaceOf(options, kKey), name));
  }
  // Who may read it is for systemd to say.
  const std::string path = fmt::format("{}/{}", folder, name);
  const absl::StatusOr<SecretFile> file = OpenKey(path, kKey, options);
  if (!file.ok()) return file.status();
  return ReadKey(*file, OriginOf(path, kKey, options));
}

// Reads what the program prints until it closes its output, within the time.
absl::Status ReadOutput(int fd, std::chrono::steady_clock::time_point end, Secret& secret, std::string_view origin) {
  while (!secret.full()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
    const int n = left.count() <= 0 ? 0 : ::poll(&ready, 1, static_cast<int>(left.count()));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      return absl::DeadlineExceededError(fmt::format("{} printed no key within {} seconds; run it by hand to see why",
                                                     origin, kCommandTimeout.count()));
    }
    const ssize_t got = secret.ReadSome(fd);
    if (got == 0) break;
    if (got < 0 && errno != EINTR) {
      return absl::UnavailableError(fmt::format("the output of {} cannot be read ({})", origin, std::strerror(errno)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Kek> FromCommand(const Options& options) {
  const std::vector<std::string>& command = options.keys.kek_command;
  const std::string origin = fmt::format("the key command {} (keys.kek_command, set at {})", command.front(),
                                         PlaceOf(options, "keys.kek_command"));
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return absl::UnavailableError(fmt::format("no pipe for {} ({})", origin, std::strerror(errno)));
  }
  std::vector<char*> argv;
  argv.reserve(command.size() + 1);
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions{};
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], 1);
  posix_spawnattr_t attributes{};
  posix_spawnattr_init(&attributes);
  // A group, so that what it starts ends with it; and signals as a program expects them, whatever is blocked or ignored
  // here.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigaddset(&signals, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  if (error != 0) {
    ::close(pipe[0]);
    return absl::PermissionDeniedError(
        fmt::format("{} cannot be started ({}); check its path and mode", origin, std::strerror(error)));
  }
  Secret secret(kSecretBytesMax);
  const auto end = std::chrono::steady_clock::now() + kCommandTimeout;
  const absl::Status status = ReadOutput(pipe[0], end, secret, origin);
  ::close(pipe[0]);
  // Done, late or talking too much: it has nothing more to say. One that has ended keeps its own exit status.
  int exit = 0;
  pid_t ended = 0;
  while ((ended = ::waitpid(child, &exit, WNOHANG)) == 0 && status.ok() && std::chrono::steady_clock::now() < end) {
    const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
  if (ended == 0) {
    ::kill(-child, SIGKILL);
    while (::waitpid(child, &exit, 0) < 0 && errno == EINTR) {
    }
  }
  if (!status.ok()) return status;
  if (!WIFEXITED(exit) || WEXITSTATUS(exit) != 0) {
    return absl::UnavailableError(fmt::format(
        "{} failed ({}); run it by hand to see why", origin,
        WIFEXITED(exit) ? fmt::format("exit code {}", WEXITSTATUS(exit)) : fmt::format("signal {}", WTERMSIG(exit))));
  }
  return FromSecret(secret, true, origin);
}

}  // namespace

absl::StatusOr<Kek> LoadBackupKey(const Options& options) {
  if (options.backup.key_file.empty()) {
    return absl::FailedPreconditionError(
        "the configuration names no key for backups: set key_file in [backup] to a key of its own, made with `sealift "
        "key "
        "init FILE`, and keep a copy of it where the backups are not");
  }
  return FromPrivateFile(options.backup.key_file, "backup.key_file", options);
}

absl::StatusOr<Kek> LoadNextKek(const std::string& path, const Options& options) {
  return FromPrivateFile(path, "", options);
}

bool KekIsElsewhere(const Options& options) {
  return !options.keys.kek_credential.empty() && std::getenv("CREDENTIALS_DIRECTORY") == nullptr;
}

absl::StatusOr<Kek> LoadKek(const Options& options) {
  if (!options.keys.kek_command.empty()) return FromCommand(options);
  if (!options.keys.kek_credential.empty()) return FromCredential(options);
  return FromFile(options);
}

}  // namespace sealift::engine
