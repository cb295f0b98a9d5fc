// A recipient file, taken for each of the formats: read in any pieces it has the same rows, and a row's end is never
// within another row.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/message/recipient_reader.h"
#include "tests/fuzz/property.h"

namespace sealift::fuzz {
namespace {

using engine::RecipientFormat;
using engine::RecipientReader;
using engine::RowReader;

// Every row with its place, as text. A piece is the caller's again once more is wanted, and is gone then.
std::vector<std::string> Rows(RecipientFormat format, const RowReader::Limits& limits,
                              const std::vector<std::string>& pieces) {
  RecipientReader reader(format, limits);
  std::vector<std::string> rows;
  std::unique_ptr<std::string> piece;
  size_t next = 0;
  uint64_t row = 0, offset = 0;
  while (true) {
    const absl::StatusOr<RecipientReader::Step> step = reader.Next();
    if (!step.ok()) {
      rows.emplace_back("error");
      return rows;
    }
    switch (*step) {
      case RecipientReader::Step::kNeedMore:
        piece.reset();
        if (next == pieces.size()) {
          reader.Finish();
        } else {
          piece = std::make_unique<std::string>(pieces[next++]);
          reader.Feed(*piece);
        }
        break;
      case RecipientReader::Step::kEnd:
        return rows;
      case RecipientReader::Step::kRecipient: {
        const RecipientReader::Recipient& recipient = reader.recipient();
        Holds(recipient.fields.size() == reader.columns().size(), "a row has a field a column");
        Holds(recipient.row == ++row && recipient.offset > offset, "rows go forward");
        offset = recipient.offset;
        rows.push_back(fmt::format("{} {} {} {}", recipient.line, recipient.row, recipient.offset, recipient.email));
        for (const std::string_view field : recipient.fields) rows.back().append(" | ").append(field);
        break;
      }
      case RecipientReader::Step::kRejected: {
        const RecipientReader::Rejection& rejected = reader.rejection();
        Holds(rejected.row == ++row && rejected.offset > offset, "rows go forward");
        offset = rejected.offset;
        rows.push_back(fmt::format("{} {} {} {}", rejected.line, rejected.row, rejected.offset, rejected.reason));
        break;
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  FuzzedDataProvider input(bytes, size);
  const size_t piece_max = input.ConsumeIntegralInRange<size_t>(1, 32);
  const RowReader::Limits few{.field_bytes_max = 40, .row_bytes_max = 60, .fields_max = 8};
  const RowReader::Limits limits = input.ConsumeBool() ? few : RowReader::Limits{};
  const std::string text = input.ConsumeRemainingBytesAsString();
  std::vector<std::string> pieces;
  size_t next = piece_max;  // one size and another, so that a last piece may be the shortest
  for (size_t at = 0; at < text.size(); at += pieces.back().size()) {
    pieces.push_back(text.substr(at, next));
    next = piece_max + 1 - next / 2;
  }
  for (const RecipientFormat format : {RecipientFormat::kCsv, RecipientFormat::kTsv, RecipientFormat::kNdjson}) {
    Holds(Rows(format, limits, {text}) == Rows(format, limits, pieces), "rows do not depend on how they arrive");
  }
  return 0;
}

}  // namespace sealift::fuzz
