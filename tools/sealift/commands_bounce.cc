// bounce ingest
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "engine/returned/mail_splitter.h"
#include "engine/returned/report_json.h"
#include "engine/returned/report_reader.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/files.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using engine::ReturnedReport;
using nlohmann::json;

constexpr size_t kPieceBytes = 256 << 10;

// What the mails of a file say, as lines for the daemon. Mail that was written by strangers is read here, where no key
// is and nothing is lost, and what is no report ends here.
class Reports {
 public:
  Reports(InputFile& file, std::string format, std::string head)
      : file_(file),
        format_(std::move(format)),
        lines_(std::move(head)),
        splitter_(engine::kReturnedBytesMax, [this](std::string_view mail) { Take(mail); }) {}

  // False at the end.
  absl::StatusOr<bool> Next(std::string* piece) {
    while (lines_.empty() && !ended_) {
      std::string bytes;
      const absl::StatusOr<bool> more = file_.Read(&bytes, kPieceBytes);
      if (!more.ok()) return more.status();
      splitter_.Add(bytes);
      if (*more) continue;
      ended_ = true;
      splitter_.Finish();
    }
    *piece = std::exchange(lines_, {});
    return !piece->empty();
  }

  uint64_t mails() const { return splitter_.mails(); }
  uint64_t auto_replies() const { return auto_replies_; }
  uint64_t other() const { return other_; }
  uint64_t no_mails() const { return no_mails_; }

 private:
  void Take(std::string_view mail) {
    if (!engine::HasHeader(mail)) {
      ++no_mails_;
      ++other_;
      return;
    }
    const ReturnedReport report = engine::ReadReturnedReport(mail);
    const bool delivery = report.kind == ReturnedReport::Kind::kDelivery;
    const bool feedback = report.kind == ReturnedReport::Kind::kFeedback;
    if (report.kind == ReturnedReport::Kind::kNone) {
      ++auto_replies_;
    } else if ((delivery && format_ != "arf") || (feedback && format_ != "dsn")) {
      lines_ += engine::EncodeReturnedReport(report) + "\n";
    } else {
      ++other_;
    }
  }

  InputFile& file_;
  const std::string format_;
  std::string lines_;
  engine::MailSplitter splitter_;
  bool ended_ = false;
  uint64_t auto_replies_ = 0, other_ = 0, no_mails_ = 0;
};

}  // namespace

CommandResult RunBounceIngest(const Invocation& call, Console& console) {
  absl::StatusOr<InputFile> file = InputFile::Open(call.arguments[0], "FILE");
  if (!file.ok()) return file.status();
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  const json head = {{"reason", call.Value("reason")}};
  Reports reports(*file, call.Value("format", "auto"),
                  head.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
  json summary;
  const absl::Status sent = daemon->Upload(
      "/api/v1/bounces/ingest", [&](std::string* piece) { return reports.Next(piece); },
      [&](std::string_view line) {
        const json answer = json::parse(line, nullptr, false);
        if (answer.is_object() && answer.contains("summary")) summary = answer["summary"];
        return absl::OkStatus();
      });
  if (!sent.ok()) return sent;
  if (!summary.is_object()) {
    return Fail(ExitCode::kIo,
                {"bounce ingest: the answer ended early", daemon->socket(), "What was taken in until then holds.",
                 "Give the same command again: nothing is counted twice."});
  }
  if (reports.mails() > 0 && reports.no_mails() == reports.mails()) {
    return Fail(ExitCode::kBadData, {"bounce ingest: this is no mail", call.arguments[0],
                                     "It does not begin with a header, and nothing in it does. Nothing was taken in.",
                                     "Give a mail, or an mbox of mails, as a mail server has stored it."});
  }
  summary["mails"] = reports.mails();
  summary["auto_replies"] = reports.auto_replies();
  summary["other"] = summary.value("other", uint64_t{0}) + reports.other();
  console.Record(summary, {{"mails", "mails"},
                           {"bounces", "bounces"},
                           {"complaints", "complaints"},
                           {"delayed", "delayed"},
                           {"auto_replies", "auto-replies"},
                           {"other", "other"},
                           {"unknown", "unknown"},
                           {"known", "already known"}});
  return ExitCode::kOk;
}

}  // namespace sealift::tools
