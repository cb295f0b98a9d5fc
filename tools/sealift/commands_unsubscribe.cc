// suppression unsubscribe
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/files.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

constexpr size_t kLineBytesMax = 1024;

absl::StatusOr<json> Unsubscribe(DaemonClient& daemon, const std::string& token, const std::string& reason) {
  return daemon.Post("/api/v1/suppressions/unsubscribe", json{{"token", token}, {"reason", reason}});
}

const std::vector<Column>& Columns() {
  static const std::vector<Column> columns = {
      {"recipient", "recipient"}, {"stream", "stream"}, {"campaign", "campaign"}, {"key", "key"}, {"added", "added"}};
  return columns;
}

// The lines of a stream, each without its line end and the blanks around it.
class Lines {
 public:
  explicit Lines(InputFile& file) : file_(file) {}

  // False at the end.
  absl::StatusOr<bool> Next(std::string* line) {
    size_t end = buffer_.find('\n');
    while (end == std::string::npos && !ended_) {
      if (buffer_.size() > kLineBytesMax) {
        return Fail(ExitCode::kBadData, {"suppression unsubscribe: a line is too long", "standard input",
                                         "It has one token a line, of 42 characters.", ""});
      }
      std::string piece;
      const absl::StatusOr<bool> more = file_.Read(&piece, 4096);
      if (!more.ok()) return more.status();
      ended_ = !*more;
      buffer_ += piece;
      end = buffer_.find('\n');
    }
    if (end == std::string::npos && buffer_.empty()) return false;
    *line = buffer_.substr(0, end);
    buffer_.erase(0, end == std::string::npos ? end : end + 1);
    while (!line->empty() && (line->back() == '\r' || line->back() == ' ')) line->pop_back();
    return true;
  }

 private:
  InputFile& file_;
  std::string buffer_;
  bool ended_ = false;
};

// A refusal of one token says nothing of the next; anything else would be said of each.
bool IsAboutTheToken(const absl::Status& status) {
  const ExitCode code = engine::ExitCodeOf(status);
  return code == ExitCode::kBadData || code == ExitCode::kNoInput;
}

CommandResult UnsubscribeEach(DaemonClient& daemon, const std::string& reason, Console& console) {
  absl::StatusOr<InputFile> file = InputFile::Open("-", "TOKEN");
  if (!file.ok()) return file.status();
  Lines lines(*file);
  uint64_t line_number = 0, added = 0, known = 0, refused = 0;
  std::string token;
  while (true) {
    const absl::StatusOr<bool> more = lines.Next(&token);
    if (!more.ok()) return more.status();
    if (!*more) break;
    ++line_number;
    if (token.empty()) continue;
    const absl::StatusOr<json> answer = Unsubscribe(daemon, token, reason);
    if (answer.ok()) {
      ++(answer->value("added", uint64_t{0}) > 0 ? added : known);
      continue;
    }
    if (!IsAboutTheToken(answer.status())) return answer.status();
    ++refused;
    console.err() << fmt::format("line {}: {}\n", line_number, std::string(answer.status().message()));
  }
  console.Record(json{{"added", added}, {"already_in_force", known}, {"refused", refused}},
                 {{"added", "added"}, {"already_in_force", "in force already"}, {"refused", "refused"}});
  return refused == 0 ? ExitCode::kOk : ExitCode::kPartly;
}

}  // namespace

CommandResult RunSuppressionUnsubscribe(const Invocation& call, Console& console) {
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  if (call.arguments[0] == "-") return UnsubscribeEach(*daemon, call.Value("reason"), console);
  const absl::StatusOr<json> answer = Unsubscribe(*daemon, call.arguments[0], call.Value("reason"));
  if (!answer.ok()) return answer.status();
  console.Record(*answer, Columns());
  if (answer->value("added", uint64_t{0}) == 0) console.Say("They had unsubscribed before; nothing was changed.");
  return ExitCode::kOk;
}

}  // namespace sealift::tools
