#include "engine/admin/api_load_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "engine/admin/api_json.h"
#include "engine/campaign_settings.h"
#include "engine/exit_code.h"
#include "engine/units.h"

namespace sealift::engine {
namespace {

using nlohmann::json;

absl::Status Unreadable(std::string_view why) {
  return WithExit(absl::InvalidArgumentError(fmt::format("The request to load cannot be read: {}.", why)),
                  ExitCode::kUsage);
}

absl::Status ReadPairs(const json& head, const char* member, std::vector<std::pair<std::string, std::string>>* out) {
  const auto found = head.find(member);
  if (found == head.end()) return absl::OkStatus();
  if (!found->is_array()) return Unreadable(fmt::format("`{}` is no list", member));
  for (const json& pair : *found) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      return Unreadable(fmt::format("`{}` has something that is no pair of texts", member));
    }
    out->emplace_back(pair[0].get<std::string>(), pair[1].get<std::string>());
  }
  return absl::OkStatus();
}

absl::Status ReadText(const json& head, const char* member, std::string* out) {
  const auto found = head.find(member);
  if (found == head.end()) return absl::OkStatus();
  if (!found->is_string()) return Unreadable(fmt::format("`{}` is no text", member));
  *out = found->get<std::string>();
  if (out->empty()) return Unreadable(fmt::format("`{}` is empty; leave it out instead", member));
  return absl::OkStatus();
}

absl::Status ReadNumber(std::string_view member, const std::string& text, auto max, auto& out) {
  if (absl::SimpleAtoi(text, &out) && out >= 1 && out <= max) return absl::OkStatus();
  return WithExit(
      absl::InvalidArgumentError(fmt::format("`{}` is a whole number from 1 to {}, not '{}'", member, max, text)),
      ExitCode::kUsage);
}

}  // namespace

absl::Status LoadBody::ReadHead(std::string_view line) {
  const json head = json::parse(line, nullptr, false);
  if (!head.is_object()) return Unreadable("its first line is no JSON object");
  std::string expires_in, erase_after, start_at, format, weight, rate, a_day, connection_rate, connections,
      a_connection;
  for (const auto& [member, out] : {std::pair{"stream", &request_.stream},
                                    {"key_column", &request_.key_column},
                                    {"format", &format},
                                    {"rate", &rate},
                                    {"messages_per_day", &a_day},
                                    {"connections", &connections},
                                    {"connection_rate", &connection_rate},
                                    {"messages_per_connection", &a_connection},
                                    {"weight", &weight},
                                    {"expires_in", &expires_in},
                                    {"erase_after", &erase_after},
                                    {"start_at", &start_at}}) {
    if (absl::Status read = ReadText(head, member, out); !read.ok()) return read;
  }
  if (absl::Status read = ReadPairs(head, "defaults", &request_.defaults); !read.ok()) return read;
  if (absl::Status read = ReadPairs(head, "require", &request_.require); !read.ok()) return read;
  if (head.contains("start")) {
    if (!head["start"].is_boolean()) return Unreadable("`start` is neither true nor false");
    request_.start = head["start"].get<bool>();
  }
  if (!format.empty()) {
    const std::optional<RecipientFormat> parsed = ParseRecipientFormat(format);
    if (!parsed.has_value()) return Unreadable("`format` is none of csv, tsv, ndjson");
    request_.format = *parsed;
  }
  if (head.contains("messages")) {
    if (!head["messages"].is_boolean()) return Unreadable("`messages` is neither true nor false");
    request_.messages = head["messages"].get<bool>();
  }
  if (!expires_in.empty()) {
    const absl::StatusOr<absl::Duration> parsed = ParseExpiresIn(expires_in);
    if (!parsed.ok()) return parsed.status();
    request_.expires_in = *parsed;
  }
  if (!erase_after.empty()) {
    const absl::StatusOr<absl::Duration> parsed = ParseDuration(erase_after);
    if (!parsed.ok()) return WithExit(parsed.status(), ExitCode::kUsage);
    request_.erase_after = *parsed;
  }
  if (!start_at.empty()) {
    const absl::StatusOr<absl::Time> parsed = ParseTime(start_at);
    if (!parsed.ok()) return parsed.status();
    request_.start_at = *parsed;
  }
  CampaignLimits& limits = request_.limits;
  for (const auto& [text, out] : {std::pair{&rate, &limits.rate}, {&connection_rate, &limits.connection_rate}}) {
    if (text->empty()) continue;
    const absl::StatusOr<Rate> parsed = ParseRate(*text);
    if (!parsed.ok()) return WithExit(parsed.status(), ExitCode::kUsage);
    *out = *parsed;
  }
  if (!a_day.empty()) {
    limits.a_day.period = absl::Hours(24);
    if (absl::Status read = ReadNumber("messages_per_day", a_day, 1'000'000'000, limits.a_day.count); !read.ok()) {
      return read;
    }
  }
  for (const auto& [member, text, max, out] :
       {std::tuple{"connections", &connections, 100'000, &limits.connections},
        {"messages_per_connection", &a_connection, 1'000'000, &limits.messages_per_connection},
        {"weight", &weight, CampaignSettings::kWeightMax, &request_.weight}}) {
    if (text->empty()) continue;
    if (absl::Status read = ReadNumber(member, *text, max, *out); !read.ok()) return read;
  }
  if (!head.contains("template_bytes") || !head["template_bytes"].is_number_unsigned()) {
    return Unreadable("`template_bytes` is missing");
  }
  template_bytes_ = head["template_bytes"].get<size_t>();
  if (template_bytes_ > kTemplateBytesMax) {
    return absl::InvalidArgumentError(fmt::format(
        "The template has {} bytes; at most {} are accepted. Link to large attachments instead of mailing them.",
        template_bytes_, kTemplateBytesMax));
  }
  has_head_ = true;
  return absl::OkStatus();
}

absl::Status LoadBody::BeginOnceComplete() {
  if (!has_head_ || begun_ || request_.template_text.size() < template_bytes_) return absl::OkStatus();
  begun_ = true;
  return begin_(std::move(request_));
}

absl::Status LoadBody::Add(std::string_view piece) {
  if (!has_head_) {
    const size_t end = piece.find('\n');
    head_.append(piece.substr(0, end));
    if (head_.size() > kHeadBytesMax) return Unreadable("its first line is too long");
    if (end == std::string_view::npos) return absl::OkStatus();
    if (absl::Status read = ReadHead(head_); !read.ok()) return read;
    piece.remove_prefix(end + 1);
  }
  if (!begun_) {
    const size_t taken = std::min(piece.size(), template_bytes_ - request_.template_text.size());
    request_.template_text.append(piece.substr(0, taken));
    piece.remove_prefix(taken);
    if (absl::Status begun = BeginOnceComplete(); !begun.ok()) return begun;
  }
  return piece.empty() ? absl::OkStatus() : feed_(piece);
}

absl::Status LoadBody::Finish() {
  if (begun_) return absl::OkStatus();
  return Unreadable(has_head_ ? "it ended within the template" : "it ended within its first line");
}

}  // namespace sealift::engine
