#include "engine/message/alignment.h"

#include <libpsl.h>

#include <algorithm>

namespace sealift::engine {

std::string OrganisationalDomain(std::string_view domain) {
  const std::string name(domain);
  const char* const found = psl_registrable_domain(psl_builtin(), name.c_str());
  return found == nullptr ? name : std::string(found);
}

Alignment CheckAlignment(std::string_view from_domain, std::span<const std::string> dkim_domains,
                         std::string_view return_path) {
  Alignment alignment{.organisation = OrganisationalDomain(from_domain)};
  alignment.dkim = std::ranges::any_of(
      dkim_domains, [&](const std::string& domain) { return OrganisationalDomain(domain) == alignment.organisation; });
  alignment.return_path = OrganisationalDomain(return_path) == alignment.organisation;
  return alignment;
}

}  // namespace sealift::engine
