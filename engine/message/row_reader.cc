#include "engine/message/row_reader.h"

#include <fmt/format.h>

namespace sealift::engine {

RowReader::RowReader(const Limits& limits)
    : limits_(limits),
      row_too_long_(fmt::format("the row is too long: {} bytes are the most", limits.row_bytes_max)),
      field_too_long_(fmt::format("a field is too long: {} bytes are the most", limits.field_bytes_max)),
      too_many_fields_(fmt::format("the row has too many fields: {} are the most", limits.fields_max)) {}

}  // namespace sealift::engine
