// The TXT record by which a domain asks for reports about TLS: whatever the bytes, what is taken of it is a few plain
// addresses, or nothing.
#include <string>
#include <vector>

#include "engine/smtp/mailbox.h"
#include "engine/tls_report/rua.h"
#include "tests/fuzz/property.h"

namespace sealift::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  // Lines stand for the records at the name.
  std::vector<std::string> texts(1);
  for (size_t i = 0; i < size; ++i) {
    if (bytes[i] == '\n') {
      texts.emplace_back();
    } else {
      texts.back() += static_cast<char>(bytes[i]);
    }
  }
  const std::optional<engine::TlsReportRecord> record = engine::TlsReportRecord::Find(texts);
  if (!record.has_value()) return 0;
  Holds(!record->mailboxes.empty() || !record->webs.empty(), "a record names somebody");
  Holds(record->mailboxes.size() <= engine::TlsReportRecord::kTargetsMax, "few mailboxes are taken");
  Holds(record->webs.size() <= engine::TlsReportRecord::kTargetsMax, "few web servers are taken");
  for (const std::string& mailbox : record->mailboxes) {
    const absl::StatusOr<engine::Mailbox> parsed = engine::ParseMailbox(mailbox);
    Holds(parsed.ok() && parsed->ToString() == mailbox, "a mailbox is an address in its one form");
    Holds(!engine::NeedsSmtpUtf8(mailbox), "a mailbox is ASCII");
  }
  for (const engine::TlsReportRecord::Web& web : record->webs) {
    const absl::StatusOr<std::string> host = engine::ParseDomain(web.host);
    Holds(host.ok() && *host == web.host, "a web server has a name of the DNS");
    Holds(web.port >= 1 && web.port <= 65'535, "a port is one");
    Holds(web.path.starts_with('/'), "a path begins at the root");
    for (const char c : web.path) Holds(c > ' ' && c < 0x7f, "a path ends no line");
  }
  return 0;
}

}  // namespace sealift::fuzz
