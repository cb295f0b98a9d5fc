#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sealift::engine {

// Whether receivers will find the From address to be authenticated, as DMARC means it (RFC 7489 3.1), before they are
// asked: the domain that the reader sees must be that of a DKIM signature or of the envelope sender. Relaxed alignment:
// one organisational domain is enough. Mail that is aligned with neither fails DMARC wherever the From domain has a
// policy, and Google and Yahoo refuse it in bulk whatever the policy.
struct Alignment {
  std::string organisation;  // the From domain's organisational domain
  bool dkim = false;         // a domain that signs is aligned
  bool return_path = false;  // the envelope sender's domain is; that SPF passes for it is another question

  bool aligned() const { return dkim || return_path; }
};

// Domains are lower-case A-labels. No lock, no allocation but the answer's.
Alignment CheckAlignment(std::string_view from_domain, std::span<const std::string> dkim_domains,
                         std::string_view return_path);

// What can be registered, one label below a public suffix (RFC 7489 3.2, by the Public Suffix List that libpsl was
// built with): "example.co.uk" of "mail.example.co.uk". Of a public suffix itself, and of a name of one label, the
// name.
std::string OrganisationalDomain(std::string_view domain);

}  // namespace sealift::engine
