// What a DNS server answers: whatever the bytes, there are few hosts with proper names, or a verdict.
#include <sys/socket.h>

#include <set>
#include <string>

#include "dns/message.h"
#include "dns/name.h"
#include "dns/reading.h"
#include "tests/fuzz/property.h"

namespace sealift::fuzz {

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::optional<dns::Message> message = dns::DecodeMessage({bytes, size});
  if (!message.has_value()) return 0;
  for (const dns::Record& record : message->answers) {
    Holds(record.ttl >= absl::ZeroDuration(), "no record expired before it came");
  }

  const dns::MxAnswer mx = dns::ReadMx(*message, "d1.test").answer;
  Holds(mx.hosts.size() <= dns::kMxHostsMax, "a domain has a bounded number of hosts");
  Holds((mx.verdict == dns::Verdict::kFound) == (mx.null_mx || !mx.hosts.empty()), "found means hosts or a null MX");
  Holds(!mx.null_mx || mx.hosts.empty(), "a null MX has no hosts");
  for (const dns::MxHost& host : mx.hosts) {
    Holds(dns::HostName(host.name) == host.name, "every host has a name that may be asked for");
  }

  for (const int family : {AF_INET, AF_INET6}) {
    const dns::AddressAnswer found = dns::ReadAddresses(*message, "mx.d1.test", family).answer;
    Holds(found.addresses.size() <= dns::kAddressesMax, "a host has a bounded number of addresses");
    Holds((found.verdict == dns::Verdict::kFound) == !found.addresses.empty(), "found means addresses");
  }

  const dns::TlsaAnswer tlsa = dns::ReadTlsa(*message, "_25._tcp.mx.d1.test").answer;
  Holds(tlsa.records.size() <= dns::kTlsaRecordsMax, "a service has a bounded number of TLSA records");
  Holds((tlsa.verdict == dns::Verdict::kFound) == !tlsa.records.empty(), "found means records");
  const dns::TxtAnswer txt = dns::ReadTxt(*message, "_mta-sts.d1.test").answer;
  Holds(txt.texts.size() <= dns::kTextsMax, "a name has a bounded number of texts");
  Holds((txt.verdict == dns::Verdict::kFound) == !txt.texts.empty(), "found means texts");
  return 0;
}

}  // namespace sealift::fuzz
