// The route of a load: a body of any length in, rejections and a summary out.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>

#include "engine/admin/api.h"
#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/admin/api_load_body.h"
#include "engine/exit_code.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

// Rejections wait here while the file still comes in: as many as there are rows, so not in memory. They hold no value
// of a cell. The file has no name and is gone with the last descriptor.
class Spool {
 public:
  static absl::StatusOr<std::shared_ptr<Spool>> Create(const std::string& directory) {
    std::string path = directory + "/rejections-XXXXXX";
    const int fd = mkostemp(path.data(), O_CLOEXEC);  // 0600
    if (fd < 0) {
      return WithExit(
          absl::InternalError(fmt::format("No file can be made in {}: {}.", directory, std::strerror(errno))),
          ExitCode::kIo);
    }
    unlink(path.c_str());
    return std::make_shared<Spool>(fdopen(fd, "w+"));
  }
  explicit Spool(FILE* file) : file_(file) {}
  ~Spool() { fclose(file_); }
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  void Add(const CampaignLoader::Rejection& rejection) {
    const std::string line =
        Dump({{"rejected", {{"line", rejection.line}, {"column", rejection.column}, {"reason", rejection.reason}}}}) +
        "\n";
    if (fwrite(line.data(), 1, line.size(), file_) != line.size()) failed_ = true;
  }

  // Whether everything that was added can be read back.
  bool Rewind() {
    if (fflush(file_) != 0) failed_ = true;
    std::rewind(file_);
    return !failed_;
  }
  size_t Read(char* buffer, size_t size) { return fread(buffer, 1, size, file_); }

 private:
  FILE* file_;
  bool failed_ = false;
};

}  // namespace

absl::StatusOr<json> Api::LoadCampaign(Call& call) {
  absl::StatusOr<std::shared_ptr<Spool>> spool = Spool::Create(options_.data_dir);
  std::unique_ptr<CampaignLoader> loader;
  LoadBody body(
      call.Name(),
      [&](LoadRequest request) -> absl::Status {
        absl::StatusOr<std::unique_ptr<CampaignLoader>> begun = node_.Load(std::move(request));
        if (!begun.ok()) return begun.status();
        loader = *std::move(begun);
        loader->OnRejection([&spool](const CampaignLoader::Rejection& rejection) { (*spool)->Add(rejection); });
        return absl::OkStatus();
      },
      [&loader](std::string_view piece) { return loader->Feed(std::span<const char>(piece.data(), piece.size())); });

  // After a failure the rest is read and dropped: an HTTP client that still writes would not see the answer.
  absl::Status failed = spool.ok() ? absl::OkStatus() : spool.status();
  const absl::Status read = call.request.ReadBody([&](std::string_view piece) {
    if (failed.ok()) failed = body.Add(piece);
    return true;
  });
  if (failed.ok()) failed = read;
  if (failed.ok()) failed = body.Finish();
  if (!failed.ok()) return failed;

  const absl::StatusOr<CampaignLoader::Summary> summary = loader->Finish();
  if (!summary.ok()) return summary.status();
  if (!(*spool)->Rewind()) {
    return WithExit(
        absl::InternalError("The campaign is loaded, but the list of rejected rows could not be written; the disk "
                            "may be full. Give the same command again once there is room: nothing is added twice."),
        ExitCode::kIo);
  }
  json last = {{"summary",
                {{"name", summary->name},
                 {"accepted", summary->accepted},
                 {"rejected", summary->rejected},
                 {"suppressed", summary->suppressed},
                 {"duplicates", summary->duplicates},
                 {"resumed", summary->resumed},
                 {"already_loaded", summary->already_loaded},
                 {"started", summary->started}}}};
  if (summary->sink) last["summary"]["notice"] = "SINK: nothing leaves this machine";
  call.response.content_type = "application/x-ndjson";
  call.response.stream = [rejections = *std::move(spool), end = Dump(last) + "\n"](AdminWriter& writer) {
    char buffer[16384];
    for (size_t size; (size = rejections->Read(buffer, sizeof(buffer))) > 0;) {
      if (!writer.Write(std::string_view(buffer, size))) return;
    }
    writer.Write(end);
  };
  return last;
}

}  // namespace sealift::engine
