#pragma once

#include "engine/options.h"

namespace sealift::engine {

// Whether this machine has the address of a source, so that mail can leave from it.
bool HasAddressOf(const SourceOptions& source);

}  // namespace sealift::engine
