// campaign preview
#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "engine/message/date.h"
#include "engine/message/name_check.h"
#include "engine/message/recipient_reader.h"
#include "engine/message/template.h"
#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/files.h"
#include "tools/sealift/message_flags.h"
#include "tools/sealift/row_file.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using engine::RecipientReader;
using nlohmann::json;

constexpr char kPreviewId[] = "preview";
constexpr char kPreviewHost[] = "preview.example";

CommandResult Print(const json& answer, Console& console) {
  if (console.machine()) {
    console.Record(answer, {});
  } else {
    std::string bytes = answer.value("message", "");
    if (answer.contains("message_base64")) absl::Base64Unescape(answer.value("message_base64", ""), &bytes);
    console.out() << bytes << std::flush;  // and nothing else
  }
  if (const std::string needs = answer.value("needs", ""); !needs.empty()) {
    console.err() << fmt::format("It is not 7-bit: where a server does not offer {}, it bounces with {}.\n", needs,
                                 needs == "8BITMIME" ? "5.6.3" : "5.6.7");
  }
  return ExitCode::kOk;
}

absl::Status NoSuchRow(int row, uint64_t rows, const std::string& path) {
  return Fail(ExitCode::kNoInput, {fmt::format("campaign preview: there is no row {}", row), path,
                                   fmt::format("The file has {} data rows.", rows),
                                   "Give --row a number from 1; the header is not counted."});
}

// Reads up to the row asked for. The reader keeps its text only until the next one: what is needed is copied.
struct PreviewRow {
  uint64_t line = 0;
  std::string email;
  std::vector<std::string> fields;
};

// `required_of`: the columns that every row must have.
absl::StatusOr<PreviewRow> FindRow(const std::string& path, engine::RecipientFormat format, int row,
                                   const std::function<std::vector<std::string>(const RecipientReader&)>& required_of) {
  absl::StatusOr<RowFile> file = RowFile::Open(path, "--recipients");
  if (!file.ok()) return file.status();
  RecipientReader reader(format);
  std::string piece;
  uint64_t rows = 0;
  bool asked = false;
  for (;;) {
    const absl::StatusOr<RecipientReader::Step> step = reader.Next();
    if (reader.has_columns() && !std::exchange(asked, true)) reader.Require(required_of(reader));
    if (!step.ok())
      return Fail(ExitCode::kBadData,
                  {"campaign preview: the recipient file cannot be read", path,
                   fmt::format("{}.", std::string(step.status().message())), "Correct it; a load would be refused."});
    switch (*step) {
      case RecipientReader::Step::kRecipient:
        rows = reader.recipient().row;
        if (rows == static_cast<uint64_t>(row)) {
          PreviewRow found{reader.recipient().line, std::string(reader.recipient().email), {}};
          for (const std::string_view field : reader.recipient().fields) found.fields.emplace_back(field);
          return found;
        }
        break;
      case RecipientReader::Step::kRejected:
        rows = reader.rejection().row;
        if (rows == static_cast<uint64_t>(row)) {
          const RecipientReader::Rejection& rejection = reader.rejection();
          return Fail(ExitCode::kBadData,
                      {fmt::format("campaign preview: row {} would be rejected", row),
                       fmt::format("{}:{}", path, rejection.line),
                       fmt::format("{}{}.", rejection.column.empty() ? "" : rejection.column + ": ", rejection.reason),
                       "Correct it, or give --row another number."});
        }
        break;
      case RecipientReader::Step::kNeedMore: {
        const absl::StatusOr<bool> more = file->Read(&piece, 64 << 10);
        if (!more.ok()) return more.status();
        if (*more) {
          reader.Feed(piece);
        } else {
          reader.Finish();
        }
        break;
      }
      case RecipientReader::Step::kEnd:
        return NoSuchRow(row, rows, path);
    }
  }
}

CommandResult PreviewOffline(const Invocation& call, Console& console, int row, absl::Time date) {
  if (!HasMessage(call) || !call.Has("recipients")) {
    return Fail(ExitCode::kUsage,
                {"campaign preview: a message and --recipients go together", "", "One of the two is missing.",
                 fmt::format("For example: {}", call.command->example)});
  }
  const absl::StatusOr<std::string> text = MessageOf(call);
  if (!text.ok()) return text.status();
  const absl::StatusOr<engine::RecipientFormat> format =
      ParseFormatArgument(call.Value("format"), call.Value("recipients"));
  if (!format.ok()) return format.status();
  engine::Template::Options options{.columns = {}, .defaults = {}, .names = engine::NamesOf(*format)};
  for (const std::string& given : call.Values("default")) {
    const auto pair = ParsePair("default", given);
    if (!pair.ok()) return pair.status();
    options.defaults.push_back(*pair);
  }
  std::optional<absl::StatusOr<engine::Template>> compiled;
  const absl::StatusOr<PreviewRow> found =
      FindRow(call.Value("recipients"), *format, row, [&](const RecipientReader& reader) {
        options.columns = reader.columns();
        compiled = engine::Template::Compile(*text, options);
        return compiled->ok() ? (*compiled)->required_columns() : reader.columns();
      });
  if (!found.ok()) return found.status();
  const absl::StatusOr<engine::Template>& content = *compiled;
  if (!content.ok()) {
    return Fail(ExitCode::kBadData,
                {"campaign preview: the template cannot be used", call.Value("template"),
                 fmt::format("{}.", std::string(content.status().message())), "Correct it; a load would be refused."});
  }
  // A load may take one for its --require, which is not known here.
  if (const absl::Status defaults = engine::CheckDefaults(*text, options, {}); !defaults.ok()) {
    console.err() << fmt::format("{}.\n", std::string(defaults.message()));
  }
  const std::vector<std::string_view> fields(found->fields.begin(), found->fields.end());
  const engine::Template::Row values{.email = found->email, .fields = fields};
  const std::string id = engine::FormatMessageId(kPreviewId, kPreviewHost);
  std::string message;
  absl::Status rendered = content->Check(values);
  if (rendered.ok()) rendered = content->Render(values, {.message_id = id, .date = date}, message);
  if (!rendered.ok()) {
    return Fail(ExitCode::kBadData,
                {fmt::format("campaign preview: row {} would be rejected", row),
                 fmt::format("{}:{}", call.Value("recipients"), found->line),
                 fmt::format("{}.", std::string(rendered.message())), "Correct it, or give --row another number."});
  }
  return Print(json{{"row", row}, {"message", message}}, console);
}

}  // namespace

CommandResult RunCampaignPreview(const Invocation& call, Console& console) {
  const absl::StatusOr<int> row = ParseCount("row", call.Value("row", "1"), 1, std::numeric_limits<int>::max());
  if (!row.ok()) return row.status();
  std::optional<absl::Time> date;
  if (call.Has("date")) {
    // Also as a message has it.
    absl::Time header;
    std::string wrong;
    if (absl::ParseTime("%a, %d %b %Y %H:%M:%S %z", call.Value("date"), &header, &wrong)) {
      date = header;
    } else {
      const absl::StatusOr<absl::Time> time = ParseTimeArgument("date", call.Value("date"), absl::Now());
      if (!time.ok()) return time.status();
      date = *time;
    }
  }
  if (HasMessage(call) || call.Has("recipients")) {
    if (!call.arguments.empty()) {
      return Fail(ExitCode::kUsage, {"campaign preview: of a campaign or of files?", "",
                                     "Both a NAME and files were given.", "Give one of the two."});
    }
    return PreviewOffline(call, console, *row, date.value_or(absl::Now()));
  }
  if (call.arguments.empty()) {
    return Fail(ExitCode::kUsage,
                {"campaign preview: NAME is missing", "", "It needs a campaign's name, or a message and --recipients.",
                 fmt::format("For example: {}", call.command->example)});
  }
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  DaemonClient::Parameters parameters = {{"row", std::to_string(*row)}};
  if (date.has_value()) parameters["date"] = FormatTimeArgument(*date);
  const absl::StatusOr<json> answer =
      daemon->Get("/api/v1/campaigns/" + PathPart(call.arguments[0]) + "/preview", parameters);
  if (!answer.ok()) return answer.status();
  return Print(*answer, console);
}

}  // namespace sealift::tools
