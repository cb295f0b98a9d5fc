#include "engine/message/row_error.h"

#include <fmt/format.h>

#include <utility>

#include "absl/strings/cord.h"

namespace sealift::engine {
namespace {

constexpr char kColumn[] = "sealift/column";

std::string Beginning(std::string_view column) { return fmt::format("column {}: ", column); }

}  // namespace

absl::Status RowError(std::string_view column, std::string_view what) {
  absl::Status status = absl::InvalidArgumentError(Beginning(column) + std::string(what));
  status.SetPayload(kColumn, absl::Cord(absl::string_view(column.data(), column.size())));
  return status;
}

RowErrorParts PartsOf(const absl::Status& status) {
  std::string message(status.message());
  const absl::optional<absl::Cord> column = status.GetPayload(kColumn);
  if (!column.has_value()) return {.column = {}, .reason = std::move(message)};
  std::string name(*column);
  message.erase(0, Beginning(name).size());
  return {.column = std::move(name), .reason = std::move(message)};
}

}  // namespace sealift::engine
