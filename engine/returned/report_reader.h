#pragma once

#include <cstddef>
#include <string_view>

#include "engine/returned/report.h"

namespace sealift::engine {

// Reads a mail that came back: a multipart/report (RFC 6522) whose parts are delivery-status or feedback-report and the
// mail that it is about, or its header. Those of internationalised mail (RFC 6533) too; encoded ones are decoded.
//
// Everybody may send such a mail, and many who do keep to no standard: a line that is no field is passed over, a part
// that is not closed ends with the mail. What is read is bounded: the first kReturnedBytesMax of the mail, and so on as
// below. Parts within parts are not looked into: a report stands at the top.
//
// Threads: any. Errors: none; what cannot be read claims nothing.
ReturnedReport ReadReturnedReport(std::string_view mail);

// Whether a text begins as a mail does, with a header of at least one field (RFC 5322 2.2).
bool HasHeader(std::string_view mail);

inline constexpr size_t kReturnedBytesMax = 1 << 20;  // a report stands before the mail that it returns
inline constexpr size_t kReturnedFieldsMax = 500;
inline constexpr size_t kReturnedPartsMax = 16;
inline constexpr size_t kReturnedRecipientsMax = 20;
inline constexpr size_t kReturnedSendersMax = 16;
inline constexpr size_t kReturnedTextBytesMax = 1024;  // of any one value

}  // namespace sealift::engine
