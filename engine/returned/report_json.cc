#include "engine/returned/report_json.h"

#include <array>
#include <nlohmann/json.hpp>

namespace sealift::engine {
namespace {

using nlohmann::json;
using Kind = ReturnedReport::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 4> kKinds = {
    {{"none", Kind::kNone}, {"delivery", Kind::kDelivery}, {"feedback", Kind::kFeedback}, {"other", Kind::kOther}}};

// False: the member is no text. An absent one is empty.
bool TakeText(const json& object, const char* member, std::string& out) {
  const auto found = object.find(member);
  if (found == object.end()) return true;
  if (!found->is_string()) return false;
  out = found->get<std::string>();
  return true;
}

}  // namespace

std::string EncodeReturnedReport(const ReturnedReport& report) {
  json line = {{"senders", report.senders},
               {"message_id", report.message_id},
               {"feedback_type", report.feedback_type},
               {"recipients", json::array()}};
  for (const auto& [word, kind] : kKinds) {
    if (kind == report.kind) line["kind"] = word;
  }
  for (const ReturnedReport::Recipient& recipient : report.recipients) {
    line["recipients"].push_back({{"original", recipient.original},
                                  {"final", recipient.final},
                                  {"action", recipient.action},
                                  {"status", recipient.status},
                                  {"diagnostic", recipient.diagnostic}});
  }
  return line.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<ReturnedReport> DecodeReturnedReport(std::string_view line) {
  const json parsed = json::parse(line, nullptr, false);
  if (!parsed.is_object()) return std::nullopt;
  ReturnedReport report;
  std::string kind;
  if (!TakeText(parsed, "kind", kind) || !TakeText(parsed, "message_id", report.message_id) ||
      !TakeText(parsed, "feedback_type", report.feedback_type)) {
    return std::nullopt;
  }
  bool known = false;
  for (const auto& [word, value] : kKinds) {
    if (word != kind) continue;
    report.kind = value;
    known = true;
  }
  const json senders = parsed.value("senders", json::array()), recipients = parsed.value("recipients", json::array());
  if (!known || !senders.is_array() || !recipients.is_array()) return std::nullopt;
  for (const json& sender : senders) {
    if (!sender.is_string()) return std::nullopt;
    report.senders.push_back(sender.get<std::string>());
  }
  for (const json& each : recipients) {
    ReturnedReport::Recipient recipient;
    if (!each.is_object() || !TakeText(each, "original", recipient.original) ||
        !TakeText(each, "final", recipient.final) || !TakeText(each, "action", recipient.action) ||
        !TakeText(each, "status", recipient.status) || !TakeText(each, "diagnostic", recipient.diagnostic)) {
      return std::nullopt;
    }
    report.recipients.push_back(std::move(recipient));
  }
  return report;
}

}  // namespace sealift::engine
