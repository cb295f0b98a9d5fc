// campaign load
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/campaign_name.h"
#include "tools/sealift/arguments.h"
#include "tools/sealift/commands.h"
#include "tools/sealift/daemon_client.h"
#include "tools/sealift/failure.h"
#include "tools/sealift/files.h"
#include "tools/sealift/message_flags.h"
#include "tools/sealift/message_source.h"
#include "tools/sealift/rejects_file.h"
#include "tools/sealift/row_file.h"
#include "tools/sealift/row_upload.h"

namespace sealift::tools {
namespace {

using engine::ExitCode;
using nlohmann::json;

absl::StatusOr<json> PairsOf(const Invocation& call, const char* flag) {
  json pairs = json::array();
  for (const std::string& text : call.Values(flag)) {
    const auto pair = ParsePair(flag, text);
    if (!pair.ok()) return pair.status();
    pairs.push_back({pair->first, pair->second});
  }
  return pairs;
}

// The first line of the request; see engine/admin/api_load_body.h.
absl::StatusOr<json> HeadOf(const Invocation& call, const std::string& template_text) {
  json head = {
      {"stream", call.Value("stream")}, {"template_bytes", template_text.size()}, {"start", call.Has("start")}};
  for (const auto& [flag, member] : {std::pair{"key-column", "key_column"},
                                     {"expires-in", "expires_in"},
                                     {"erase-after", "erase_after"},
                                     {"rate", "rate"},
                                     {"messages-per-day", "messages_per_day"},
                                     {"connections", "connections"},
                                     {"connection-rate", "connection_rate"},
                                     {"messages-per-connection", "messages_per_connection"},
                                     {"weight", "weight"}}) {
    if (call.Has(flag)) head[member] = call.Value(flag);
  }
  const absl::StatusOr<engine::RecipientFormat> format =
      ParseFormatArgument(call.Value("format"), call.Value("recipients"));
  if (!format.ok()) return format.status();
  head["format"] = engine::ToString(*format);
  if (call.Has("start-at")) {
    if (call.Has("start")) {
      return Fail(ExitCode::kUsage, {"campaign load: --start and --start-at exclude each other", "",
                                     "A campaign starts once.", "Give one of the two."});
    }
    const absl::StatusOr<absl::Time> at = ParseTimeArgument("start-at", call.Value("start-at"), absl::Now());
    if (!at.ok()) return at.status();
    head["start_at"] = FormatTimeArgument(*at);
  }
  for (const auto& [flag, member] : {std::pair{"default", "defaults"}, {"require", "require"}}) {
    absl::StatusOr<json> pairs = PairsOf(call, flag);
    if (!pairs.ok()) return pairs.status();
    head[member] = *std::move(pairs);
  }
  return head;
}

void PrintSummary(const json& summary, Console& console) {
  console.Record(summary, {{"name", "campaign"},
                           {"accepted", "accepted"},
                           {"rejected", "rejected"},
                           {"suppressed", "suppressed"},
                           {"duplicates", "duplicates"}});
  const std::string name = CellText(summary.value("name", json("")));
  if (summary.value("already_loaded", false)) console.Say("This file was loaded before; nothing was added.");
  if (summary.value("resumed", false)) console.Say("The load went on where it had stopped.");
  if (summary.contains("notice")) console.Say(CellText(summary["notice"]));
  if (summary.value("started", false)) {
    console.Say(fmt::format("It is being sent. Follow it with: sealift campaign watch {}", name));
  } else if (summary.contains("start_at")) {
    console.Say(fmt::format("It starts by itself at {}, or before: sealift campaign start {}",
                            CellText(summary["start_at"]), name));
  } else if (summary.value("already_loaded", false)) {
    console.Say(fmt::format("How it stands: sealift campaign show {}", name));
  } else {
    console.Say(fmt::format("Nothing is sent until: sealift campaign start {}", name));
  }
}

// The file ended where it should not: says what of it the daemon has.
absl::Status CutShort(DaemonClient& daemon, const Invocation& call, const absl::Status& status) {
  Failure failure = FailureOf(status);
  const std::string& name = call.arguments[0];
  const absl::StatusOr<json> campaign = daemon.Get("/api/v1/campaigns/" + PathPart(name), {});
  const uint64_t row = campaign.ok() ? campaign->value("input_rows", uint64_t{0}) : 0;
  failure.what = fmt::format("campaign load: {} was not loaded completely", name);
  failure.why += row == 0 ? " Nothing of it had been accepted by then."
                          : fmt::format(" Nothing behind row {} had been accepted by then.", row);
  failure.next = "Get a whole copy of the file and give the same command again: it goes on there.";
  return Fail(engine::ExitCodeOf(status), failure);
}

CommandResult Conclude(const Invocation& call, const json& summary, Console& console) {
  PrintSummary(summary, console);
  if (summary.value("rejected", uint64_t{0}) == 0) return ExitCode::kOk;
  const std::string_view what = call.Has("messages") ? "messages" : "rows";
  if (!call.Has("rejects")) {
    console.err() << fmt::format(
        "Some {} were rejected; the same command with --rejects FILE lists them and adds nothing twice.\n", what);
  } else {
    console.err() << fmt::format("The rejected {} are in {}\n", what, call.Value("rejects"));
  }
  return ExitCode::kPartly;
}

CommandResult LoadMessages(const Invocation& call, Console& console) {
  for (const char* flag : {"template", "from", "subject", "text", "html", "attach", "recipients", "format", "default",
                           "require", "key-column"}) {
    if (!call.Has(flag)) continue;
    return Fail(ExitCode::kUsage, {fmt::format("campaign load: --messages and --{} exclude each other", flag), "",
                                   "Finished messages have their recipients in them, and neither fields nor columns.",
                                   "Give --messages alone, or a message and --recipients."});
  }
  absl::StatusOr<json> head = HeadOf(call, "");
  if (!head.ok()) return head.status();
  (*head)["messages"] = true;
  MessageSource messages(call.Value("messages"));
  if (absl::Status opened = messages.Open(); !opened.ok()) return opened;
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  absl::StatusOr<RejectsFile> rejects = RejectsFile::Create(call.Value("rejects"));
  if (!rejects.ok()) return rejects.status();
  const absl::StatusOr<json> summary = Upload(
      *daemon,
      {.command = "campaign load",
       .path = "/api/v1/campaigns/" + PathPart(call.arguments[0]) + "/load",
       .beginning = head->dump(-1, ' ', false, json::error_handler_t::replace) + "\n",
       .look_next = "See `sealift campaign list`.",
       .unit = "message",
       .name_of = [&messages](uint64_t number) { return messages.NameOf(number); }},
      [&messages](std::string* piece, size_t bytes_max) { return messages.Read(piece, bytes_max); }, *rejects, console);
  return summary.ok() ? Conclude(call, *summary, console) : CommandResult(summary.status());
}

}  // namespace

CommandResult RunCampaignLoad(const Invocation& call, Console& console) {
  // Before it is a part of a path.
  if (absl::Status named = engine::CheckCampaignName(call.arguments[0]); !named.ok()) {
    return Because(named, "campaign load: nothing was loaded");
  }
  if (call.Has("messages")) return LoadMessages(call, console);
  if (!call.Has("recipients")) {
    return Fail(ExitCode::kUsage, {fmt::format("campaign load: {}", HasMessage(call) ? "--recipients is missing"
                                                                                     : "there is nothing to load"),
                                   "", "A campaign has a message and its --recipients, or finished --messages.",
                                   fmt::format("For example: {}", call.command->example)});
  }
  const absl::StatusOr<std::string> template_text = MessageOf(call);
  if (!template_text.ok()) return template_text.status();
  const absl::StatusOr<json> head = HeadOf(call, *template_text);
  if (!head.ok()) return head.status();
  absl::StatusOr<RowFile> recipients = RowFile::Open(call.Value("recipients"), "--recipients");
  if (!recipients.ok()) return recipients.status();
  absl::StatusOr<DaemonClient> daemon = DaemonClient::For(call);
  if (!daemon.ok()) return daemon.status();
  absl::StatusOr<RejectsFile> rejects = RejectsFile::Create(call.Value("rejects"));
  if (!rejects.ok()) return rejects.status();

  const absl::StatusOr<json> uploaded =
      Upload(*daemon,
             {.command = "campaign load",
              .path = "/api/v1/campaigns/" + PathPart(call.arguments[0]) + "/load",
              .beginning = head->dump(-1, ' ', false, json::error_handler_t::replace) + "\n" + *template_text,
              .look_next = "See `sealift campaign list`."},
             *recipients, *rejects, console);
  if (!uploaded.ok()) return recipients->damaged() ? CutShort(*daemon, call, uploaded.status()) : uploaded.status();
  return Conclude(call, *uploaded, console);
}

}  // namespace sealift::tools
