// The route of a load: a body of any length in, rejections and a summary out.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "engine/admin/api.h"
#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/admin/api_load_body.h"
#include "engine/admin/rejection_spool.h"
#include "engine/exit_code.h"

namespace sealift::engine {

using nlohmann::json;

absl::StatusOr<json> Api::LoadCampaign(Call& call) {
  absl::StatusOr<std::shared_ptr<RejectionSpool>> spool = RejectionSpool::Create(options_.data_dir);
  std::unique_ptr<CampaignLoader> loader;
  LoadBody body(
      call.Name(),
      [&](LoadRequest request) -> absl::Status {
        absl::StatusOr<std::unique_ptr<CampaignLoader>> begun = node_.Load(std::move(request));
        if (!begun.ok()) return begun.status();
        loader = *std::move(begun);
        loader->OnRejection([&spool](const CampaignLoader::Rejection& rejection) {
          (*spool)->Add(rejection.line, rejection.column, rejection.reason);
        });
        return Begin(call);
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
  absl::StatusOr<CampaignLoader::Summary> summary;
  if (failed.ok()) {
    summary = loader->Finish();
    failed = summary.status();
  }
  if (!failed.ok()) return failed;
  if (!(*spool)->Rewind()) {
    call.done_but = "which rows were rejected is not known";
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
  if (summary->start_at.has_value()) last["summary"]["start_at"] = TimeJson(*summary->start_at);
  std::string notice = summary->sink ? "SINK: nothing leaves this machine" : "";
  if (!summary->notice.empty()) notice += (notice.empty() ? "" : "\n") + summary->notice;
  if (!notice.empty()) last["summary"]["notice"] = notice;
  call.response.content_type = "application/x-ndjson";
  call.response.stream = [rejections = *std::move(spool), end = Dump(last) + "\n"](AdminWriter& writer) {
    if (rejections->WriteTo(writer)) writer.Write(end);
  };
  return last;
}

}  // namespace sealift::engine
