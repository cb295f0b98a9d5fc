#include "engine/message/recipient_format.h"

#include "engine/smtp/utf8.h"

namespace sealift::engine {
namespace {

bool TakeSuffix(std::string_view& name, std::string_view suffix) {
  if (name.size() < suffix.size() || !EqualsIgnoreCase(name.substr(name.size() - suffix.size()), suffix)) return false;
  name.remove_suffix(suffix.size());
  return true;
}

}  // namespace

std::string_view ToString(RecipientFormat format) {
  switch (format) {
    case RecipientFormat::kCsv:
      return "csv";
    case RecipientFormat::kTsv:
      return "tsv";
    case RecipientFormat::kNdjson:
      return "ndjson";
  }
  return "";
}

std::optional<RecipientFormat> ParseRecipientFormat(std::string_view name) {
  for (const RecipientFormat format : {RecipientFormat::kCsv, RecipientFormat::kTsv, RecipientFormat::kNdjson}) {
    if (name == ToString(format)) return format;
  }
  return std::nullopt;
}

RecipientFormat RecipientFormatOf(std::string_view file_name) {
  if (!TakeSuffix(file_name, ".gz")) TakeSuffix(file_name, ".zst");
  if (TakeSuffix(file_name, ".tsv") || TakeSuffix(file_name, ".tab")) return RecipientFormat::kTsv;
  if (TakeSuffix(file_name, ".ndjson") || TakeSuffix(file_name, ".jsonl")) return RecipientFormat::kNdjson;
  return RecipientFormat::kCsv;
}

}  // namespace sealift::engine
