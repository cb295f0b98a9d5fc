#pragma once

#include <span>
#include <string>

#include "engine/tls_report/report.h"

namespace sealift::engine {

// The report as a message (RFC 8460 5.3): multipart/report with a part for people and the gzipped JSON, LF line ends,
// without Date and Message-ID, which every message is given. From is the contact, which is not empty; `to` is where the
// domain wants it. Domains and addresses were parsed before: none of them can end a header.
std::string ReportMail(const TlsReport& report, std::span<const std::string> to);

}  // namespace sealift::engine
