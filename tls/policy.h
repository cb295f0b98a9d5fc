#pragma once

#include <optional>
#include <string_view>

namespace sealift::tls {

// Policy is what a stream or destination demands of the connection before any of its mail is spoken.
//
// Ordered by strictness, so that a destination may only tighten what its stream asks for.
enum class Policy {
  kOpportunistic,  // encrypted where the server offers it, no certificate checked; cleartext where it does not offer
  kRequire,        // encrypted (TLS 1.2 or newer) or not delivered; no certificate checked
  kVerify,         // as kRequire, and the certificate must be the MX host's, signed by a trusted root
  kDane,           // as kRequire, and the certificate must be what the host's TLSA records say (RFC 7672)
};

// The name used in configuration, events and metrics: "opportunistic", "require", "verify", "dane".
std::string_view ToString(Policy policy);

// Nothing for a name that is none of them.
std::optional<Policy> ParsePolicy(std::string_view name);

// The stricter of two.
Policy Stricter(Policy a, Policy b);

}  // namespace sealift::tls
