// The routes of campaigns but for the load.
#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "engine/admin/api.h"
#include "engine/admin/api_call.h"
#include "engine/admin/api_json.h"
#include "engine/exit_code.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {

using nlohmann::json;

namespace {

// Without which a server gets no message that is not ASCII (RFC 6531, RFC 6152); empty: it is.
std::string_view NeededExtension(std::string_view message) {
  if (IsAscii(message)) return "";
  return IsAscii(message.substr(0, message.find("\r\n\r\n"))) ? "8BITMIME" : "SMTPUTF8";
}

}  // namespace

absl::StatusOr<json> Api::CampaignAnswer(const std::string& name) {
  const absl::StatusOr<CampaignStatus> status = node_.Show(name);
  if (!status.ok()) return status.status();
  return ToJson(*status, options_.clock());
}

absl::StatusOr<json> Api::ListCampaigns(Call&) {
  const absl::StatusOr<std::vector<CampaignStatus>> statuses = node_.List();
  if (!statuses.ok()) return statuses.status();
  json answer = {{"campaigns", json::array()}};
  for (const CampaignStatus& status : *statuses) {
    answer["campaigns"].push_back(ToJson(status, options_.clock()));
  }
  if (node_.options()->delivery == Delivery::kSink) answer["notice"] = "SINK: nothing leaves this machine";
  return answer;
}

absl::StatusOr<json> Api::ShowCampaign(Call& call) { return CampaignAnswer(call.Name()); }

absl::StatusOr<json> Api::StartCampaign(Call& call) {
  const absl::StatusOr<std::string> text = call.Text("at");
  if (!text.ok()) return text.status();
  std::optional<absl::Time> at;
  if (!text->empty()) {
    const absl::StatusOr<absl::Time> time = ParseTime(*text);
    if (!time.ok()) return time.status();
    at = *time;
  }
  if (absl::Status started = node_.StartCampaign(call.Name(), at); !started.ok()) return started;
  return CampaignAnswer(call.Name());
}

absl::StatusOr<json> Api::PauseCampaign(Call& call) {
  const PauseCause cause{.by = call.entry.user, .reason = call.entry.reason, .time = options_.clock()};
  if (absl::Status paused = node_.Pause(call.Name(), cause); !paused.ok()) return paused;
  return CampaignAnswer(call.Name());
}

absl::StatusOr<json> Api::ResumeCampaign(Call& call) {
  const PauseCause cause{.by = call.entry.user, .reason = call.entry.reason, .time = options_.clock()};
  if (absl::Status resumed = node_.Resume(call.Name(), cause); !resumed.ok()) return resumed;
  return CampaignAnswer(call.Name());
}

absl::StatusOr<json> Api::CancelCampaign(Call& call) {
  const absl::StatusOr<bool> erase = call.Truth("erase");
  if (!erase.ok()) return erase.status();
  const absl::StatusOr<bool> dry_run = call.Truth("dry_run");
  if (!dry_run.ok()) return dry_run.status();
  if (*dry_run) {
    call.audited = false;
    absl::StatusOr<json> answer = CampaignAnswer(call.Name());
    if (!answer.ok()) return answer.status();
    (*answer)["dry_run"] = true;
    (*answer)["would_cancel"] = (*answer)["queued"];
    return answer;
  }
  if (*erase) {
    call.entry.command = "campaign cancel --erase";
    if (absl::Status begun = Begin(call); !begun.ok()) return begun;
  }
  const absl::StatusOr<CampaignStatus> status = node_.Cancel(call.Name(), *erase);
  if (!status.ok()) return status.status();
  return ToJson(*status, options_.clock());
}

absl::StatusOr<json> Api::PreviewCampaign(Call& call) {
  const absl::StatusOr<int> row = call.Number("row", 1, std::numeric_limits<int>::max());
  if (!row.ok()) return row.status();
  std::optional<absl::Time> date;
  if (const std::string text = call.request.Query("date"); !text.empty()) {
    const absl::StatusOr<absl::Time> time = ParseTime(text);
    if (!time.ok()) return time.status();
    date = *time;
  }
  call.entry.target = fmt::format("{} row {}", call.Name(), *row);
  absl::StatusOr<std::string> message = node_.Preview(call.Name(), static_cast<uint32_t>(*row), date);
  if (!message.ok()) return message.status();
  json answer = {{"campaign", call.Name()}, {"row", *row}};
  if (const std::string_view needs = NeededExtension(*message); !needs.empty()) answer["needs"] = needs;
  if (IsUtf8(*message)) {
    answer["message"] = *std::move(message);
  } else {  // which JSON cannot carry
    std::string encoded;
    absl::Base64Escape(*message, &encoded);
    answer["message_base64"] = std::move(encoded);
  }
  return answer;
}

}  // namespace sealift::engine
