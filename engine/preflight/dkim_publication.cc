#include "engine/preflight/dkim_publication.h"

#include <fmt/format.h>

#include <utility>

#include "engine/message/dkim_record.h"

namespace sealift::engine {

DkimPublication AskDkimPublication(dns::Lookup& lookup, const DkimKey& key, const std::string& name) {
  const dns::TxtAnswer answer = lookup.Txt(name);
  switch (answer.verdict) {
    case dns::Verdict::kFound:
      break;
    case dns::Verdict::kNoData:
    case dns::Verdict::kNxDomain:
      return {"missing", "no TXT record stands there; `dkim generate` printed it, and `dkim check` prints it"};
    default:
      return {"dns_failed",
              fmt::format("the DNS answered {}; ask again, or look at dns.servers", dns::ToString(answer.verdict))};
  }
  const DkimRecordFinding found = CompareDkimRecord(key, answer.texts);
  std::string why = found.why;
  if (found.testing) {
    why += fmt::format("{}t=y asks receivers to ignore the signature", why.empty() ? "" : "; ");
  }
  return {std::string(ToString(found.state)), std::move(why)};
}

}  // namespace sealift::engine
