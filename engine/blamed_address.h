#pragma once

#include <string_view>

namespace sealift::engine {

// Whether a reply names IP addresses, and none of the network that `source` is in (its /24, or its /64): then a next
// hop may have refused whoever forwarded the mail. Also read as block lists write them, backwards. False for a source
// without a public address: receivers see another one then, and nobody here knows which.
bool BlamesAnother(std::string_view reply, std::string_view source);

}  // namespace sealift::engine
