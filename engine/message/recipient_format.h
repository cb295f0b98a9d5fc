#pragma once

#include <optional>
#include <string_view>

namespace sealift::engine {

// How a recipient file is written. Compression is none of it: a file is known by what it is when unpacked.
enum class RecipientFormat {
  kCsv,     // RFC 4180
  kTsv,     // the same with tabs for commas, as spreadsheets write it
  kNdjson,  // a JSON object a line
};

std::string_view ToString(RecipientFormat format);  // "csv", "tsv", "ndjson"
std::optional<RecipientFormat> ParseRecipientFormat(std::string_view name);

// What a file's name says: .tsv and .tab, .ndjson and .jsonl, each also before .gz or .zst; anything else, standard
// input too, is CSV.
RecipientFormat RecipientFormatOf(std::string_view file_name);

}  // namespace sealift::engine
