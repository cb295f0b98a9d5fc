#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sealift::dns {

// The host name in lower case and without its trailing dot, when it is one that may be asked for or connected to:
// labels of letters, digits, hyphens and underscores, 1 to 63 characters each, 253 in all (RFC 1035 2.3.4), the last
// one not a number (RFC 3696 2: it would be an address in disguise). Underscores are no host's by RFC 952, but hosts
// that take mail have them.
std::optional<std::string> HostName(std::string_view name);

}  // namespace sealift::dns
