#include "tools/sink/ledger.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

namespace sealift::tools::sink {

std::string_view FindHeader(std::string_view message, std::string_view name) {
  while (!message.empty() && !message.starts_with("\r\n")) {
    const std::string_view line = message.substr(0, message.find('\n'));
    if (line.size() > name.size() && line[name.size()] == ':' && EqualsUpper(line.substr(0, name.size()), name)) {
      std::string_view value = line.substr(name.size() + 1);
      while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
      while (!value.empty() && (value.back() == '\r' || value.back() == ' ')) value.remove_suffix(1);
      return value;
    }
    message.remove_prefix(std::min(line.size() + 1, message.size()));
  }
  return {};
}

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(Options options) {
  std::unique_ptr<Ledger> ledger(new Ledger(std::move(options)));
  const std::string& file = ledger->options_.file;
  if (!file.empty()) {
    ledger->file_ = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (ledger->file_ < 0) {
      return absl::PermissionDeniedError(
          fmt::format("{}: cannot write the ledger: {}; name a file in a folder of yours", file, strerror(errno)));
    }
  }
  const std::string& folder = ledger->options_.folder;
  if (!folder.empty()) {
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      return absl::PermissionDeniedError(fmt::format(
          "{}: cannot make the folder for messages: {}; name one that can be made", folder, strerror(errno)));
    }
    ledger->folder_ = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ledger->folder_ < 0) {
      return absl::PermissionDeniedError(
          fmt::format("{}: cannot use the folder for messages: {}; name another", folder, strerror(errno)));
    }
  }
  return ledger;
}

Ledger::~Ledger() {
  if (file_ >= 0) close(file_);
  if (folder_ >= 0) close(folder_);
}

bool Ledger::WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      failed_.store(true);
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

bool Ledger::Store(uint64_t number, std::string_view message, std::string* name) {
  *name = fmt::format("{:08}.eml", number);
  const int fd = openat(folder_, name->c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) {
    failed_.store(true);
    return false;
  }
  const bool written = WriteAll(fd, message);
  return close(fd) == 0 && written;
}

BodyScanner::Keep Ledger::Pen::keep() const {
  if (ledger_.folder_ >= 0) return BodyScanner::Keep::kAll;
  return ledger_.file_ >= 0 ? BodyScanner::Keep::kHeader : BodyScanner::Keep::kNothing;
}

void Ledger::Pen::Receive(const Arrival& arrival) {
  ++messages_;
  if (ledger_.folder_ < 0 && ledger_.file_ < 0) return;
  std::string name = "-";
  if (ledger_.folder_ >= 0) ledger_.Store(ledger_.next_file_.fetch_add(1), arrival.kept, &name);
  if (ledger_.file_ < 0) return;
  const int64_t micros = absl::ToUnixMicros(arrival.time);
  std::string id(FindHeader(arrival.kept, "MESSAGE-ID"));
  for (char& c : id) c = static_cast<unsigned char>(c) < 32 ? ' ' : c;  // a tab would shift the columns
  for (const std::string& mailbox : arrival.mailboxes) {
    fmt::format_to(std::back_inserter(lines_), "{}.{:06}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n", micros / 1'000'000,
                   micros % 1'000'000, arrival.server->provider.name, mailbox, id.empty() ? "-" : id, arrival.bytes,
                   arrival.tls ? 1 : 0, arrival.source, name);
  }
}

void Ledger::Pen::Flush() {
  if (messages_ == 0) return;
  if (!lines_.empty()) {
    ledger_.WriteAll(ledger_.file_, lines_);
    lines_.clear();
  }
  const uint64_t before = ledger_.messages_.fetch_add(messages_);
  const uint64_t count = ledger_.options_.count;
  if (count > 0 && before < count && before + messages_ >= count) ledger_.options_.on_count();
  messages_ = 0;
}

}  // namespace sealift::tools::sink
