#pragma once

#include "dns/address.h"
#include "engine/options.h"

namespace sealift::engine {

// Whether mail can leave from the address of a source: this machine has it, or a proxy does.
bool HasAddressOf(const SourceOptions& source);

// Whether an address is a source's, or an interface of this machine has it.
bool IsOwnAddress(const dns::Address& address, const Options& options);

// Whether an address that records of strangers name may be connected to, be it a mail server's or a web server's: they
// must not lead to this machine, where mail would go round in a circle, or into our own network.
// `dns.allow_private_addresses` allows it.
bool MayBeOfOthers(const dns::Address& address, const Options& options);

}  // namespace sealift::engine
