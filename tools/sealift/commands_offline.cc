// key init, completion, reference: what asks no daemon
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "tools/sealift/commands.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/help.h"
#include "tools/sealift/key_file.h"

namespace sealift::tools {

using engine::ExitCode;

absl::Status WriteNewFile(const std::string& path, std::string_view key) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    const bool exists = errno == EEXIST;
    return Fail(ExitCode::kCannotCreate,
                {"the key was not written", path,
                 exists ? "A file of this name is there, and a key that is in use must not be lost."
                        : fmt::format("{}.", std::strerror(errno)),
                 exists ? "Give another name; to use the one that is there, do nothing."
                        : "Make the directory first, or run this as the user that owns it."});
  }
  const bool written =
      write(fd, key.data(), key.size()) == static_cast<ssize_t>(key.size()) && fchmod(fd, 0600) == 0 && fsync(fd) == 0;
  const int error = errno;
  close(fd);
  if (written) return absl::OkStatus();
  unlink(path.c_str());
  return Fail(ExitCode::kIo,
              {"the key was not written", path, fmt::format("{}.", std::strerror(error)), "Nothing was left behind."});
}

absl::Status WriteNewKey(const std::string& path) {
  std::array<char, 32> key{};
  if (getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) {
    return Fail(ExitCode::kInternal, {"no key could be made", path,
                                      fmt::format("The system gave no random bytes: {}.", std::strerror(errno)), ""});
  }
  absl::Status written = WriteNewFile(path, {key.data(), key.size()});
  explicit_bzero(key.data(), key.size());
  return written;
}

CommandResult RunKeyInit(const Invocation& call, Console& console) {
  if (absl::Status written = WriteNewKey(call.arguments[0]); !written.ok()) return written;
  console.Record(nlohmann::json{{"file", call.arguments[0]}, {"bytes", 32}},
                 {{"file", "file"}, {"bytes", "random bytes"}});
  console.Say(
      "Name it as keys.kek_file, and keep a copy where the data is not: without it nothing in the queue can be read "
      "again.");
  return ExitCode::kOk;
}

CommandResult RunCompletion(const Invocation& call, Console& console) {
  const std::string& shell = call.arguments[0];
  if (shell != "bash" && shell != "zsh") {
    return Fail(ExitCode::kUsage,
                {fmt::format("completion: there is none for `{}`", shell), "", "There are: bash, zsh.", ""});
  }
  console.out() << (shell == "bash" ? BashCompletion() : ZshCompletion()) << std::flush;
  return ExitCode::kOk;
}

CommandResult RunReference(const Invocation&, Console& console) {
  console.out() << ReferencePage() << std::flush;
  return ExitCode::kOk;
}

}  // namespace sealift::tools
