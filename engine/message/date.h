#pragma once

#include <absl/time/time.h>

#include <string>
#include <string_view>

namespace sealift::engine {

// Appends `time` as RFC 5322 3.3 writes it, in UTC: "Sat, 21 Nov 2026 21:44:41 +0000". Fractions of a second are cut.
void AppendDate(absl::Time time, std::string& out);
std::string FormatDate(absl::Time time);

// "<id@hostname>". The id is one of the engine's own (letters and digits), the hostname the node's.
std::string FormatMessageId(std::string_view id, std::string_view hostname);

}  // namespace sealift::engine
