#pragma once

#include "dns/address.h"
#include "engine/options.h"

namespace sealift::engine {

// Whether mail can leave from the address of a source: this machine has it, or a proxy does.
bool HasAddressOf(const SourceOptions& source);

// Whether an address is a source's, or an interface of this machine has it.
bool IsOwnAddress(const dns::Address& address, const Options& options);

}  // namespace sealift::engine
