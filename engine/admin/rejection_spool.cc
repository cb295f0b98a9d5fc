#include "engine/admin/rejection_spool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/admin/api_json.h"
#include "engine/exit_code.h"

namespace sealift::engine {

absl::StatusOr<std::shared_ptr<RejectionSpool>> RejectionSpool::Create(const std::string& directory) {
  std::string path = directory + "/rejections-XXXXXX";
  const int fd = mkostemp(path.data(), O_CLOEXEC);  // 0600
  if (fd < 0) {
    return WithExit(absl::InternalError(fmt::format("No file can be made in {}: {}.", directory, std::strerror(errno))),
                    ExitCode::kIo);
  }
  unlink(path.c_str());
  return std::make_shared<RejectionSpool>(fdopen(fd, "w+"));
}

RejectionSpool::~RejectionSpool() { fclose(file_); }

void RejectionSpool::Add(uint64_t line, std::string_view column, std::string_view reason) {
  const std::string text = Dump({{"rejected", {{"line", line}, {"column", column}, {"reason", reason}}}}) + "\n";
  if (fwrite(text.data(), 1, text.size(), file_) != text.size()) failed_ = true;
}

bool RejectionSpool::Rewind() {
  if (fflush(file_) != 0) failed_ = true;
  if (fseek(file_, 0, SEEK_SET) != 0) failed_ = true;
  return !failed_;
}

bool RejectionSpool::WriteTo(AdminWriter& writer) {
  char buffer[16384];
  for (size_t size; (size = fread(buffer, 1, sizeof(buffer), file_)) > 0;) {
    if (!writer.Write(std::string_view(buffer, size))) return false;
  }
  return true;
}

}  // namespace sealift::engine
