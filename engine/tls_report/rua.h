#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sealift::engine {

// Where a domain wants reports about the TLS of its mail: the TXT record at _smtp._tls.DOMAIN (RFC 8460 3). Pure.
//
// The record is a stranger's: of what it names only whole and plain addresses are taken, and only the first few.
struct TlsReportRecord {
  static constexpr size_t kTextBytesMax = 4096;
  static constexpr size_t kTargetsMax = 4;  // of each kind

  struct Web {
    std::string host;  // a name of the DNS
    int port = 443;
    std::string path;  // with the query: "/tls?v=1"

    friend bool operator==(const Web&, const Web&) = default;
  };

  std::vector<std::string> mailboxes;  // of mailto:
  std::vector<Web> webs;               // of https:

  // Of the strings at that name those that begin with "v=TLSRPTv1" count, and only where there is exactly one (3).
  // Nothing: the domain asks for no reports, or not in a way that can be followed.
  static std::optional<TlsReportRecord> Find(std::span<const std::string> texts);

  friend bool operator==(const TlsReportRecord&, const TlsReportRecord&) = default;
};

}  // namespace sealift::engine
