#include "engine/returned/report_reader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/message/base64.h"
#include "engine/message/entity.h"
#include "engine/message/quoted_printable.h"
#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

struct Field {
  std::string name, value;  // the name in lower case, the value unfolded
};

std::string LowerCased(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), LowerCase);
  return result;
}

std::string Capped(std::string_view text) { return std::string(text.substr(0, kReturnedTextBytesMax)); }

// Lines that end with LF, whatever they ended with.
std::string WithLineFeeds(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    result += text[i];
  }
  return result;
}

std::string_view TakeLine(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// Takes a header and the empty line behind it. What is no field is passed over.
std::vector<Field> TakeFields(std::string_view& text) {
  std::vector<Field> fields;
  bool in_field = false;
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    if (line.empty()) break;
    if (line.front() == ' ' || line.front() == '\t') {
      if (!in_field || fields.back().value.size() >= kReturnedTextBytesMax) continue;
      std::string& value = fields.back().value;
      if (!value.empty()) value += ' ';
      value += Trimmed(line.substr(0, kReturnedTextBytesMax));
      continue;
    }
    const size_t colon = line.find(':');
    in_field = colon != std::string_view::npos && colon > 0 && fields.size() < kReturnedFieldsMax;
    if (!in_field) continue;
    fields.push_back({LowerCased(Trimmed(line.substr(0, std::min<size_t>(colon, 100)))),
                      std::string(Trimmed(line.substr(colon + 1, 4 * kReturnedTextBytesMax)))});
  }
  return fields;
}

std::string_view ValueOf(const std::vector<Field>& fields, std::string_view name) {
  const auto found = std::ranges::find(fields, name, &Field::name);
  return found == fields.end() ? std::string_view() : found->value;
}

ParameterizedValue TypeOf(const std::vector<Field>& fields) {
  absl::StatusOr<ParameterizedValue> type = ParseParameterizedValue(ValueOf(fields, "content-type"));
  return type.ok() ? *std::move(type) : ParameterizedValue{.value = "text/plain", .parameters = {}};
}

// Every address in a value, however it is written around.
void AddAddresses(std::string_view value, std::vector<std::string>& addresses) {
  constexpr std::string_view kAround = " \t,;:<>()\"[]";
  while (!value.empty() && addresses.size() < kReturnedSendersMax) {
    const size_t end = value.find_first_of(kAround);
    const std::string_view word = value.substr(0, end);
    value.remove_prefix(end == std::string_view::npos ? value.size() : end + 1);
    if (word.find('@') == std::string_view::npos || word.size() > 320) continue;
    if (std::ranges::find(addresses, word) == addresses.end()) addresses.emplace_back(word);
  }
}

// "rfc822; jane@d1.test" is "jane@d1.test".
std::string WithoutType(std::string_view value) {
  const size_t semicolon = value.find(';');
  std::string_view rest = semicolon == std::string_view::npos ? value : value.substr(semicolon + 1);
  return Capped(Trimmed(rest));
}

std::string AddressOf(std::string_view value) {
  std::string address = WithoutType(value);
  if (address.starts_with('<') && address.ends_with('>')) address = address.substr(1, address.size() - 2);
  return address;
}

void ReadDeliveryStatus(std::string_view body, ReturnedReport& report) {
  TakeFields(body);  // of the message
  while (!body.empty() && report.recipients.size() < kReturnedRecipientsMax) {
    const std::vector<Field> fields = TakeFields(body);
    if (fields.empty()) continue;
    ReturnedReport::Recipient recipient;
    recipient.original = AddressOf(ValueOf(fields, "original-recipient"));
    recipient.final = AddressOf(ValueOf(fields, "final-recipient"));
    recipient.action = LowerCased(Capped(ValueOf(fields, "action")));
    recipient.action = recipient.action.substr(0, recipient.action.find_first_of(" ;("));
    const std::string_view status = ValueOf(fields, "status");
    recipient.status = Capped(status.substr(0, status.find_first_of(" \t(;")));
    recipient.diagnostic = WithoutType(ValueOf(fields, "diagnostic-code"));
    if (recipient.action.empty() && recipient.status.empty() && recipient.diagnostic.empty()) continue;
    report.recipients.push_back(std::move(recipient));
  }
}

void ReadFeedback(std::string_view body, ReturnedReport& report) {
  const std::vector<Field> fields = TakeFields(body);
  report.feedback_type = LowerCased(Capped(ValueOf(fields, "feedback-type")));
  AddAddresses(ValueOf(fields, "original-mail-from"), report.senders);
}

// Of the mail that the report is about.
void ReadReturnedHeader(std::string_view body, ReturnedReport& report) {
  const std::vector<Field> fields = TakeFields(body);
  AddAddresses(ValueOf(fields, "return-path"), report.senders);
  std::string id = Capped(ValueOf(fields, "message-id"));
  if (id.starts_with('<')) id = id.substr(1, id.find('>') == std::string::npos ? std::string::npos : id.find('>') - 1);
  report.message_id = id;
}

std::string Decoded(std::string_view body, std::string_view encoding) {
  if (encoding == "base64") {
    std::string decoded;
    return DecodeBase64(body, decoded) ? WithLineFeeds(decoded) : std::string();
  }
  return encoding == "quoted-printable" ? DecodeQuotedPrintable(body) : std::string(body);
}

// The parts of a multipart. One that is not closed ends with the text.
std::vector<std::string_view> Split(std::string_view body, std::string_view boundary) {
  const std::string delimiter = "--" + std::string(boundary);
  std::vector<std::string_view> parts;
  const char* begin = nullptr;
  while (true) {
    const char* const line_begin = body.data();
    const bool ended = body.empty();
    const std::string_view line = TakeLine(body);
    const bool delimits = line.starts_with(delimiter);
    const std::string_view behind = delimits ? Trimmed(line.substr(delimiter.size())) : std::string_view();
    const bool closes = behind == "--";
    if (!ended && !(delimits && (closes || behind.empty()))) continue;
    if (begin != nullptr) parts.emplace_back(begin, static_cast<size_t>(line_begin - begin));
    if (ended || closes || parts.size() == kReturnedPartsMax) return parts;
    begin = body.data();
  }
}

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

}  // namespace

bool HasHeader(std::string_view mail) {
  const std::string text = WithLineFeeds(mail);
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view line = TakeLine(rest);
    if (line.empty()) return false;
    const std::string_view name = line.substr(0, line.find(':'));
    const auto in_name = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
             c == '.';
    };
    if (name.size() < line.size() && !name.empty() && std::ranges::all_of(name, in_name)) return true;
  }
  return false;
}

ReturnedReport ReadReturnedReport(std::string_view mail) {
  const std::string text = WithLineFeeds(mail.substr(0, kReturnedBytesMax));
  std::string_view rest = text;
  const std::vector<Field> fields = TakeFields(rest);
  ReturnedReport report;
  const ParameterizedValue type = TypeOf(fields);
  const std::string* const boundary = type.Find("boundary");
  if (type.value != "multipart/report" || boundary == nullptr || boundary->empty()) return report;
  report.kind = ReturnedReport::Kind::kOther;
  for (const Field& field : fields) {
    // Where it was delivered to, as mail servers write it.
    if (IsOneOf(field.name,
                {"to", "delivered-to", "x-delivered-to", "x-original-to", "envelope-to", "x-envelope-to"})) {
      AddAddresses(field.value, report.senders);
    }
  }
  bool returned = false;
  for (std::string_view part : Split(rest, *boundary)) {
    const std::vector<Field> part_fields = TakeFields(part);
    const std::string part_type = TypeOf(part_fields).value;
    const std::string body = Decoded(part, LowerCased(ValueOf(part_fields, "content-transfer-encoding")));
    const bool first = report.kind == ReturnedReport::Kind::kOther;
    if (first && IsOneOf(part_type, {"message/delivery-status", "message/global-delivery-status"})) {
      report.kind = ReturnedReport::Kind::kDelivery;
      ReadDeliveryStatus(body, report);
    } else if (first && part_type == "message/feedback-report") {
      report.kind = ReturnedReport::Kind::kFeedback;
      ReadFeedback(body, report);
    } else if (!returned && IsOneOf(part_type, {"message/rfc822", "text/rfc822-headers", "message/rfc822-headers",
                                                "message/global", "message/global-headers"})) {
      returned = true;
      ReadReturnedHeader(body, report);
    }
  }
  return report;
}

}  // namespace sealift::engine
